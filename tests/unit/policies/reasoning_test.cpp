// What can be proven of conditions, and what must not be.
#include "policies/reasoning.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace plimsoll::policies {
namespace {

Expression parsed(std::string_view text) {
  auto condition = Expression::condition(text, {});
  if (!condition) ADD_FAILURE() << text << ": " << condition.error().message;
  return *condition;
}

Holds whole(std::string_view text) {
  const Expression condition = parsed(text);
  return Reasoning(condition).whole();
}

bool follows(std::string_view until, std::string_view when) {
  const Expression then = parsed(until), first = parsed(when);
  return Reasoning(then).follows_from(Reasoning(first));
}

TEST(Reasoning, ProvesWhatNeverHolds) {
  for (const char* text : {
           "1 > 2",
           "cpu.throttled > 100%",
           "memory.usage < 0",
           "memory.usage + 1MiB < 1MiB",
           "2 * cpu.usage < 0 for 10s",
           "cpu.usage / 2 < 0",
           "10s > 2 * 10s",
           "pids.count > 5 and pids.count < 3",
           "pids.count > 5 and pids.count <= 5",
           "pids.count == 5 and pids.count == 6",
           "3 > pids.count and pids.count > 5",
           "2 * pids.count > 10 and pids.count < 5",
           "memory.usage > 80% of memory.max and memory.usage < 60% of memory.max",
           "80% of memory.max < memory.usage and memory.usage < 80% of memory.max",
           "(pids.count > 5 or pids.count > 6) and not pids.count > 4",
           "not (pids.count > 5 or pids.count <= 5)",
           "(pids.count > 5 for 10s) and pids.count < 5",
           "max(cpu.throttled, 1m) - 1% > 100%",
           "memory.usage > memory.usage",
           "host.time.utc >= 24h",
           "host.time.utc >= 22h and host.time.utc < 6h",
           "host.time.weekday > 7",
           "host.time.weekday < 1",
       }) {
    EXPECT_EQ(whole(text), Holds::kNever) << text;
  }
}

TEST(Reasoning, ProvesWhatAlwaysHolds) {
  for (const char* text :
       {"2 > 1", "pids.count >= 0", "pids.count > 5 or pids.count <= 5", "not cpu.throttled > 100%",
        "memory.usage == memory.usage", "memory.usage >= 0 for 10s", "host.time.utc < 24h",
        "host.time.utc >= 6h or host.time.utc < 22h", "host.time.weekday >= 1"}) {
    EXPECT_EQ(whole(text), Holds::kAlways) << text;
  }
}

TEST(Reasoning, CallsThePossiblePossible) {
  for (const char* text : {
           "cpu.throttled >= 100%",
           "memory.growth < 0",
           "rate(memory.usage, 1m) < 0",
           "memory.usage <= 0",
           "memory.usage >= 80% of memory.max and memory.usage <= 60% of memory.max",  // both may be 0
           "cpu.usage > 1 and not (cpu.usage > 1 for 10s)",
           "pids.count > 5 and cpu.usage < 3",
           "avg(pids.count, 10s) > 5 and avg(pids.count, 20s) < 3",
           "max(pids.count, 10s) > 5 and min(pids.count, 10s) < 3",
           "memory.growth > 2 * memory.growth",
           "memory.usage - memory.file < 0",
           "memory.usage / memory.max > 2 and memory.usage / memory.max < 1",  // not linear: nothing is said
           "pids.count != 5 and pids.count != 6",
       }) {
    EXPECT_EQ(whole(text), Holds::kSometimes) << text;
  }
}

TEST(Reasoning, ProvesThatOneFollowsFromAnother) {
  EXPECT_TRUE(follows("pids.count > 5", "pids.count > 10"));
  EXPECT_TRUE(follows("pids.count > 5", "pids.count > 10 and cpu.usage > 1 for 5s"));
  EXPECT_TRUE(follows("pids.count > 5 or cpu.usage > 1", "pids.count > 10"));
  EXPECT_TRUE(follows("memory.usage > 60% of memory.max", "memory.usage > 0.8 * memory.max"));
  EXPECT_FALSE(follows("pids.count > 10", "pids.count > 5"));
  EXPECT_FALSE(follows("pids.count < 5", "pids.count > 10"));
  EXPECT_FALSE(follows("pids.count > 5 and cpu.usage > 1", "pids.count > 10"));
  EXPECT_FALSE(follows("memory.usage > 1MiB", "memory.usage > 80% of memory.max"));
}

TEST(Reasoning, GivesUpWhereThereAreTooManyAlternatives) {
  std::string text = "(pids.count > 1 or cpu.usage > 1)";
  for (int i = 2; i < 40; ++i) {
    const std::string n = std::to_string(i);
    text += " and (pids.count > " + n + " or cpu.usage > " + n + ")";
  }
  EXPECT_EQ(whole(text), Holds::kSometimes);
}

// Small numbers, so that comparisons meet, touch and miss each other.
class Random {
 public:
  int below(int end) { return std::uniform_int_distribution(0, end - 1)(engine_); }
  std::string condition(int depth) {
    const int kind = depth == 0 ? 0 : below(6);
    if (kind == 1) return "(" + condition(depth - 1) + " and " + condition(depth - 1) + ")";
    if (kind == 2) return "(" + condition(depth - 1) + " or " + condition(depth - 1) + ")";
    if (kind == 3) return "not (" + condition(depth - 1) + ")";
    if (kind == 4) return "(" + condition(depth - 1) + " for 10s)";
    return value() + pick({" < ", " <= ", " > ", " >= ", " == ", " != "}) + value();
  }

