#include <gtest/gtest.h>

#include "tests/unit/history/moments.h"

namespace plimsoll::history {
namespace {

model::Event event(model::ContainerSample& one, BootTime at, int kind) {
  std::mt19937_64 random(7);
  switch (kind) {
    case 0:
      return {at, model::ContainerAppeared{one.ref}};
    case 1:
      return {at, model::ContainerVanished{one.ref, sample(random, at)}};
    case 2:
      return {at, model::MemoryEventsChanged{one.ref, {.high = 1}, {.high = 3, .oom_group_kill = 2}}};
    case 3:
      return {at, model::PressureRaised{nullptr, "memory"}};
    default:
      return {at, model::ProbeRaised{one.ref,
                                     {one.ref->id, model::ProbeAlarm::Why::kOomKill, Nanoseconds(5), 42}}};
  }
}

TEST(Codec, MomentsComeBackAsTheyWere) {
  Host host(12);
  Encoder encoder;
  Decoder decoder;
  for (int i = 0; i < 50; ++i) {
    if (i == 10) host.snapshot().containers.erase(host.snapshot().containers.begin() + 3);
    if (i == 20) host.snapshot().containers.insert(host.snapshot().containers.begin(), {container(999), {}});
    if (i == 30) host.snapshot().containers[2].ref = container(998);
    const model::Snapshot& now = host.go_on(i % 3 == 0 ? 1 : 0.2);
    std::string bytes;
    encoder.encode({.snapshot = now, .tick = i % 2 == 0, .paused = i % 5 == 0}, bytes);
    std::string_view left = bytes;
    const auto back = decoder.decode(left);
    ASSERT_TRUE(back) << i;
    EXPECT_TRUE(left.empty());
    EXPECT_EQ(words_of(*back->snapshot), words_of(now)) << i;
    EXPECT_EQ(back->tick, i % 2 == 0);
    EXPECT_EQ(back->paused, i % 5 == 0);
  }
}

TEST(Codec, SoDoEventsAndDecisions) {
  Host host(3);
  Encoder encoder;
  Decoder decoder;
  const model::Snapshot now = host.go_on();
  std::vector<model::Event> events;
  for (int kind = 0; kind < 5; ++kind) events.push_back(event(host.snapshot().containers[1], now.boot, kind));
  model::ContainerSample gone{container(5), {}};
  events.push_back(event(gone, now.boot, 1));  // it is in no snapshot
  const model::DecisionRecord decision{.id = 7,
                                       .when = now.wall,
                                       .policy = "p",
                                       .rule = "r",
                                       .cause = "rule",
                                       .action = "set",
                                       .outcome = "done",
                                       .container = "web",
                                       .container_id = "abc",
                                       .cgroup = "/a",
                                       .detail = "memory.high",
                                       .before = "max",
                                       .after = "4096",
                                       .seen = {{"memory.usage", "1GiB"}},
                                       .breach_to_effect = Nanoseconds(5)};
  std::string bytes;
  const std::vector decisions{decision};
  encoder.encode(
      {.snapshot = now, .events = events, .decisions = decisions, .followed = decisions, .tick = true},
      bytes);
  std::string_view left = bytes;
  const auto back = decoder.decode(left);
  ASSERT_TRUE(back);
  ASSERT_EQ(back->events.size(), events.size());
  for (std::size_t i = 0; i < events.size(); ++i) {
    EXPECT_EQ(back->events[i].what.index(), events[i].what.index());
    EXPECT_EQ(back->events[i].at, events[i].at);
  }
  const auto& high = std::get<model::MemoryEventsChanged>(back->events[2].what);
  EXPECT_EQ(high.ref->name, "web-101");
  EXPECT_EQ(high.before.high, 1U);
  EXPECT_EQ(high.after.oom_group_kill, 2U);
  EXPECT_EQ(std::get<model::PressureRaised>(back->events[3].what).ref, nullptr);
  EXPECT_EQ(std::get<model::PressureRaised>(back->events[3].what).resource, "memory");
  EXPECT_EQ(std::get<model::ProbeRaised>(back->events[4].what).alarm.pid, 42);
  EXPECT_EQ(std::get<model::ContainerVanished>(back->events[5].what).ref->container_id, "5");
  EXPECT_EQ(std::get<model::ContainerVanished>(back->events[1].what).last.memory.current,
            std::get<model::ContainerVanished>(events[1].what).last.memory.current);
  ASSERT_EQ(back->decisions.size(), 1U);
  EXPECT_EQ(back->followed.size(), 1U);
  EXPECT_EQ(back->decisions[0].seen, decision.seen);
  EXPECT_EQ(back->decisions[0].after, "4096");
  EXPECT_EQ(back->decisions[0].breach_to_effect, Nanoseconds(5));
}

TEST(Codec, WhoDoesNothingTakesNothing) {
  Host host(1000);
  Encoder encoder;
  std::string first, second;
  encoder.encode({.snapshot = host.go_on(), .tick = true}, first);
  encoder.encode({.snapshot = host.go_on(0), .tick = true}, second);
  EXPECT_LT(second.size(), 2000U);  // the host and the root
}

// Cut anywhere it is malformed, and nothing else.
TEST(Codec, HalfAMomentIsNone) {
  Host host(3);
  Encoder encoder;
  std::string bytes;
  encoder.encode({.snapshot = host.go_on(), .tick = true}, bytes);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    Decoder decoder;
    std::string_view half = std::string_view(bytes).substr(0, size);
    EXPECT_FALSE(decoder.decode(half)) << size;
  }
}

TEST(Codec, PercentagesAreExact) {
  for (int i = 0; i <= 10'000; ++i) {
    const double told =
        std::stod(std::to_string(i / 100) + "." + std::to_string(i % 100 / 10) + std::to_string(i % 10));
    Words words;
    Strings strings;
    WordWriter(words, strings).percent(told);
    double back = 0;
    WordReader(words, strings).percent(back);
    ASSERT_EQ(back, told);
  }
}

}  // namespace
}  // namespace plimsoll::history
