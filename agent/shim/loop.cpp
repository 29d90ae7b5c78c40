#include "agent/shim/loop.h"

#include <fcntl.h>
#include <malloc.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <csignal>

#include "agent/kernel/file.h"

namespace plimsoll::shim {
namespace {

constexpr std::size_t kChunk = 16UL << 10;
constexpr std::size_t kHighWater = 256UL << 10;  // a client that waits for more holds the output up
constexpr std::size_t kLowWater = kHighWater / 2;
constexpr std::size_t kMostInput = 128UL << 10;
constexpr std::chrono::seconds kSlowCeiling{5};
constexpr std::chrono::seconds kDrainCeiling{2};

void unblock(const UniqueFd& fd) {
  if (fd) ::fcntl(fd.get(), F_SETFL, ::fcntl(fd.get(), F_GETFL) | O_NONBLOCK);
}

}  // namespace

Result<> Loop::run(UniqueFd listener, UniqueFd signals) {
  listener_ = std::move(listener);
  signals_ = std::move(signals);
  epoll_.reset(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll_) return fail_errno("create an epoll set");
  for (const UniqueFd* fd : {&held_.in, &held_.out, &held_.err, &held_.terminal}) unblock(*fd);
  PLIMSOLL_TRY(watch(listener_.get(), EPOLLIN));
  PLIMSOLL_TRY(watch(signals_.get(), EPOLLIN));
  for (const UniqueFd* fd : {&held_.out, &held_.err, &held_.terminal}) {
    if (*fd) PLIMSOLL_TRY(watch(fd->get(), EPOLLIN));
  }
  if (held_.in) PLIMSOLL_TRY(watch(held_.in.get(), 0));
  while (!released_) {
    epoll_event event{};
    const int count = ::epoll_wait(epoll_.get(), &event, 1, timeout());
    if (count < 0 && errno != EINTR) return fail_errno("wait for events");
    if (count > 0) handle(event);
    drop_dead_clients();
    check_deadlines();
    pause_or_resume();
  }
  return {};
}

Result<> Loop::watch(int fd, std::uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.fd = fd;
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) return fail_errno("watch a descriptor");
  return {};
}

void Loop::set_events(int fd, std::uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.fd = fd;
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event);
}

void Loop::handle(const epoll_event& event) {
  const int fd = event.data.fd;
  if (fd == listener_.get()) return accept_clients();
  if (fd == signals_.get()) return handle_signals();
  if (held_.out && fd == held_.out.get()) return read_output(held_.out, FrameKind::kStdout);
  if (held_.err && fd == held_.err.get()) return read_output(held_.err, FrameKind::kStderr);
  if (held_.in && fd == held_.in.get()) {
    if ((event.events & EPOLLERR) == 0) return write_input();
    held_.in.reset();  // the process closed its standard input
    std::string().swap(waiting_input_);
    return;
  }
  if (held_.terminal && fd == held_.terminal.get()) {
    if ((event.events & EPOLLOUT) != 0) write_input();
    if ((event.events & ~static_cast<std::uint32_t>(EPOLLOUT)) != 0) {
      read_output(held_.terminal, FrameKind::kStdout);
    }
    return;
  }
  for (Client& client : clients_) {
    if (client.fd() != fd) continue;
    if ((event.events & EPOLLOUT) != 0 && !client.flush()) dead_.push_back(fd);
    if ((event.events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) read_client(client);
    return;
  }
}

void Loop::accept_clients() {
  UniqueFd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!fd || !watch(fd.get(), EPOLLIN)) return;
  Client& client = clients_.emplace_back(std::move(fd));
  if (state_ == State::kExited) client.send(FrameKind::kExited, exit_text_);
}

