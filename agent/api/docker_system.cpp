// _ping, version, info and events.
#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <nlohmann/json.hpp>

#include "agent/api/docker.h"
#include "agent/api/docker_words.h"
#include "agent/base/rfc3339.h"
#include "agent/base/version.h"

namespace plimsoll::api {
namespace {

using nlohmann::json;
using namespace std::chrono_literals;

void ping(Exchange& exchange) {
  exchange.reply({.status = 200,
                  .body = "OK",
                  .type = "text/plain; charset=utf-8",
                  .headers = {{"Ostype", "linux"},
                              {"Docker-Experimental", "false"},
                              {"Cache-Control", "no-cache, no-store, must-revalidate"}}});
}

void version(Exchange& exchange, const DockerParts& parts) {
  const HostFacts& host = parts.host;
  const std::string number(kVersion);
  reply_json(exchange, {{"Platform", {{"Name", "Plimsoll"}}},
                        {"Version", number},
                        {"ApiVersion", "1.47"},
                        {"MinAPIVersion", "1.24"},
                        {"Os", "linux"},
                        {"Arch", host.architecture},
                        {"KernelVersion", host.kernel},
                        {"GitCommit", ""},
                        {"GoVersion", ""},
                        {"BuildTime", ""},
                        {"Components",
                         {{{"Name", "Engine"},
                           {"Version", number},
                           {"Details",
                            {{"ApiVersion", "1.47"},
                             {"MinAPIVersion", "1.24"},
                             {"Os", "linux"},
                             {"Arch", host.architecture},
                             {"KernelVersion", host.kernel}}}}}}});
}

void info(Exchange& exchange, const DockerParts& parts) {
  const auto counts = parts.containers.counts();
  int all = 0;
  for (const auto& [status, count] : counts) all += count;
  const auto running = counts.find(container::Status::kRunning);
  const int up = running == counts.end() ? 0 : running->second;
  const HostFacts& host = parts.host;
  reply_json(exchange,
             {{"ID", host.name},
              {"Name", host.name},
              {"Containers", all},
              {"ContainersRunning", up},
              {"ContainersPaused", 0},
              {"ContainersStopped", all - up},
              {"Images", parts.images.list().size()},
              {"Driver", "overlayfs"},
              {"DriverStatus", json::array()},
              {"Plugins", {{"Volume", json::array()}, {"Network", {"none", "host"}}, {"Log", {"json-file"}}}},
              {"MemoryLimit", true},
              {"SwapLimit", true},
              {"PidsLimit", true},
              {"CpuCfsPeriod", true},
              {"CpuCfsQuota", true},
              {"CPUShares", true},
              {"CPUSet", true},
              {"OomKillDisable", false},
              {"LoggingDriver", "json-file"},
              {"CgroupDriver", "cgroupfs"},
              {"CgroupVersion", "2"},
              {"KernelVersion", host.kernel},
              {"OperatingSystem", host.operating_system},
              {"OSType", "linux"},
              {"Architecture", host.architecture},
              {"NCPU", static_cast<int>(host.cpus)},
              {"MemTotal", host.memory.value},
              {"DockerRootDir", host.state_folder},
              {"IndexServerAddress", ""},
              {"RegistryConfig", nullptr},
              {"Runtimes", {{"plimsoll", {{"path", "plimsoll-runtime"}}}}},
              {"DefaultRuntime", "plimsoll"},
              {"Swarm", {{"LocalNodeState", "inactive"}}},
              {"LiveRestoreEnabled", true},
              {"ServerVersion", std::string(kVersion)},
              {"IPv4Forwarding", true},
              {"BridgeNfIptables", true},
              {"BridgeNfIp6tables", true},
              {"SecurityOptions", {"name=seccomp,profile=builtin", "name=cgroupns"}},
              {"Warnings", json::array()}});
}

bool wanted(const Filters& filters, const json& event) {
  const json& actor = event.at("Actor");
  const auto attributes = actor.value("Attributes", std::map<std::string, std::string>{});
  const auto attribute = [&](const char* name) {
    const auto found = attributes.find(name);
    return found == attributes.end() ? std::string() : found->second;
  };
  const std::string id = actor.value("ID", "");
  const auto matches = [&](const std::string& name, const std::string& value) {
    // "exec_create: ls" is of the event exec_create.
    if (name == "event")
      return event.value("Action", "").substr(0, event.value("Action", "").find(':')) == value;
    if (name == "type") return event.value("Type", "") == value;
    if (name == "container") return id.starts_with(value) || attribute("name") == value;
    if (name == "image") return attribute("image") == value;
    return has_label(attributes, value);
  };
  return std::ranges::all_of(filters, [&](const auto& filter) {
    const auto& [name, values] = filter;
    if (name == "label")
      return std::ranges::all_of(values, [&](const auto& v) { return matches("label", v); });
    return std::ranges::any_of(values, [&, &key = name](const auto& v) { return matches(key, v); });
  });
}

bool send_event(Exchange& exchange, const Filters& filters, const container::EventText& event) {
  const json document = json::parse(event.json, nullptr, /*allow_exceptions=*/false);
  if (document.is_discarded() || !wanted(filters, document)) return true;
  return exchange.write(event.json + "\n");
}

// Between the room that tells (it must not block) and this client, which may be slow: a bounded queue. One
// that overflows ends the stream, since a gap that nobody sees is worse.
struct EventQueue {
  static constexpr std::size_t kMost = 4096;
  std::mutex mutex;
  std::condition_variable told;
  std::deque<container::EventText> waiting;
  bool overflowed = false;

