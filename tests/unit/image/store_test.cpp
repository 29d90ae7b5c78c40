#include "agent/image/store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "agent/image/config_json.h"
#include "tests/unit/image/tar_text.h"

namespace plimsoll::image {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class FixedClock final : public Clock {
 public:
  WallTime wall() const override { return now; }
  BootTime boot() const override { return {}; }
  mutable WallTime now{std::chrono::seconds(1'700'000'000)};
};

class ImageStore : public testing::Test {
 protected:
  ImageStore() {
    std::string pattern = testing::TempDir() + "storeXXXXXX";
    folder_ = ::mkdtemp(pattern.data());
    reopen();
  }
  ~ImageStore() override { fs::remove_all(folder_); }

  void reopen() {
    store_.reset();
    auto opened = Store::open(folder_, clock_);
    ASSERT_TRUE(opened) << opened.error().message();
    store_ = std::move(*opened);
  }
  Image add(const std::string& content, const std::string& name, std::vector<std::string> changes = {}) {
    clock_.now += std::chrono::seconds(1);
    auto image =
        store_->import(source_of(TarText().file("content", content).text()),
                       {.reference = *parse_reference(name), .changes = std::move(changes), .comment = ""});
    EXPECT_TRUE(image) << image.error().message();
    return image.value_or(Image{});
  }
  int layers() const {
    return static_cast<int>(
        std::distance(fs::directory_iterator(folder_ + "/layers"), fs::directory_iterator()));
  }

  FixedClock clock_;
  std::string folder_;
  std::unique_ptr<Store> store_;
};

TEST_F(ImageStore, FindsByNameIdAndPrefixAlsoAfterReopening) {
  const Image made =
      add("one", "demo", {"CMD [\"sh\",\"-c\",\"date\"]", "ENV A=b C=\"d e\"", "WORKDIR /srv"});
  for (int round = 0; round < 2; ++round) {
    for (const std::string& name :
         {std::string("demo"), std::string("demo:latest"), std::string("docker.io/library/demo"), made.id,
          "sha256:" + made.id, made.id.substr(0, 12)}) {
      const auto found = store_->find(name);
      ASSERT_TRUE(found) << name << found.error().message();
      EXPECT_EQ(found->id, made.id);
      EXPECT_THAT(found->config.cmd, ElementsAre("sh", "-c", "date"));
      EXPECT_THAT(found->config.env, ElementsAre("A=b", "C=d e"));
      EXPECT_EQ(found->config.working_dir, "/srv");
      EXPECT_EQ(found->size, 3U);
      EXPECT_EQ(found->created, made.created);
      EXPECT_TRUE(fs::exists(store_->layer_folder(*found) + "/content"));
    }
    reopen();
  }
  EXPECT_EQ(store_->find("nothing").error().message(), "No such image: nothing:latest");
  EXPECT_EQ(store_->find("nothing").error().kind(), ErrorKind::kNotFound);
}

TEST_F(ImageStore, ANewImageTakesTheNameAndTheOldOneStays) {
  const Image first = add("one", "demo");
  const Image second = add("two", "demo");
  EXPECT_EQ(store_->find("demo")->id, second.id);
  EXPECT_THAT(store_->find(first.id)->references, IsEmpty());
  EXPECT_EQ(store_->list().front().id, second.id);
}

TEST_F(ImageStore, SharesTheLayerOfTheSameContent) {
  const Image first = add("same", "a");
  const Image second = add("same", "b");
  EXPECT_EQ(first.diff_id, second.diff_id);
  EXPECT_EQ(layers(), 1);
  ASSERT_TRUE(store_->remove("a", false));
  EXPECT_EQ(layers(), 1);
  ASSERT_TRUE(store_->remove("b", false));
  EXPECT_EQ(layers(), 0);
}

TEST_F(ImageStore, RemovesANameFirstAndTheImageWithItsLastName) {
  const Image made = add("one", "demo");
  ASSERT_TRUE(store_->tag("demo", *parse_reference("other:2")));
  EXPECT_EQ(store_->remove(made.id, false).error().kind(), ErrorKind::kConflict);
  const auto untagged = store_->remove("demo", false);
  ASSERT_TRUE(untagged);
  EXPECT_THAT(untagged->deleted, IsEmpty());
  const auto removed = store_->remove("other:2", false);
  ASSERT_TRUE(removed);
  EXPECT_THAT(removed->deleted, ElementsAre(made.id));
  EXPECT_FALSE(store_->find(made.id));
}

TEST_F(ImageStore, AnImageInUseIsKept) {
  const Image made = add("one", "demo");
  ASSERT_TRUE(store_->pin(made.id, "c0ffee"));
  const auto refused = store_->remove("demo", false);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind(), ErrorKind::kConflict);
  EXPECT_THAT(refused.error().message(), HasSubstr("container c0ffee is using it"));
  ASSERT_TRUE(store_->remove("demo", true));  // the name goes, the content stays
  EXPECT_TRUE(store_->find(made.id));
  store_->unpin(made.id, "c0ffee");
  ASSERT_TRUE(store_->remove(made.id, false));
  EXPECT_EQ(store_->pin(made.id, "c0ffee").error().kind(), ErrorKind::kNotFound);
}

TEST_F(ImageStore, AFailedImportLeavesNothing) {
  const auto failed = store_->import(source_of("no archive, but long enough to look at twice"), {});
  ASSERT_FALSE(failed);
  const auto refused = store_->import(source_of(TarText().file("a", "x").file("/abs", "x").text()), {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(layers(), 0);
  EXPECT_TRUE(fs::is_empty(folder_ + "/incoming"));
  const auto change = store_->import(source_of(TarText().text()), {.changes = {"RUN rm -rf /"}});
  EXPECT_THAT(change.error().message(), HasSubstr("RUN rm -rf /"));
}

TEST_F(ImageStore, WhatACrashLeftIsRemovedAtTheNextStart) {
  const Image made = add("one", "demo");
  fs::create_directories(folder_ + "/incoming/7/root/half");
  fs::create_directories(folder_ + "/layers/" + std::string(64, 'a') +
                         "/root");  // its configuration never came
  fs::create_directories(folder_ + "/gone");
  fs::remove_all(folder_ + "/layers/" +
                 add("two", "lost").diff_id);  // its configuration should have gone too
  reopen();
  EXPECT_TRUE(fs::is_empty(folder_ + "/incoming"));
  EXPECT_EQ(layers(), 1);
  EXPECT_TRUE(store_->find("demo"));
  EXPECT_FALSE(store_->find("lost"));
}

TEST_F(ImageStore, ADigestThatIsAPathIsRefused) {
  add("one", "demo");
  std::ofstream(folder_ + "/configs/" + std::string(64, 'b') + ".json")
      << R"({"created":"2026-01-01T00:00:00Z","architecture":"amd64","os":"linux","config":{},)"
      << R"("rootfs":{"diff_ids":["sha256:../../victim"]},"history":[{}]})";
  store_.reset();
  const auto opened = Store::open(folder_, clock_);
  ASSERT_FALSE(opened);
  EXPECT_THAT(opened.error().message(), HasSubstr("expected one layer"));
}

TEST(Changes, AreDockersWords) {
  Defaults config;
  ASSERT_TRUE(apply_changes(
      {"cmd echo hi", "ENTRYPOINT [\"/init\"]", "ENV PATH /bin:/usr/bin", "env PATH=/bin",
       "LABEL a=b c=\"d e\"", "EXPOSE 80 53/udp", "VOLUME /data", "USER 1:2", "STOPSIGNAL SIGINT"},
      config));
  EXPECT_THAT(config.cmd, ElementsAre("/bin/sh", "-c", "echo hi"));
  EXPECT_THAT(config.entrypoint, ElementsAre("/init"));
  EXPECT_THAT(config.env, ElementsAre("PATH=/bin"));
  EXPECT_EQ(config.labels, (std::map<std::string, std::string>{{"a", "b"}, {"c", "d e"}}));
  EXPECT_EQ(config.exposed_ports, (std::set<std::string>{"53/udp", "80/tcp"}));
  EXPECT_EQ(config.user, "1:2");
  for (const char* bad : {"", "CMD", "FROM x", "ENV", "ENV x", "LABEL x", "LABEL a=\"b"}) {
    EXPECT_FALSE(apply_changes({bad}, config)) << bad;
  }
}

}  // namespace
}  // namespace plimsoll::image
