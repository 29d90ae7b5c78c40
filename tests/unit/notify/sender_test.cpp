// The sender's thread, over a network of the test.
#include "agent/notify/sender.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <nlohmann/json.hpp>

#include "tests/unit/notify/notify_fixture.h"

namespace plimsoll::notify {
namespace {

using namespace std::chrono_literals;

// Answers each request by its body; what it was asked stays.
class FakeNetwork {
 public:
  std::function<Reply(const Request&)> answer = [](const Request&) { return Reply{.status = 200}; };

  class Link final : public Transport {
   public:
    explicit Link(FakeNetwork& network) : network_(network) {}
    void start(std::uint64_t id, const Request& request) override {
      const std::lock_guard lock(network_.mutex_);
      network_.asked_.push_back(request);
      ended_.push_back({id, network_.answer(request)});
      network_.changed_.notify_all();
    }
    std::vector<Ended> wait(Nanoseconds most) override {
      std::unique_lock lock(network_.mutex_);
      if (ended_.empty())
        network_.changed_.wait_for(lock, std::min(most, Nanoseconds(1s)), [&] { return network_.woken_; });
      network_.woken_ = false;
      return std::exchange(ended_, {});
    }
    void wake() override {
      const std::lock_guard lock(network_.mutex_);
      network_.woken_ = true;
      network_.changed_.notify_all();
    }

   private:
    FakeNetwork& network_;
    std::vector<Ended> ended_;
  };

  // Of the requests so far, once there are so many.
  std::vector<Request> asked(std::size_t count) {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, 60s, [&] { return asked_.size() >= count; }));
    return asked_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Request> asked_;
  bool woken_ = false;
};

class SenderTest : public testing::Test {
 protected:
  std::unique_ptr<Sender> begin(std::vector<model::NotifyTarget> targets) {
    Sender::Parts parts{.clock = clock_,
                        .transport = std::make_unique<FakeNetwork::Link>(network_),
                        .outbox = {.host = "node-1", .first_pause = 1ms},
                        .load = [this]() -> Result<std::string> { return kept_; },
                        .keep = [this](const std::string& text) -> Result<> {
                          const std::lock_guard lock(mutex_);
                          if (!disk_) return fail("write notifications: No space left on device");
                          kept_ = text;
                          return {};
                        },
                        .read_file = [](const std::string& path) -> Result<std::string> {
                          if (path == "/token") return "  secret\n";
                          if (path == "/lines") return "a\nb";
                          return fail("read " + path + ": No such file or directory");
                        }};
    auto sender = std::make_unique<Sender>(std::move(parts));
    sender->use(std::move(targets));
    return sender;
  }
  static void tell(Sender& sender, const std::string& rule = "squeeze",
                   std::vector<std::string> to = {"oncall"}) {
    model::Decision decision;
    decision.container = web();
    decision.policy = "leaky";
    decision.rule = rule;
    decision.action = model::Notify{.text = "web at 90MiB", .to = std::move(to)};
    sender.tell(decision, {.id = 17, .when = kBegan});
  }
  template <typename Condition>
  static bool eventually(Condition condition) {
    for (int i = 0; i < 6000; ++i) {
      if (condition()) return true;
      std::this_thread::sleep_for(10ms);
    }
    return false;
  }
  static model::TargetState state(const Sender& sender) {
    const auto states = sender.states();
    return states.empty() ? model::TargetState() : states[0];
  }
  std::string kept() {
    const std::lock_guard lock(mutex_);
    return kept_;
  }

