// GET /containers/NAME/stats, as docker stats computes from it (cgroup v2's form).
#include <algorithm>
#include <nlohmann/json.hpp>
#include <thread>
#include <utility>

#include "agent/api/docker.h"
#include "agent/api/docker_words.h"
#include "agent/base/json_text.h"
#include "agent/base/rfc3339.h"

namespace plimsoll::api {
namespace {

using nlohmann::json;
using namespace std::chrono_literals;

constexpr auto kPeriod = 1s;    // of a stream
constexpr auto kPatience = 5s;  // with a container that the sampler has not seen yet
constexpr auto kSlice = 100ms;  // of a wait, after which a client that left is noticed

std::uint64_t nanoseconds(Microseconds time) { return static_cast<std::uint64_t>(Nanoseconds(time).count()); }

json cpu_json(const StatsReading* reading) {
  json usage = {{"total_usage", 0}, {"usage_in_kernelmode", 0}, {"usage_in_usermode", 0}};
  json throttling = {{"periods", 0}, {"throttled_periods", 0}, {"throttled_time", 0}};
  json out = json::object();
  if (reading && reading->sample.cpu) {
    const model::CpuStat& cpu = *reading->sample.cpu;
    usage = {{"total_usage", nanoseconds(cpu.usage)},
             {"usage_in_kernelmode", nanoseconds(cpu.system)},
             {"usage_in_usermode", nanoseconds(cpu.user)}};
    throttling = {{"periods", cpu.periods.value_or(0)},
                  {"throttled_periods", cpu.throttled_periods.value_or(0)},
                  {"throttled_time", nanoseconds(cpu.throttled.value_or(0us))}};
    out["system_cpu_usage"] = nanoseconds(reading->host_cpu);
    out["online_cpus"] = static_cast<int>(reading->online_cpus);
  }
  out["cpu_usage"] = usage;
  out["throttling_data"] = throttling;
  return out;
}

json memory_json(const StatsReading& reading) {
  const model::Memory& memory = reading.sample.memory;
  const auto& max = reading.sample.limits.memory_max;
  const bool limited = max && !max->is_max();
  json stats = json::object();
  if (memory.stat) {
    const model::MemoryStat& stat = *memory.stat;
    stats = {{"anon", stat.anon.value},
             {"file", stat.file.value},
             {"file_mapped", stat.file_mapped.value},
             {"active_file", stat.active_file.value},
             {"inactive_file", stat.inactive_file.value},
             {"slab", stat.slab.value},
             {"pgfault", stat.pgfault},
             {"pgmajfault", stat.pgmajfault}};
  }
  json out = {{"usage", memory.current.value_or(Bytes{}).value},
              {"limit", limited ? max->value().value : reading.host_memory.value},
              {"stats", stats}};
  if (memory.peak) out["max_usage"] = memory.peak->value;
  return out;
}

json blkio_json(const StatsReading& reading) {
  json bytes = json::array();
  for (const model::IoStat& io : reading.sample.io) {
    bytes.push_back({{"major", io.major}, {"minor", io.minor}, {"op", "read"}, {"value", io.read.value}});
    bytes.push_back({{"major", io.major}, {"minor", io.minor}, {"op", "write"}, {"value", io.written.value}});
  }
  return {{"io_service_bytes_recursive", bytes}};
}

json networks_json(const StatsReading& reading) {
  json out = json::object();
  for (const model::NetStat& net : reading.sample.net) {
    out[net.interface] = {{"rx_bytes", net.received.value},    {"rx_packets", net.rx_packets},
                          {"rx_errors", net.rx_errors},        {"rx_dropped", net.rx_dropped},
                          {"tx_bytes", net.transmitted.value}, {"tx_packets", net.tx_packets},
                          {"tx_errors", net.tx_errors},        {"tx_dropped", net.tx_dropped}};
  }
  return out;
}

struct Who {
  std::string id, name;
};

json stats_json(const Who& who, const std::optional<StatsReadings>& readings) {
  const StatsReading* now = readings ? &readings->now : nullptr;
  const StatsReading* before = readings && readings->before ? &*readings->before : nullptr;
  const auto moment = [](const StatsReading* reading) {
    return reading ? format_rfc3339(reading->when) : std::string("0001-01-01T00:00:00Z");
  };
  json out = {{"id", who.id},
              {"name", "/" + who.name},
              {"read", moment(now)},
              {"preread", moment(before)},
              {"cpu_stats", cpu_json(now)},
              {"precpu_stats", cpu_json(before)},
              {"memory_stats", json::object()},
              {"pids_stats", json::object()},
              {"blkio_stats", json::object()},
              {"num_procs", 0},
              {"storage_stats", json::object()}};
  if (!now) return out;
  out["memory_stats"] = memory_json(*now);
  out["blkio_stats"] = blkio_json(*now);
  out["networks"] = networks_json(*now);
  if (now->sample.threads) out["pids_stats"] = {{"current", *now->sample.threads}};
  return out;
}

// false where the client left.
bool pause(Exchange& exchange, std::chrono::milliseconds length) {
  const auto end = std::chrono::steady_clock::now() + length;
  while (!exchange.client_gone()) {
    const auto left = end - std::chrono::steady_clock::now();
    if (left <= 0ns) return true;
    std::this_thread::sleep_for(std::min<std::chrono::nanoseconds>(left, kSlice));
  }
  return false;
}

// Both readings; a container that has just started is waited for, since the sampler has not seen it twice.
std::optional<StatsReadings> whole(Exchange& exchange, const DockerParts& parts, const std::string& id) {
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (true) {
    auto readings = parts.stats.read(id);
    if (readings && readings->before) return readings;
    const auto ref = parts.containers.identity(id);
    const bool runs = ref && ref->init_pid;
    if (!runs || std::chrono::steady_clock::now() > end || !pause(exchange, kSlice)) return readings;
  }
}

void stats(Exchange& exchange, const DockerParts& parts) {
  const Request& request = exchange.request();
  const auto id = parts.containers.id_of(request.params.at("name"));
  if (!id) return exchange.reply_error(id.error());
  const auto config = parts.containers.config(*id);
  if (!config) return exchange.reply_error(config.error());
  const Who who{.id = *id, .name = config->name};
  const bool stream = request.value("stream").empty() || request.flag("stream");
  // A rate needs two readings, unless the client makes it itself.
  const bool one_shot = request.flag("one-shot");
  if (!stream) {
    auto readings = one_shot ? parts.stats.read(*id) : whole(exchange, parts, *id);
    if (one_shot && readings) readings->before.reset();
    return reply_json(exchange, stats_json(who, readings));
  }
  exchange.begin_stream({});
  do {
    if (!parts.containers.id_of(*id)) return;
  } while (exchange.write(json_text(stats_json(who, parts.stats.read(*id))) + "\n") &&
           pause(exchange, kPeriod));
}

}  // namespace

void add_stats_routes(Router& router, const DockerParts& parts) {
  router.add("GET", "/containers/{name}/stats", [&parts](Exchange& e) { stats(e, parts); },
             {.queries = {{"stream", "one-shot"}}});
}

}  // namespace plimsoll::api
