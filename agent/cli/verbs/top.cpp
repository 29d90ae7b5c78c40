#include <fmt/format.h>
#include <poll.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "agent/base/json_text.h"
#include "agent/base/rfc3339.h"
#include "agent/cli/flags.h"
#include "agent/cli/table.h"
#include "agent/cli/time_text.h"
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

constexpr char kLeft = 1, kRight = 2;  // arrows, which a terminal tells by three characters

// The key pressed within `milliseconds`, or 0; 'q' where standard input is closed.
char key_within(int milliseconds) {
  pollfd wait{STDIN_FILENO, POLLIN, 0};
  if (::poll(&wait, 1, milliseconds) <= 0) return 0;
  std::array<char, 8> keys{};
  const ssize_t got = ::read(STDIN_FILENO, keys.data(), keys.size());
  if (got <= 0) return 'q';
  const std::string_view pressed(keys.data(), static_cast<std::size_t>(got));
  if (pressed == "\033[D" || pressed == "\033OD") return kLeft;
  if (pressed == "\033[C" || pressed == "\033OC") return kRight;
  return keys[0];
}

// How far a key steps through what was recorded; 0: it is no such key.
Nanoseconds step_of(char key) {
  using namespace std::chrono_literals;
  switch (key) {
    case kLeft:
      return -1s;
    case kRight:
      return 1s;
    case '[':
      return -1min;
    case ']':
      return 1min;
    case '{':
      return -1h;
    case '}':
      return 1h;
    default:
      return 0s;
  }
}

// The state at `when`; nullopt: now.
Result<json> state_at(const Connection& agent, std::optional<WallTime> when) {
  const std::string page = "/plimsoll/v1/containers";
  return agent.get(when ? page + "?at=" + encode(format_rfc3339(*when)) : page);
}

// With `when`, stands still there, and goes with the keys. An error of a step is told below the screen that
// stays: there is nothing recorded before the beginning.
Result<int> live(const Connection& agent, std::optional<WallTime> when) {
  TopOrder order = TopOrder::kLoad;
  PLIMSOLL_ASSIGN(json state, state_at(agent, when));  // an error is told before the screen changes
  const Screen screen;
  std::string note;
  while (true) {
    const TerminalSize size = terminal_size(STDOUT_FILENO).value_or(TerminalSize{});
    const TerminalSize inside{static_cast<unsigned short>(size.rows - 1), size.columns};
    const std::string where = when ? "   arrows 1 s, [ ] 1 min, { } 1 h" : "";
    fmt::print("\033[H\033[J{}q quit, l load, c cpu, m memory, n name{}{}",
               render_top(state, inside, order, true), where, note);
    std::fflush(stdout);
    const char key = key_within(when ? -1 : 1000);
    note.clear();
    if (const Nanoseconds step = step_of(key); when && step.count() != 0) {
      auto there = state_at(agent, *when + step);
      if (!there) {
        note = "   " + there.error().message();
        continue;
      }
      state = *std::move(there);
      *when += step;
      continue;
    }
    switch (key) {
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
    if (when) continue;
    PLIMSOLL_ASSIGN(state, state_at(agent, when));
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
  std::string format, at;
  Flags flags("top [FLAGS] [CONTAINER]",
              "A live screen of every container against its limits; with a container, its processes",
              "plimsoll top --at '10 minutes ago'");
  flags.flag('1', "once", once, "print one screen and end")
      .value(0, "at", at, "TIME",
             "as it was then: RFC 3339, Unix seconds, 10m, '10 minutes ago'; the keys step through time")
      .value(0, "format", format, "FORMAT", "json: one state, and end");
  PLIMSOLL_ASSIGN(const auto words, flags.take(args, {.most = 1}, "at most one container"));
  if (!words) return 0;
  if (!format.empty() && format != "json") return invalid("--format '" + format + "': expected json");
  const auto when = parse_moment(at, std::chrono::system_clock::now());
  if (!when) return invalid("--at: " + when.error().message());
  if (*when && !words->empty()) return invalid("--at: of all containers, not of one's processes");
  if (!words->empty()) return processes(agent, words->front());
  const bool terminal = ::isatty(STDOUT_FILENO) == 1;
  if (!once && format.empty() && terminal && ::isatty(STDIN_FILENO) == 1) return live(agent, *when);
  PLIMSOLL_ASSIGN(const json state, state_at(agent, *when));
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
