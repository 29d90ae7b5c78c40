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
  return {std::make_shared<const ContainerRef>(std::move(ref)), {}};
}

TEST(NamedInterference, OfOneNameIsAddedUpAndOfWhoIsGoneNothingIsTold) {
  Snapshot snapshot;
  snapshot.containers = {container(1, "web"), container(2, "side"), container(3, "side")};
  snapshot.interference = std::make_shared<const std::vector<Interference>>(std::vector<Interference>{
      {{1}, By::kContainer, {2}, 5s},
      {{1}, By::kContainer, {3}, 2s},
      {{1}, By::kContainer, {4}, 60s},  // since the last tick
      {{1}, By::kUnknown, {}, 1s},
      {{4}, By::kContainer, {1}, 60s},
  });
  const auto cells = named_interference(snapshot);
  ASSERT_EQ(cells.size(), 2U);
  EXPECT_EQ(cells[0].aggressor, "(unknown)");
  EXPECT_EQ(cells[0].waited, 1s);
  EXPECT_EQ(cells[1].aggressor, "side");
  EXPECT_EQ(cells[1].waited, 7s);
}

}  // namespace
}  // namespace plimsoll::model
