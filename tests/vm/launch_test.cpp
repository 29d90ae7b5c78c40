// The launcher on a real kernel: each thing that config.json can ask for, seen from inside the container or
// in the kernel's own files.
#include "tests/vm/launch_fixture.h"

namespace plimsoll::launch_test {
namespace {

TEST_F(LaunchTest, ExitStatusAndOutput) {
  const Outcome ran = in_container("echo out; echo err >&2; exit 7");
  EXPECT_EQ(ran.status, 7);
  EXPECT_EQ(ran.out, "out\nerr\n");
}

TEST_F(LaunchTest, NewNamespaces) {
  const Outcome ran =
      in_container("for n in mnt pid net ipc uts cgroup user; do readlink /proc/self/ns/$n; done");
  ASSERT_EQ(ran.status, 0) << ran.out;
  std::istringstream lines(ran.out);
  std::string line;
  for (const char* name : {"mnt", "pid", "net", "ipc", "uts", "cgroup"}) {
    std::getline(lines, line);
    EXPECT_NE(line, fs::read_symlink(std::string("/proc/self/ns/") + name)) << name;
  }
  std::getline(lines, line);
  EXPECT_EQ(line, fs::read_symlink("/proc/self/ns/user"));
}

TEST_F(LaunchTest, JoinsNamespacesByPath) {
  start_sleeper();
  const std::string first = "/proc/" + std::to_string(pid()) + "/ns/";
  const std::string net = fs::read_symlink(first + "net"), pids = fs::read_symlink(first + "pid");
  oci::Spec second = spec_;
  for (oci::Namespace& space : second.linux_.namespaces) {
    if (space.type == oci::NamespaceType::kNetwork) space.path = first + "net";
    if (space.type == oci::NamespaceType::kPid) space.path = first + "pid";
  }
  second.linux_.cgroups_path = "/launch-test/second";
  second.process->args = {"sh", "-c", "readlink /proc/self/ns/net; readlink /proc/self/ns/pid"};
  fs::create_directories(folder_ / "second");
  second.root.path = root_;
  write_text(folder_ / "second/config.json", oci::to_json(second));
  const Outcome ran = runtime({"run", "--bundle", folder_ / "second", "second"});
  EXPECT_EQ(ran.out, net + "\n" + pids + "\n");
}

TEST_F(LaunchTest, TimeNamespace) {
  spec_.linux_.namespaces.push_back({oci::NamespaceType::kTime, ""});
  const Outcome ran = in_container("readlink /proc/self/ns/time");
  EXPECT_EQ(ran.status, 0);
  EXPECT_NE(ran.out, fs::read_symlink("/proc/self/ns/time").string() + "\n");
}

TEST_F(LaunchTest, DefaultMountsNodesAndLinks) {
  const Outcome ran = in_container(
      "cat /proc/self/mounts; ls /dev; readlink /dev/fd; for d in null zero full random urandom tty; do stat "
      "-c '%n %t,%T %a' /dev/$d; done; stat -c %a /dev/shm");
  for (const char* line :
       {"proc /proc proc rw,nosuid,nodev,noexec", "tmpfs /dev tmpfs rw,nosuid,size=65536k,mode=755",
        "devpts /dev/pts devpts rw,nosuid,noexec", "shm /dev/shm tmpfs rw,nosuid,nodev,noexec",
        "mqueue /dev/mqueue mqueue rw,nosuid,nodev,noexec", "sysfs /sys sysfs ro,nosuid,nodev,noexec",
        "cgroup /sys/fs/cgroup cgroup2 ro,nosuid,nodev,noexec", "/proc/self/fd\n", "/dev/null 1,3 666\n",
        "/dev/urandom 1,9 666\n", "/dev/tty 5,0 666\n", "\n1777\n"}) {
    EXPECT_NE(ran.out.find(line), std::string::npos) << line << " in\n" << ran.out;
  }
}

TEST_F(LaunchTest, MaskedAndReadonlyPaths) {
  write_text(root_ / "etc/secret", "secret");
  spec_.linux_.masked_paths.push_back("/etc/secret");
  const Outcome ran = in_container(
      "wc -c < /etc/secret; wc -c < /proc/kcore; ls /sys/firmware | wc -l; touch /sys/firmware/x; echo 1 > "
      "/proc/sysrq-trigger; "
      "echo 1 > /proc/sys/kernel/panic");
  EXPECT_TRUE(ran.out.starts_with("0\n0\n0\n")) << ran.out;
  EXPECT_NE(ran.out.find("/sys/firmware/x: Read-only file system"), std::string::npos) << ran.out;
  EXPECT_NE(ran.out.find("/proc/sysrq-trigger: Read-only file system"), std::string::npos) << ran.out;
  EXPECT_NE(ran.out.find("/proc/sys/kernel/panic: Read-only file system"), std::string::npos) << ran.out;
}

TEST_F(LaunchTest, BindsWithTheirOptions) {
  fs::create_directories(folder_ / "data/sub");
  write_text(folder_ / "data/file", "content");
  spec_.mounts.push_back({"/data", "bind", folder_ / "data", {"rbind", "ro", "nosuid"}});
  spec_.mounts.push_back({"/etc/one", "bind", folder_ / "data/file", {"bind"}});
  spec_.mounts.push_back({"/new/deep/folder", "tmpfs", "tmpfs", {"size=64k", "mode=700", "noexec"}});
  const Outcome ran = in_container(
      "cat /data/file /etc/one; echo; touch /data/x; echo more > /etc/one; stat -c %a /new/deep/folder; grep "
      "-E ' /(data|new/deep/folder) ' /proc/self/mounts");
  EXPECT_TRUE(ran.out.starts_with("contentcontent\n")) << ran.out;
  EXPECT_NE(ran.out.find("/data/x: Read-only file system"), std::string::npos) << ran.out;
  EXPECT_NE(ran.out.find("\n700\n"), std::string::npos) << ran.out;
  EXPECT_NE(ran.out.find("/data tmpfs ro,nosuid"), std::string::npos) << ran.out;
  EXPECT_NE(ran.out.find("noexec,relatime,size=64k"), std::string::npos) << ran.out;
  EXPECT_EQ(text_of(folder_ / "data/file"), "more\n");
}

TEST_F(LaunchTest, Propagation) {
  const fs::path shared = folder_ / "shared";
  fs::create_directories(shared / "in");
  ASSERT_EQ(run_program({"/bin/busybox", "mount", "-t", "tmpfs", "shared", shared}).status, 0);
  ASSERT_EQ(run_program({"/bin/busybox", "mount", "--make-shared", shared}).status, 0);
  fs::create_directories(shared / "in");
  for (const char* kind : {"rslave", "rshared", "rprivate"}) {
    spec_.mounts.push_back({std::string("/") + kind, "bind", shared, {"rbind", kind}});
  }
  spec_.process->args = {"sleep", "1000"};
  const Outcome created = create();
  EXPECT_EQ(created.status, 0) << created.out;
  ASSERT_EQ(run_program({"/bin/busybox", "mount", "-t", "tmpfs", "late", shared / "in"}).status, 0);
  const std::string mounts = text_of("/proc/" + std::to_string(pid()) + "/mounts");
  EXPECT_NE(mounts.find("late /rslave/in"), std::string::npos) << mounts;
  EXPECT_NE(mounts.find("late /rshared/in"), std::string::npos) << mounts;
  EXPECT_EQ(mounts.find("late /rprivate/in"), std::string::npos) << mounts;
  EXPECT_EQ(runtime({"delete", "--force", id_}).status, 0);
  run_program({"/bin/busybox", "umount", shared / "in"});
  run_program({"/bin/busybox", "umount", shared});
}

TEST_F(LaunchTest, ReadonlyRoot) {
  spec_.root.readonly = true;
  const Outcome ran = in_container("touch /x; touch /dev/shm/y && echo shm");
  EXPECT_NE(ran.out.find("/x: Read-only file system"), std::string::npos) << ran.out;
  EXPECT_NE(ran.out.find("shm\n"), std::string::npos) << ran.out;
}

TEST_F(LaunchTest, NamesLimitsAndSettings) {
  spec_.hostname = "boxy";
  spec_.domainname = "example";
  spec_.linux_.sysctl = {{"net.ipv4.ip_forward", "1"}, {"kernel.shmmni", "77"}};
  spec_.process->oom_score_adj = 321;
  spec_.process->rlimits = {{"RLIMIT_NOFILE", 123, 456}, {"RLIMIT_CORE", 0, 0}};
  spec_.process->cwd = "/made/for/me";
  spec_.process->env.push_back("COLOUR=blue");
  const Outcome ran = in_container(
      "hostname; cat /proc/sys/kernel/domainname /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/shmmni "
      "/proc/self/oom_score_adj; "
      "ulimit -n; ulimit -Hn; ulimit -c; pwd; echo $COLOUR $HOME");
  EXPECT_EQ(ran.out, "boxy\nexample\n1\n77\n321\n123\n456\n0\n/made/for/me\nblue /\n");
}

TEST_F(LaunchTest, UserGroupsUmask) {
  write_text(root_ / "etc/passwd", "root:x:0:0::/root:/bin/sh\nana:x:1000:1000::/home/ana:/bin/sh\n");
  spec_.process->user = {.uid = 1000, .gid = 1001, .umask = 027, .additional_gids = {5, 6}};
  const Outcome ran = in_container(
      "id -u; id -g; grep Groups /proc/self/status; umask; echo $HOME; grep CapEff /proc/self/status");
  EXPECT_EQ(ran.out, "1000\n1001\nGroups:\t5 6 \n0027\n/home/ana\nCapEff:\t0000000000000000\n");
}

TEST_F(LaunchTest, Capabilities) {
  oci::Capabilities& sets = *spec_.process->capabilities;
  sets.bounding = {"CAP_CHOWN", "CAP_KILL"};
  sets.permitted = {"CAP_CHOWN", "CAP_KILL"};
  sets.effective = {"CAP_CHOWN"};
  sets.inheritable = {"CAP_KILL"};
  sets.ambient = {"CAP_KILL"};
  spec_.process->user.uid = 1000;
  spec_.process->no_new_privileges = true;
  const Outcome ran = in_container("grep -E 'Cap|NoNew|Seccomp:' /proc/self/status");
  // After an exec as another user than root only the ambient ones are left.
  EXPECT_EQ(ran.out,
            "CapInh:\t0000000000000020\nCapPrm:\t0000000000000020\nCapEff:\t0000000000000020\nCapBnd:"
            "\t0000000000000021\n"
            "CapAmb:\t0000000000000020\nNoNewPrivs:\t1\nSeccomp:\t2\n");
}

TEST_F(LaunchTest, SeccompRefusesWhatIsNotListed) {
  spec_.linux_.seccomp = oci::Seccomp{.default_action = "SCMP_ACT_ALLOW"};
  spec_.linux_.seccomp->syscalls = {
      {.names = {"mkdir", "mkdirat"}, .action = "SCMP_ACT_ERRNO", .errno_ret = 95}};
  EXPECT_NE(in_container("busybox mkdir /tmp/x").out.find("not supported"), std::string::npos);
}

TEST_F(LaunchTest, DevicesAndTheirRules) {
  spec_.linux_.devices = {{'c', "/dev/fuse", 10, 229, 0640, 5, 6}, {'p', "/dev/pipe"}};
  const Outcome ran = in_container(
      "stat -c '%F %t,%T %a %u %g' /dev/fuse /dev/pipe; mknod /tmp/mem c 1 1 && cat /tmp/mem; echo x > "
      "/dev/null && echo null");
  EXPECT_NE(ran.out.find("character special file a,e5 640 5 6\nfifo 0,0 666 0 0\n"), std::string::npos)
      << ran.out;
  EXPECT_NE(ran.out.find("/tmp/mem': Operation not permitted"), std::string::npos) << ran.out;
  EXPECT_NE(ran.out.find("null\n"), std::string::npos) << ran.out;
}

TEST_F(LaunchTest, ResourcesAreInTheKernelsFiles) {
  oci::Resources& resources = *spec_.linux_.resources;
  resources.memory = oci::MemoryResources{.limit = 64 << 20, .reservation = 16 << 20, .swap = 96 << 20};
  resources.cpu = oci::CpuResources{
      .shares = 2048, .burst = 10000, .period = 50000, .quota = 25000, .cpus = "0", .mems = "0"};
  resources.pids_limit = 99;
  resources.unified = {{"memory.high", "60000000"}, {"memory.oom.group", "1"}};
  spec_.process->args = {"true"};
  const Outcome created = create();
  ASSERT_EQ(created.status, 0) << created.out;
  EXPECT_EQ(control("memory.max"), "67108864\n");
  EXPECT_EQ(control("memory.low"), "16777216\n");
  // Where the kernel has swap accounting.
  if (!control("memory.swap.max").empty()) {
    EXPECT_EQ(control("memory.swap.max"), "33554432\n");
  }
  EXPECT_EQ(control("cpu.max"), "25000 50000\n");
  EXPECT_EQ(control("cpu.max.burst"), "10000\n");
  EXPECT_EQ(control("cpu.weight"), "174\n");
  EXPECT_EQ(control("cpuset.cpus"), "0\n");
  EXPECT_EQ(control("cpuset.mems"), "0\n");
  EXPECT_EQ(control("pids.max"), "99\n");
  EXPECT_EQ(control("memory.high"), "59998208\n");
  EXPECT_EQ(control("memory.oom.group"), "1\n");
  // Born there: it never was in another cgroup.
  EXPECT_EQ(text_of("/proc/" + std::to_string(pid()) + "/cgroup"), "0::/launch-test/t1\n");
}

TEST_F(LaunchTest, ALimitWithoutItsControllerIsRefused) {
  spec_.linux_.resources->unified = {{"moon.max", "1"}};
  spec_.process->args = {"true"};
  const Outcome created = create();
  EXPECT_EQ(created.status, 1);
  EXPECT_EQ(
      created.out,
      "plimsoll-runtime: create t1: linux.resources.unified[moon.max]: this host has no moon controller "
      "in cgroup /sys/fs/cgroup\n");
  expect_nothing_left();
}

TEST_F(LaunchTest, AFailureAtAnyStepLeavesNothing) {
  const oci::Spec good = spec_;
  struct Wrong {
    const char* error;
    std::function<void(oci::Spec&)> change;
  };
  const std::vector<Wrong> wrongs = {
      {"exec /no/such: No such file or directory", [](oci::Spec& s) { s.process->args = {"/no/such"}; }},
      {"exec nothing: executable file not found in $PATH",
       [](oci::Spec& s) { s.process->args = {"nothing"}; }},
      {"exec /etc: Is a directory", [](oci::Spec& s) { s.process->args = {"/etc"}; }},
      {"mount on /x: mount moonfs: open filesystem type: No such device",
       [](oci::Spec& s) { s.mounts.push_back({"/x", "moonfs", "", {}}); }},
      {"mount on /x: mount tmpfs: option moon=1",
       [](oci::Spec& s) { s.mounts.push_back({"/x", "tmpfs", "", {"moon=1"}}); }},
      {"mount on /x: bind /no/source: No such file or directory",
       [](oci::Spec& s) { s.mounts.push_back({"/x", "bind", "/no/source", {"bind"}}); }},
      {"config.json: root.path: /no/root: No such file or directory",
       [](oci::Spec& s) { s.root.path = "/no/root"; }},
      {"open namespace /no/ns: No such file or directory",
       [](oci::Spec& s) { s.linux_.namespaces[1].path = "/no/ns"; }},
      {"open /proc/sys/net/no/such: No such file or directory",
       [](oci::Spec& s) { s.linux_.sysctl["net.no.such"] = "1"; }},
      {"linux.resources.memory.limit",
       [](oci::Spec& s) {
         s.linux_.resources->unified["memory.max"] = "x";
         s.linux_.resources->memory = oci::MemoryResources{.limit = 1L << 62};
       }},
      {"linux.seccomp.action: unknown action",
       [](oci::Spec& s) { s.linux_.seccomp->default_action = "SCMP_ACT_MOON"; }},
  };
  for (const Wrong& wrong : wrongs) {
    spec_ = good;
    spec_.process->args = {"true"};
    wrong.change(spec_);
    const Outcome created = create();
    if (std::string(wrong.error) != "linux.resources.memory.limit") {
      EXPECT_EQ(created.status, 1) << wrong.error;
      EXPECT_NE(created.out.find(wrong.error), std::string::npos)
          << "wanted " << wrong.error << "\ngot " << created.out;
    } else {
      EXPECT_EQ(created.status, 1);
    }
    expect_nothing_left();
  }
  spec_ = good;
}

TEST_F(LaunchTest, WhatIsNotDoneYetIsRefused) {
  spec_.process->args = {"true"};
  std::string config = oci::to_json(spec_);
  config.insert(1, R"("hooks": {"prestart": [{"path": "/bin/true"}]},)");
  write_text(folder_ / "bundle/config.json", config);
  const Outcome created = runtime({"create", "--bundle", folder_ / "bundle", id_});
  EXPECT_EQ(created.status, 1);
  EXPECT_EQ(created.out, "plimsoll-runtime: create t1: config.json: hooks.prestart: not supported yet\n");
}

TEST_F(LaunchTest, LifecycleOfStates) {
  spec_.process->args = {"sleep", "1000"};
  ASSERT_EQ(create().status, 0);
  EXPECT_NE(runtime({"state", id_}).out.find(R"("status": "created")"), std::string::npos);
  EXPECT_EQ(runtime({"create", "--bundle", folder_ / "bundle", id_}).out,
            "plimsoll-runtime: create t1: container t1 exists already\n");
  EXPECT_EQ(runtime({"start", id_}).status, 0);
  EXPECT_NE(runtime({"state", id_}).out.find(R"("status": "running")"), std::string::npos);
  EXPECT_EQ(runtime({"start", id_}).out, "plimsoll-runtime: start t1: it is running, not created\n");
  EXPECT_EQ(runtime({"delete", id_}).out,
            "plimsoll-runtime: delete t1: container t1 is running: stop it first, or use --force\n");
  EXPECT_NE(runtime({"list"}).out.find("running"), std::string::npos);
  EXPECT_EQ(runtime({"list", "--quiet"}).out, "t1\n");
  EXPECT_EQ(runtime({"kill", id_, "KILL"}).status, 0);
  EXPECT_TRUE(eventually(
      [&] { return runtime({"state", id_}).out.find(R"("status": "stopped")") != std::string::npos; }));
  EXPECT_EQ(runtime({"kill", id_, "TERM"}).out, "plimsoll-runtime: kill t1: container not running\n");
  EXPECT_EQ(runtime({"delete", id_}).status, 0);
  EXPECT_EQ(runtime({"state", id_}).out, "plimsoll-runtime: state t1: container t1 does not exist\n");
  EXPECT_EQ(runtime({"delete", id_}).status, 1);
}

TEST_F(LaunchTest, ADamagedStateLosesNoProcess) {
  spec_.linux_.cgroups_path.clear();  // where it is by default: the damaged state no longer says
  spec_.process->args = {"sleep", "1000"};
  ASSERT_EQ(create().status, 0);
  const fs::path process = "/proc/" + std::to_string(pid());
  write_text(folder_ / "state" / id_ / "state.json", "{");
  EXPECT_NE(runtime({"delete", id_}).status, 0);
  EXPECT_TRUE(fs::exists(process));
  EXPECT_EQ(runtime({"delete", "--force", id_}).status, 0);
  EXPECT_TRUE(eventually([&] { return !fs::exists(process); }));
  EXPECT_FALSE(fs::exists(fs::path(kCgroups) / "plimsoll-runtime" / id_));
}

TEST_F(LaunchTest, KillAllReachesEveryProcess) {
  std::erase_if(spec_.linux_.namespaces,
                [](const oci::Namespace& n) { return n.type == oci::NamespaceType::kPid; });
  spec_.process->args = {"sh", "-c", "trap '' TERM; sleep 1000 & sleep 1000 & wait; wait"};
  ASSERT_EQ(create().status, 0);
  ASSERT_EQ(runtime({"start", id_}).status, 0);
  const auto count = [&] {
    std::istringstream in(control("cgroup.procs"));
    int n = 0;
    for (std::string line; std::getline(in, line);) ++n;
    return n;
  };
  EXPECT_TRUE(eventually([&] { return count() == 3; }));
  EXPECT_EQ(runtime({"kill", "--all", id_, "KILL"}).status, 0);
  EXPECT_TRUE(eventually([&] { return count() == 0; }));
}

TEST_F(LaunchTest, Exec) {
  start_sleeper();
  const Outcome ran =
      runtime({"exec", "--user", "7:8", "--cwd", "/tmp", "--env", "A=b", id_, "sh", "-c",
               "id -u; id -g; pwd; echo $A; readlink /proc/self/ns/net; cat /proc/self/cgroup; exit 6"});
  EXPECT_EQ(ran.status, 6);
  const std::string net = fs::read_symlink("/proc/" + std::to_string(pid()) + "/ns/net");
  EXPECT_EQ(ran.out, "7\n8\n/tmp\nb\n" + net + "\n0::/\n");
  write_text(folder_ / "process.json", R"({"args":["sh","-c","cat; exit 3"],"cwd":"/","env":["PATH=/bin"]})");
  const Outcome piped = runtime({"exec", "--process", folder_ / "process.json", id_}, "through\n");
  EXPECT_EQ(piped.status, 3);
  EXPECT_EQ(piped.out, "through\n");
  EXPECT_EQ(runtime({"exec", id_, "nothing"}).out,
            "plimsoll-runtime: exec in t1: exec nothing: executable file not found in $PATH\n");
  EXPECT_EQ(runtime({"exec", id_, "nothing"}).status, 255);
  EXPECT_EQ(runtime({"exec", "--user", "0x0", id_, "true"}).status, 255);
}

TEST_F(LaunchTest, Flags) {
  EXPECT_NE(runtime({"--help"}).out.find("example:"), std::string::npos);
  EXPECT_NE(runtime({"run", "--help"}).out.find("example:"), std::string::npos);
  EXPECT_TRUE(runtime({"--version"}).out.starts_with("plimsoll-runtime version "));
  EXPECT_EQ(runtime({"--systemd-cgroup", "list"}).status, 1);
  EXPECT_EQ(runtime({"moon"}).out, "plimsoll-runtime: unknown verb 'moon'; see plimsoll-runtime --help\n");
  EXPECT_EQ(runtime({"create", "--moon", id_}).out, "plimsoll-runtime: create: unknown flag --moon\n");
  const Outcome logged = runtime({"--log", folder_ / "log", "--log-format", "json", "state", "../x"});
  EXPECT_EQ(logged.status, 1);
  EXPECT_TRUE(
      text_of(folder_ / "log").starts_with(R"({"level":"error","msg":"state ../x: container id '../x')"));
}

}  // namespace
}  // namespace plimsoll::launch_test
