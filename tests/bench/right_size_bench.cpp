// What right-sizing is worth: two simulated days, or eight, of a container with a day and a night, bursts, a
// cache that it fills with what it reads once, and a leak on the last day. All days but the last are watched;
// slack and OOM kills are counted on that. Simulated time, the real engine; nothing is measured of this
// machine.
#include <algorithm>
#include <climits>
#include <cmath>
#include <cstdio>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "policies/engine.h"

namespace plimsoll::policies {
namespace {

using namespace std::chrono_literals;
using model::Bound;

constexpr double kMiB = 1024.0 * 1024;
constexpr int kDay = 24 * 3600;
constexpr double kStep = 10;  // seconds
constexpr double kStatic = 1024;

// What it needs not to stall, MiB.
class Workload {
 public:
  // It leaks from `leaks_from` on, in seconds.
  explicit Workload(int leaks_from) : leaks_from_(leaks_from) {}
  double need(int second) {
    if (second < starts_) return 40;
    const double day = std::max(0.0, std::sin((second % kDay - kDay / 4.0) / kDay * 2 * M_PI));
    if (second >= burst_ends_ && random_(engine_) < kStep / 5400) {
      burst_ends_ = second + 120;
      burst_ = 40 + 60 * random_(engine_);
    }
    const double leak = leak_until(second) - leaked_;
    return 90 + 220 * day + (second < burst_ends_ ? burst_ : 0) + leak + 4 * random_(engine_);
  }
  // As a runtime's back-off has it: five minutes.
  void restart(int second) {
    starts_ = second + 300;
    leaked_ = leak_until(second);
  }

 private:
  double leak_until(int second) const { return std::max(0, second - leaks_from_) / 3600.0 * 25; }

  int leaks_from_;
  std::mt19937 engine_{11};
  std::uniform_real_distribution<double> random_{0, 1};
  int burst_ends_ = 0, starts_ = 0;
  double burst_ = 0, leaked_ = 0;
};

struct Outcome {
  double slack = 0, held = 0;  // MiB hours: of the limit above the need; of memory above the need
  double stalled = 0;          // seconds
  int ooms = 0, decisions = 0;
  double limit = 0;  // at the end; 0: none
};

// A container whose kernel reclaims its cache, kills it where its need is over its limit, and stalls it where
// what it needs was taken away: half a second a second for all that is missing, read in again.
class Simulation {
 public:
  Simulation(bool leaks, const std::string& policy, double limit, int days = 2)
      : load_(leaks ? (days - 1) * kDay : INT_MAX), days_(days) {
    ref_->id = {7};
    ref_->cgroup = "/plimsoll/web";
    ref_->runtime = model::Runtime::kPlimsoll;
    ref_->container_id = ref_->name = "web";
    sample_.memory.stat.emplace();
    sample_.memory.events.emplace();
    sample_.pressure.memory.emplace();
    sample_.limits.memory_swap_max = Bound<Bytes>(Bytes{0});
    set(limit);
    if (!policy.empty()) {
      engine_.use(load_texts({{"p",
                               "apiVersion: plimsoll/v1\nkind: Policy\nmetadata: {name: p}\nspec:\n"
                               "  select: {names: [web]}\n  autosize: {memory: " +
                                   policy + "}\n"}})
                      .set);
    }
  }
  // At the beginning of the last day, `between` sees what is recommended.
  Outcome run(const std::function<void(Simulation&)>& between = {}) {
    for (int second = 0; second < days_ * kDay; second += static_cast<int>(kStep)) {
      if (second == (days_ - 1) * kDay) {
        outcome_ = {};
        if (between) between(*this);
      }
      live(second);
      decide(second);
    }
    outcome_.limit = limit_;
    return outcome_;
  }
  void set(double limit) {
    limit_ = limit;
    sample_.limits.memory_max =
        limit > 0 ? Bound(Bytes{static_cast<std::uint64_t>(limit * kMiB)}) : Bound<Bytes>::max();
  }
  double recommended() const {
    const auto all = engine_.recommendations();
    return all.empty() ? 0 : std::ceil(all[0].target / kMiB);
  }

