// Stops and restarts by somebody who can be told to be slow.
#include "agent/enforce/endings.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <filesystem>
#include <mutex>

#include "agent/enforce/executor.h"
#include "tests/unit/watch/temporary_tree.h"

namespace plimsoll::enforce {
namespace {

using namespace std::chrono_literals;

class SlowControl final : public ContainerControl {
 public:
  Result<> stop(const std::string& id, std::optional<Nanoseconds>) override { return wait(id); }
  Result<> restart(const std::string& id, std::optional<Nanoseconds>) override { return wait(id); }
  void interrupt() override { answer(fail("the agent is ending")); }
  void answer(Result<> result) {
    const std::lock_guard lock(mutex_);
    answer_ = std::move(result);
    changed_.notify_all();
  }

  int asked() {
    const std::lock_guard lock(mutex_);
    return asked_;
  }
  void be_slow() {
    const std::lock_guard lock(mutex_);
    answer_.reset();
  }

 private:
  Result<> wait(const std::string&) {
    std::unique_lock lock(mutex_);
    ++asked_;
    changed_.wait(lock, [&] { return answer_.has_value(); });
    return *answer_;
  }
  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<Result<>> answer_;
  int asked_ = 0;
};

class EndingsTest : public testing::Test {
 protected:
  EndingsTest() {
    cgroups_.put("web/cgroup.events", "populated 1\nfrozen 0\n");
    cgroups_.put("web/cgroup.freeze", "0\n");
    ref_ = std::make_shared<model::ContainerRef>();
    ref_->id = kernel::Cgroup::open(cgroups_.root() + "/web")->id();
    ref_->cgroup = "/web";
    ref_->container_id = "abc";
    ref_->runtime = model::Runtime::kPlimsoll;
    begin();
  }
  void begin() {
    executor_ = std::make_unique<Executor>(cgroups_.root(), clock_, &control_);
    executor_->persist_with([this](const std::string& state) { kept_ = state; });
    executor_->wake_with([this] {
      const std::lock_guard lock(mutex_);
      ++woken_;
      changed_.notify_all();
    });
  }
  model::DecisionRecord act(model::Action action) {
    model::Decision decision;
    decision.container = ref_;
    decision.policy = "p";
    decision.rule = "r";
    decision.action = std::move(action);
    return executor_->carry_out(decision);
  }
  model::DecisionRecord ended() {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, 60s, [&] { return woken_ > 0; }));
    const auto records = executor_->tick();
    EXPECT_EQ(records.size(), 1U);
    return records.empty() ? model::DecisionRecord{} : records.front();
  }

  Tree cgroups_;
  SystemClock clock_;
  SlowControl control_;
  std::shared_ptr<model::ContainerRef> ref_;
  std::string kept_;
  std::mutex mutex_;
  std::condition_variable changed_;
  int woken_ = 0;
  std::unique_ptr<Executor> executor_;
};

TEST_F(EndingsTest, NobodyWaitsForAStopAndItsEndIsTold) {
  const auto begun = act(model::Stop{10s});
  EXPECT_EQ(begun.outcome, "done");
  EXPECT_EQ(begun.detail, "begun, grace 10s");
  EXPECT_TRUE(executor_->tick().empty());
  EXPECT_NE(kept_.find("\"endings\":[{"), std::string::npos) << kept_;
  const auto again = act(model::Restart{});
  EXPECT_EQ(again.outcome, "failed");
  EXPECT_NE(again.detail.find("already"), std::string::npos) << again.detail;
  control_.answer({});
  const auto record = ended();
  EXPECT_EQ(record.outcome, "done");
  EXPECT_EQ(record.action, "stop");
  EXPECT_TRUE(record.detail.starts_with("stopped after ")) << record.detail;
  EXPECT_EQ(kept_, "");
}

TEST_F(EndingsTest, AFailureIsTold) {
  act(model::Restart{1s});
  control_.answer(fail("it would not"));
  const auto record = ended();
  EXPECT_EQ(record.outcome, "failed");
  EXPECT_EQ(record.detail, "it would not");
}

TEST_F(EndingsTest, OthersContainersAreTheirRuntimes) {
  ref_->runtime = model::Runtime::kDocker;
  const auto record = act(model::Stop{});
  EXPECT_EQ(record.outcome, "refused");
  EXPECT_NE(record.detail.find("one of docker's"), std::string::npos) << record.detail;
}

TEST_F(EndingsTest, TheEndDoesNotWaitAndTheNextOneGoesOn) {
  act(model::Stop{});
  const std::string kept = kept_;
  executor_.reset();
  EXPECT_EQ(kept_, kept) << "what was interrupted is not done";
  control_.be_slow();
  woken_ = 0;
  begin();
  ASSERT_TRUE(executor_->restore(kept));
  EXPECT_TRUE(executor_->tick().empty());
  control_.answer({});
  EXPECT_EQ(ended().outcome, "done");
}

TEST_F(EndingsTest, WhatHasComeToItsEndIsNotStoppedAgain) {
  act(model::Stop{});
  const std::string kept = kept_;
  executor_.reset();
  begin();
  cgroups_.put("web/cgroup.events", "populated 0\nfrozen 0\n");
  ASSERT_TRUE(executor_->restore(kept));
  executor_.reset();
  EXPECT_EQ(control_.asked(), 1);
}

// The signal was sent, the agent ended, and the container after it: nobody else starts it again.
TEST_F(EndingsTest, ARestartThatCameAsFarAsTheEndGoesOnFromThere) {
  act(model::Restart{});
  const std::string kept = kept_;
  executor_.reset();
  std::filesystem::remove_all(cgroups_.root() + "/web");
  woken_ = 0;
  begin();
  control_.answer({});
  ASSERT_TRUE(executor_->restore(kept));
  EXPECT_EQ(ended().detail.substr(0, 9), "restarted");
  EXPECT_EQ(control_.asked(), 2);
}

TEST_F(EndingsTest, ARestartIsNotDoneAgainToANewBeginning) {
  act(model::Restart{});
  const std::string kept = kept_;
  executor_.reset();
  std::filesystem::rename(cgroups_.root() + "/web", cgroups_.root() + "/before");
  cgroups_.put("web/cgroup.events", "populated 1\nfrozen 0\n");
  begin();
  ASSERT_TRUE(executor_->restore(kept));
  executor_.reset();
  EXPECT_EQ(control_.asked(), 1);
}

}  // namespace
}  // namespace plimsoll::enforce
