#include <fmt/format.h>
#include <poll.h>
#include <termios.h>
#include <unistd.h>

#include <cstdio>
#include <nlohmann/json.hpp>

#include "agent/base/json_text.h"
#include "agent/cli/flags.h"
#include "agent/cli/table.h"
#include "agent/cli/top_screen.h"
#include "agent/cli/verb.h"

namespace plimsoll::cli {
namespace {

using nlohmann::json;

constexpr char kControlC = 3;

// Keys without Enter and without echo, for the screen's lifetime; the screen itself is the terminal's second
// one. Ctrl-C comes as a key too: as a signal it would leave the terminal like this.
class Screen {
 public:
  Screen() {
    if (::tcgetattr(STDIN_FILENO, &saved_) == 0) {
      termios keys = saved_;
      keys.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO | ISIG);
      ::tcsetattr(STDIN_FILENO, TCSANOW, &keys);
      restore_ = true;
    }
    fmt::print("\033[?1049h\033[?25l");
  }
  ~Screen() {
    fmt::print("\033[?25h\033[?1049l");
    std::fflush(stdout);
    if (restore_) ::tcsetattr(STDIN_FILENO, TCSADRAIN, &saved_);
  }
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;

 private:
  termios saved_{};
  bool restore_ = false;
};

// The key pressed within `milliseconds`, or 0; 'q' where standard input is closed.
char key_within(int milliseconds) {
  pollfd wait{STDIN_FILENO, POLLIN, 0};
  if (::poll(&wait, 1, milliseconds) <= 0) return 0;
  char key = 0;
  return ::read(STDIN_FILENO, &key, 1) == 1 ? key : 'q';
}

Result<int> live(const Connection& agent) {
  TopOrder order = TopOrder::kLoad;
  PLIMSOLL_ASSIGN(json state,
                  agent.get("/plimsoll/v1/containers"));  // an error is told before the screen changes
  const Screen screen;
  while (true) {
    const TerminalSize size = terminal_size(STDOUT_FILENO).value_or(TerminalSize{});
    const TerminalSize inside{static_cast<unsigned short>(size.rows - 1), size.columns};
    fmt::print("\033[H\033[J{}q quit, l load, c cpu, m memory, n name",
               render_top(state, inside, order, true));
    std::fflush(stdout);
    switch (key_within(1000)) {
      case 'q':
      case kControlC:
        return 0;
      case 'l':
        order = TopOrder::kLoad;
        break;
      case 'c':
        order = TopOrder::kCpu;
        break;
      case 'm':
        order = TopOrder::kMemory;
        break;
      case 'n':
        order = TopOrder::kName;
        break;
      default:
        break;
    }
    PLIMSOLL_ASSIGN(state, agent.get("/plimsoll/v1/containers"));
  }
}

Result<int> processes(const Connection& agent, const std::string& name) {
  PLIMSOLL_ASSIGN(const json reply, agent.get("/containers/" + encode(name) + "/top"));
  std::vector<Column> columns;
  for (const json& title : reply.value("Titles", json::array())) {
    columns.push_back({title.get<std::string>(), title.get<std::string>()});
  }
  Table table(columns);
  for (const json& process : reply.value("Processes", json::array()))
    table.add(process.get<std::vector<std::string>>());
  PLIMSOLL_ASSIGN(const std::string text, table.render(""));
  fmt::print("{}", text);
  return 0;
}

}  // namespace

Result<int> top(const Connection& agent, const Words& args) {
  bool once = false;
  std::string format;
  Flags flags("top [FLAGS] [CONTAINER]",
              "A live screen of every container against its limits; with a container, its processes",
              "plimsoll top");
  flags.flag('1', "once", once, "print one screen and end")
      .value(0, "format", format, "FORMAT", "json: one state, and end");
  PLIMSOLL_ASSIGN(const auto words, flags.take(args, {.most = 1}, "at most one container"));
  if (!words) return 0;
  if (!format.empty() && format != "json") return invalid("--format '" + format + "': expected json");
  if (!words->empty()) return processes(agent, words->front());
  const bool terminal = ::isatty(STDOUT_FILENO) == 1;
  if (!once && format.empty() && terminal && ::isatty(STDIN_FILENO) == 1) return live(agent);
  PLIMSOLL_ASSIGN(const json state, agent.get("/plimsoll/v1/containers"));
  if (format == "json") {
    fmt::print("{}\n", json_text(state));
    return 0;
  }
  TerminalSize size = terminal_size(STDOUT_FILENO).value_or(TerminalSize{0, 160});
  size.rows = 10'000;
  fmt::print("{}", render_top(state, size, TopOrder::kLoad, terminal));
  return 0;
}

}  // namespace plimsoll::cli
