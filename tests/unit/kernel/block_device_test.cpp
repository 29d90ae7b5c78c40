#include "agent/kernel/block_device.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace plimsoll::kernel {
namespace {

namespace fs = std::filesystem;

// A sysfs with one disk of one partition.
class BlockDeviceTest : public testing::Test {
 protected:
  BlockDeviceTest() {
    std::string pattern = testing::TempDir() + "/disk-XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
    const fs::path disk = folder_ / "sys/devices/pci/block/vda";
    fs::create_directories(disk / "vda1");
    fs::create_directories(folder_ / "sys/dev/block");
    std::ofstream(disk / "dev") << "254:0\n";
    std::ofstream(disk / "vda1/dev") << "254:1\n";
    std::ofstream(disk / "vda1/partition") << "1\n";
    fs::create_symlink("../../devices/pci/block/vda", folder_ / "sys/dev/block/254:0");
    fs::create_symlink("../../devices/pci/block/vda/vda1", folder_ / "sys/dev/block/254:1");
    roots_ = {(folder_ / "sys").string(), (folder_ / "mountinfo").string()};
  }
  ~BlockDeviceTest() override { fs::remove_all(folder_); }
  std::string error(const std::string& text) {
    const auto found = resolve_block_device(text, roots_);
    return found ? "found " + to_string(*found) : found.error().message();
  }

  fs::path folder_;
  DeviceRoots roots_;
};

TEST_F(BlockDeviceTest, APartitionGivesItsDisk) {
  EXPECT_EQ(error("254:0"), "found 254:0");
  EXPECT_EQ(error("254:1"), "found 254:0");
}

TEST_F(BlockDeviceTest, WhatIsNoDiskIsSaid) {
  EXPECT_EQ(error("8:0"), "no block device 8:0");
  EXPECT_EQ(error("vda"), "'vda' is neither MAJOR:MINOR nor a path");
  EXPECT_EQ(error("/no/such"), "block device /no/such: No such file or directory");
  const std::string file = (folder_ / "sys/devices/pci/block/vda/dev").string();
  EXPECT_EQ(error(file), file + " is neither a block device nor a folder");
}

}  // namespace
}  // namespace plimsoll::kernel
