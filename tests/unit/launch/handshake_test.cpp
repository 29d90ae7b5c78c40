#include "agent/launch/handshake.h"

#include <gtest/gtest.h>

#include <optional>

namespace plimsoll::launch {
namespace {

TEST(Handshake, WhyThePeerEndedIsHeardThoughItLeftMessagesUnread) {
  auto ends = Handshake::make();
  ASSERT_TRUE(ends);
  const Handshake parent = std::move(ends->first);
  std::optional<Handshake> child(std::move(ends->second));
  ASSERT_TRUE(parent.say(Word::kGo, "what the child will not read"));
  child->say_error(Error("mount on /x: no such device", ErrorKind::kInvalid));
  child.reset();
  const auto heard = parent.expect(Word::kGo);
  ASSERT_FALSE(heard);
  EXPECT_EQ(heard.error().message(), "mount on /x: no such device");
  EXPECT_EQ(heard.error().kind(), ErrorKind::kInvalid);
}

TEST(Handshake, APeerThatEndedWithoutAWordIsToldAsSuch) {
  auto ends = Handshake::make();
  ASSERT_TRUE(ends);
  {
    const Handshake gone = std::move(ends->second);
  }
  const auto heard = ends->first.expect(Word::kGo);
  ASSERT_FALSE(heard);
  EXPECT_EQ(heard.error().message(), "the process ended while it was being set up");
}

}  // namespace
}  // namespace plimsoll::launch
