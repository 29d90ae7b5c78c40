#include "agent/daemon/policy_folder.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace plimsoll::daemon {
namespace {

namespace fs = std::filesystem;

class PolicyFolderTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "policies.XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    base_ = name;
  }
  void TearDown() override { fs::remove_all(base_); }

  static void write(const fs::path& file, const std::string& text) { std::ofstream(file) << text; }
  static std::string good(const std::string& name) {
    return "apiVersion: plimsoll/v1\nkind: Policy\nmetadata: {name: " + name +
           "}\nspec: {select: {names: [x]}, limits: {pids: {max: 5}}}\n";
  }
  // Waits until the folder says that there is something to do.
  static bool changed(PolicyFolder& folder) {
    pollfd wait{folder.fd(), POLLIN, 0};
    return ::poll(&wait, 1, 10'000) == 1 && folder.refresh();
  }
  PolicyFolder open(const fs::path& path) {
    auto folder = PolicyFolder::open(path.string());
    EXPECT_TRUE(folder);
    return std::move(*folder);
  }

  fs::path base_;
};

TEST_F(PolicyFolderTest, FollowsFilesThatComeAndGo) {
  PolicyFolder folder = open(base_);
  EXPECT_TRUE(folder.set()->policies.empty());
  write(base_ / "a.yaml", good("a"));
  ASSERT_TRUE(changed(folder));
  while (folder.set()->policies.empty()) ASSERT_TRUE(changed(folder));
  EXPECT_EQ(folder.set()->policies[0].name, "a");
  fs::remove(base_ / "a.yaml");
  while (!folder.set()->policies.empty()) ASSERT_TRUE(changed(folder));
}

TEST_F(PolicyFolderTest, ABadFileLeavesTheLastGoodSetInForce) {
  write(base_ / "a.yaml", good("a"));
  PolicyFolder folder = open(base_);
  ASSERT_EQ(folder.set()->policies.size(), 1U);
  write(base_ / "b.yaml", "kind: Nonsense\n");
  while (folder.errors() == 0) ASSERT_TRUE(changed(folder));
  EXPECT_EQ(folder.set()->policies.size(), 1U);
  EXPECT_NE(to_string(folder.diagnostics().front()).find("b.yaml:"), std::string::npos);
  write(base_ / "b.yaml", good("b"));
  while (folder.errors() != 0) ASSERT_TRUE(changed(folder));
  EXPECT_EQ(folder.set()->policies.size(), 2U);
}

TEST_F(PolicyFolderTest, WhatThisHostCannotHoldIsRefused) {
  write(base_ / "a.yaml",
        "apiVersion: plimsoll/v1\nkind: Policy\nmetadata: {name: a}\nspec: {select: {names: [x]}, limits: "
        "{cpu: "
        "{cpus: 0-3}}}\n");
  const auto small = PolicyFolder::open(base_.string(), policies::HostCpus{.online = 2, .last = 1});
  ASSERT_TRUE(small);
  ASSERT_EQ(small->errors(), 1U);
  EXPECT_NE(small->diagnostics()[0].message.find("expected CPUs of this host, 0 to 1"), std::string::npos);
  const auto large = PolicyFolder::open(base_.string(), policies::HostCpus{.online = 4, .last = 3});
  ASSERT_TRUE(large);
  EXPECT_EQ(large->errors(), 0U);
}

TEST_F(PolicyFolderTest, WhatIsNoFileIsRefusedAndNeverWaitedFor) {
  write(base_ / "a.yaml", good("a"));
  PolicyFolder folder = open(base_);
  ASSERT_EQ(::mkfifo((base_ / "b.yaml").c_str(), 0600), 0);
  while (folder.errors() == 0) ASSERT_TRUE(changed(folder));
  EXPECT_NE(to_string(folder.diagnostics().front()).find("b.yaml: not a regular file"), std::string::npos);
  EXPECT_EQ(folder.set()->policies.size(), 1U);
}

TEST_F(PolicyFolderTest, AFolderThatComesLaterIsNoticed) {
  PolicyFolder folder = open(base_ / "etc" / "policies");
  EXPECT_TRUE(folder.set()->policies.empty());
  EXPECT_TRUE(folder.diagnostics().empty());
  fs::create_directories(base_ / "etc" / "policies");
  ASSERT_TRUE(changed(folder));
  write(base_ / "etc" / "policies" / "a.yaml", good("a"));
  while (folder.set()->policies.empty()) ASSERT_TRUE(changed(folder));
}

// As Kubernetes mounts a ConfigMap: files are links into a folder that a rename of one link swaps.
TEST_F(PolicyFolderTest, ASwappedLinkIsAChange) {
  for (const char* version : {"v1", "v2"}) {
    fs::create_directory(base_ / version);
    write(base_ / version / "p.yaml", good(version));
  }
  fs::create_symlink("v1", base_ / "..data");
  fs::create_symlink("..data/p.yaml", base_ / "p.yaml");
  PolicyFolder folder = open(base_);
  ASSERT_EQ(folder.set()->policies.size(), 1U);
  fs::create_symlink("v2", base_ / "..data_tmp");
  fs::rename(base_ / "..data_tmp", base_ / "..data");
  while (folder.set()->policies[0].name != "v2") ASSERT_TRUE(changed(folder));
}

}  // namespace
}  // namespace plimsoll::daemon
