// The API over real containers, without the rest of the agent: docker_daemon SOCKET RUNTIME_BINARY. Serves
// until its standard input ends. For tests with real clients.
#include <sys/utsname.h>
#include <unistd.h>

#include <cstdio>
#include <string>
#include <thread>

#include "agent/api/docker.h"
#include "agent/api/server.h"
#include "agent/base/clock.h"
#include "agent/base/units.h"
#include "agent/kernel/cgroup.h"
#include "agent/kernel/file.h"

namespace plimsoll {
namespace {

// The two numbers that docker stats computes with, straight from the cgroup.
class CgroupStats final : public api::StatsSource {
 public:
  explicit CgroupStats(const Clock& clock) : clock_(clock) {}
  std::optional<api::StatsReading> read(const std::string& id) override {
    const auto cgroup = kernel::Cgroup::open("/sys/fs/cgroup/plimsoll/" + id);
    if (!cgroup) return std::nullopt;
    const auto cpu = cgroup->read("cpu.stat");
    if (!cpu || !cpu->starts_with("usage_usec ")) return std::nullopt;
    const auto usage = parse_u64(cpu->substr(11, cpu->find('\n') - 11));
    const auto number = [&](const char* file) -> std::optional<std::uint64_t> {
      const auto text = cgroup->read(file);
      return text ? parse_u64(text->substr(0, text->find('\n'))) : std::nullopt;
    };
    const auto bytes = number("memory.current");
    api::StatsReading reading{.when = clock_.wall(),
                              .online_cpus = static_cast<double>(::sysconf(_SC_NPROCESSORS_ONLN))};
    reading.sample.cpu = model::CpuStat{.usage = Microseconds(usage.value_or(0))};
    reading.sample.memory.current = Bytes{bytes.value_or(0)};
    if (const auto limit = number("memory.max"))
      reading.sample.limits.memory_max = model::Bound(Bytes{*limit});
    if (const auto threads = number("pids.current")) reading.sample.threads = *threads;
    const auto up = std::chrono::duration_cast<Microseconds>(clock_.boot().since_boot);
    reading.host_cpu = up * ::sysconf(_SC_NPROCESSORS_ONLN);
    reading.host_memory = Bytes{static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES)) *
                                static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE))};
    return reading;
  }

 private:
  const Clock& clock_;
};

int fail_with(const Error& error) {
  std::fprintf(stderr, "docker_daemon: %s\n", error.message().c_str());
  return 1;
}

int serve(const std::string& socket, const std::string& runtime) {
  const SystemClock clock;
  auto images = image::Store::open("/var/lib/plimsoll/images", clock);
  if (!images) return fail_with(images.error());
  auto containers = container::Containers::open({.state = "/var/lib/plimsoll",
                                                 .run = "/run/plimsoll",
                                                 .cgroup_root = "/sys/fs/cgroup",
                                                 .runtime_binary = runtime},
                                                **images, clock);
  if (!containers) return fail_with(containers.error());
  CgroupStats stats(clock);
  utsname host{};
  ::uname(&host);
  const api::DockerParts parts{.containers = **containers,
                               .images = **images,
                               .stats = stats,
                               .clock = clock,
                               .host = {.name = host.nodename,
                                        .kernel = host.release,
                                        .operating_system = "Linux",
                                        .architecture = "amd64",
                                        .cpus = static_cast<double>(::sysconf(_SC_NPROCESSORS_ONLN)),
                                        .memory = {},
                                        .state_folder = "/var/lib/plimsoll"}};
  api::Router router;
  api::add_docker_routes(router, parts);
  api::Server server(router);
  if (const auto listening = server.listen_unix(socket); !listening) return fail_with(listening.error());
  std::puts("ready");
  std::fflush(stdout);
  char byte = 0;
  while (::read(STDIN_FILENO, &byte, 1) > 0) {
  }
  server.stop();
  return 0;
}

}  // namespace
}  // namespace plimsoll

int main(int argc, char** argv) {
  if (argc != 3) return std::fprintf(stderr, "usage: docker_daemon SOCKET RUNTIME_BINARY\n"), 2;
  return plimsoll::serve(argv[1], argv[2]);
}
