// `plimsoll-runtime run` of /bin/true against crun, runc and a bare clone3 program of the same steps:
// interleaved runs in one private view with pure cgroup v2, medians and ratios. Also the private memory of
// shims.
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "agent/oci/spec.h"
#include "tests/bench/measure.h"

extern char** environ;

namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;
using plimsoll::bench::median;
using plimsoll::bench::smaps_kib;

struct Contender {
  const char* name;
  std::vector<std::string> words;
  std::vector<double> milliseconds = {};
};

[[noreturn]] void give_up(const std::string& why) {
  std::fprintf(stderr, "launch_bench: %s\n", why.c_str());
  std::exit(1);
}

pid_t start(const std::vector<std::string>& words) {
  std::vector<char*> args;
  for (const std::string& word : words) args.push_back(const_cast<char*>(word.c_str()));
  args.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  pid_t pid = -1;
  if (::posix_spawnp(&pid, args[0], &actions, nullptr, args.data(), environ) != 0)
    give_up("cannot run " + words[0]);
  ::posix_spawn_file_actions_destroy(&actions);
  return pid;
}

void time_one(Contender& one) {
  const auto begin = Clock::now();
  int status = 1;
  ::waitpid(start(one.words), &status, 0);
  if (status != 0) give_up(std::string(one.name) + " failed");
  one.milliseconds.push_back(std::chrono::duration<double, std::milli>(Clock::now() - begin).count());
}

// What `crun spec` gives, but for resources and rlimits, which this machine may not be able to hold.
plimsoll::oci::Spec bundle_spec() {
  using namespace plimsoll::oci;
  Spec spec = default_spec();
  spec.process->args = {"/bin/true"};
  spec.process->env = {"PATH=/bin"};
  spec.process->capabilities = Capabilities{};
  spec.hostname = "box";
  std::erase_if(spec.mounts, [](const Mount& mount) { return mount.destination == "/dev/shm"; });
  spec.linux_.resources.reset();
  spec.linux_.seccomp.reset();
  spec.linux_.masked_paths = {"/proc/timer_list", "/sys/firmware"};
  spec.linux_.readonly_paths = {"/proc/sys"};
  return spec;
}

void make_bundle(const fs::path& folder) {
  for (const char* part : {"bin", "proc", "dev", "sys", "tmp"})
    fs::create_directories(folder / "rootfs" / part);
  fs::copy_file("/bin/busybox", folder / "rootfs/bin/busybox");
  for (const char* applet : {"true", "sleep"}) fs::create_symlink("busybox", folder / "rootfs/bin" / applet);
  std::ofstream(folder / "config.json") << to_json(bundle_spec());
}

void private_view() {
  if (::unshare(CLONE_NEWNS) != 0) give_up("needs root");
  ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr);
  if (::mount("none", "/sys/fs/cgroup", "cgroup2", 0, nullptr) != 0) give_up("cannot mount cgroup2");
}

void shim_memory(const fs::path& folder) {
  auto spec = bundle_spec();
  spec.process->args = {"/bin/sleep", "1000"};
  std::vector<pid_t> shims;
  for (const char* id : {"bench-a", "bench-b"}) {
    const fs::path bundle = folder / id;
    fs::create_directories(bundle);
    spec.root.path = folder / "rootfs";
    spec.linux_.cgroups_path = std::string("/bench/") + id;
    std::ofstream(bundle / "config.json") << to_json(spec);
    shims.push_back(
        start({PLIMSOLL_RUNTIME, "shim", "--id", id, "--bundle", bundle, "--root", folder / "state", "--dir",
               bundle, "--cgroup-root", "/sys/fs/cgroup", "--cgroup", spec.linux_.cgroups_path}));
    for (int i = 0; i < 1000 && !fs::exists(bundle / "init"); ++i) ::usleep(10'000);
    if (!fs::exists(bundle / "init")) give_up("the shim did not start");
    ::usleep(50'000);
    std::printf("shim_memory: %zu shim%s: private %ld KiB, anonymous %ld KiB of the first\n", shims.size(),
                shims.size() == 1 ? "" : "s", smaps_kib(shims[0], "Private_"),
                smaps_kib(shims[0], "Anonymous:"));
  }
  for (const pid_t pid : shims) {
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
  }
  for (const char* id : {"bench-a", "bench-b"}) {
    ::waitpid(start({PLIMSOLL_RUNTIME, "--root", folder / "state", "delete", "--force", id}), nullptr, 0);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const int runs = argc > 1 ? std::atoi(argv[1]) : 30;
  std::string name = "/tmp/launch-bench.XXXXXX";
  const fs::path folder = ::mkdtemp(name.data());
  private_view();
  make_bundle(folder);
  const std::string root = folder / "rootfs";
  std::vector<Contender> contenders = {
      {"bare clone3", {PLIMSOLL_BARE, root, "/sys/fs/cgroup/launch-bench-bare", "/bin/true"}},
      {"plimsoll-runtime",
       {PLIMSOLL_RUNTIME, "--root", folder / "state", "run", "--bundle", folder, "bench"}},
      {"crun", {"crun", "--root", folder / "crun", "run", "--bundle", folder, "bench"}},
      {"runc", {"runc", "--root", folder / "runc", "run", "--bundle", folder, "bench"}},
  };
  for (int i = 0; i < runs; ++i) {
    for (Contender& one : contenders) time_one(one);
  }
  const double bare = median(contenders[0].milliseconds);
  const double crun = median(contenders[2].milliseconds);
  const double runc = median(contenders[3].milliseconds);
  for (const Contender& one : contenders) {
    const double middle = median(one.milliseconds);
    std::printf(
        "launch: %-17s median %7.2f ms of %d runs; %.2f of crun, %.2f of runc, %.2f of the bare program\n",
        one.name, middle, runs, middle / crun, middle / runc, middle / bare);
  }
  shim_memory(folder);
  fs::remove_all(folder);
  return 0;
}
