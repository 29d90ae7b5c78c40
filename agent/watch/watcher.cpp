#include "agent/watch/watcher.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>

namespace plimsoll::watch {
namespace {

constexpr std::size_t kMostWarnings = 100;
constexpr std::size_t kMostEarlyEnds = 1000;

Result<> add_to(const UniqueFd& epoll, int fd) {
  epoll_event event{EPOLLIN, {.fd = fd}};
  if (::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, fd, &event) != 0) return fail_errno("watch events");
  return {};
}

}  // namespace

Watcher::Watcher(Options options, const Clock& clock, IdentitySource* ours, FolderTree tree, HostReader host)
    : options_(std::move(options)),
      clock_(clock),
      ours_(ours),
      budget_(DescriptorBudget::of_this_process()),
      tree_(std::move(tree)),
      host_reader_(std::move(host)),
      ground_{options_, clock_, host_reader_.device_names(), false, {}} {}

Watcher::~Watcher() = default;

Result<std::unique_ptr<Watcher>> Watcher::open(Options options, const Clock& clock, IdentitySource* ours) {
  PLIMSOLL_ASSIGN(FolderTree tree, FolderTree::open(options.cgroup_mount));
  PLIMSOLL_ASSIGN(HostReader host, HostReader::open(options.proc));
  std::unique_ptr<Watcher> watcher(
      new Watcher(std::move(options), clock, ours, std::move(tree), std::move(host)));
  PLIMSOLL_TRY(watcher->start());
  return watcher;
}

Result<> Watcher::start() {
  epoll_.reset(::epoll_create1(EPOLL_CLOEXEC));
  bell_.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!epoll_ || !bell_) return fail_errno("watch events");
  PLIMSOLL_TRY(add_to(epoll_, tree_.fd()));
  PLIMSOLL_TRY(add_to(epoll_, bell_.get()));
  if (options_.probes != nullptr && options_.probes->event_fd() >= 0)
    PLIMSOLL_TRY(add_to(epoll_, options_.probes->event_fd()));
  if (options_.most_pressure_triggers > 0) {
    PLIMSOLL_ASSIGN(listener_, PressureListener::start());
    PLIMSOLL_TRY(add_to(epoll_, listener_->fd()));
    arm_host();
  }
  const auto changes = tree_.reconcile();
  if (tree_.counts().failed_watches != 0) warnings_.emplace_back("watch cgroups: out of inotify watches");
  apply(changes);
  return {};
}

std::vector<model::Event> Watcher::drain() {
  std::uint64_t rings = 0;
  [[maybe_unused]] const ssize_t got = ::read(bell_.get(), &rings, sizeof rings);
  collect();
  pressure_fired();
  probes_fired();
  return std::exchange(events_, {});
}

std::shared_ptr<const model::Snapshot> Watcher::take() {
  const BootTime start = clock_.boot();
  ++tick_;
  collect();
  const bool verify = options_.cadence.verify <= 1 || tick_ % options_.cadence.verify == 0;
  if (verify || tree_.counts().failed_watches != 0) apply(tree_.reconcile());
  if (verify) forget_restored();
  if (verify && std::exchange(ground_.unknown_device, false)) {
    ground_.device_names = host_reader_.device_names();
  }
  sample_all();
  arm_triggers();
  prune_ended(clock_.wall());
  if (!events_.empty()) {
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t wrote = ::write(bell_.get(), &one, sizeof one);
  }
  auto taken = snapshot();
  last_take_ = clock_.boot() - start;
  return taken;
}

std::shared_ptr<const model::Snapshot> Watcher::snapshot() {
  auto snapshot = std::make_shared<model::Snapshot>();
  snapshot->wall = clock_.wall();
  snapshot->boot = clock_.boot();
  snapshot->sequence = ++sequence_;
  snapshot->host = host_;
  snapshot->root = root_;
  snapshot->containers.reserve(tracked_.size());
  for (const auto& [path, tracked] : tracked_) {
    snapshot->containers.push_back({tracked->ref, tracked->sampler.last()});
  }
  snapshot->ended.assign(ended_.begin(), ended_.end());
  snapshot->workloads = workloads_.totals();
  snapshot->probes = probes_;
  snapshot->interference = interference_;
  return snapshot;
}

Result<> Watcher::refresh(model::CgroupId id) {
  const auto found = by_id_.find(id);
  if (found == by_id_.end()) return fail("no such container is watched", ErrorKind::kNotFound);
  PLIMSOLL_TRY(found->second->sampler.refresh(ground_));
  after_reading(*found->second);
  return {};
}

void Watcher::set_end(const model::EndedContainer& told) {
  collect();
  const std::string& id = told.ref->container_id;
  const auto is_that = [&](const model::ContainerRef& ref) {
    return ref.container_id == id && (told.ref->id.inode == 0 || ref.id == told.ref->id);
  };
  for (auto ended = ended_.rbegin(); ended != ended_.rend(); ++ended) {
    if (!ended->exit && is_that(*ended->ref)) return complete(*ended, told);
  }
  const auto alive =
      std::ranges::any_of(tracked_, [&](const auto& one) { return is_that(*one.second->ref); });
  if (alive) {
    if (early_ends_.size() >= kMostEarlyEnds) early_ends_.erase(early_ends_.begin());
    early_ends_.insert_or_assign(id, told);
    return;
  }
  const auto later = std::ranges::upper_bound(ended_, told.vanished, {}, &model::EndedContainer::vanished);
  complete(*ended_.insert(later, told), told);
}

void Watcher::identity_changed(const std::string& container_id) {
  for (const auto& [path, tracked] : tracked_) {
    if (tracked->match.container_id != container_id) continue;
    tracked->identified = false;
    tracked->identity_tries_left = options_.identity_tries;
    identify(*tracked);
  }
}

std::vector<model::CgroupId> Watcher::take_limit_changes() {
  std::vector<model::CgroupId> ids(limit_changes_.begin(), limit_changes_.end());
  limit_changes_.clear();
  return ids;
}

std::vector<model::OomKill> Watcher::take_ooms() { return std::exchange(ooms_, {}); }

std::vector<std::string> Watcher::take_warnings() {
  if (warnings_.size() > kMostWarnings) {
    const std::size_t more = warnings_.size() - kMostWarnings;
    warnings_.resize(kMostWarnings);
    warnings_.push_back("and " + std::to_string(more) + " more");
  }
  return std::exchange(warnings_, {});
}

Result<> Watcher::restore(std::string_view text, std::string_view boot_id) {
  PLIMSOLL_TRY(workloads_.restore(text, boot_id));
  restored_ = true;
  return {};
}

void Watcher::forget_restored() {
  if (!std::exchange(restored_, false)) return;
  std::set<model::CgroupId> known;
  for (const auto& [id, tracked] : by_id_) known.insert(id);
  for (const auto& one : ended_) known.insert(one.ref->id);
  workloads_.keep_only(known);
}

WatchStats Watcher::stats() const {
  WatchStats stats;
  stats.watched = tracked_.size();
  stats.ended = ended_.size();
  stats.missed = tree_.counts().missed;
  stats.overflows = tree_.counts().overflows;
  stats.failed_watches = tree_.counts().failed_watches;
  for (const auto& [path, tracked] : tracked_) {
    stats.malformed_files += tracked->sampler.reader().malformed();
    stats.kept_files += tracked->sampler.reader().kept();
    stats.reopened_files += tracked->sampler.reader().reopened();
  }
  stats.pressure_triggers = listener_ ? listener_->size() : 0;
  stats.pressure_window = pressure_window_;
  stats.last_take = last_take_;
  return stats;
}

}  // namespace plimsoll::watch
