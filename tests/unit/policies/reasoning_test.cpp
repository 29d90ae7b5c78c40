// What can be proven of conditions, and what must not be.
#include "policies/reasoning.h"

#include <gtest/gtest.h>

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
       }) {
    EXPECT_EQ(whole(text), Holds::kNever) << text;
  }
}

TEST(Reasoning, ProvesWhatAlwaysHolds) {
  for (const char* text :
       {"2 > 1", "pids.count >= 0", "pids.count > 5 or pids.count <= 5", "not cpu.throttled > 100%",
        "memory.usage == memory.usage", "memory.usage >= 0 for 10s"}) {
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

}  // namespace
}  // namespace plimsoll::policies
