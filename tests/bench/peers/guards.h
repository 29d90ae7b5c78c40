// The daemons that look after a host's memory, each at its defaults and at its fastest, as processes of this
// one.
#pragma once

#include <fcntl.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tests/bench/peers/trouble.h"

namespace plimsoll::bench {

namespace fs = std::filesystem;

inline std::string text_of(const fs::path& file) {
  std::ifstream in(file);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}
inline void put(const fs::path& file, const std::string& text) {
  fs::create_directories(file.parent_path());
  std::ofstream(file) << text << std::flush;
}
inline void replace(std::string& text, const std::string& what, const std::string& by) {
  for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + by.size()))
    text.replace(at, what.size(), by);
}

// One program, its output in a log; ended with this.
class Process {
 public:
  Process(const std::vector<std::string>& words, const fs::path& log) {
    pid_ = ::fork();
    if (pid_ != 0) return;
    const int out = ::open(log.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    ::dup2(out, STDOUT_FILENO);
    ::dup2(out, STDERR_FILENO);
    std::ofstream("/proc/self/oom_score_adj") << -900 << std::flush;
    std::vector<char*> args;
    for (const std::string& word : words) args.push_back(const_cast<char*>(word.c_str()));
    args.push_back(nullptr);
    ::execv(args[0], args.data());
    ::_exit(127);
  }
  ~Process() {
    ::kill(pid_, SIGTERM);
    for (int i = 0; i < 500 && ::waitpid(pid_, nullptr, WNOHANG) == 0; ++i) std::this_thread::sleep_for(20ms);
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, WNOHANG);
  }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  bool gone() const {
    siginfo_t told{};
    return ::waitid(P_PID, static_cast<id_t>(pid_), &told, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           told.si_pid == pid_;
  }

 private:
  pid_t pid_ = -1;
};

// Where the programs are: ours beside this one, the peers unpacked in the cache.
struct Programs {
  fs::path ours, peers, source;
};

struct Command {
  std::vector<std::string> words;
  fs::path ready = {};  // what is there as soon as it serves
};
using Commands = std::vector<Command>;

struct Guard {
  const char *name, *settings;
  // Writes its configuration below `folder`; what is to be run, in this order. `line`: how much of the host's
  // memory is left where a hog is over it.
  Commands (*commands)(const Programs& at, const fs::path& folder, std::size_t line);
  int line = 10;        // percent of the host's memory: with less available than that it is to act
  Nanoseconds rest{0};  // what it takes after one kill before it may end the next
};

inline Commands plimsoll(const Programs& at, const fs::path& folder, const std::string& policy) {
  put(folder / "policies/guard.yaml", policy);
  return {{{at.ours / "plimsoll", "agent", "--policies", folder / "policies", "--state", folder / "state",
            "--run", folder / "run", "--listen", "127.0.0.1:9899"},
           folder / "run/plimsoll.sock"}};
}
inline Commands plimsoll_shipped(const Programs& at, const fs::path& folder, std::size_t) {
  std::string policy = text_of(at.source / "policies/library/guard-the-host.yaml");
  replace(policy, "names: [\"*\"]", "runtimes: [docker]");
  return plimsoll(at, folder, policy);
}
inline Commands plimsoll_fastest(const Programs& at, const fs::path& folder, std::size_t) {
  return plimsoll(at, folder,
                  "apiVersion: plimsoll/v1\nkind: HostPolicy\nmetadata: {name: fastest}\nspec:\n  rules:\n"
                  "    - name: line\n      when: host.memory.available < 10% of host.memory.total\n"
                  "      then:\n        - kill: {victim: {among: {runtimes: [docker]}, most: memory.usage}, "
                  "signal: KILL, grace: 0s}\n      cooldown: 1s\n");
}
inline Commands earlyoom_default(const Programs& at, const fs::path&, std::size_t) {
  return {{{at.peers / "earlyoom/usr/bin/earlyoom", "-r", "3600"}}};  // /etc/default/earlyoom
}
inline Commands earlyoom_fastest(const Programs& at, const fs::path&, std::size_t) {
  return {{{at.peers / "earlyoom/usr/bin/earlyoom", "-r", "0", "-p", "-m", "10,9"}}};
}

inline Commands oomd(const Programs& at, const fs::path& folder, const std::string& config) {
  put(folder / "oomd.json", config);
  return {{{at.peers / "oomd/usr/bin/oomd", "--interval", "1", "--config", folder / "oomd.json",
            "--runtime-dir", folder / "run"}}};
}
// Debian's own, for this cgroup instead of those of systemd.
inline Commands oomd_default(const Programs& at, const fs::path& folder, std::size_t) {
  std::string config = text_of(at.peers / "oomd/etc/oomd/oomd.json");
  replace(config,
          "user.slice/user-*.slice/session-*.scope,user.slice/user-*.slice/user@*.service/*,system.slice/*",
          "docker/*");
  replace(config, "\"user.slice\"", "\"docker\"");
  replace(config, "\"system.slice\"", "\"docker\"");
  return oomd(at, folder, config);
}
// By size, since a hog makes no pressure before the last moment: what the hogs may have before the line.
inline Commands oomd_fastest(const Programs& at, const fs::path& folder, std::size_t line) {
  const std::size_t most = available() > line ? (available() - line) / kMiB : 1;
  return oomd(at, folder,
              R"({"rulesets": [{"name": "fastest", "post_action_delay": "1", "prekill_hook_timeout": "0",
  "detectors": [["over the line", {"name": "memory_above", "args": {"cgroup": "docker", "threshold_anon": ")" +
                  std::to_string(most) + R"(M", "duration": "0"}}]],
  "actions": [{"name": "kill_by_memory_size_or_growth", "args": {"cgroup": "docker/*"}}]}]})");
}

