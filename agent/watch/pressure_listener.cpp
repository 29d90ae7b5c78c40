#include "agent/watch/pressure_listener.h"

#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <limits>

namespace plimsoll::watch {
namespace {

constexpr std::uint64_t kStop = std::numeric_limits<std::uint64_t>::max();

void ring(const UniqueFd& bell) {
  const std::uint64_t one = 1;
  // Fails only where the counter is full: then it is readable already.
  [[maybe_unused]] const ssize_t wrote = ::write(bell.get(), &one, sizeof one);
}

}  // namespace

Result<std::unique_ptr<PressureListener>> PressureListener::start() {
  std::unique_ptr<PressureListener> listener(new PressureListener());
  listener->epoll_.reset(::epoll_create1(EPOLL_CLOEXEC));
  listener->wake_.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  listener->stop_.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!listener->epoll_ || !listener->wake_ || !listener->stop_) return fail_errno("start PSI listener");
  epoll_event stop{EPOLLIN, {.u64 = kStop}};
  if (::epoll_ctl(listener->epoll_.get(), EPOLL_CTL_ADD, listener->stop_.get(), &stop) != 0) {
    return fail_errno("start PSI listener");
  }
  // The agent's signals are for its main thread.
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  try {
    listener->thread_ = std::thread([raw = listener.get()] { raw->run(); });
  } catch (const std::system_error& error) {
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    return fail(std::string("start PSI listener: ") + error.what());
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return listener;
}

PressureListener::~PressureListener() {
  if (!thread_.joinable()) return;
  ring(stop_);
  thread_.join();
}

Result<> PressureListener::add(std::uint64_t key, kernel::PsiTrigger trigger) {
  const std::scoped_lock lock(mutex_);
  epoll_event event{EPOLLPRI, {.u64 = key}};
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, trigger.fd(), &event) != 0)
    return fail_errno("poll PSI trigger");
  triggers_.insert_or_assign(key, std::move(trigger));
  return {};
}

void PressureListener::remove(std::uint64_t key) {
  const std::scoped_lock lock(mutex_);
  triggers_.erase(key);  // closing it takes it out of the epoll set
}

bool PressureListener::has(std::uint64_t key) const {
  const std::scoped_lock lock(mutex_);
  return triggers_.contains(key);
}

std::size_t PressureListener::size() const {
  const std::scoped_lock lock(mutex_);
  return triggers_.size();
}

std::vector<std::uint64_t> PressureListener::take_fired() {
  std::uint64_t rings = 0;
  [[maybe_unused]] const ssize_t got = ::read(wake_.get(), &rings, sizeof rings);
  std::vector<std::uint64_t> fired;
  {
    const std::scoped_lock lock(mutex_);
    fired.swap(fired_);
  }
  std::ranges::sort(fired);
  const auto doubles = std::ranges::unique(fired);
  fired.erase(doubles.begin(), doubles.end());
  return fired;
}

void PressureListener::run() {
  std::array<epoll_event, 16> events{};
  while (true) {
    const int count = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), -1);
    if (count < 0 && errno != EINTR) return;
    for (int at = 0; at < count; ++at) {
      const epoll_event& event = events[static_cast<std::size_t>(at)];
      if (event.data.u64 == kStop) return;
      const std::scoped_lock lock(mutex_);
      // EPOLLERR: the cgroup is gone, and would be reported for ever.
      if ((event.events & EPOLLERR) != 0) {
        triggers_.erase(event.data.u64);
      } else if (triggers_.contains(event.data.u64)) {
        fired_.push_back(event.data.u64);
      }
    }
    if (count > 0) ring(wake_);
  }
}

}  // namespace plimsoll::watch
