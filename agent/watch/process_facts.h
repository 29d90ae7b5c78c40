// What is known of a container through its processes rather than its control files. Everything here opens
// many small files, which is why the sampler asks for it less often.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "agent/model/sample.h"

namespace plimsoll::watch {

// The processes of a cgroup and all below it; empty where it is gone. `folder`: its descriptor. Pids are in
// the agent's pid namespace; 0 stands for one outside of it.
std::vector<int> processes_of(int folder);

struct DescriptorCount {
  model::Count all = 0, sockets = 0;
};
// Open descriptors of `pids`; those that ended meanwhile count as none. nullopt where there are more than
// `most`: counting them would hold up the sampler. `proc`: "/proc".
std::optional<DescriptorCount> count_descriptors(const std::string& proc, const std::vector<int>& pids,
                                                 std::uint64_t most);

// Network interfaces as process `pid` sees them, where its network namespace is not the agent's own: a
// service in the host's namespace has no traffic that is its own. False, and `into` empty, where there is
// nothing to read.
bool read_network(const std::string& proc, int pid, std::vector<model::NetStat>& into);

// The file system under the root of process `pid`, where that is not the agent's own root.
std::optional<model::FsStat> read_filesystem(const std::string& proc, int pid);

}  // namespace plimsoll::watch