void Loop::read_client(Client& client) {
  std::array<char, kChunk> buffer;  // NOLINT(cppcoreguidelines-pro-type-member-init)
  const ssize_t got = ::recv(client.fd(), buffer.data(), buffer.size(), 0);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0) {
    dead_.push_back(client.fd());
    return;
  }
  client.frames().add({buffer.data(), static_cast<std::size_t>(got)});
  while (true) {
    const auto frame = client.frames().next();
    if (!frame) {
      client.send(FrameKind::kError, frame.error().message());
      dead_.push_back(client.fd());
      return;
    }
    if (!*frame) return;
    handle_frame(client, **frame);
  }
}

void Loop::handle_frame(Client& client, const Frame& frame) {
  switch (frame.kind) {
    case FrameKind::kStdin:
      return add_input(client, frame.payload);
    case FrameKind::kStdinEnd:
      input_ends_ = true;
      return write_input();
    case FrameKind::kAttach:
      return attach(client, frame.payload);
    case FrameKind::kStart:
      return start(client);
    case FrameKind::kSignal:
      return signal(client, frame.payload);
    case FrameKind::kResize:
      return resize(client, frame.payload);
    case FrameKind::kStatusAsked:
      client.send(FrameKind::kStatus, status());
      return;
    case FrameKind::kRelease:
      return release(client);
    case FrameKind::kKillAll:
      return signal(client, "9 all");
    default:
      client.send(FrameKind::kError, "unknown request " + std::to_string(static_cast<int>(frame.kind)));
  }
}

void Loop::read_output(UniqueFd& from, FrameKind kind) {
  std::array<char, kChunk> buffer;  // NOLINT(cppcoreguidelines-pro-type-member-init)
  const ssize_t got = ::read(from.get(), buffer.data(), buffer.size());
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got > 0) return pass_on(kind, {buffer.data(), static_cast<std::size_t>(got)});
  // End of file; for a terminal, whose last user is gone, EIO.
  from.reset();
  if (state_ == State::kDraining && !held_.out && !held_.err && !held_.terminal) drained();
}

void Loop::pass_on(FrameKind kind, std::string_view bytes) {
  const Stream stream = kind == FrameKind::kStdout ? Stream::kStdout : Stream::kStderr;
  if (const auto written = log_.add(stream, bytes, clock_.wall()); !written) complain(written.error());
  for (Client& client : clients_) {
    if (client.attached_to(kind) && !client.send(kind, bytes)) dead_.push_back(client.fd());
  }
}

void Loop::pause_or_resume() {
  const auto longest = std::ranges::max_element(clients_, {}, &Client::waiting);
  const std::size_t most = longest == clients_.end() ? 0 : longest->waiting();
  if (most > kHighWater) paused_ = true;
  if (most < kLowWater) paused_ = false;
  if (!paused_) slow_since_.reset();
  if (paused_ && !slow_since_) slow_since_ = clock_.boot();
  const std::uint32_t reading = paused_ ? 0U : static_cast<std::uint32_t>(EPOLLIN);
  const std::uint32_t writing = waiting_input_.empty() ? 0U : static_cast<std::uint32_t>(EPOLLOUT);
  if (held_.out) set_events(held_.out.get(), reading);
  if (held_.err) set_events(held_.err.get(), reading);
  if (held_.terminal) set_events(held_.terminal.get(), reading | writing);
  if (held_.in) set_events(held_.in.get(), writing);
  for (Client& client : clients_) {
    if (waiting_input_.size() < kMostInput / 2) client.stall(false);
    set_events(client.fd(), (client.stalled() ? 0U : static_cast<std::uint32_t>(EPOLLIN)) |
                                (client.waiting() > 0 ? static_cast<std::uint32_t>(EPOLLOUT) : 0U));
  }
}

int Loop::timeout() const {
  std::optional<BootTime> next = drain_until_;
  if (slow_since_) {
    const BootTime slow = *slow_since_ + kSlowCeiling;
    if (!next || slow < *next) next = slow;
  }
  if (!next) return -1;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(*next - clock_.boot());
  return static_cast<int>(std::max<std::int64_t>(left.count(), 0));
}

