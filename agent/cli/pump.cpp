#include "agent/cli/pump.h"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <nlohmann/json.hpp>
#include <thread>

#include "agent/cli/terminal.h"

namespace plimsoll::cli {
namespace {

constexpr std::size_t kChunk = 32UL * 1024;
constexpr std::size_t kFrameHeader = 8;

bool write_out(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t wrote = ::write(fd, bytes.data(), bytes.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(wrote));
  }
  return true;
}

// Takes Docker's frames apart as they come: [stream, 0, 0, 0, length big-endian] payload.
class FrameSplitter {
 public:
  // False where standard output is gone.
  bool feed(std::string_view bytes) {
    while (!bytes.empty()) {
      if (left_ == 0) {
        const std::size_t wanted = std::min(bytes.size(), kFrameHeader - header_.size());
        header_ += bytes.substr(0, wanted);
        bytes.remove_prefix(wanted);
        if (header_.size() < kFrameHeader) return true;
        const auto byte = [&](std::size_t at) {
          return static_cast<std::size_t>(static_cast<unsigned char>(header_[at]));
        };
        target_ = byte(0) == 2 ? STDERR_FILENO : STDOUT_FILENO;
        left_ = byte(4) << 24 | byte(5) << 16 | byte(6) << 8 | byte(7);
        header_.clear();
      }
      const std::size_t taken = std::min(bytes.size(), left_);
      if (!write_out(target_, bytes.substr(0, taken))) return false;
      bytes.remove_prefix(taken);
      left_ -= taken;
    }
    return true;
  }

 private:
  std::string header_;
  std::size_t left_ = 0;
  int target_ = STDOUT_FILENO;
};

// Passes standard input on until it ends or `stop` becomes readable; resizes at SIGWINCH.
void forward_input(const Connection& agent, Stream& stream, const PumpOptions& options, int stop) {
  sigset_t winch;
  ::sigemptyset(&winch);
  ::sigaddset(&winch, SIGWINCH);
  const UniqueFd signals(options.resize_target.empty() ? -1 : ::signalfd(-1, &winch, SFD_CLOEXEC));
  std::array<pollfd, 3> waits = {
      {{stop, POLLIN, 0}, {options.input ? STDIN_FILENO : -1, POLLIN, 0}, {signals.get(), POLLIN, 0}}};
  std::array<char, kChunk> buffer{};
  while (::poll(waits.data(), waits.size(), -1) >= 0 || errno == EINTR) {
    if (waits[0].revents != 0) return;
    if (waits[2].revents != 0) {
      signalfd_siginfo info{};
      if (::read(signals.get(), &info, sizeof info) > 0) send_size(agent, options.resize_target);
    }
    if (waits[1].revents == 0) continue;
    const ssize_t got = ::read(STDIN_FILENO, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got > 0 && stream.write({buffer.data(), static_cast<std::size_t>(got)})) continue;
    if (got <= 0) (void)stream.end_input();
    waits[1].fd = -1;
  }
}

Result<> read_to_end(Stream& stream, bool tty) {
  FrameSplitter frames;
  std::array<char, kChunk> buffer{};
  while (true) {
    PLIMSOLL_ASSIGN(const std::size_t got, stream.read(buffer));
    if (got == 0) return {};
    const std::string_view bytes(buffer.data(), got);
    if (!(tty ? write_out(STDOUT_FILENO, bytes) : frames.feed(bytes))) return {};
  }
}

}  // namespace

void send_size(const Connection& agent, const std::string& resize_target) {
  if (const auto size = terminal_size(STDOUT_FILENO)) {
    // A container that has just ended has no terminal to resize; nobody misses it.
    (void)agent.post(resize_target + "/resize?h=" + std::to_string(size->rows) +
                     "&w=" + std::to_string(size->columns));
  }
}

Result<> pump(const Connection& agent, Stream& stream, const PumpOptions& options) {
  sigset_t winch;
  ::sigemptyset(&winch);
  ::sigaddset(&winch, SIGWINCH);
  ::pthread_sigmask(SIG_BLOCK, &winch, nullptr);
  const UniqueFd stop(::eventfd(0, EFD_CLOEXEC));
  std::jthread input([&] { forward_input(agent, stream, options, stop.get()); });
  auto done = read_to_end(stream, options.tty);
  const std::uint64_t one = 1;
  (void)!::write(stop.get(), &one, sizeof one);
  return done;
}

Result<> print_frames(Stream& stream, bool tty) { return read_to_end(stream, tty); }

}  // namespace plimsoll::cli
