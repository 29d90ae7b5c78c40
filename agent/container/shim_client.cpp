#include "agent/container/shim_client.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <vector>

#include "agent/base/units.h"

namespace plimsoll::container {
namespace {

using Deadline = std::chrono::steady_clock::time_point;
constexpr std::chrono::seconds kAnswer{30}, kReady{120};

std::vector<std::string> arguments_of(const ShimCommand& command, int ready) {
  std::vector<std::string> out = {command.binary, "shim"};
  const auto add = [&out](const char* flag, const std::string& value) {
    if (value.empty()) return;
    out.emplace_back(flag);
    out.push_back(value);
  };
  add("--id", command.id);
  add("--bundle", command.bundle);
  add("--root", command.root);
  add("--dir", command.dir);
  add("--cgroup-root", command.cgroup_root);
  add("--cgroup", command.cgroup);
  add("--shim-cgroup", command.shim_cgroup);
  add("--exec", command.exec_process);
  if (command.tty) out.emplace_back("--tty");
  if (command.open_stdin) out.emplace_back("--open-stdin");
  if (command.log_size != 0) {
    add("--log-size", std::to_string(command.log_size));
    add("--log-files", std::to_string(command.log_files));
  }
  add("--ready-fd", std::to_string(ready));
  return out;
}

Result<pid_t> spawn(const ShimCommand& command, int ready) {
  constexpr int kReadyFd = 3;
  const std::vector<std::string> arguments = arguments_of(command, kReadyFd);
  std::vector<char*> argv;
  for (const std::string& one : arguments) argv.push_back(const_cast<char*>(one.c_str()));
  argv.push_back(nullptr);

  posix_spawn_file_actions_t files;
  posix_spawnattr_t attributes;
  ::posix_spawn_file_actions_init(&files);
  ::posix_spawnattr_init(&attributes);
  for (int fd = 0; fd <= 2; ++fd)
    ::posix_spawn_file_actions_addopen(&files, fd, "/dev/null", fd == 0 ? O_RDONLY : O_WRONLY, 0);
  ::posix_spawn_file_actions_adddup2(&files, ready, kReadyFd);
  sigset_t none, all;
  ::sigemptyset(&none);
  ::sigfillset(&all);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  ::posix_spawnattr_setsigdefault(&attributes, &all);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  pid_t pid = 0;
  const int error = ::posix_spawn(&pid, command.binary.c_str(), &files, &attributes, argv.data(), environ);
  ::posix_spawn_file_actions_destroy(&files);
  ::posix_spawnattr_destroy(&attributes);
  if (error != 0) return fail_errno("start " + command.binary, error);
  return pid;
}

// false: the time is up.
Result<bool> wait_readable(int fd, Deadline deadline) {
  while (true) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    pollfd one{.fd = fd, .events = POLLIN, .revents = 0};
    const int ready = ::poll(&one, 1, static_cast<int>(std::max<std::int64_t>(left.count(), 0)));
    if (ready > 0) return true;
    if (ready == 0) return false;
    if (errno != EINTR) return fail_errno("poll a shim");
  }
}

// The line of the ready pipe; what was read until the end where there is none.
Result<std::string> read_ready(int fd) {
  const Deadline deadline = std::chrono::steady_clock::now() + kReady;
  std::string text;
  std::array<char, 4096> buffer{};
  while (text.find('\n') == std::string::npos) {
    PLIMSOLL_ASSIGN(const bool more, wait_readable(fd, deadline));
    if (!more) return fail("the shim was not ready after 2 minutes");
    const ssize_t got = ::read(fd, buffer.data(), buffer.size());
    if (got < 0 && errno != EINTR) return fail_errno("read from a shim");
    if (got == 0) break;
    if (got > 0) text.append(buffer.data(), static_cast<std::size_t>(got));
  }
  return text.substr(0, text.find('\n'));
}

// -1: the other side is gone or silent.
Result<std::optional<Frame>> read_frame(int socket, FrameBuffer& buffer, Deadline deadline) {
  std::array<char, 8192> bytes{};
  while (true) {
    PLIMSOLL_ASSIGN(auto frame, buffer.next());
    if (frame) return frame;
    PLIMSOLL_ASSIGN(const bool more, wait_readable(socket, deadline));
    if (!more) return fail("the shim did not answer in time");
    const ssize_t got = ::recv(socket, bytes.data(), bytes.size(), MSG_DONTWAIT);
    if (got == 0 || (got < 0 && errno == ECONNRESET)) return std::nullopt;
    if (got < 0 && errno != EINTR && errno != EAGAIN) return fail_errno("read from a shim");
    if (got > 0) buffer.feed(bytes.data(), static_cast<std::size_t>(got));
  }
}

}  // namespace