void Loop::check_deadlines() {
  const BootTime now = clock_.boot();
  if (slow_since_ && now >= *slow_since_ + kSlowCeiling) {
    for (const Client& client : clients_) {
      if (client.waiting() >= kLowWater) dead_.push_back(client.fd());
    }
    drop_dead_clients();
  }
  if (drain_until_ && now >= *drain_until_ && state_ == State::kDraining) drained();
}

void Loop::drop_dead_clients() {
  if (dead_.empty()) return;
  clients_.remove_if(
      [&](const Client& client) { return std::ranges::find(dead_, client.fd()) != dead_.end(); });
  dead_.clear();
  ::malloc_trim(0);
}

void Loop::add_input(Client& client, std::string_view bytes) {
  if (!options_.open_stdin && !options_.tty) {
    client.send(FrameKind::kError, "standard input is not open");
    return;
  }
  if (!input() || input_ends_) return;  // nobody reads it any more
  waiting_input_.append(bytes);
  if (waiting_input_.size() > kMostInput) client.stall(true);
  write_input();
}

void Loop::write_input() {
  std::size_t done = 0;
  while (input() && done < waiting_input_.size()) {
    const ssize_t wrote = ::write(input().get(), waiting_input_.data() + done, waiting_input_.size() - done);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0 && errno == EAGAIN) break;
    if (wrote < 0) done = waiting_input_.size();  // EPIPE: it will never be read
    if (wrote > 0) done += static_cast<std::size_t>(wrote);
  }
  waiting_input_.erase(0, done);
  if (!waiting_input_.empty()) return;
  std::string().swap(waiting_input_);
  if (input_ends_ && !options_.tty) held_.in.reset();
}

void Loop::handle_signals() {
  signalfd_siginfo info{};
  while (::read(signals_.get(), &info, sizeof info) == sizeof info) {
    if (info.ssi_signo == SIGTERM && state_ < State::kDraining) ::kill(held_.pid, SIGTERM);
  }
  int status = 0;
  for (int pid = 0; (pid = ::waitpid(-1, &status, WNOHANG)) > 0;) {
    if (pid == held_.pid && state_ < State::kDraining) process_ended(status);
    if (pid == delete_pid_) {
      if (status != 0) complain(Error("remove the container's cgroup and state: the runtime failed"));
      removed();
    }
  }
}

void Loop::process_ended(int status) {
  exit_.wait_status = status;
  exit_.exited = clock_.wall();
  state_ = State::kDraining;
  held_.in.reset();
  // Without a PID namespace its children live on; they would keep the output open, and the cgroup full.
  if (cgroup_ && !options_.is_exec()) {
    if (const auto killed = cgroup_->kill(); !killed) complain(killed.error());
  }
  drain_until_ = clock_.boot() + kDrainCeiling;
  if (!held_.out && !held_.err && !held_.terminal) drained();
}

void Loop::drained() {
  drain_until_.reset();
  for (UniqueFd* fd : {&held_.out, &held_.err, &held_.terminal}) fd->reset();
  if (const auto written = log_.finish(clock_.wall()); !written) complain(written.error());
  if (cgroup_ && !options_.is_exec()) exit_.usage = read_usage(*cgroup_);
  exit_text_ = exit_json(exit_);
  if (const auto kept = kernel::replace_file(options_.dir + "/exit.json", exit_text_, 0640); !kept) {
    complain(kept.error());
  }
  cgroup_.reset();
  state_ = State::kRemoving;
  if (options_.is_exec()) return removed();
  const auto pid = start_delete(options_);
  if (pid) {
    delete_pid_ = *pid;
  } else {
    complain(pid.error());
    removed();
  }
}

void Loop::removed() {
  delete_pid_ = -1;
  state_ = State::kExited;
  tell_all(FrameKind::kExited, exit_text_);
  ::malloc_trim(0);
}

void Loop::tell_all(FrameKind kind, std::string_view text) {
  for (Client& client : clients_) {
    if (!client.send(kind, text)) dead_.push_back(client.fd());
  }
}

}  // namespace plimsoll::shim
