#include "agent/model/interference.h"

#include <gtest/gtest.h>

namespace plimsoll::model {
namespace {

using namespace std::chrono_literals;
using By = Interference::By;

ContainerSample container(std::uint64_t inode, const char* name) {
  ContainerRef ref;
  ref.id = {inode};
  ref.name = name;
  ref.container_id = std::to_string(inode);
  return {std::make_shared<const ContainerRef>(std::move(ref)), {}};
}

TEST(NamedInterference, EachPairStandsForItselfAndWhoEndedIsNamedWhileItIsKnown) {
  Snapshot snapshot;
  snapshot.containers = {container(1, "web"), container(2, "side"), container(3, "side")};
  snapshot.ended.push_back({container(5, "loud").ref, {}, {}, {}});
  snapshot.interference = std::make_shared<const std::vector<Interference>>(std::vector<Interference>{
      {{1}, By::kContainer, {2}, 5s},
      {{1}, By::kContainer, {3}, 2s},
      {{1}, By::kContainer, {4}, 60s},  // nobody knows it any more
      {{1}, By::kContainer, {5}, 3s},
      {{1}, By::kUnknown, {}, 1s},
      {{4}, By::kContainer, {1}, 60s},
  });
  const auto cells = named_interference(snapshot);
  ASSERT_EQ(cells.size(), 4U);
  EXPECT_EQ(cells[0].aggressor, "(unknown)");
  EXPECT_EQ(cells[0].waited, 1s);
  EXPECT_EQ(cells[1].aggressor, "loud");
  EXPECT_EQ(cells[1].waited, 3s);
  EXPECT_EQ(cells[2].aggressor, "side");
  EXPECT_EQ(cells[2].aggressor_id, "2");
  EXPECT_EQ(cells[2].waited, 5s);
  EXPECT_EQ(cells[3].aggressor_id, "3");
  EXPECT_EQ(cells[3].waited, 2s);
}

}  // namespace
}  // namespace plimsoll::model
