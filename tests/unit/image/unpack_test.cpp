#include "agent/image/unpack.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include <filesystem>
#include <fstream>

#include "agent/image/digest.h"
#include "tests/unit/image/tar_text.h"

namespace plimsoll::image {
namespace {

namespace fs = std::filesystem;

// A layer's folder with a neighbour that nothing may touch.
class Unpack : public testing::Test {
 protected:
  Unpack() {
    std::string pattern = testing::TempDir() + "unpackXXXXXX";
    base_ = ::mkdtemp(pattern.data());
    fs::create_directories(base_ / "layer");
    fs::create_directories(base_ / "victim");
    std::ofstream(base_ / "victim/hello") << "untouched";
  }
  ~Unpack() override { fs::remove_all(base_); }

  Result<Unpacked> unpack_text(const std::string& text) { return unpack(source_of(text), base_ / "layer"); }
  std::string why_refused(TarText& tar) {
    const auto result = unpack_text(tar.text());
    EXPECT_EQ(read("victim/hello"), "untouched");
    EXPECT_EQ(std::distance(fs::directory_iterator(base_ / "victim"), fs::directory_iterator()), 1);
    return result ? "" : result.error().message();
  }
  std::string read(const std::string& name) const {
    std::ifstream in(base_ / name);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  struct stat status(const std::string& name) const {
    struct stat info{};
    ::lstat((base_ / "layer" / name).c_str(), &info);
    return info;
  }

  fs::path base_;
};

#define EXPECT_REFUSED(tar, part) \
  EXPECT_NE(why_refused(tar).find(part), std::string::npos) << why_refused(tar)

TEST_F(Unpack, KeepsOwnersModesTimesLinksAndDevices) {
  TarText tar;
  tar.folder("./", 0750).folder("etc").file("etc/passwd", "root:x:0:0", [](archive_entry* entry) {
    ::archive_entry_set_uid(entry, 12);
    ::archive_entry_set_gid(entry, 34);
    ::archive_entry_set_perm(entry, 04755);
  });
  tar.symlink("etc/mtab", "/proc/mounts")
      .hard_link("etc/shadow", "etc/passwd")
      .device("dev/null", makedev(1, 3));
  const auto unpacked = unpack_text(tar.text());
  ASSERT_TRUE(unpacked) << unpacked.error().message();
  EXPECT_EQ(unpacked->diff_id, sha256_hex(tar.text()));
  EXPECT_EQ(unpacked->file_bytes, 10U);
  EXPECT_EQ(status(".").st_mode & 07777, 0750U);
  const struct stat passwd = status("etc/passwd");
  EXPECT_EQ(passwd.st_uid, 12U);
  EXPECT_EQ(passwd.st_gid, 34U);
  EXPECT_EQ(passwd.st_mode & 07777, 04755U);
  EXPECT_EQ(passwd.st_mtime, 1'600'000'000);
  EXPECT_EQ(status("etc/shadow").st_ino, passwd.st_ino);
  EXPECT_EQ(status("etc").st_mtime, 1'600'000'000);
  EXPECT_EQ(fs::read_symlink(base_ / "layer/etc/mtab"), "/proc/mounts");
  EXPECT_EQ(status("dev/null").st_rdev, makedev(1, 3));
  EXPECT_TRUE(S_ISCHR(status("dev/null").st_mode));
}

TEST_F(Unpack, TheDigestIsOfTheUncompressedStream) {
  TarText plain;
  plain.file("a", std::string(100'000, 'a'));
  const std::string digest = sha256_hex(plain.text());
  for (const int filter :
       {ARCHIVE_FILTER_GZIP, ARCHIVE_FILTER_XZ, ARCHIVE_FILTER_ZSTD, ARCHIVE_FILTER_BZIP2}) {
    fs::remove_all(base_ / "layer");
    fs::create_directories(base_ / "layer");
    const auto unpacked = unpack_text(compressed(plain.text(), filter));
    ASSERT_TRUE(unpacked) << filter << unpacked.error().message();
    EXPECT_EQ(unpacked->diff_id, digest) << filter;
    EXPECT_EQ(unpacked->file_bytes, 100'000U);
  }
}

TEST_F(Unpack, RefusesNamesThatLeadOut) {
  EXPECT_REFUSED(TarText().file("/etc/passwd", "x"), "absolute");
  EXPECT_REFUSED(TarText().file("../victim/hello", "x"), "leads out");
  EXPECT_REFUSED(TarText().file("a/../../victim/hello", "x"), "leads out");
  EXPECT_REFUSED(TarText().folder("a/.."), "leads out");
}

TEST_F(Unpack, RefusesNamesThroughLinksOut) {
  EXPECT_REFUSED(TarText().symlink("out", "../victim").file("out/hello", "x"), "leads out");
  EXPECT_REFUSED(TarText().symlink("abs", (base_ / "victim").string()).file("abs/hello", "x"), "leads out");
  EXPECT_REFUSED(TarText().symlink("abs2", "/").file("abs2/tmp/x", "x"), "leads out");
  EXPECT_REFUSED(TarText().symlink("o", "..").folder("o/victim/new"), "leads out");
}

TEST_F(Unpack, FollowsLinksThatStayInside) {
  TarText tar;
  tar.folder("usr/lib").symlink("lib", "usr/lib").file("lib/x", "inside");
  ASSERT_EQ(why_refused(tar), "");
  EXPECT_EQ(read("layer/usr/lib/x"), "inside");
}

TEST_F(Unpack, AnEntryReplacesALinkAndDoesNotWriteThroughIt) {
  TarText tar;
  tar.symlink("hello", "../victim/hello").file("hello", "new");
  ASSERT_EQ(why_refused(tar), "");
  EXPECT_EQ(read("layer/hello"), "new");
  EXPECT_TRUE(S_ISREG(status("hello").st_mode));
}

TEST_F(Unpack, RefusesARootThatIsNotAFolder) {
  EXPECT_REFUSED(TarText().symlink(".", "/"), "root");
  EXPECT_REFUSED(TarText().symlink("./.", "../victim"), "root");
  EXPECT_REFUSED(TarText().file("./", "x"), "no name");  // libarchive reads it as ""
}

TEST_F(Unpack, RefusesHardLinksToAnythingButItsOwnFiles) {
  EXPECT_REFUSED(TarText().hard_link("a", "../victim/hello"), "leads out");
  EXPECT_REFUSED(TarText().hard_link("a", "/etc/passwd"), "absolute");
  EXPECT_REFUSED(TarText().symlink("s", "../victim/hello").hard_link("a", "s"), "not a regular file");
  EXPECT_REFUSED(TarText().symlink("d", "../victim").hard_link("a", "d/hello"), "hard link target");
  EXPECT_REFUSED(TarText().hard_link("a", "missing"), "hard link target");
}

TEST_F(Unpack, RefusesWhiteoutsAndOverlayAttributes) {
  EXPECT_REFUSED(TarText().file(".wh.etc", ""), "whiteout");
  EXPECT_REFUSED(TarText().file("etc/.wh..wh..opq", ""), "whiteout");
  EXPECT_REFUSED(TarText().file(".wh./x", ""), "whiteout");
  EXPECT_REFUSED(TarText().device("x", 0), "whiteout");
  EXPECT_REFUSED(TarText().file("x", "",
                                [](archive_entry* entry) {
                                  ::archive_entry_xattr_add_entry(entry, "trusted.overlay.opaque", "y", 1);
                                }),
                 "overlay");
}

TEST_F(Unpack, KeepsFileCapabilities) {
  // VFS_CAP_REVISION_2 with cap_net_bind_service, as the kernel stores it.
  const std::string capability(
      "\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", 20);
  TarText tar;
  tar.file("ping", "x", [&](archive_entry* entry) {
    ::archive_entry_xattr_add_entry(entry, "security.capability", capability.data(), capability.size());
  });
  ASSERT_EQ(why_refused(tar), "");
  char value[64];
  EXPECT_EQ(::lgetxattr((base_ / "layer/ping").c_str(), "security.capability", value, sizeof value), 20);
}

TEST_F(Unpack, RefusesStreamsThatAreNotWhole) {
  const std::string whole = TarText().file("a", std::string(5000, 'a')).text();
  for (const std::size_t length : {std::size_t{700}, std::size_t{3000}}) {
    const auto cut = unpack_text(whole.substr(0, length));
    ASSERT_FALSE(cut) << length;
    EXPECT_NE(cut.error().message().find("unpack layer"), std::string::npos);
  }
  EXPECT_FALSE(unpack_text(""));
  EXPECT_FALSE(unpack_text("this is no archive at all, just some words of text"));
  const std::string packed = compressed(whole, ARCHIVE_FILTER_GZIP);
  EXPECT_FALSE(unpack_text(packed.substr(0, packed.size() / 2)));
}

TEST_F(Unpack, PassesOnWhyTheSourceFailed) {
  const auto failed = unpack(
      [](std::span<char>) -> Result<std::size_t> { return fail("the client is gone"); }, base_ / "layer");
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().message(), "the client is gone");
}

TEST_F(Unpack, ALyingSizeTakesNoSpace) {
  std::string text = TarText().file("a", "0123456789").text();
  // The size field of the ustar header (octal, offset 124), and its checksum (offset 148) made to fit.
  std::size_t header = text.find("ustar") - 257;
  text.replace(header + 124, 11, "77777777777");
  text.replace(header + 148, 8, "        ");
  unsigned sum = 0;
  for (std::size_t i = 0; i < 512; ++i) sum += static_cast<unsigned char>(text[header + i]);
  char checksum[8];
  std::snprintf(checksum, sizeof checksum, "%06o", sum);
  text.replace(header + 148, 7, std::string(checksum, 7));
  ASSERT_FALSE(unpack_text(text));
  EXPECT_LT(status("a").st_blocks, 1000);
}

}  // namespace
}  // namespace plimsoll::image