Result<LaunchedShim> launch_shim(const ShimCommand& command) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return fail_errno("make a pipe");
  const UniqueFd reader(ends[0]);
  UniqueFd writer(ends[1]);
  PLIMSOLL_ASSIGN(const pid_t pid, spawn(command, writer.get()));
  writer.reset();
  auto line = read_ready(reader.get());
  if (line && line->starts_with("ok ")) {
    if (const auto init = parse_u64(line->substr(3))) return LaunchedShim{pid, static_cast<int>(*init)};
    line = fail("a shim said '" + *line + "'");
  }
  ::kill(pid, SIGKILL);
  ::waitpid(pid, nullptr, 0);
  if (!line) return std::unexpected(std::move(line).error());
  if (line->starts_with("error ")) return fail(line->substr(6));
  return fail(line->empty() ? "the shim ended before its container was made" : "a shim said '" + *line + "'");
}

Result<std::optional<Frame>> FrameBuffer::next() {
  if (bytes_.size() < shim::kHeaderSize) return std::nullopt;
  const auto header = shim::decode_header(reinterpret_cast<const unsigned char*>(bytes_.data()));
  if (header.length > shim::kMostPayload) return invalid("a shim sent a frame that is too long");
  if (bytes_.size() < shim::kHeaderSize + header.length) return std::nullopt;
  Frame frame{header.kind, bytes_.substr(shim::kHeaderSize, header.length)};
  bytes_.erase(0, shim::kHeaderSize + header.length);
  return frame;
}

Result<UniqueFd> connect_shim(const std::string& dir) {
  const std::string path = dir + "/shim.sock";
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return invalid("connect to " + path + ": the path is too long");
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket) return fail_errno("make a socket");
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return fail_errno("connect to " + path);
  return socket;
}

Result<> send_frame(int socket, shim::FrameKind kind, const std::string& payload) {
  const auto header = shim::encode_header({kind, static_cast<std::uint32_t>(payload.size())});
  std::string bytes(reinterpret_cast<const char*>(header.data()), header.size());
  bytes += payload;
  std::size_t sent = 0;
  while (sent < bytes.size()) {
    const ssize_t count = ::send(socket, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return fail_errno("write to a shim");
    sent += static_cast<std::size_t>(count);
  }
  return {};
}

Result<std::string> await_answer(int socket, std::chrono::milliseconds ceiling) {
  const Deadline deadline = std::chrono::steady_clock::now() + ceiling;
  FrameBuffer buffer;
  while (true) {
    PLIMSOLL_ASSIGN(auto frame, read_frame(socket, buffer, deadline));
    if (!frame) return fail("the shim is gone", ErrorKind::kNotFound);
    switch (frame->kind) {
      case shim::FrameKind::kStatus:
      case shim::FrameKind::kOk:
        return std::move(frame->payload);
      case shim::FrameKind::kError:
        return fail(frame->payload);
      case shim::FrameKind::kExited:
        return fail("the process has ended", ErrorKind::kConflict);
      default:
        break;
    }
  }
}

Result<std::string> ask_shim(const std::string& dir, shim::FrameKind kind, const std::string& payload) {
  PLIMSOLL_ASSIGN(const UniqueFd socket, connect_shim(dir));
  PLIMSOLL_TRY(send_frame(socket.get(), kind, payload));
  return await_answer(socket.get(), kAnswer);
}

Result<> end_shim(const std::string& dir, std::chrono::milliseconds ceiling) {
  auto socket = connect_shim(dir);
  if (!socket) return {};
  if (!send_frame(socket->get(), shim::FrameKind::kKillAll, "")) return {};
  const Deadline deadline = std::chrono::steady_clock::now() + ceiling;
  FrameBuffer buffer;
  // The answer to the kill says nothing of the end, which is told to every connection.
  while (true) {
    PLIMSOLL_ASSIGN(auto frame, read_frame(socket->get(), buffer, deadline));
    if (!frame) return {};
    if (frame->kind == shim::FrameKind::kExited) return release_shim(dir);
  }
}

Result<> release_shim(const std::string& dir) {
  auto socket = connect_shim(dir);
  if (!socket) return {};
  if (!send_frame(socket->get(), shim::FrameKind::kRelease, "")) return {};
  const Deadline deadline = std::chrono::steady_clock::now() + kAnswer;
  FrameBuffer buffer;
  while (true) {
    PLIMSOLL_ASSIGN(auto frame, read_frame(socket->get(), buffer, deadline));
    if (!frame) return {};
    if (frame->kind == shim::FrameKind::kError) return fail("release a shim: " + frame->payload);
  }
}

}  // namespace plimsoll::container
