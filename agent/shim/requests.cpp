// What clients ask of the loop.
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <csignal>
#include <optional>

#include "agent/base/units.h"
#include "agent/kernel/pidfd.h"
#include "agent/launch/container_cgroup.h"
#include "agent/launch/store.h"
#include "agent/shim/loop.h"

namespace plimsoll::shim {
namespace {

constexpr int kLastSignal = 64;

Result<> signal_cgroup(const kernel::Cgroup& cgroup, int number) {
  if (number == SIGKILL) return cgroup.kill();
  PLIMSOLL_ASSIGN(const auto pids, launch::processes_below(cgroup.path()));
  for (const int pid : pids) {
    const auto process = kernel::Pidfd::open(pid);
    if (process && !process->signal(number)) continue;  // it ended in between
  }
  return {};
}

}  // namespace

void Loop::answer(Client& client, const Result<>& result) {
  if (result) {
    client.send(FrameKind::kOk, "");
  } else {
    client.send(FrameKind::kError, result.error().message());
  }
}

std::string Loop::status() const {
  switch (state_) {
    case State::kCreated:
      return "created " + std::to_string(held_.pid);
    case State::kExited:
      return "exited " + std::to_string(exit_.code());
    default:
      return "running " + std::to_string(held_.pid);
  }
}

void Loop::start(Client& client) {
  if (state_ != State::kCreated) {
    client.send(FrameKind::kError, "start: it is " + status());
    return;
  }
  const auto started = [this]() -> Result<> {
    if (options_.is_exec()) {
      if (::write(held_.gate.get(), "0", 1) != 1) return fail_errno("start");
      held_.gate.reset();
      return {};
    }
    PLIMSOLL_ASSIGN(const launch::Entry entry, launch::Store(options_.root).open(options_.id));
    return entry.open_gate();
  }();
  if (!started) return answer(client, started);
  state_ = State::kRunning;
  exit_.started = clock_.wall();
  client.send(FrameKind::kStatus, status());
}

void Loop::attach(Client& client, std::string_view streams) {
  bool out = false;
  bool err = false;
  while (!streams.empty()) {
    const std::size_t comma = streams.find(',');
    const std::string_view name = streams.substr(0, comma);
    streams.remove_prefix(comma == std::string_view::npos ? streams.size() : comma + 1);
    if (name == "stdout") {
      out = true;
    } else if (name == "stderr") {
      err = true;
    } else {
      return answer(client, invalid("attach: unknown stream '" + std::string(name) + "'"));
    }
  }
  client.attach(out, err);
  client.send(FrameKind::kOk, "");
}

// "NUMBER" or "NUMBER all". The process is our child and not reaped: its number is its own.
void Loop::signal(Client& client, const std::string& text) {
  const std::size_t space = text.find(' ');
  const auto number = parse_u64(std::string_view(text).substr(0, space));
  const bool all = space != std::string::npos && text.substr(space + 1) == "all";
  if (!number || *number == 0 || *number > kLastSignal || (space != std::string::npos && !all)) {
    return answer(client, invalid("signal '" + text + "': expected NUMBER or NUMBER all"));
  }
  if (state_ >= State::kDraining)
    return answer(client, fail("signal: the process has ended", ErrorKind::kConflict));
  // An exec session shares its cgroup with the container, which is not its to signal.
  if (all && cgroup_ && !options_.is_exec()) {
    return answer(client, signal_cgroup(*cgroup_, static_cast<int>(*number)));
  }
  answer(client, ::kill(held_.pid, static_cast<int>(*number)) == 0 ? Result<>{} : fail_errno("signal"));
}

void Loop::resize(Client& client, const std::string& text) {
  const std::size_t space = text.find(' ');
  const auto rows = parse_u64(std::string_view(text).substr(0, space));
  const auto columns = space == std::string::npos ? std::optional<std::uint64_t>()
                                                  : parse_u64(std::string_view(text).substr(space + 1));
  constexpr std::uint64_t kMost = 0xFFFF;
  if (!rows || !columns || *rows > kMost || *columns > kMost) {
    return answer(client, invalid("resize '" + text + "': expected ROWS COLUMNS"));
  }
  if (!held_.terminal) return answer(client, fail("resize: there is no terminal", ErrorKind::kConflict));
  const winsize size{static_cast<unsigned short>(*rows), static_cast<unsigned short>(*columns), 0, 0};
  answer(client, ::ioctl(held_.terminal.get(), TIOCSWINSZ, &size) == 0 ? Result<>{} : fail_errno("resize"));
}

void Loop::release(Client& client) {
  if (state_ != State::kExited) {
    client.send(FrameKind::kError, "release: the process has not ended");
    return;
  }
  client.send(FrameKind::kOk, "");
  released_ = true;
}

}  // namespace plimsoll::shim
