// One thread a write, of at most kMostJobs. The kernel stores the limit before it reclaims, so that the limit
// is in force as soon as the file shows it. It leaves its loop when its thread has a signal: SIGURG, whose
// handler here does nothing, sent to that thread alone.
#include "agent/enforce/limit_writer.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <system_error>
#include <thread>

#include "agent/base/units.h"
#include "agent/kernel/text_scan.h"

namespace plimsoll::enforce {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kMostJobs = 32;
constexpr auto kReclaimMoment = 20ms;
constexpr auto kLook = 2ms;
constexpr int kMostLooks = 250;  // for the limit to be in force, the thread need only be scheduled once

// No other signal may be delivered to such a thread: those are for the agent's loop.
class OnlyUrgent {
 public:
  OnlyUrgent() {
    sigset_t mask;
    ::sigfillset(&mask);
    ::sigdelset(&mask, SIGURG);
    ::pthread_sigmask(SIG_SETMASK, &mask, &before_);
  }
  ~OnlyUrgent() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  OnlyUrgent(const OnlyUrgent&) = delete;
  OnlyUrgent& operator=(const OnlyUrgent&) = delete;

 private:
  sigset_t before_{};
};

}  // namespace

struct LimitWriter::Job {
  model::CgroupId cgroup;
  std::string file, value;
  UniqueFd fd;
  std::thread thread;
  std::atomic<bool> given_up = false;

  std::mutex mutex;
  std::condition_variable ended;
  bool done = false;
  int error = 0;
};

LimitWriter::LimitWriter() {
  struct sigaction nothing{};
  nothing.sa_handler = [](int) {};
  nothing.sa_flags = 0;  // no SA_RESTART: write(2) must come back
  ::sigaction(SIGURG, &nothing, nullptr);
}

LimitWriter::~LimitWriter() {
  // A thread in the kernel's reclaim may take its time; it owns all that it uses.
  for (const auto& job : jobs_) {
    interrupt(*job);
    job->thread.detach();
  }
}

bool LimitWriter::reclaims(const kernel::Cgroup& cgroup, const std::string& file, const std::string& value) {
  if (file != "memory.max" && file != "memory.high") return false;
  const auto limit = parse_u64(value);
  const auto text = cgroup.read("memory.current");
  const auto current = text ? parse_u64(kernel::without_newline(*text)) : std::nullopt;
  return limit && current && *limit < *current;
}

void LimitWriter::run(const std::shared_ptr<Job>& job) {
  int error = 0;
  while (!job->given_up && ::write(job->fd.get(), job->value.data(), job->value.size()) < 0) {
    error = errno;
    if (error != EINTR) break;
    error = 0;
  }
  const std::scoped_lock lock(job->mutex);
  job->done = true;
  job->error = error;
  job->ended.notify_all();
}

void LimitWriter::interrupt(Job& job) {
  job.given_up = true;
  ::pthread_kill(job.thread.native_handle(), SIGURG);
}

Result<std::shared_ptr<LimitWriter::Job>> LimitWriter::begin(const kernel::Cgroup& cgroup,
                                                             const std::string& file,
                                                             const std::string& value) {
  reap();
  const std::string doing = "write " + file + " of " + cgroup.path();
  if (jobs_.size() >= kMostJobs) {
    return fail(doing + ": " + std::to_string(kMostJobs) + " other limits are still being reclaimed to",
                ErrorKind::kConflict);
  }
  auto job = std::make_shared<Job>();
  job->cgroup = cgroup.id();
  job->file = file;
  job->value = value;
  // O_NONBLOCK: 6.16 and newer leave the reclaim to the cgroup's own tasks; older kernels take no notice.
  job->fd.reset(::openat(cgroup.fd(), file.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC));
  if (!job->fd) return fail_errno("open " + file + " of " + cgroup.path());
  try {
    const OnlyUrgent mask;
    job->thread = std::thread([job] { run(job); });
  } catch (const std::system_error& error) {
    return fail(doing + ": no thread for it: " + error.what());
  }
  jobs_.push_back(job);
  return job;
}

Result<LimitWriter::Reclaimed> LimitWriter::reclaim(const kernel::Cgroup& cgroup, Bytes amount) {
  static const std::string kFile = "memory.reclaim";
  reap();
  const std::string doing = "write " + kFile + " of " + cgroup.path();
  for (const auto& job : jobs_) {
    if (job->cgroup == cgroup.id() && job->file == kFile)
      return fail(doing + ": an earlier one still goes on", ErrorKind::kConflict);
  }
  PLIMSOLL_ASSIGN(const auto job, begin(cgroup, kFile, std::to_string(amount.value)));
  std::unique_lock lock(job->mutex);
  if (!job->ended.wait_for(lock, kReclaimMoment, [&] { return job->done; })) return Reclaimed::kGoesOn;
  if (job->error == EAGAIN) return Reclaimed::kLess;
  if (job->error != 0) return fail_errno(doing, job->error);
  return Reclaimed::kAll;
}

Result<bool> LimitWriter::write(const kernel::Cgroup& cgroup, const std::string& file,
                                const std::string& value, const std::string& before) {
  const std::string doing = "write " + file + " of " + cgroup.path();
  PLIMSOLL_ASSIGN(const auto job, begin(cgroup, file, value));
  std::unique_lock lock(job->mutex);
  for (int look = 0; !job->ended.wait_for(lock, kLook, [&] { return job->done; }); ++look) {
    PLIMSOLL_ASSIGN(const std::string text, cgroup.read(file));
    const std::string_view now = kernel::without_newline(text);
    if (now == value || now != before) return true;
    if (look == kMostLooks) return fail(doing + ": not taken by the kernel in 500 ms");
  }
  if (job->error != 0) return fail_errno(doing, job->error);
  return false;
}

void LimitWriter::give_up(const kernel::Cgroup& cgroup, const std::string& file) {
  for (const auto& job : jobs_) {
    if (job->cgroup == cgroup.id() && job->file == file) interrupt(*job);
  }
  reap();
}

void LimitWriter::reap() {
  std::erase_if(jobs_, [](const std::shared_ptr<Job>& job) {
    {
      const std::scoped_lock lock(job->mutex);
      if (!job->done) {
        // A signal between the thread's look at given_up and its write(2) is lost: sent again.
        if (job->given_up) interrupt(*job);
        return false;
      }
    }
    job->thread.join();
    return true;
  });
}

}  // namespace plimsoll::enforce
