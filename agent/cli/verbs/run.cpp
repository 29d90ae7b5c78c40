// run, create, attach: the calls and their order are Docker's CLI's, since a container may end before the
// next call:
//   1. POST containers/create
//   2. POST containers/ID/attach (upgraded)      attached only
//   3. POST containers/ID/wait                   its head is answered at once, its body when the container
//   ended
//   4. POST containers/ID/start
//   5. output until its end, then the body of 3 tells the exit code
#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>
#include <utility>

#include "agent/cli/container_flags.h"
#include "agent/cli/pump.h"
#include "agent/cli/terminal.h"
#include "agent/cli/verb.h"

namespace plimsoll::cli {
namespace {

using nlohmann::json;

Result<std::string> read_all(Stream& stream) {
  std::string text;
  std::array<char, 4096> buffer{};
  while (true) {
    PLIMSOLL_ASSIGN(const std::size_t got, stream.read(buffer));
    if (got == 0) return text;
    text.append(buffer.data(), got);
  }
}

Result<int> exit_code_of(Stream& waiting) {
  PLIMSOLL_ASSIGN(const std::string text, read_all(waiting));
  const json reply = json::parse(text, nullptr, false);
  if (reply.is_discarded() || !reply.contains("StatusCode"))
    return fail("wait: the agent closed before the end");
  return reply["StatusCode"].get<int>();
}

// The file of --cidfile, made before the container is: where it cannot be made, there is no container either.
// It is taken away again unless an id was written.
class CidFile {
 public:
  static Result<CidFile> create(const std::string& path) {
    CidFile file;
    if (path.empty()) return file;
    file.fd_ = UniqueFd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
    if (!file.fd_) return fail_errno("create --cidfile " + path);
    file.path_ = path;
    return file;
  }
  CidFile(CidFile&& other) noexcept : fd_(std::move(other.fd_)), path_(std::exchange(other.path_, "")) {}
  CidFile& operator=(CidFile&&) = delete;
  ~CidFile() {
    if (!path_.empty()) ::unlink(path_.c_str());
  }
  Result<> write(const std::string& id) {
    if (!fd_) return {};
    if (::write(fd_.get(), id.data(), id.size()) < 0) return fail_errno("write --cidfile " + path_);
    path_.clear();
    return {};
  }

 private:
  CidFile() = default;
  UniqueFd fd_;
  std::string path_;
};

Result<std::string> create_container(const Connection& agent, const ContainerFlags& flags, const Words& words,
                                     bool attached) {
  PLIMSOLL_ASSIGN(const json body, flags.body(words, attached));
  PLIMSOLL_ASSIGN(CidFile cidfile, CidFile::create(flags.cidfile));
  const std::string target = "/containers/create" + (flags.name.empty() ? "" : "?name=" + encode(flags.name));
  PLIMSOLL_ASSIGN(const json reply, agent.send("POST", target, body));
  for (const auto& warning : reply.value("Warnings", json::array())) {
    fmt::print(stderr, "plimsoll: {}\n", warning.get<std::string>());
  }
  const std::string id = reply.value("Id", "");
  PLIMSOLL_TRY(cidfile.write(id));
  return id;
}

// A container that could not be started is of no use to anyone but `create`.
Error start_failed(const Connection& agent, const std::string& id, Error error, bool remove) {
  if (remove) (void)agent.send("DELETE", "/containers/" + id + "?force=1", json());
  return error;
}

// Passes the signals that a person or a supervisor sends on to the container while it is attached.
class SignalForwarding {
 public:
  SignalForwarding(const Connection& agent, std::string id) {
    ::sigemptyset(&set_);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2}) ::sigaddset(&set_, signal);
    ::pthread_sigmask(SIG_BLOCK, &set_, nullptr);
    thread_ = std::jthread([this, &agent, id = std::move(id)](const std::stop_token& stop) {
      while (!stop.stop_requested()) {
        const timespec tick{0, 200'000'000};
        const int signal = ::sigtimedwait(&set_, nullptr, &tick);
        if (signal > 0) (void)agent.post(fmt::format("/containers/{}/kill?signal={}", id, signal));
      }
    });
  }

 private:
  sigset_t set_{};
  std::jthread thread_;
};

Result<int> run_attached(const Connection& agent, const ContainerFlags& flags, const std::string& id) {
  const std::string path = "/containers/" + id;
  const std::string attach_query =
      fmt::format("/attach?stream=1&stdout=1&stderr=1{}", flags.interactive ? "&stdin=1" : "");
  PLIMSOLL_ASSIGN(const auto stream, agent.upgrade(path + attach_query, json()));
  PLIMSOLL_ASSIGN(const auto waiting,
                  agent.open("POST", path + "/wait?condition=" + (flags.remove ? "removed" : "next-exit")));
  if (auto started = agent.post(path + "/start"); !started)
    return std::unexpected(std::move(started).error());

  const bool terminal = flags.tty && ::isatty(STDIN_FILENO) == 1 && ::isatty(STDOUT_FILENO) == 1;
  std::optional<RawTerminal> raw;
  std::optional<SignalForwarding> signals;
  if (terminal) {
    if (flags.interactive) raw.emplace(STDIN_FILENO);
    send_size(agent, path);
  } else {
    signals.emplace(agent, id);
  }
  PLIMSOLL_TRY(pump(agent, *stream, {flags.tty, flags.interactive, terminal ? path : ""}));
  return exit_code_of(*waiting);
}

