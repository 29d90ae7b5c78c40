#include "agent/launch/main/foreground.h"

#include <poll.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <csignal>

namespace plimsoll::runtime {
namespace {

// The caller's terminal in raw mode, until this goes.
class RawMode {
 public:
  RawMode() {
    if (::tcgetattr(STDIN_FILENO, &before_) != 0) return;
    termios raw = before_;
    ::cfmakeraw(&raw);
    changed_ = ::tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
  }
  RawMode(const RawMode&) = delete;
  RawMode& operator=(const RawMode&) = delete;
  ~RawMode() {
    if (changed_) ::tcsetattr(STDIN_FILENO, TCSANOW, &before_);
  }

 private:
  termios before_{};
  bool changed_ = false;
};

void copy_size(int master) {
  winsize size{};
  if (::ioctl(STDIN_FILENO, TIOCGWINSZ, &size) == 0) ::ioctl(master, TIOCSWINSZ, &size);
}

bool write_all(int fd, const char* data, ssize_t length) {
  while (length > 0) {
    const ssize_t wrote = ::write(fd, data, static_cast<std::size_t>(length));
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return false;
    data += wrote;
    length -= wrote;
  }
  return true;
}

// One read's worth; false at the end.
bool pass_on(int from, int to) {
  std::array<char, 8192> buffer{};
  const ssize_t got = ::read(from, buffer.data(), buffer.size());
  if (got < 0) return errno == EINTR || errno == EAGAIN;
  return got > 0 && write_all(to, buffer.data(), got);
}

class Waiter {
 public:
  Waiter(launch::Spawned& spawned, UniqueFd master) : spawned_(spawned), master_(std::move(master)) {}

  Result<int> wait() {
    sigset_t all;
    ::sigfillset(&all);
    const UniqueFd signals(::signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!signals) return fail_errno("wait for signals");
    if (master_) copy_size(master_.get());
    pollfd fds[3] = {{signals.get(), POLLIN, 0},
                     {master_ ? master_.get() : -1, POLLIN, 0},
                     {master_ ? STDIN_FILENO : -1, POLLIN, 0}};
    while (true) {
      if (::poll(fds, 3, -1) < 0 && errno != EINTR) return fail_errno("wait for the container");
      if (fds[1].revents != 0 && !pass_on(master_.get(), STDOUT_FILENO)) fds[1].fd = -1;
      if (fds[2].revents != 0 && !pass_on(STDIN_FILENO, master_.get())) fds[2].fd = -1;
      if (fds[0].revents == 0) continue;
      forward(signals.get());
      if (const int status = ended(); status >= 0) return status;
    }
  }

 private:
  void forward(int signals) {
    signalfd_siginfo info{};
    while (::read(signals, &info, sizeof info) == sizeof info) {
      const int number = static_cast<int>(info.ssi_signo);
      if (number == SIGCHLD) continue;
      if (number == SIGWINCH && master_) copy_size(master_.get());
      // Gone already: then its end is what we read next.
      ::syscall(SYS_pidfd_send_signal, spawned_.pidfd().get(), number, nullptr, 0);
    }
  }

  int ended() {
    int status = 0;
    if (::waitpid(spawned_.pid(), &status, WNOHANG) != spawned_.pid()) return -1;
    spawned_.release();
    // What it wrote last is still in the terminal.
    pollfd rest{master_.get(), POLLIN, 0};
    while (master_ && ::poll(&rest, 1, 0) == 1 && pass_on(master_.get(), STDOUT_FILENO)) {
    }
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  }

  launch::Spawned& spawned_;
  UniqueFd master_;
};

}  // namespace

void hold_signals() {
  sigset_t all;
  ::sigfillset(&all);
  ::sigprocmask(SIG_BLOCK, &all, nullptr);
}

Result<int> wait_in_foreground(launch::Spawned& spawned, UniqueFd master) {
  if (!master) return Waiter(spawned, UniqueFd()).wait();
  const RawMode raw;
  return Waiter(spawned, std::move(master)).wait();
}

}  // namespace plimsoll::runtime
