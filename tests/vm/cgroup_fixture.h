// A cgroup of the test's own on the guest's real hierarchy, with an executor that acts on it. What is left in
// it is killed at the end, and it is removed.
#pragma once

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <vector>

#include "agent/enforce/executor.h"
#include "agent/kernel/cgroup.h"
#include "tests/vm/program.h"

namespace plimsoll::enforce {

inline constexpr const char* kRoot = "/sys/fs/cgroup";

class CgroupTest : public testing::Test {
 protected:
  // `cgroup`: its name below the root; `container`: what records call it.
  CgroupTest(std::string cgroup, std::string container, std::vector<std::string> controllers)
      : executor_(kRoot, clock_),
        name_(std::move(cgroup)),
        container_(std::move(container)),
        controllers_(std::move(controllers)) {}
  void SetUp() override {
    auto root = kernel::Cgroup::open(kRoot);
    ASSERT_TRUE(root);
    const auto enabled = root->enable(controllers_);
    ASSERT_TRUE(enabled) << enabled.error().message();
    auto made = kernel::Cgroup::create(std::string(kRoot) + "/" + name_);
    ASSERT_TRUE(made);
    cgroup_ = std::make_unique<kernel::Cgroup>(std::move(*made));
    model::ContainerRef ref;
    ref.id = cgroup_->id();
    ref.cgroup = "/" + name_;
    ref.name = container_;
    ref.container_id = container_;
    ref.runtime = model::Runtime::kPlimsoll;
    ref_ = std::make_shared<model::ContainerRef>(ref);
  }
  void TearDown() override {
    end_children();
    const auto removed = kernel::remove_cgroup_tree(cgroup_->path());
    EXPECT_TRUE(removed) << removed.error().message();
  }

  void end_children() {
    EXPECT_TRUE(cgroup_->kill());
    for (const pid_t child : std::exchange(children_, {})) ::waitpid(child, nullptr, 0);
  }
  // A child in the cgroup that becomes ready by `prepare` (false: it gives up), and sleeps then.
  template <typename Prepare>
  pid_t start_sleeper(Prepare prepare) {
    int ready[2];
    if (::pipe(ready) != 0) return -1;
    const pid_t child = ::fork();
    if (child == 0) {
      if (!cgroup_->add_process(0) || !prepare() || ::write(ready[1], "x", 1) != 1) ::_exit(1);
      while (true) ::pause();
    }
    char byte = 0;
    EXPECT_EQ(::read(ready[0], &byte, 1), 1);
    ::close(ready[0]);
    ::close(ready[1]);
    children_.push_back(child);
    return child;
  }
  // Without the newline; "?" where it cannot be read.
  std::string read(const std::string& file) {
    std::string text = cgroup_->read(file).value_or("?");
    while (text.ends_with('\n')) text.pop_back();
    return text;
  }
  // Of the rule "rule" of the policy "test", about this container and decided now.
  model::DecisionRecord act(model::Action action, bool audit = false) {
    model::Decision decision;
    decision.container = ref_;
    decision.policy = "test";
    decision.rule = "rule";
    decision.audit = audit;
    decision.action = std::move(action);
    decision.breach = decision.decided = clock_.boot();
    return executor_.carry_out(decision);
  }

  SystemClock clock_;
  Executor executor_;
  std::unique_ptr<kernel::Cgroup> cgroup_;
  std::shared_ptr<const model::ContainerRef> ref_;
  std::vector<pid_t> children_;

 private:
  std::string name_, container_;
  std::vector<std::string> controllers_;
};

}  // namespace plimsoll::enforce
