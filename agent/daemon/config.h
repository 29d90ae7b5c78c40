// What an operator may choose of the agent: flags of `plimsoll agent`, each with a default.
#pragma once

#include <set>
#include <string>

#include "agent/base/log.h"
#include "agent/base/units.h"
#include "agent/kernel/host_facts.h"

namespace plimsoll::daemon {

struct Config {
  std::string state = "/var/lib/plimsoll";
  std::string run = "/run/plimsoll";
  std::string socket;                     // empty: RUN/plimsoll.sock
  std::string listen = "127.0.0.1:9876";  // where public pages are; empty: nowhere
  std::string policies = "/etc/plimsoll/policies";
  std::string runtime_binary;  // empty: plimsoll-runtime beside this program
  Nanoseconds tick{std::chrono::seconds(1)};
  std::set<std::string> label_keys;  // container labels that become metric labels
  std::set<std::string> probes_off;  // by name; "all": none is loaded
  std::set<std::string> probes_on;   // of those that are loaded only where they are asked for
  unsigned probe_containers = 4096;  // that the probes' maps have room for, other cgroups among them
  unsigned probe_cells = 16'384;     // likewise, pairs of a container and something else
  Nanoseconds history_keep = std::chrono::hours(7 * 24);  // what is older is removed,
  Bytes history_size{1ULL << 30};  // and the oldest beyond that; 0: nothing is recorded
  bool put_back = false;           // what policies set, when the agent is ended
  log::Level log_level = log::Level::kInfo;
  log::Format log_format = log::Format::kText;
  // Where the host's own files are. No flag: others than these are for a simulated host.
  kernel::HostRoots host{.proc = "/proc", .sys = "/sys", .etc = "/etc"};
};

// Fills in what depends on other members, and makes paths absolute. kInvalid names the flag.
Result<Config> completed(Config config);

// Whether the probes' maps, which take `wanted` whether containers come or not, leave this host its memory.
Result<> check_probe_room(const Config& config, Bytes wanted, Bytes memory);

Result<std::string> runtime_beside_this_program();

// Where the command line finds an agent that was started without flags.
inline constexpr const char* kDefaultSocket = "/run/plimsoll/plimsoll.sock";

}  // namespace plimsoll::daemon
