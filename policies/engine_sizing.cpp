// `autosize`: from what fits a workload to a limit that is wanted, a careful step at a time.
#include <algorithm>
#include <cmath>

#include "policies/engine_turn.h"

namespace plimsoll::policies {
namespace {

using namespace std::chrono_literals;

constexpr double kMostStep = 0.2;  // of the limit, up or down
// Too little hurts at once, too much only costs.
constexpr Nanoseconds kBetweenRaises = 1min, kBetweenCuts = 10min;
// After a reclaim, for the next sample to show what came of it.
constexpr Nanoseconds kReclaimSettles = 5s;
constexpr Nanoseconds kBetweenAudits = 1h;  // of probes that are only told
constexpr double kSafety = 0.05;            // over what is in use
constexpr double kLeastSafety = 4.0 * 1024 * 1024;
constexpr double kCpuSafety = 0.1;
constexpr double kNotWorthIt = 0.01;  // a step of less than this share is not taken
constexpr double kMemoryGrain = 1024.0 * 1024, kCpuGrain = 0.01;

using Seen = std::vector<std::pair<std::string, std::string>>;

Seen seen_of(const Estimate& estimate, std::optional<double> used, Unit unit, std::string_view used_name) {
  Seen seen;
  if (used) seen.emplace_back(used_name, format_quantity(*used, unit));
  seen.emplace_back("autosize.target", format_quantity(estimate.target, unit));
  seen.emplace_back("autosize.upper", format_quantity(estimate.upper, unit));
  seen.emplace_back("autosize.confidence", format_quantity(estimate.confidence, Unit::kShare));
  return seen;
}

bool worth_it(double from, double to) { return std::abs(to - from) >= kNotWorthIt * from; }

double up_to(double value, double grain) { return std::ceil(value / grain - 1e-9) * grain; }

void moved(Sizer::Resource& resource, double to, BootTime now) {
  resource.raise_from = now + kBetweenRaises;
  resource.cut_from = now + kBetweenCuts;
  resource.limit = to;
  resource.reclaimed = false;
}

// None was set yet. What may be wrong by much is not set at all where it is beyond what there is.
void begin_sizing(Sizer::Resource& resource, double floor, double all, double grain, BootTime now) {
  const double first = up_to(std::max(resource.estimate->upper, floor), grain);
  if (first < all) moved(resource, first, now);
}

}  // namespace

// The last of those that select it; one that only reports must not push one that enforces aside.
Engine::SizedBy Engine::sized_by(const Tracked& tracked, std::optional<SizeRule> Policy::* resource) {
  SizedBy by;
  for (const Policy* policy : tracked.selected) {
    const auto& rule = policy->*resource;
    const bool aside = policy->mode == Mode::kAudit && by && by.policy->mode == Mode::kEnforce;
    if (rule && !aside) by = {policy, &*rule};
  }
  if (by && by.rule->mode == SizeMode::kOff) by = {};
  return by;
}

void Engine::size(Turn& turn, const model::ContainerSample& one) {
  Tracked& tracked = turn.tracked;
  Sizer::Living& living =
      sizer_.observe(one, turn.snapshot, tracked.sized_cpu.rule, tracked.sized_memory.rule);
  if (paused_) return;
  if (tracked.sized_memory && tracked.sized_memory.rule->mode == SizeMode::kEnforce) {
    tracked.sized_memory.rule->seek_pressure ? probe(turn, living) : size_memory(turn, living);
  }
  if (tracked.sized_cpu && tracked.sized_cpu.rule->mode == SizeMode::kEnforce) size_cpu(turn, living);
}

// Where enforcing goes on from: what it had come to, here or in an earlier agent, or else the limit that
// somebody else has set. True: it is ours.
bool Engine::take_up(const Turn& turn, const SizedBy& by, FieldId field, Sizer::Resource& resource) {
  if (std::ranges::find(turn.tracked.size_wishes, field, &SizeWish::field) !=
      turn.tracked.size_wishes.end()) {
    return true;
  }
  const auto held = turn.tracked.fields.find(field);
  const bool ours = held != turn.tracked.fields.end() && held->second.rule == kAutosize &&
                    held->second.audit == (by.policy->mode == Mode::kAudit) && !held->second.releasing;
  resource.limit = ours ? number_of(fields()[field], held->second.wanted) : resource.now;
  return ours;
}

void Engine::size_memory(Turn& turn, Sizer::Living& living) {
  static const FieldId kMax = *find_field("memory.max");
  const SizedBy& by = turn.tracked.sized_memory;
  Sizer::Resource& memory = living.memory;
  if (!turn.sample->memory.current || !turn.sample->limits.memory_max) return;
  const bool ours = take_up(turn, by, kMax, memory);
  if (memory.estimate && turn.now >= memory.raise_from) step_memory(turn, living);
  // What another has set and that fits stays that one's.
  if (ours || memory.limit != memory.now) wish(turn, by, kMax, memory);
  note_steps(turn, memory);
}

void Engine::step_memory(Turn& turn, Sizer::Living& living) {
  const SizedBy& by = turn.tracked.sized_memory;
  Sizer::Resource& memory = living.memory;
  const double used = static_cast<double>(turn.sample->memory.current->value);
  const double floor = used + std::max(kSafety * used, kLeastSafety);
  if (!memory.limit) {
    return begin_sizing(memory, floor, static_cast<double>(turn.snapshot.host.memory_total.value),
                        kMemoryGrain, turn.now);
  }
  const double from = *memory.limit;
  const double wanted = step_towards(*memory.estimate, from, 0, kMostStep).value_or(from);
  if (wanted < from && turn.now < memory.cut_from) return;
  // Held back by what is in use: cold memory is taken away first, once, and the limit follows.
  const double cold = std::min(floor - wanted, used - unreclaimable(*turn.sample, turn.snapshot.host));
  const bool in_the_way = wanted < from && worth_it(from, wanted) && cold >= kNotWorthIt * from;
  if (in_the_way && !memory.reclaimed && by.policy->mode != Mode::kAudit) {
    reclaim(turn, by, cold, seen_of(*memory.estimate, used, Unit::kBytes, "memory.usage"));
    memory.reclaimed = true;
    memory.cut_from = turn.now + kReclaimSettles;
    return;
  }
  const double to = step_towards(*memory.estimate, from, floor, kMostStep).value_or(from);
  const double rounded = up_to(std::max(to, by.rule->sizing.least.value_or(0)), kMemoryGrain);
  if (worth_it(from, rounded)) return moved(memory, rounded, turn.now);
  if (memory.reclaimed) moved(memory, from, turn.now);
}

void Engine::size_cpu(Turn& turn, Sizer::Living& living) {
  static const FieldId kMax = *find_field("cpu.max");
  const SizedBy& by = turn.tracked.sized_cpu;
  Sizer::Resource& cpu = living.cpu;
  if (!turn.sample->limits.cpu_max) return;
  const bool ours = take_up(turn, by, kMax, cpu);
  if (cpu.estimate && turn.now >= cpu.raise_from) step_cpu(turn, living);
  if (ours || cpu.limit != cpu.now) wish(turn, by, kMax, cpu);
  note_steps(turn, cpu);
}

void Engine::step_cpu(Turn& turn, Sizer::Living& living) {
  const Sizing& sizing = turn.tracked.sized_cpu.rule->sizing;
  Sizer::Resource& cpu = living.cpu;
  // Held at its limit, its use says no more than that it wants more: this raises it.
  const double floor = cpu.used.value_or(0) * (1 + kCpuSafety);
  if (!cpu.limit) return begin_sizing(cpu, floor, turn.snapshot.host.cpu_cores, kCpuGrain, turn.now);
  const double from = *cpu.limit;
  double to = step_towards(*cpu.estimate, from, floor, kMostStep).value_or(from);
  to = std::max(to, std::min(floor, from * (1 + kMostStep)));
  if (sizing.most) to = std::min(to, std::max(*sizing.most, from * (1 - kMostStep)));
  to = up_to(std::max(to, sizing.least.value_or(0)), kCpuGrain);
  if (to < from && turn.now < cpu.cut_from) return;
  if (worth_it(from, to)) moved(cpu, to, turn.now);
}

void Engine::note_steps(const Turn& turn, const Sizer::Resource& resource) {
  for (const BootTime at : {resource.raise_from, resource.cut_from}) {
    if (at > turn.now) due(at);
  }
}

void Engine::wish(Turn& turn, const SizedBy& by, FieldId field, const Sizer::Resource& resource) {
  if (!resource.limit) return;
  const FieldInfo& info = fields()[field];
  std::string value = field_text(info, std::clamp(*resource.limit, info.least, info.most));
  auto& wishes = turn.tracked.size_wishes;
  auto known = std::ranges::find(wishes, field, &SizeWish::field);
  if (known == wishes.end()) known = wishes.insert(wishes.end(), {by.policy, field, "", {}});
  if (known->value == value) return;
  known->value = std::move(value);
  if (!resource.estimate) return;
  const bool memory = info.kind == FieldKind::kBytes;
  known->seen = seen_of(*resource.estimate, resource.used, memory ? Unit::kBytes : Unit::kCores,
                        memory ? "memory.working_set" : "cpu.usage");
}

// seek: pressure. No limit is set: what is cold goes, what is wanted again comes back.
void Engine::probe(Turn& turn, Sizer::Living& living) {
  if (!living.probe || !(living.probe->reclaim > 0)) return;
  const SizedBy& by = turn.tracked.sized_memory;
  const double used = static_cast<double>(turn.sample->memory.current->value);
  if (by.rule->sizing.least && used - living.probe->reclaim < *by.rule->sizing.least) return;
  if (by.policy->mode == Mode::kAudit) {
    if (living.audited && turn.now - *living.audited < kBetweenAudits) return;
    living.audited = turn.now;
  }
  reclaim(turn, by, living.probe->reclaim,
          {{"memory.usage", format_quantity(used, Unit::kBytes)},
           {"memory.pressure.some", format_quantity(living.probe->stalled, Unit::kShare)}});
}

void Engine::reclaim(Turn& turn, const SizedBy& by, double amount, Seen seen) {
  model::Decision made = decision(turn, by.policy->name, kAutosize, by.policy->mode == Mode::kAudit);
  made.cause = model::Cause::kAutosize;
  made.seen = std::move(seen);
  made.action = model::ReclaimMemory{Bytes{static_cast<std::uint64_t>(amount)}};
  out_.push_back(std::move(made));
}

std::vector<model::Recommendation> Engine::recommendations() const {
  std::vector<model::Recommendation> all;
  for (const auto& [inode, tracked] : tracked_) {
    const Sizer::Living* living = tracked.ref ? sizer_.find(tracked.ref->id) : nullptr;
    if (living == nullptr) continue;
    const auto tell = [&](const SizedBy& by, const Sizer::Resource& resource,
                          model::Recommendation::Resource kind) {
      if (!by || !resource.estimate) return;
      const Estimate& estimate = *resource.estimate;
      all.push_back({.container = tracked.ref,
                     .resource = kind,
                     .policy = by.policy->name,
                     .mode = std::string(to_string(by.rule->mode)),
                     .seek = by.rule->seek_pressure ? "pressure" : "usage",
                     .audit = by.policy->mode == Mode::kAudit,
                     .limit = resource.now,
                     .used = resource.used,
                     .target = estimate.target,
                     .lower = estimate.lower,
                     .upper = estimate.upper,
                     .confidence = estimate.confidence,
                     .observed = estimate.observed});
    };
    tell(tracked.sized_memory, living->memory, model::Recommendation::Resource::kMemory);
    tell(tracked.sized_cpu, living->cpu, model::Recommendation::Resource::kCpu);
  }
  std::ranges::sort(all, {}, [](const model::Recommendation& one) {
    return std::tuple(std::string_view(one.container->name), std::string_view(one.container->cgroup),
                      one.resource);
  });
  return all;
}

}  // namespace plimsoll::policies