  SystemClock clock_;
  FakeNetwork network_;
  std::mutex mutex_;
  std::string kept_;
  bool disk_ = true;
};

TEST_F(SenderTest, SendsWhatItIsTold) {
  auto sender = begin({webhook()});
  tell(*sender);
  const auto asked = network_.asked(1);
  const auto body = nlohmann::json::parse(asked[0].body);
  EXPECT_EQ(body["text"], "web at 90MiB");
  EXPECT_EQ(body["decision"], 17);
  EXPECT_EQ(body["host"], "node-1");
  EXPECT_TRUE(eventually([&] { return state(*sender).sent == 1; }));
}

TEST_F(SenderTest, TriesAgain) {
  network_.answer = [n = 0](const Request&) mutable { return Reply{.status = n++ < 2 ? 503 : 200}; };
  auto sender = begin({webhook()});
  tell(*sender);
  (void)network_.asked(3);
  EXPECT_TRUE(eventually([&] { return state(*sender).sent == 1; }));
  EXPECT_EQ(state(*sender).retried, 2U);
}

TEST_F(SenderTest, TokensAreReadForEachRequest) {
  model::NotifyTarget target = webhook();
  target.bearer_token_file = "/token";
  auto sender = begin({target});
  tell(*sender);
  const auto asked = network_.asked(1);
  EXPECT_EQ(asked[0].headers.back(), (std::pair<std::string, std::string>("Authorization", "Bearer secret")));
}

TEST_F(SenderTest, WithoutItsTokenNothingIsSent) {
  for (const auto& [file, why] : {std::pair("/gone", "read /gone: No such file or directory"),
                                  std::pair("/lines", "read /lines: expected one token")}) {
    model::NotifyTarget target = webhook();
    target.bearer_token_file = file;
    auto sender = begin({target});
    tell(*sender);
    EXPECT_TRUE(eventually([&] { return state(*sender).last_error == why; })) << why;
  }
}

TEST_F(SenderTest, WhatWaitsIsSentByTheNext) {
  network_.answer = [](const Request&) { return Reply{.text = "Connection refused"}; };
  auto sender = begin({webhook()});
  tell(*sender);
  (void)network_.asked(1);
  EXPECT_TRUE(eventually([&] { return kept().find("90MiB") != std::string::npos; })) << "while it runs";
  sender.reset();
  const std::size_t before = network_.asked(1).size();
  network_.answer = [](const Request&) { return Reply{.status = 200}; };
  sender = begin({webhook()});
  (void)network_.asked(before + 1);
  EXPECT_TRUE(eventually([&] { return state(*sender).sent == 1; }));
  sender.reset();
  EXPECT_EQ(nlohmann::json::parse(kept_)["targets"]["oncall"]["lanes"][0].size(), 0U);
}

TEST_F(SenderTest, WhatIsToldAtTheVeryEndIsKept) {
  auto sender = begin({webhook()});
  for (int i = 0; i < 50; ++i) tell(*sender, "rule " + std::to_string(i));
  sender.reset();
  const auto kept = nlohmann::json::parse(kept_)["targets"]["oncall"];
  EXPECT_EQ(kept["alerts"].size(), 50U);
  EXPECT_EQ(kept["lanes"][0].size() + network_.asked(0).size(), 50U);
}

TEST_F(SenderTest, WhatCannotBeKeptIsSaidAndSentAllTheSame) {
  disk_ = false;
  auto sender = begin({webhook()});
  tell(*sender);
  (void)network_.asked(1);
  std::vector<std::string> problems;
  EXPECT_TRUE(eventually([&] { return !(problems = sender->take_problems()).empty(); }));
  EXPECT_EQ(problems[0], "keep notifications over a restart: write notifications: No space left on device");
}

TEST_F(SenderTest, AnEarlierAgentsNonsenseIsSaid) {
  kept_ = "{nonsense";
  auto sender = begin({webhook()});
  std::vector<std::string> problems;
  EXPECT_TRUE(eventually([&] { return !(problems = sender->take_problems()).empty(); }));
  EXPECT_TRUE(problems[0].starts_with("notifications of an earlier agent: saved notifications: "))
      << problems[0];
  tell(*sender);
  (void)network_.asked(1);
}

TEST_F(SenderTest, WhatIsGivenUpIsHandedOver) {
  network_.answer = [](const Request&) { return Reply{.status = 404, .text = "no_service"}; };
  auto sender = begin({webhook()});
  tell(*sender);
  std::vector<model::DecisionRecord> failed;
  EXPECT_TRUE(eventually([&] { return !(failed = sender->take_failed()).empty(); }));
  EXPECT_EQ(failed[0].detail, "web at 90MiB (to oncall): answered 404: no_service");
}

}  // namespace
}  // namespace plimsoll::notify