  void push(const container::EventText& event) {
    const std::lock_guard lock(mutex);
    overflowed = overflowed || waiting.size() >= kMost;
    if (!overflowed) waiting.push_back(event);
    told.notify_all();
  }
};

void follow_events(Exchange& exchange, const DockerParts& parts, const Filters& filters,
                   std::optional<WallTime> since, std::optional<WallTime> until) {
  constexpr auto kGlance = 250ms;
  const auto queue = std::make_shared<EventQueue>();
  const auto subscription =
      parts.containers.subscribe(since, [queue](const container::EventText& event) { queue->push(event); });
  exchange.begin_stream({});
  std::unique_lock lock(queue->mutex);
  while (true) {
    queue->told.wait_for(lock, kGlance, [&] { return !queue->waiting.empty() || queue->overflowed; });
    std::deque<container::EventText> events;
    events.swap(queue->waiting);
    const bool overflowed = queue->overflowed;
    lock.unlock();
    for (const auto& event : events) {
      if (until && event.when > *until) return;
      if (!send_event(exchange, filters, event)) return;
    }
    if (overflowed || exchange.client_gone() || (until && parts.clock.wall() > *until)) return;
    lock.lock();
  }
}

void events(Exchange& exchange, const DockerParts& parts) {
  const Request& request = exchange.request();
  const WallTime now = parts.clock.wall();
  const auto filters = parse_filters(request.value("filters"));
  if (!filters) return exchange.reply_error(filters.error());
  if (const auto known = check_filters(*filters, {"type", "event", "container", "label", "image"}); !known)
    return exchange.reply_error(known.error());
  const auto since = parse_moment(request.value("since"), now);
  if (!since) return exchange.reply_error(since.error());
  const auto until = parse_moment(request.value("until"), now);
  if (!until) return exchange.reply_error(until.error());
  follow_events(exchange, parts, *filters, *since, *until);
}

}  // namespace

void add_system_routes(Router& router, const DockerParts& parts) {
  router.add("GET", "/_ping", ping);
  router.add("GET", "/version", [&parts](Exchange& e) { version(e, parts); });
  router.add("GET", "/info", [&parts](Exchange& e) { info(e, parts); });
  router.add("GET", "/events", [&parts](Exchange& e) { events(e, parts); },
             {.queries = {{"since", "until", "filters"}}});
}

}  // namespace plimsoll::api
