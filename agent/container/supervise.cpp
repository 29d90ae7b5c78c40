// The supervisor's thread: it hears the ends of containers and exec sessions, and notes them.
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "agent/base/log.h"
#include "agent/container/core.h"
#include "agent/kernel/file.h"

namespace plimsoll::container {
namespace {

constexpr int kReap = 1000;  // ms

// Everything that is there now. false: the other side is gone.
bool drain(int socket, FrameBuffer& into) {
  std::array<char, 16384> bytes{};
  while (true) {
    const ssize_t got = ::recv(socket, bytes.data(), bytes.size(), MSG_DONTWAIT);
    if (got > 0) {
      into.feed(bytes.data(), static_cast<std::size_t>(got));
    } else if (got < 0 && errno == EINTR) {
      continue;
    } else {
      return got < 0 && errno == EAGAIN;
    }
  }
}

// The payload of kExited, "" where the shim is gone without it; nullopt: nothing yet.
std::optional<std::string> exit_text(int socket, FrameBuffer& frames) {
  const bool there = drain(socket, frames);
  while (true) {
    auto frame = frames.next();
    if (!frame) return "";
    if (!*frame) break;
    if ((*frame)->kind == shim::FrameKind::kExited) return (*frame)->payload;
  }
  if (there) return std::nullopt;
  return "";
}

}  // namespace

void Containers::Core::wake() const {
  const std::uint64_t one = 1;
  (void)!::write(wake_.get(), &one, sizeof one);
}

void Containers::Core::supervise() {
  std::array<epoll_event, 32> ready{};
  while (!leaving_) {
    const int count = ::epoll_wait(epoll_.get(), ready.data(), ready.size(), kReap);
    for (int i = 0; i < count; ++i) {
      const int fd = ready[static_cast<std::size_t>(i)].data.fd;
      if (fd == wake_.get()) {
        std::uint64_t ignored = 0;
        (void)!::read(fd, &ignored, sizeof ignored);
      } else {
        hear(fd);
      }
    }
    reap();
  }
}

void Containers::Core::reap() {
  const std::lock_guard lock(mutex_);
  std::erase_if(children_, [](pid_t pid) { return ::waitpid(pid, nullptr, WNOHANG) != 0; });
}

void Containers::Core::hear(int fd) {
  const std::lock_guard lock(mutex_);
  const auto found = heard_.find(fd);
  if (found == heard_.end()) return;
  const std::string id = found->second.substr(1);
  if (found->second.front() == 'e') return hear_exec(id);
  const auto known = items_.find(id);
  if (known == items_.end()) return;
  const ItemPtr item = known->second;
  const auto text = exit_text(fd, item->frames);
  if (!text) return;
  heard_.erase(found);
  item->connection.reset();
  // A shim that went without a word may have written its file nevertheless.
  const auto told = parse_exit(*text);
  const ExitRecord record = told ? *told : read_exit(id);
  // Before start_item() has noted the start, it is start_item() that goes on.
  if (item->state.status == Status::kRunning) {
    ended(item, record);
  } else {
    item->ended_early = record;
  }
}

ExitRecord Containers::Core::read_exit(const std::string& id) const {
  ExitRecord unknown;
  unknown.exited = clock_.wall();
  const auto text = kernel::read_file(folder(id) + "/shim/exit.json");
  if (!text) return unknown;
  return parse_exit(*text).value_or(unknown);
}

void Containers::Core::ended(const ItemPtr& item, const ExitRecord& record) {
  State& state = item->state;
  state.exit_code = record.code;
  state.oom_killed = record.oom_killed;
  state.usage = record.usage;
  state.finished = record.exited;
  state.pid = 0;
  if (std::exchange(state.stopping, false)) state.stopped_by_user = true;
  if (std::exchange(item->start_guessed, false) && record.started != WallTime{})
    state.started = record.started;
  const Nanoseconds ran = record.exited - state.started.value_or(record.exited);
  item->backoff.restore(state.failures);
  const auto again = item->backoff.next(state.config.restart, {state.exit_code, state.stopped_by_user, ran});
  state.failures = item->backoff.failures();
  state.status = again ? Status::kRestarting : Status::kExited;
  if (again) item->restart_at = clock_.boot() + *again;
  if (!again && state.config.auto_remove) item->remove_at = clock_.boot();
  item->unsettled = true;
  if (state.oom_killed) tell(*item, "oom");
  tell(*item, "die", {{"exitCode", std::to_string(state.exit_code)}});
  tell_waiters(*item, false);
  tell_exit(state, record);
  changed_.notify_all();
  due_.notify_one();
}

void Containers::Core::tell_exit(const State& state, const ExitRecord& record) {
  model::ContainerRef ref = ref_of(state);
  ref.id = record.cgroup;
  const Usage& usage = record.usage;
  const auto time = [](std::uint64_t usec) { return Microseconds(static_cast<std::int64_t>(usec)); };
  model::Sample last;
  last.cpu = {.usage = time(usage.cpu_usec),
              .user = time(usage.cpu_user_usec),
              .system = time(usage.cpu_system_usec)};
  if (usage.memory_peak != 0) last.memory.peak = Bytes{usage.memory_peak};
  last.memory.events = model::MemoryEvents{.oom_kill = usage.oom_kills};
  const model::EndedContainer ended{std::make_shared<const model::ContainerRef>(std::move(ref)),
                                    std::move(last), record.exited,
                                    model::Exit{record.exited, record.code, record.oom_killed}};
  if (untold_) untold_->push_back(ended);
  std::erase_if(exit_listeners_, [](const auto& one) { return one.expired(); });
  for (const auto& weak : exit_listeners_) {
    if (const auto listener = weak.lock()) (*listener)(ended);
  }
}

void Containers::Core::hear_exec(const std::string& id) {
  const auto found = sessions_.find(id);
  if (found == sessions_.end()) return;
  ExecSession& session = *found->second;
  const auto text = exit_text(session.connection.get(), session.frames);
  if (!text) return;
  const auto record = parse_exit(*text);
  exec_ended(session, record ? record->code : 137);
}

void Containers::Core::exec_ended(ExecSession& session, int code) {
  heard_.erase(session.connection.get());
  session.connection.reset();
  session.running = false;
  session.exit_code = code;
  session.unsettled = true;
  session.forget_at = clock_.boot() + kSessionKept;
  changed_.notify_all();
  due_.notify_one();
  if (const auto item = items_.find(session.container); item != items_.end()) {
    tell(*item->second, "exec_die", {{"execID", session.id}, {"exitCode", std::to_string(code)}});
  }
}

}  // namespace plimsoll::container
