#include "agent/enforce/device_value.h"

#include <gtest/gtest.h>

namespace plimsoll::enforce {
namespace {

constexpr const char* kMax =
    "8:0 rbps=max wbps=1048576 riops=max wiops=500\n254:16 rbps=7 wbps=max riops=max wiops=max\n";

TEST(DeviceValueTest, GivesTheKnobsThatWereAskedFor) {
  EXPECT_EQ(value_shown("io.max", "8:0 wbps=2097152", kMax), "8:0 wbps=1048576");
  EXPECT_EQ(value_shown("io.max", "254:16 rbps=1 wiops=2", kMax), "254:16 rbps=7 wiops=max");
  EXPECT_EQ(value_shown("io.max", "8:16 rbps=max", kMax), "8:16 rbps=max");
  EXPECT_EQ(value_shown("io.max", "8:1 rbps=1", ""), "8:1 rbps=max");
}

TEST(DeviceValueTest, WeightsHaveADefault) {
  EXPECT_EQ(value_shown("io.weight", "8:0 50", "default 100\n8:0 50\n"), "8:0 50");
  EXPECT_EQ(value_shown("io.weight", "8:0 default", "default 100\n"), "8:0 default");
}

TEST(DeviceValueTest, OtherFilesAreToldAsTheyAre) {
  EXPECT_EQ(value_shown("cpu.max", "50000 100000", "50000 100000\n"), "50000 100000");
  EXPECT_EQ(value_shown("memory.max", "4096", "max\n"), "max");
}

}  // namespace
}  // namespace plimsoll::enforce
