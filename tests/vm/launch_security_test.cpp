// Known ways out of a container, tried: the host is unchanged.
#include <atomic>

#include "tests/vm/launch_fixture.h"

namespace plimsoll::launch_test {
namespace {

using SecurityTest = LaunchTest;

// CVE-2019-5736
TEST_F(SecurityTest, TheRuntimesFileIsOutOfReach) {
  const std::string before = text_of(PLIMSOLL_RUNTIME);
  write_text(root_ / "bin/evil", "#!/proc/self/exe\n");
  fs::permissions(root_ / "bin/evil", fs::perms(0755));
  spec_.process->args = {"/bin/evil"};
  write_bundle();
  const Outcome ran = runtime({"run", "--bundle", folder_ / "bundle", id_});
  EXPECT_NE(ran.status, 0);
  start_sleeper();
  const Outcome exec = runtime({"exec", id_, "/bin/evil"});
  EXPECT_NE(exec.status, 0);
  EXPECT_TRUE(before == text_of(PLIMSOLL_RUNTIME));
}

// CVE-2019-19921, CVE-2023-27561
TEST_F(SecurityTest, ProcAndSysMustBeFolders) {
  for (const char* name : {"proc", "sys"}) {
    fs::remove(root_ / name);
    fs::create_directory_symlink("/tmp", root_ / name);
    const Outcome ran = in_container("true");
    EXPECT_EQ(ran.status, 1);
    EXPECT_NE(ran.out.find("reached through a symbolic link"), std::string::npos) << ran.out;
    fs::remove(root_ / name);
    fs::create_directory(root_ / name);
  }
}

TEST_F(SecurityTest, LinksOfTheImageStayInItsRoot) {
  const fs::path victim = folder_ / "victim";
  fs::create_directories(victim);
  fs::create_directory_symlink(victim, root_ / "out");
  fs::create_directory_symlink("../../../../../../" + victim.string(), root_ / "up");
  fs::remove(root_ / "dev");
  fs::create_directory_symlink(victim, root_ / "dev");
  std::erase_if(spec_.mounts, [](const oci::Mount& m) { return m.destination.starts_with("/dev"); });
  spec_.mounts.push_back({"/out/a", "tmpfs", "tmpfs", {}});
  spec_.mounts.push_back({"/up/b", "tmpfs", "tmpfs", {}});
  spec_.linux_.devices = {{'c', "/dev/evil", 1, 3}};
  in_container("true");
  EXPECT_TRUE(fs::is_empty(victim));
}

// CVE-2021-30465: the target of a mount changes between a folder and a link that leads out.
TEST_F(SecurityTest, ASwappedMountTargetLeadsNowhere) {
  const fs::path volume = folder_ / "volume";
  const fs::path victim = folder_ / "victim";
  fs::create_directories(volume / "a");
  fs::create_directories(victim);
  fs::create_directory_symlink("/../../../../../.." + victim.string(), volume / "b");
  spec_.mounts.push_back({"/volume", "bind", volume, {"rbind"}});
  spec_.mounts.push_back({"/volume/a", "tmpfs", "tmpfs", {}});
  std::atomic<bool> stop = false;
  std::thread swapper([&] {
    while (!stop)
      ::renameat2(AT_FDCWD, (volume / "a").c_str(), AT_FDCWD, (volume / "b").c_str(), RENAME_EXCHANGE);
  });
  for (int i = 0; i < 10; ++i) {
    in_container("true");
    EXPECT_EQ(text_of("/proc/self/mounts").find(victim), std::string::npos);
  }
  stop = true;
  swapper.join();
  EXPECT_TRUE(fs::is_empty(victim));
}

// CVE-2024-21626
TEST_F(SecurityTest, AWorkingFolderOutsideIsRefused) {
  const int leaked = ::open("/", O_RDONLY | O_DIRECTORY);  // deliberately not close-on-exec
  ASSERT_EQ(::dup2(leaked, 9), 9);
  for (int fd = 3; fd <= 20; ++fd) {
    spec_.process->cwd = "/proc/self/fd/" + std::to_string(fd);
    EXPECT_EQ(in_container("cat /etc/hostname").status, 1) << fd;
  }
  spec_.process->cwd = "/";
  EXPECT_EQ(in_container("ls /proc/self/fd").out, "0\n1\n2\n3\n");  // 3 is the folder that ls reads
  start_sleeper();
  for (int fd = 3; fd <= 20; ++fd) {
    EXPECT_EQ(runtime({"exec", "--cwd", "/proc/self/fd/" + std::to_string(fd), id_, "true"}).status, 255)
        << fd;
  }
  ::close(leaked);
  ::close(9);
}

// CVE-2022-29162
TEST_F(SecurityTest, NothingIsInheritable) {
  EXPECT_EQ(in_container("grep CapInh /proc/self/status").out, "CapInh:\t0000000000000000\n");
  start_sleeper();
  EXPECT_EQ(runtime({"exec", "--cap", "CAP_NET_ADMIN", id_, "grep", "CapInh", "/proc/self/status"}).out,
            "CapInh:\t0000000000000000\n");
}

// CVE-2026-30892
TEST_F(SecurityTest, OddUsersAreRefused) {
  start_sleeper();
  for (const char* user : {"-1", "4294967295", "4294967296", "0x0", "1000 ", "root", ":", "1:"}) {
    const Outcome ran = runtime({"exec", std::string("--user=") + user, id_, "id", "-u"});
    EXPECT_EQ(ran.status, 255) << user << ran.out;
  }
}

// CVE-2022-0492 and what the default profile is for.
TEST_F(SecurityTest, TheDefaultProfileHolds) {
  const Outcome ran =
      in_container("probe socket 38; probe socket 40; probe socket 2; probe unshare; probe mount");
  EXPECT_EQ(ran.out,
            "socket: Operation not permitted\nsocket: Operation not permitted\nsocket: done\n"
            "unshare: Operation not permitted\nmount: Operation not permitted\n");
}

// CVE-2025-31133: the image's /dev/null is no part of a mask.
TEST_F(SecurityTest, AFakeNullMasksNothing) {
  write_text(root_ / "etc/shown", "shown");
  write_text(root_ / "etc/hidden", "hidden");
  std::erase_if(spec_.mounts, [](const oci::Mount& m) { return m.destination.starts_with("/dev"); });
  fs::create_symlink("/etc/shown", root_ / "dev/null");
  spec_.linux_.masked_paths = {"/etc/hidden"};
  EXPECT_EQ(in_container("cat /etc/hidden; stat -c %t,%T /etc/hidden").out, "1,3\n");
}

}  // namespace
}  // namespace plimsoll::launch_test
