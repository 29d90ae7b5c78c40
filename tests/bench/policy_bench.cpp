// What a decision costs: Engine::evaluate() a tick of 1,000 containers under 20 policies, against a floor in
// the same run that reads the same numbers from the same snapshot and compares each once, with nothing
// remembered.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "agent/base/clock.h"
#include "policies/engine.h"
#include "tests/bench/measure.h"

namespace plimsoll::policies {

std::size_t allocations = 0;  // of this program so far

namespace {

using bench::median;
using model::Bound;

constexpr std::size_t kTiers = 5;  // each container is of one tier, which four policies select
constexpr std::size_t kPolicies = 20;
constexpr int kRounds = 31;
constexpr std::uint64_t kMiB = 1ULL << 20;

// So that the four policies of a container have that many rules together: 8 or 20.
std::size_t pairs_of(std::size_t number, std::size_t rules) { return rules == 8 ? 1 : 2 + number % 2; }

// Four limits, and pairs of rules with five comparisons each time, as the policies of the library have.
std::string policy(std::size_t number, std::size_t rules) {
  const std::string n = std::to_string(number);
  std::string text =
      "---\napiVersion: plimsoll/v1\nkind: Policy\nmetadata: {name: policy-of-the-bench-" + n +
      "}\nspec:\n  priority: " + n + "\n  select: {labels: {tier: tier-" + std::to_string(number % kTiers) +
      "}, except: {labels: {critical: 'true'}}}\n"
      "  limits:\n    cpu: {max: 0.5, weight: 50}\n    memory: {max: 256MiB}\n    pids: {max: 200}\n"
      "  rules:\n";
  for (std::size_t i = 0; i < pairs_of(number, rules); ++i) {
    text += "    - name: squeeze-" + std::to_string(i) +
            "\n      when: memory.usage > 80% of memory.max for 10s\n"
            "      then: [{set: {memory.high: 90% of memory.max}}]\n      until: memory.usage < 60% of "
            "memory.max for 1m\n"
            "    - name: last-resort-" +
            std::to_string(i) +
            "\n      when: memory.pressure.full.10s > 40% for 5s and memory.growth > 1MiB or cpu.usage > 4\n"
            "      then: [{notify: worse}]\n      cooldown: 1m\n";
  }
  return text;
}

model::Snapshot snapshot_of(std::size_t count) {
  model::Snapshot snapshot;
  for (std::size_t i = 0; i < count; ++i) {
    auto ref = std::make_shared<model::ContainerRef>();
    ref->id = {i + 1};
    ref->name = "container-" + std::to_string(i);
    ref->container_id = std::string(60, 'a') + std::to_string(1000 + i);
    ref->cgroup = "/plimsoll/" + ref->container_id;
    ref->runtime = model::Runtime::kPlimsoll;
    ref->labels = {{"tier", "tier-" + std::to_string(i % kTiers)}, {"app", "app-" + std::to_string(i)}};
    model::Sample sample;
    sample.cpu.emplace();
    sample.memory.current = Bytes{(100 + i % 50) * kMiB};
    sample.pressure.memory = model::Pressure{.some = {}, .full = model::PressureLine{}};
    sample.limits.cpu_max = model::CpuMax{Bound(Microseconds(50'000)), Microseconds(100'000)};
    sample.limits.cpu_weight = 50;
    sample.limits.memory_max = Bound(Bytes{256 * kMiB});
    sample.limits.memory_high = Bound<Bytes>::max();
    sample.limits.pids_max = Bound<std::uint64_t>(200);
    snapshot.containers.push_back({std::move(ref), std::move(sample)});
  }
  return snapshot;
}

void pass_a_second(model::Snapshot& snapshot) {
  snapshot.boot = snapshot.boot + std::chrono::seconds(1);
  snapshot.host.taken = snapshot.boot;
  for (model::ContainerSample& one : snapshot.containers) {
    one.sample.taken = snapshot.boot;
    one.sample.cpu->usage += std::chrono::milliseconds(250);
    one.sample.memory.current->value += 4096;
  }
}

// The comparisons of the policies that select one container, over its sample and the one before; how many
// held.
std::size_t compare_once(const model::Sample& sample, const model::Sample& before, std::size_t rules) {
  std::size_t held = 0;
  const double seconds = std::chrono::duration<double>(sample.taken - before.taken).count();
  const double usage = static_cast<double>(sample.memory.current->value);
  const double cpu = std::chrono::duration<double>(sample.cpu->usage - before.cpu->usage).count() / seconds;
  const double growth = (usage - static_cast<double>(before.memory.current->value)) / seconds;
  const double max = static_cast<double>(sample.limits.memory_max->value().value);
  for (std::size_t policy = 0; policy < kPolicies / kTiers; ++policy) {
    for (std::size_t pair = 0; pair < pairs_of(policy, rules); ++pair) {
      held += usage > 0.8 * max ? 1 : 0;
      held += sample.pressure.memory->full->avg10 > 40 ? 1 : 0;
      held += growth > static_cast<double>(kMiB) ? 1 : 0;
      held += cpu > 4 ? 1 : 0;
    }
    held += sample.limits.cpu_max->quota != Bound(Microseconds(50'000)) ? 1 : 0;
    held += *sample.limits.cpu_weight != 50 ? 1 : 0;
    held += *sample.limits.memory_max != Bound(Bytes{256 * kMiB}) ? 1 : 0;
    held += *sample.limits.pids_max != Bound<std::uint64_t>(200) ? 1 : 0;
  }
  return held;
}

double microseconds(const Clock& clock, const auto& action) {
  const BootTime begin = clock.boot();
  action();
  return std::chrono::duration<double, std::micro>(clock.boot() - begin).count();
}

bool measure(const std::shared_ptr<const PolicySet>& set, std::size_t count, std::size_t rules) {
  const SystemClock clock;
  Engine engine{EngineOptions{.untouchable = {"/", "/plimsoll/.shims"}}};
  engine.use(set);
  model::Snapshot snapshot = snapshot_of(count);
  std::vector<double> floor, evaluated;
  std::size_t decided = 0, held = 0, allocated = 0;
  for (int round = -3; round < kRounds; ++round) {
    const model::Snapshot before = snapshot;
    pass_a_second(snapshot);
    const double reading = microseconds(clock, [&] {
      for (std::size_t i = 0; i < count; ++i) {
        held += compare_once(snapshot.containers[i].sample, before.containers[i].sample, rules);
      }
    });
    const std::size_t allocations_before = allocations;
    const double deciding = microseconds(clock, [&] { decided += engine.evaluate(snapshot, {}).size(); });
    if (round < 0) continue;  // selections are matched the first time
    allocated += allocations - allocations_before;
    floor.push_back(reading);
    evaluated.push_back(deciding);
  }
  const double each = static_cast<double>(count);
  std::printf("%6zu %12.3f %12.3f %10.1f %12.2f %12.2f\n", count, median(floor) / each,
              median(evaluated) / each, median(evaluated) / median(floor), median(evaluated) / 1e3,
              static_cast<double>(allocated) / kRounds / each);
  if (decided + held == 0) return true;
  std::fprintf(stderr, "policy_bench: %zu decisions and %zu comparisons held, expected none\n", decided,
               held);
  return false;
}

bool run_with(std::size_t rules, const std::vector<std::size_t>& counts) {
  std::string text;
  for (std::size_t i = 0; i < kPolicies; ++i) text += policy(i, rules);
  const LoadOutcome loaded = load_texts({{"bench.yaml", text}});
  if (!loaded.good()) {
    return std::fprintf(stderr, "policy_bench: %s\n", to_string(loaded.diagnostics.front()).c_str()), false;
  }
  const std::size_t each = kPolicies / kTiers;
  std::printf(
      "20 policies, %zu of them select each container, with %zu limits and %zu rules; microseconds a "
      "container "
      "and tick,\n"
      "median of %d ticks; the floor reads the same numbers and compares each once\n",
      each, 4 * each, rules, kRounds);
  std::printf(" count        floor     evaluate      ratio  ms the tick  allocations\n");
  bool good = true;
  for (const std::size_t count : counts) good = measure(loaded.set, count, rules) && good;
  return good;
}

int run() {
  const bool few = run_with(8, {10, 100, 1000});
  return run_with(20, {1000, 10'000}) && few ? 0 : 1;
}

}  // namespace
}  // namespace plimsoll::policies

// Counts what is allocated: a tick in which nothing changes should do without.
// NOLINTBEGIN(misc-new-delete-overloads)
void* operator new(std::size_t size) {
  ++plimsoll::policies::allocations;
  if (void* memory = std::malloc(size == 0 ? 1 : size)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
// NOLINTEND(misc-new-delete-overloads)

int main() { return plimsoll::policies::run(); }
