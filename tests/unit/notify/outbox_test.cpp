// Queues, pauses, and what is told how often, by an injected clock.
#include "agent/notify/outbox.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/unit/notify/notify_fixture.h"

namespace plimsoll::notify {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

constexpr Reply kGood{.status = 200};
Reply answer(int status) { return {.status = status, .text = "so it is"}; }

class OutboxTest : public testing::Test {
 protected:
  void SetUp() override {
    options_.host = "node-1";
    box_.emplace(options_);
    box_->use({webhook(), alertmanager()});
  }
  void pass(Nanoseconds time) {
    now_.boot = now_.boot + time;
    now_.wall += time;
  }
  void tell(const Notification& what, const std::string& target = "oncall") {
    box_->tell({target}, what, now_);
  }
  // What is sent now, as "status: text", and how it is answered.
  std::vector<std::string> sent(const Reply& reply = kGood) {
    std::vector<std::string> said;
    for (const auto& one : box_->due(now_)) {
      said.push_back(said_in(one.request));
      box_->done(one.id, reply, now_);
    }
    return said;
  }
  // All that is sent in that time, by the second.
  std::vector<std::string> sent_in(Nanoseconds time) {
    std::vector<std::string> all;
    for (Nanoseconds left = time; left.count() > 0; left -= 1s) {
      std::ranges::move(sent(), std::back_inserter(all));
      pass(1s);
    }
    return all;
  }
  static std::string said_in(const Request& request) {
    const json body = json::parse(request.body);
    if (body.is_object()) return body["status"].get<std::string>() + ": " + body["text"].get<std::string>();
    const json& alert = body[0];
    const std::string begins = alert["startsAt"], ends = alert["endsAt"];
    return begins.substr(11, 8) + " to " + ends.substr(11, 8);
  }
  model::TargetState state(const std::string& name = "oncall") const {
    for (const auto& one : box_->states()) {
      if (one.name == name) return one;
    }
    return {};
  }
  Nanoseconds until_next() const {
    const auto next = box_->next_deadline();
    return next ? *next - now_.boot : Nanoseconds(-1);
  }