 private:
  void live(int second) {
    double need = load_.need(second);
    if (limit_ > 0 && need > limit_) {
      ++outcome_.ooms;
      ++sample_.memory.events->oom;
      ++sample_.memory.events->oom_kill;
      load_.restart(second);
      need = std::min(load_.need(second), limit_);
      used_ = 40;
    }
    // Of its need, a third is file pages in use, which a reclaim may hit.
    const double missing = std::max(0.0, need - used_);
    const double taken_away = std::min(missing, std::max(0.0, last_need_ - used_));
    const double stall = kStep * std::min(0.5, 0.5 * taken_away / need);
    outcome_.stalled += stall;
    sample_.pressure.memory->some.total += Microseconds(static_cast<std::int64_t>(stall * 1e6));
    used_ = std::max(used_, need) + kStep * 0.05;  // what it reads once stays: 50 KiB a second
    if (limit_ > 0) used_ = std::min(used_, limit_);
    last_need_ = need;
    outcome_.held += (used_ - need) * kStep / 3600;
    if (limit_ > 0) outcome_.slack += (limit_ - need) * kStep / 3600;
    const auto bytes = [](double mebi) { return Bytes{static_cast<std::uint64_t>(mebi * kMiB)}; };
    sample_.memory.current = bytes(used_);
    sample_.memory.stat->anon = bytes(need * 2 / 3);
    sample_.memory.stat->file = bytes(used_ - need * 2 / 3);
    sample_.memory.stat->inactive_file = bytes(used_ - need);
  }
  void decide(int second) {
    model::Snapshot snapshot;
    snapshot.boot = sample_.taken = BootTime{Nanoseconds(second * 1s)};
    snapshot.wall = WallTime(std::chrono::hours(24 * 20000) + second * 1s);
    snapshot.host.taken = snapshot.boot;
    snapshot.host.memory_total = Bytes{16ULL << 30};
    snapshot.containers.push_back({ref_, sample_});
    for (const model::Decision& one : engine_.evaluate(snapshot, {})) {
      ++outcome_.decisions;
      model::DecisionRecord record;
      record.outcome = one.refusal.empty() ? "done" : "refused";
      if (const auto* less = std::get_if<model::ReclaimMemory>(&one.action)) {
        used_ = std::max(used_ - static_cast<double>(less->amount.value) / kMiB, last_need_ * 2 / 3);
      } else if (const auto* to = std::get_if<model::SetFile>(&one.action); one.refusal.empty()) {
        record.after = to->value;
        set(to->value == "max" ? 0 : std::stod(to->value) / kMiB);
      }
      engine_.report(one, record);
    }
  }

  Workload load_;
  int days_;
  Engine engine_{EngineOptions{}};
  std::shared_ptr<model::ContainerRef> ref_ = std::make_shared<model::ContainerRef>();
  model::Sample sample_;
  double limit_ = 0, used_ = 40, last_need_ = 40;
  Outcome outcome_;
};

void print(const char* name, const Outcome& outcome) {
  const std::string limit = outcome.limit > 0 ? std::to_string(static_cast<int>(outcome.limit)) : "none";
  const std::string slack =
      outcome.limit > 0 ? std::to_string(static_cast<int>(std::lround(outcome.slack / 24))) : "-";
  std::printf("| %-38s | %6s | %6s | %6.0f | %4d | %6.1f | %4d |\n", name, limit.c_str(), slack.c_str(),
              outcome.held / 24, outcome.ooms, outcome.stalled, outcome.decisions);
}

void day(const char* title, bool leaks) {
  std::printf("\n%s (MiB, means of the last day)\n", title);
  std::printf("| %-38s | %6s | %6s | %6s | %4s | %6s | %4s |\n", "", "limit", "slack", "unused", "OOMs",
              "stall s", "acts");
  print("no limit", Simulation(leaks, "", 0).run());
  print("static, by guess", Simulation(leaks, "", kStatic).run());
  print("static, mean of day one + 50 %", Simulation(leaks, "", 250).run());
  const auto recommend = [](Simulation& simulation) { simulation.set(simulation.recommended()); };
  print("recommend after a day, then fixed", Simulation(leaks, "{mode: recommend}", kStatic).run(recommend));
  print("enforce", Simulation(leaks, "{mode: enforce}", kStatic).run());
  print("enforce, after a week", Simulation(leaks, "{mode: enforce}", kStatic, 8).run());
  print("enforce, max: 512MiB", Simulation(leaks, "{mode: enforce, max: 512MiB}", kStatic).run());
  print("pressure, enforce", Simulation(leaks, "{mode: enforce, seek: pressure}", 0).run());
  print("pressure, enforce, in the static limit",
        Simulation(leaks, "{mode: enforce, seek: pressure}", kStatic).run());
}

}  // namespace
}  // namespace plimsoll::policies

int main() {
  plimsoll::policies::day("day and night, bursts", false);
  plimsoll::policies::day("the same with a leak of 25 MiB an hour", true);
}
