#include "agent/enforce/endings.h"

#include <algorithm>

#include "agent/base/units.h"

namespace plimsoll::enforce {
namespace {

constexpr std::size_t kMost = 32;

}  // namespace

struct Endings::Running {
  Job job;
  BootTime began;
  std::atomic<bool> ended = false;
  Result<> outcome;  // good to read once `ended`
  std::thread thread;
};

Endings::Endings(const Clock& clock, ContainerControl* control) : clock_(clock), control_(control) {}

Endings::~Endings() {
  if (!running_.empty()) control_->interrupt();
  for (const auto& one : running_) one->thread.join();
}

void Endings::wake_with(std::function<void()> wake) {
  const std::lock_guard lock(waking_);
  wake_ = std::move(wake);
}

Result<> Endings::begin(Job job) {
  if (control_ == nullptr) return fail("nobody here stops containers", ErrorKind::kUnsupported);
  if (std::ranges::any_of(running_, [&](const auto& one) { return one->job.id == job.id; }))
    return fail("it is being stopped or restarted already", ErrorKind::kConflict);
  if (running_.size() >= kMost)
    return fail("too many containers are being stopped, " + std::to_string(kMost), ErrorKind::kConflict);
  auto one = std::make_unique<Running>();
  one->job = std::move(job);
  one->began = clock_.boot();
  Running* running = one.get();
  running_.push_back(std::move(one));
  running->thread = std::thread([this, running] {
    const Job& asked = running->job;
    running->outcome =
        asked.restart ? control_->restart(asked.id, asked.grace) : control_->stop(asked.id, asked.grace);
    running->ended = true;
    const std::lock_guard lock(waking_);
    if (wake_) wake_();
  });
  return {};
}

void Endings::finish(Running& one) const {
  model::DecisionRecord& record = one.job.record;
  const Nanoseconds took = clock_.boot() - one.began;
  record.when = clock_.wall();
  record.breach_to_effect += took;
  if (one.outcome) {
    record.outcome = to_string(model::Outcome::kDone);
    record.detail =
        std::string(one.job.restart ? "restarted" : "stopped") + " after " + format_duration(took);
  } else {
    const bool gone = one.outcome.error().kind() == ErrorKind::kNotFound;
    record.outcome = to_string(gone ? model::Outcome::kVanished : model::Outcome::kFailed);
    record.detail = one.outcome.error().message();
  }
}

std::vector<model::DecisionRecord> Endings::take_ended() {
  std::vector<model::DecisionRecord> records;
  std::erase_if(running_, [&](const auto& one) {
    if (!one->ended) return false;
    one->thread.join();
    finish(*one);
    records.push_back(std::move(one->job.record));
    return true;
  });
  return records;
}

std::vector<Endings::Job> Endings::pending() const {
  std::vector<Job> jobs;
  for (const auto& one : running_) jobs.push_back(one->job);
  return jobs;
}

}  // namespace plimsoll::enforce