  using Said = std::vector<std::string>;
  const Said nothing_;
  OutboxOptions options_;
  std::optional<Outbox> box_;
  Moment now_{BootTime{1000s}, kBegan};
};

TEST_F(OutboxTest, SendsAndForgets) {
  EXPECT_EQ(until_next(), Nanoseconds(-1));
  tell(firing());
  EXPECT_EQ(sent(), (Said{"firing: web at 90MiB"}));
  EXPECT_EQ(state().sent, 1U);
  EXPECT_EQ(state().pending, 0U);
  EXPECT_EQ(state().where, "https://hooks.example.com");
  pass(10s);
  tell(resolved(firing(), 10s));
  EXPECT_EQ(sent(), (Said{"resolved: web at 90MiB"}));
  EXPECT_EQ(until_next(), Nanoseconds(-1));
}

TEST_F(OutboxTest, PausesDoubleUpToAMinute) {
  tell(firing());
  for (const Nanoseconds pause : {2s, 4s, 8s, 16s, 32s, 60s, 60s}) {
    EXPECT_EQ(sent(answer(503)).size(), 1U);
    EXPECT_EQ(until_next(), pause);
    pass(pause - 1ms);
    EXPECT_EQ(sent(), nothing_);
    pass(1ms);
  }
  EXPECT_EQ(state().last_error, "answered 503: so it is");
  EXPECT_EQ(sent().size(), 1U);
  EXPECT_EQ(state().retried, 7U);
  EXPECT_EQ(state().last_error, "");
}

TEST_F(OutboxTest, JitterShortensThem) {
  options_.jitter = [] { return 0.5; };
  box_.emplace(options_);
  box_->use({webhook()});
  tell(firing());
  (void)sent(answer(500));
  EXPECT_EQ(until_next(), 1s);
}

TEST_F(OutboxTest, TheOtherSideMaySayWhen) {
  tell(firing());
  (void)sent({.status = 429, .retry_after = 90s});
  EXPECT_EQ(until_next(), 90s);
  pass(90s);
  (void)sent({.status = 503, .retry_after = 24h});
  EXPECT_EQ(until_next(), 1h) << "but not for ever";
}

TEST_F(OutboxTest, WhatIsRefusedIsNotTriedAgain) {
  for (const int status : {302, 400, 401, 404, 410}) {
    tell(firing("text", "rule " + std::to_string(status)));
    EXPECT_EQ(sent(answer(status)).size(), 1U);
    EXPECT_EQ(state().pending, 0U) << status;
  }
  EXPECT_EQ(state().failed, 5U);
  const auto failed = box_->take_failed();
  ASSERT_EQ(failed.size(), 5U);
  EXPECT_EQ(failed[0].detail, "text (to oncall): answered 302, redirections are not followed: so it is");
  EXPECT_EQ(failed[1].detail, "text (to oncall): answered 400: so it is");
  EXPECT_EQ(failed[1].outcome, "failed");
  EXPECT_EQ(failed[1].action, "notify");
  EXPECT_EQ(failed[1].cause, "rule");
  EXPECT_EQ(failed[1].container, "web");
  EXPECT_TRUE(box_->take_failed().empty());
  for (const Reply& reply : {answer(408), answer(429), answer(500), Reply{.text = "Connection refused"}}) {
    tell(firing("text", "again"));
    (void)sent(reply);
    EXPECT_EQ(state().pending, 1U) << reply.status;
    pass(2h);
    EXPECT_EQ(sent().size(), 1U);
  }
}

TEST_F(OutboxTest, AfterAnHourItIsGivenUp) {
  tell(firing());
  tell(firing("another", "rule"));
  const Reply dead{.text = "Connection refused"};
  Nanoseconds passed{0};
  while (state().failed == 0 && passed < 3h) {
    (void)sent(dead);
    const Nanoseconds step = std::max(until_next(), Nanoseconds(1s));
    pass(step);
    passed += step;
  }
  EXPECT_GE(passed, 1h);
  EXPECT_LE(passed, 1h + 2min);
  EXPECT_EQ(state().failed, 2U) << "the one behind it is as old";
  const auto failed = box_->take_failed();
  ASSERT_EQ(failed.size(), 2U);
  EXPECT_EQ(failed[0].detail, "web at 90MiB (to oncall): given up after 1h: Connection refused");
}

TEST_F(OutboxTest, OrderIsKeptAndADeadTargetHoldsUpNoOther) {
  model::NotifyTarget dead = webhook("dead");
  std::get<model::Webhook>(dead.to).url = "http://dead";
  box_->use({dead, webhook("alive")});
  for (const char* rule : {"a", "b", "c"}) box_->tell({"dead", "alive"}, firing(rule, rule), now_);
  Said alive;
  for (int i = 0; i < 4; ++i) {
    for (const auto& one : box_->due(now_)) {
      if (one.request.url == "http://dead") continue;  // it never answers
      alive.push_back(said_in(one.request));
      box_->done(one.id, kGood, now_);
    }
  }
  EXPECT_EQ(alive, (Said{"firing: a", "firing: b", "firing: c"}));
  EXPECT_EQ(state("dead").pending, 3U);
}

TEST_F(OutboxTest, AQueueIsBoundedAndTheOldestGoes) {
  options_.most_pending = 3;
  box_.emplace(options_);
  box_->use({webhook()});
  for (const char* rule : {"a", "b", "c", "d", "e"}) tell(firing(rule, rule));
  EXPECT_EQ(state().dropped, 2U);
  EXPECT_EQ(state().pending, 3U);
  EXPECT_EQ(sent(), (Said{"firing: c"}));
}

TEST_F(OutboxTest, WhatIsOnItsWayIsNotDropped) {
  options_.most_pending = 2;
  box_.emplace(options_);
  box_->use({webhook()});
  tell(firing("a", "a"));
  const auto way = box_->due(now_);
  for (const char* rule : {"b", "c", "d"}) tell(firing(rule, rule));
  box_->done(way[0].id, kGood, now_);
  EXPECT_EQ(sent(), (Said{"firing: d"}));
  EXPECT_EQ(state().sent, 2U);
}

TEST_F(OutboxTest, AStormOfOneRuleIsCutDown) {
  Said said;
  for (int i = 0; i < 150; ++i) {  // fires and ends, each second
    tell(firing());
    std::ranges::move(sent(), std::back_inserter(said));
    pass(1s);
    tell(resolved(firing(), 1s));
    std::ranges::move(sent(), std::back_inserter(said));
  }
  EXPECT_EQ(said.size(), 6U) << "a beginning and an end each minute";
  EXPECT_EQ(state().suppressed, 147U);
}

TEST_F(OutboxTest, WhatGoesOnIsToldWhenItMayBe) {
  tell(firing());
  EXPECT_EQ(sent().size(), 1U);
  pass(10s);
  tell(resolved(firing(), 10s));
  EXPECT_EQ(sent().size(), 1U);
  tell(firing("back"));
  EXPECT_EQ(sent(), nothing_);
  EXPECT_EQ(until_next(), 50s);
  pass(50s);
  EXPECT_EQ(sent(), (Said{"firing: back"}));
  tell(resolved(firing(), 70s));
  EXPECT_EQ(sent(), (Said{"resolved: back"}));
}

TEST_F(OutboxTest, OtherStepsRulesAndTargetsAreOthers) {
  Notification second = firing("worse");
  second.step = 2;
  tell(firing());
  tell(second);
  tell(firing("c", "another"));
  EXPECT_EQ(sent().size() + sent().size() + sent().size(), 3U);
  EXPECT_EQ(state().suppressed, 0U);
  pass(5s);
  tell(resolved(second, 5s));
  EXPECT_EQ(sent(), (Said{"resolved: worse"})) << "the rule has one end";
  EXPECT_EQ(sent(), nothing_);
}

TEST_F(OutboxTest, RepeatIsTheTargetsToSay) {
  model::NotifyTarget always = webhook();
  always.repeat = 0s;
  box_->use({always});
  for (int i = 0; i < 3; ++i) {
    tell(firing());
    EXPECT_EQ(sent().size(), 1U);
  }
}

TEST_F(OutboxTest, AnEndWithoutABeginningIsToldTheLess) {
  tell(resolved(firing()));
  EXPECT_EQ(sent(), (Said{"resolved: web at 90MiB"}));
}

TEST_F(OutboxTest, AnAlertIsToldEachMinuteUntilItsEnd) {
  tell(firing(), "ops");
  EXPECT_EQ(sent_in(150s), (Said{"08:00:00 to 08:05:00", "08:00:00 to 08:06:00", "08:00:00 to 08:07:00"}));
  tell(resolved(firing(), 150s), "ops");
  EXPECT_EQ(sent_in(10min), (Said{"08:00:00 to 08:02:30"}));
}

TEST_F(OutboxTest, OnlyTheNewestStateOfAnAlertWaits) {
  tell(firing(), "ops");
  (void)sent(answer(503));
  for (int i = 0; i < 10; ++i) {
    pass(5min);
    (void)sent(answer(503));
    EXPECT_EQ(state("ops").pending, 1U);
  }
  tell(resolved(firing(), 50min), "ops");
  EXPECT_EQ(state("ops").pending, 1U);
  EXPECT_EQ(sent_in(5min), (Said{"08:00:00 to 08:50:00"}));
}

TEST_F(OutboxTest, AnEndIsNotLostBehindItsBeginningOnItsWay) {
  tell(firing(), "ops");
  const auto way = box_->due(now_);
  pass(1s);
  tell(resolved(firing(), 1s), "ops");
  box_->done(way[0].id, kGood, now_);
  EXPECT_EQ(sent(), (Said{"08:00:00 to 08:00:01"}));
}

TEST_F(OutboxTest, EachMemberOfAClusterGetsEveryAlert) {
  box_->use({alertmanager({"http://am-1", "http://am-2"})});
  tell(firing(), "ops");
  const auto both = box_->due(now_);
  ASSERT_EQ(both.size(), 2U);
  EXPECT_EQ(both[0].request.url, "http://am-1/api/v2/alerts");
  EXPECT_EQ(both[1].request.url, "http://am-2/api/v2/alerts");
  box_->done(both[0].id, answer(500), now_);
  box_->done(both[1].id, kGood, now_);
  EXPECT_EQ(state("ops").pending, 1U);
}

TEST_F(OutboxTest, AnAlertThatWasGivenUpIsToldAgain) {
  tell(firing(), "ops");
  (void)sent(answer(400));
  EXPECT_EQ(box_->take_failed().size(), 1U);
  pass(1min);
  EXPECT_EQ(sent(answer(400)).size(), 1U);
  EXPECT_TRUE(box_->take_failed().empty()) << "said once";
  pass(1min);
  EXPECT_EQ(sent().size(), 1U);
}

TEST_F(OutboxTest, AMendedTargetGetsWhatWaits) {
  tell(firing());
  (void)sent(answer(500));
  model::NotifyTarget mended = webhook();
  std::get<model::Webhook>(mended.to).url = "http://other";
  box_->use({mended});
  const auto sends = box_->due(now_);
  ASSERT_EQ(sends.size(), 1U) << "at once";
  EXPECT_EQ(sends[0].request.url, "http://other");
}

TEST_F(OutboxTest, ATargetThatIsRemovedIsToldTheEnd) {
  tell(firing());
  EXPECT_EQ(sent().size(), 1U);
  box_->use({});
  EXPECT_EQ(sent(), nothing_);
  EXPECT_EQ(state().name, "");
  tell(resolved(firing()));
  EXPECT_EQ(sent(), (Said{"resolved: web at 90MiB"}));
  (void)sent();
  tell(firing());
  EXPECT_EQ(sent(), nothing_);
}

TEST_F(OutboxTest, WhatDoesNotHoldAnyMoreIsOver) {
  tell(firing());
  tell(firing("other", "other"));
  EXPECT_EQ(sent().size() + sent().size(), 2U);
  box_->keep_only({{"leaky", "squeeze", "/plimsoll/4f1c"}}, now_);
  EXPECT_EQ(sent(), (Said{"resolved: other"}));
  EXPECT_EQ(sent(), nothing_);
}

TEST_F(OutboxTest, ARestartForgetsNothing) {
  tell(firing("delivered", "delivered"));
  EXPECT_EQ(sent().size(), 1U);
  tell(firing("waits", "waits"));
  tell(firing("alert", "alert"), "ops");
  EXPECT_TRUE(box_->take_changed());
  EXPECT_FALSE(box_->take_changed());
  pass(50min);
  const std::string saved = box_->save(now_);
  now_.boot = BootTime{5s};  // the host was begun anew
  box_.emplace(options_);
  box_->use({webhook(), alertmanager()});
  ASSERT_TRUE(box_->restore(saved, now_));
  EXPECT_EQ(state().pending, 1U);
  pass(10min);
  (void)sent(answer(500));
  ASSERT_EQ(box_->take_failed().size(), 2U) << "its hour had begun before";
  tell(resolved(firing("delivered", "delivered"), 2h));
  EXPECT_EQ(sent_in(3s), (Said{"resolved: delivered"}));
}

TEST_F(OutboxTest, AnAlertGoesOnAfterARestart) {
  tell(firing(), "ops");
  (void)sent();
  const std::string saved = box_->save(now_);
  box_.emplace(options_);
  box_->use({alertmanager()});
  pass(30s);
  ASSERT_TRUE(box_->restore(saved, now_));
  EXPECT_EQ(sent(), (Said{"08:00:00 to 08:05:30"}));
}

TEST_F(OutboxTest, WhatIsNoStateChangesNothing) {
  tell(firing());
  for (const char* text : {"", "{}", "[1]", R"({"targets": {"oncall": {"lanes": [[{}]], "alerts": []}}})"}) {
    EXPECT_FALSE(box_->restore(text, now_)) << text;
  }
  EXPECT_TRUE(box_->restore(R"({"targets": {"gone": {}}})", now_));
  EXPECT_EQ(state().pending, 1U);
}

}  // namespace
}  // namespace plimsoll::notify