 private:
  std::string pick(std::initializer_list<const char*> words) {
    return *(words.begin() + below(static_cast<int>(words.size())));
  }
  std::string value() {
    switch (below(5)) {
      case 0:
        return std::to_string(below(4)) + "B";
      case 1:
        return pick({"1", "2", "3"}) + " * " + pick({"memory.usage", "memory.max", "memory.swap"});
      case 2:
        return "memory.usage - " + pick({"1B", "memory.usage", "memory.max"});
      case 3:
        return pick({"memory.usage / 2", "-1 * memory.max", "-memory.usage"});
      default:
        return pick({"memory.usage", "memory.max", "memory.swap"});
    }
  }
  std::mt19937 engine_{1};  // NOLINT: the same each time
};

class Memory final : public SignalSource {
 public:
  std::map<std::string_view, double> values;
  Reading value(SignalId signal) const override {
    return {values.at(signals()[signal].name), Unknown::kKnown, signal};
  }
  Reading window(Function, SignalId signal, Nanoseconds) const override { return value(signal); }
};

// A `for` has held for an age, or for no time at all.
bool is_true(const Expression& condition, const SignalSource& source, bool held) {
  const BootTime now{std::chrono::hours(1)};
  std::vector<HoldTimer> timers(condition.timers());
  for (HoldTimer& timer : timers) {
    if (held) timer.since = BootTime{};
  }
  return condition.test(source, now, timers, nullptr) == Truth::kTrue;
}

TEST(Reasoning, NeverClaimsWhatAValueDisproves) {
  Random random;
  int never = 0, always = 0, followed = 0;
  for (int round = 0; round < 3000; ++round) {
    const Expression first = parsed(random.condition(3)), second = parsed(random.condition(2));
    const Holds holds = Reasoning(first).whole();
    const bool follows = Reasoning(second).follows_from(Reasoning(first));
    never += holds == Holds::kNever;
    always += holds == Holds::kAlways;
    followed += follows && holds == Holds::kSometimes;
    const bool timed = first.timers() > 0 || second.timers() > 0;
    for (int sample = 0; sample < 60; ++sample) {
      Memory memory;
      for (const char* name : {"memory.usage", "memory.max", "memory.swap"})
        memory.values[name] = random.below(9) / 2.0;
      for (const bool held : {true, false}) {
        const bool now = is_true(first, memory, held);
        ASSERT_FALSE(now && holds == Holds::kNever) << first.text();
        ASSERT_FALSE(!now && holds == Holds::kAlways && !timed) << first.text();
        ASSERT_FALSE(now && follows && !timed && !is_true(second, memory, held))
            << first.text() << " -> " << second.text();
      }
    }
  }
  // The claims that were tried: enough of each.
  EXPECT_GT(never, 100);
  EXPECT_GT(always, 100);
  EXPECT_GT(followed, 100);
}

}  // namespace
}  // namespace plimsoll::policies