// It needs a system bus of D-Bus, and systemd as PID 1 to name the cgroups: here another does.
inline Commands systemd_oomd(const Programs& at, const char* limit, const std::string& duration) {
  fs::create_directories("/run/dbus");
  fs::create_directories("/run/systemd/oom");
  std::string bus = text_of(at.peers / "systemd-oomd/usr/share/dbus-1/system.d/org.freedesktop.oom1.conf");
  replace(bus, "\"systemd-oom\"", "\"root\"");  // there is no such user here
  put("/etc/dbus-1/system.d/org.freedesktop.oom1.conf", bus);
  put("/run/systemd/oomd.conf.d/10-bench.conf", "[OOM]\nDefaultMemoryPressureDurationSec=" + duration + "\n");
  const fs::path bus_socket = "/run/dbus/system_bus_socket", systemd = "/run/systemd/io.system.ManagedOOM";
  fs::remove(bus_socket);
  fs::remove(systemd);
  return {{{"/usr/bin/dbus-daemon", "--system", "--nofork", "--nopidfile"}, bus_socket},
          {{at.source / "tests/bench/peers/managed_oom", systemd, "/docker", limit}, systemd},
          {{at.peers / "systemd-oomd/lib/systemd/systemd-oomd"}}};
}
inline Commands systemd_oomd_default(const Programs& at, const fs::path&, std::size_t) {
  return systemd_oomd(at, "", "20s");  // what Debian's package sets
}
inline Commands systemd_oomd_fastest(const Programs& at, const fs::path&, std::size_t) {
  return systemd_oomd(at, "5", "1s");
}
inline Commands nobody(const Programs&, const fs::path&, std::size_t) { return {}; }

inline const std::array kGuards = {
    Guard{"plimsoll", "as shipped", plimsoll_shipped, 5, 16s},
    Guard{"plimsoll", "fastest", plimsoll_fastest, 10, 2s},
    Guard{"earlyoom", "default", earlyoom_default},
    Guard{"earlyoom", "fastest", earlyoom_fastest},
    Guard{"oomd", "default", oomd_default},
    Guard{"oomd", "fastest", oomd_fastest, 10, 2s},
    Guard{"systemd-oomd", "default", systemd_oomd_default},
    Guard{"systemd-oomd", "fastest", systemd_oomd_fastest},
    Guard{"kernel", "alone", nobody},
};

}  // namespace plimsoll::bench
