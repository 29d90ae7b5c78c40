// Programs as child processes, for the suites that run in the guest: with their output, to their end or under
// a terminal of their own.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <optional>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "agent/base/unique_fd.h"

namespace plimsoll::vm_test {

inline std::string text_of(const std::filesystem::path& file) {
  std::ostringstream out;
  out << std::ifstream(file).rdbuf();
  return out.str();
}

inline bool eventually(
    const std::function<bool()>& condition,
    std::chrono::seconds ceiling = std::chrono::seconds(240)) {  // the guest may be emulated
  const auto end = std::chrono::steady_clock::now() + ceiling;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return true;
}

[[noreturn]] inline void become(const std::vector<std::string>& words) {
  std::vector<char*> args;
  for (const std::string& word : words) args.push_back(const_cast<char*>(word.c_str()));
  args.push_back(nullptr);
  ::execv(args[0], args.data());
  ::_exit(127);
}

struct Outcome {
  int status = -1;  // exit status, 128+N for signal N
  std::string out, err;
};

inline int status_of(int wait_status) {
  return WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
}

constexpr std::chrono::seconds kLongest{200};

// Appends what is there to read; false: nothing, or the end.
inline bool take_some(pollfd& from, std::string& into) {
  if (from.revents == 0) return false;
  std::array<char, 16384> buffer{};
  const ssize_t got = ::read(from.fd, buffer.data(), buffer.size());
  if (got <= 0) {
    from.fd = -1;
    return false;
  }
  into.append(buffer.data(), static_cast<std::size_t>(got));
  return true;
}

// All of it, in a thread: a program that writes much before it reads must not wait for us.
inline std::jthread feed(UniqueFd pipe, const std::string& input) {
  return std::jthread([pipe = std::move(pipe), &input] {
    // Blocked in this thread alone, so that no program inherits it.
    sigset_t broken;
    ::sigemptyset(&broken);
    ::sigaddset(&broken, SIGPIPE);
    ::pthread_sigmask(SIG_BLOCK, &broken, nullptr);
    for (std::size_t at = 0; at < input.size();) {
      const ssize_t wrote = ::write(pipe.get(), input.data() + at, input.size() - at);
      if (wrote <= 0) break;
      at += static_cast<std::size_t>(wrote);
    }
  });
}

// Runs a program to its end, at most for kLongest: it is killed then. `merged`: what it writes to standard
// error goes to `out` too, in its place.
inline Outcome run_program(const std::vector<std::string>& words, const std::string& input = "",
                           bool merged = false) {
  struct Pipe {
    UniqueFd reader, writer;
  };
  std::array<Pipe, 3> pipes;
  for (Pipe& one : pipes) {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) return {};
    one = {UniqueFd(ends[0]), UniqueFd(ends[1])};
  }
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::dup2(pipes[0].reader.get(), STDIN_FILENO);
    ::dup2(pipes[1].writer.get(), STDOUT_FILENO);
    ::dup2(pipes[merged ? 1 : 2].writer.get(), STDERR_FILENO);
    become(words);
  }
  pipes[0].reader.reset();
  pipes[1].writer.reset();
  pipes[2].writer.reset();
  const std::jthread feeder = feed(std::move(pipes[0].writer), input);
  const UniqueFd program(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  std::array<pollfd, 3> wait = {
      {{pipes[1].reader.get(), POLLIN, 0}, {pipes[2].reader.get(), POLLIN, 0}, {program.get(), POLLIN, 0}}};
  constexpr int kMost = std::chrono::milliseconds(kLongest).count();
  const auto deadline = std::chrono::steady_clock::now() + kLongest;
  Outcome outcome;
  // What the program let go may hold its pipes open: the end is the program's, not the pipes'.
  for (bool more = true; more;) {
    ::poll(wait.data(), wait.size(), kMost);
    const bool late = std::chrono::steady_clock::now() > deadline;
    if (late) ::kill(pid, SIGKILL);
    const bool out = take_some(wait[0], outcome.out), err = take_some(wait[1], outcome.err);
    more = wait[2].revents == 0 || ((out || err) && !late);
  }
  int status = 0;
  ::waitpid(pid, &status, 0);
  outcome.status = status_of(status);
  return outcome;
}

// A program on a terminal of its own, with somebody who types and reads.
class Terminal {
 public:
  explicit Terminal(const std::vector<std::string>& words, unsigned short rows = 33,
                    unsigned short columns = 101) {
    winsize size{.ws_row = rows, .ws_col = columns, .ws_xpixel = 0, .ws_ypixel = 0};
    pid_ = ::forkpty(&master_, nullptr, nullptr, &size);
    if (pid_ == 0) become(words);
  }
  ~Terminal() {
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      ::waitpid(pid_, nullptr, 0);
    }
    ::close(master_);
  }
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  void type(const std::string& text) const {
    EXPECT_EQ(::write(master_, text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }
  void resize(unsigned short rows, unsigned short columns) const {
    const winsize size{.ws_row = rows, .ws_col = columns, .ws_xpixel = 0, .ws_ypixel = 0};
    EXPECT_EQ(::ioctl(master_, TIOCSWINSZ, &size), 0);
  }
  // Reads on until `text` was seen.
  bool see(const std::string& text, std::chrono::seconds ceiling = std::chrono::seconds(120)) {
    const auto end = std::chrono::steady_clock::now() + ceiling;
    while (seen_.find(text) == std::string::npos) {
      if (std::chrono::steady_clock::now() > end || !read_some(100)) return false;
    }
    seen_.erase(0, seen_.find(text) + text.size());
    return true;
  }
  // Types until the answer was seen: what is typed before the program has made its terminal raw may be lost.
  bool ask(const std::string& text, const std::string& answer) {
    return eventually([&] {
      type(text);
      return see(answer, std::chrono::seconds(3));
    });
  }
  // Reads to the program's end; its exit status. It is killed after kLongest.
  int wait() {
    const auto deadline = std::chrono::steady_clock::now() + kLongest;
    while (read_some(1000)) {
      if (std::chrono::steady_clock::now() > deadline) ::kill(pid_, SIGKILL);
    }
    int status = 0;
    ::waitpid(pid_, &status, 0);
    pid_ = -1;
    return status_of(status);
  }
  const std::string& unseen() const { return seen_; }

 private:
  // false: the program has closed its terminal.
  bool read_some(int milliseconds) {
    pollfd wait{master_, POLLIN, 0};
    if (::poll(&wait, 1, milliseconds) == 0) return true;
    std::array<char, 4096> buffer{};
    const ssize_t got = ::read(master_, buffer.data(), buffer.size());
    if (got <= 0) return false;
    seen_.append(buffer.data(), static_cast<std::size_t>(got));
    return true;
  }

  pid_t pid_ = -1;
  int master_ = -1;
  std::string seen_;
};

}  // namespace plimsoll::vm_test
