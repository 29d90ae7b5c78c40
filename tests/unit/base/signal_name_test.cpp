#include "agent/base/signal_name.h"

#include <gtest/gtest.h>

#include <csignal>

namespace plimsoll {
namespace {

TEST(Signal, HasNamesAndNumbers) {
  for (const char* text : {"SIGTERM", "TERM", "term", "15"}) EXPECT_EQ(parse_signal(text), SIGTERM) << text;
  EXPECT_EQ(parse_signal("SIGIO"), SIGIO);
  EXPECT_EQ(parse_signal("POLL"), SIGPOLL);
  EXPECT_EQ(parse_signal("STKFLT"), SIGSTKFLT);
  EXPECT_EQ(parse_signal("SIGRTMIN+3"), 37);
  EXPECT_EQ(parse_signal("RTMAX-30"), 34);
  for (const char* text :
       {"", "0", "65", "SIG", "RTMIN+31", "RTMIN+", "TERM ", "-1", "18446744073709551615"}) {
    EXPECT_EQ(parse_signal(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace plimsoll