Result<int> run_container(const Connection& agent, const ContainerFlags& flags, const Words& words,
                          bool detach) {
  PLIMSOLL_ASSIGN(const std::string id, create_container(agent, flags, words, !detach));
  if (!detach) {
    auto status = run_attached(agent, flags, id);
    if (!status) return std::unexpected(start_failed(agent, id, std::move(status).error(), flags.remove));
    return status;
  }
  if (auto started = agent.post("/containers/" + id + "/start"); !started) {
    return std::unexpected(start_failed(agent, id, std::move(started).error(), flags.remove));
  }
  fmt::print("{}\n", id);
  return 0;
}

}  // namespace

int exit_status_of_failed_start(const Error& error) {
  std::string text = error.message();
  std::ranges::transform(text, text.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  const auto says = [&](std::string_view words) { return text.find(words) != std::string::npos; };
  if (says("executable file not found") || (says("exec") && says("no such file or directory")))
    return kExitNoCommand;
  if (says("exec") && (says("permission denied") || says("is a directory") || says("exec format error"))) {
    return kExitNotExecutable;
  }
  return kExitCannotRun;
}

Result<int> run(const Connection& agent, const Words& args) {
  bool detach = false;
  ContainerFlags container;
  Flags flags("run [FLAGS] IMAGE [COMMAND] [ARG...]", "Make a container from an image and start it",
              "plimsoll run -d --name web --restart always --memory 256m --label app=web alpine httpd -f",
              Flags::Order::kBeforeWords);
  flags.flag('d', "detach", detach, "print the id and leave it running");
  container.declare(flags);
  const auto told = [](Error error) -> Result<int> {
    fmt::print(stderr, "plimsoll: {}\n", error.message());
    return exit_status_of_failed_start(error);
  };
  auto words = flags.take(args, {.least = 1}, "an image");
  if (!words) return told(std::move(words).error());
  if (!*words) return 0;
  if (container.tty && container.interactive && !detach && ::isatty(STDIN_FILENO) != 1) {
    return told(Error("--interactive --tty: standard input is not a terminal", ErrorKind::kInvalid));
  }
  auto status = run_container(agent, container, **words, detach);
  return status ? status : told(std::move(status).error());
}

Result<int> create(const Connection& agent, const Words& args) {
  ContainerFlags container;
  Flags flags("create [FLAGS] IMAGE [COMMAND] [ARG...]", "Make a container without starting it",
              "plimsoll create --name once alpine true", Flags::Order::kBeforeWords);
  container.declare(flags);
  PLIMSOLL_ASSIGN(const auto words, flags.take(args, {.least = 1}, "an image"));
  if (!words) return 0;
  PLIMSOLL_ASSIGN(const std::string id, create_container(agent, container, *words, false));
  fmt::print("{}\n", id);
  return 0;
}

Result<int> attach(const Connection& agent, const Words& args) {
  bool no_stdin = false;
  Flags flags("attach [FLAGS] CONTAINER", "Connect to a running container's input and output",
              "plimsoll attach web");
  flags.flag(0, "no-stdin", no_stdin, "output only");
  PLIMSOLL_ASSIGN(const auto words, flags.take(args, {.least = 1, .most = 1}, "one container"));
  if (!words) return 0;
  PLIMSOLL_ASSIGN(const json shown, agent.get("/containers/" + encode(words->front()) + "/json"));
  const json state = shown.value("State", json::object());
  if (!state.value("Running", false)) {
    return fail("container " + words->front() + " is not running", ErrorKind::kConflict);
  }
  const json config = shown.value("Config", json::object());
  const std::string path = "/containers/" + shown.value("Id", words->front());
  PLIMSOLL_ASSIGN(const auto waiting, agent.open("POST", path + "/wait"));
  const bool input = !no_stdin && config.value("OpenStdin", false);
  PLIMSOLL_ASSIGN(
      const auto stream,
      agent.upgrade(path + "/attach?stream=1&stdout=1&stderr=1" + (input ? "&stdin=1" : ""), json()));
  const bool tty = config.value("Tty", false);
  const bool terminal = tty && ::isatty(STDIN_FILENO) == 1;
  std::optional<RawTerminal> raw;
  if (terminal) {
    if (input) raw.emplace(STDIN_FILENO);
    send_size(agent, path);
  }
  PLIMSOLL_TRY(pump(agent, *stream, {tty, input, terminal ? path : ""}));
  return exit_code_of(*waiting);
}

}  // namespace plimsoll::cli
