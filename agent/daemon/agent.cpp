#include "agent/daemon/agent.h"

#include <signal.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "agent/api/docker.h"
#include "agent/api/server.h"
#include "agent/base/version.h"
#include "agent/container/containers.h"
#include "agent/daemon/host_cpus.h"
#include "agent/daemon/loop.h"
#include "agent/daemon/pages.h"
#include "agent/daemon/sources.h"
#include "agent/image/store.h"
#include "agent/kernel/file.h"
#include "agent/kernel/host_facts.h"
#include "agent/kernel/process.h"
#include "agent/model/container_ref.h"
#include "bpf/probes.h"

namespace plimsoll::daemon {
namespace {

const std::string kCgroupParent = "/" + std::string(model::kOwnParent);

// SIGTERM and its like as a descriptor; blocked in all threads that are made after it.
Result<UniqueFd> take_signals() {
  sigset_t wanted;
  ::sigemptyset(&wanted);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) ::sigaddset(&wanted, signal);
  ::pthread_sigmask(SIG_BLOCK, &wanted, nullptr);
  UniqueFd fd(::signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd) return fail_errno("signalfd");
  return fd;
}

Result<> make_folder(const std::string& path, mode_t mode) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) return fail("make the folder " + path + ": " + error.message());
  if (::chmod(path.c_str(), mode) != 0) return fail_errno("chmod " + path);
  return {};
}

std::vector<std::string> untouchable(const std::string& proc) {
  std::vector<std::string> cgroups = {kCgroupParent + "-shims"};
  for (const char* process : {"self", "1"}) {
    if (std::string path = kernel::cgroup_of(proc, process); !path.empty())
      cgroups.push_back(std::move(path));
  }
  return cgroups;
}

api::HostFacts told_to_docker(const model::HostFacts& host, const Config& config) {
  utsname name{};
  ::uname(&name);
  const std::string machine = name.machine;
  return {.name = name.nodename,
          .kernel = host.kernel_version,
          .operating_system = host.os_version.empty() ? "Linux" : host.os_version,
          .architecture = machine == "x86_64"    ? "amd64"
                          : machine == "aarch64" ? "arm64"
                                                 : machine,
          .cpus = static_cast<double>(host.cpus),
          .memory = host.memory,
          .state_folder = config.state};
}

watch::Options watch_options(const model::HostFacts& host, const std::string& proc) {
  return {.cgroup_mount = host.cgroup_mount,
          .proc = proc,
          .identity = {.containerd = "/run/containerd/io.containerd.runtime.v2.task",
                       .docker = "/var/lib/docker/containers",
                       .containers_storage = "/var/lib/containers/storage"}};
}

// The agent's rooms, in the order in which they are opened; they are let go of backwards.
class Agent {
 public:
  Agent(const Config& config, model::HostFacts host) : config_(config), host_(std::move(host)) {}

  Result<> open() {
    PLIMSOLL_TRY(make_folder(config_.state, 0711));
    PLIMSOLL_TRY(make_folder(config_.run, 0711));
    PLIMSOLL_ASSIGN(signals_, take_signals());
    PLIMSOLL_TRY(open_containers());
    PLIMSOLL_TRY(open_watch());
    PLIMSOLL_TRY(open_loop());
    connect();
    return serve();
  }

  Result<> run() {
    auto outcome = loop_->run(signals_.get());
    log::info("ending; containers go on" +
              std::string(config_.put_back ? ", without what policies set" : ""));
    server_->stop();
    return outcome;
  }

 private:
  Result<> open_containers() {
    PLIMSOLL_ASSIGN(images_, image::Store::open(config_.state + "/images", clock_));
    PLIMSOLL_ASSIGN(containers_, container::Containers::open({.state = config_.state,
                                                              .run = config_.run,
                                                              .cgroup_root = host_.cgroup_mount,
                                                              .cgroup_parent = kCgroupParent,
                                                              .runtime_binary = config_.runtime_binary,
                                                              .proc = config_.host.proc},
                                                             *images_, clock_));
    return {};
  }

  Result<> open_probes() {
    const bpf::Probes::Options options = {.types = config_.host.sys + "/kernel/btf/vmlinux",
                                          .cgroup_mount = host_.cgroup_mount,
                                          .most_containers = config_.probe_containers,
                                          .most_cells = config_.probe_cells,
                                          .off = config_.probes_off,
                                          .on = config_.probes_on};
    const auto pages = static_cast<std::uint64_t>(std::max(::sysconf(_SC_PHYS_PAGES), 0L));
    PLIMSOLL_TRY(check_probe_room(config_, bpf::Probes::memory_of(options),
                                  Bytes{pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE))}));
    probes_ = bpf::Probes::open(options);
    return {};
  }

  Result<> open_watch() {
    PLIMSOLL_ASSIGN(audit_, enforce::AuditLog::open(config_.state + "/decisions.db"));
    if (!audit_->warning().empty()) log::warning(audit_->warning());
    PLIMSOLL_ASSIGN(ooms_, watch::OomLog::open(config_.state + "/ooms"));
    if (config_.history_size.value > 0) {
      PLIMSOLL_ASSIGN(history_, history::Recorder::open({.folder = history_folder(),
                                                         .boot_id = host_.boot_id,
                                                         .keep = config_.history_keep,
                                                         .most_bytes = config_.history_size.value}));
    }
    own_.emplace(*containers_);
    auto options = watch_options(host_, config_.host.proc);
    if (!config_.probes_off.contains("all")) PLIMSOLL_TRY(open_probes());
    options.probes = probes_.get();
    if (probes_) {
      for (const auto& one : probes_->states()) {
        if (!one.up && !one.unasked) log::warning("probe " + one.name + ": " + one.why);
      }
    }
    PLIMSOLL_ASSIGN(watcher_, watch::Watcher::open(std::move(options), clock_, &*own_));
    return {};
  }

  Result<> open_loop() {
    engine_.emplace(policies::EngineOptions{.untouchable = untouchable(config_.host.proc)});
    control_.emplace(*containers_);
    executor_.emplace(host_.cgroup_mount, clock_, &*control_);
    PLIMSOLL_ASSIGN(auto folder, PolicyFolder::open(config_.policies, host_cpus()));
    folder_.emplace(std::move(folder));
    for (const auto& one : folder_->diagnostics()) log::warning(to_string(one));
    if (!std::filesystem::exists(config_.policies))
      log::warning("the policy folder " + config_.policies + " is not there: nothing is held until it is");
    log::info("policies in force: " + std::to_string(folder_->set()->policies.size()) + ", from " +
              config_.policies);
    PLIMSOLL_ASSIGN(
        loop_,
        Loop::open({.clock = clock_,
                    .watcher = *watcher_,
                    .engine = *engine_,
                    .executor = *executor_,
                    .audit = *audit_,
                    .folder = *folder_,
                    .metrics = metrics_,
                    .board = board_,
                    .disks = {.sysfs = config_.host.sys, .mountinfo = config_.host.proc + "/self/mountinfo"},
                    .boot_id = host_.boot_id,
                    .tick = config_.tick,
                    .put_back = config_.put_back,
                    .ooms = ooms_.get(),
                    .history = history_.get()}));
    return {};
  }

  // What containers tell comes on their supervisor's thread; the watch flow belongs to the loop's.
  void connect() {
    exits_ = containers_->on_exit([this](const model::EndedContainer& ended) {
      loop_->post([this, ended] { watcher_->set_end(ended); });
    });
    events_ = containers_->subscribe(std::nullopt, [this](const container::EventText& event) {
      const auto told = nlohmann::json::parse(event.json, nullptr, false);
      if (!told.is_object() || !told.contains("Action") || !told.contains("id")) return;
      const auto action = told.value("Action", "");
      if (action != "start" && action != "rename" && action != "restart") return;
      loop_->post([this, id = told.value("id", "")] { watcher_->identity_changed(id); });
    });
  }

  Result<> serve() {
    stats_.emplace(board_);
    docker_.emplace(api::DockerParts{.containers = *containers_,
                                     .images = *images_,
                                     .stats = *stats_,
                                     .clock = clock_,
                                     .host = told_to_docker(host_, config_)});
    api::add_docker_routes(router_, *docker_);
    pages_.emplace(Pages::Parts{.clock = clock_,
                                .board = board_,
                                .loop = *loop_,
                                .engine = *engine_,
                                .audit = *audit_,
                                .ooms = *ooms_,
                                .history = history_folder(),
                                .metrics = metrics_,
                                .host = host_,
                                .label_keys = config_.label_keys,
                                .tick = config_.tick,
                                .proc = config_.host.proc});
    pages_->add_to(router_);
    server_.emplace(router_);
    PLIMSOLL_TRY(server_->listen_unix(config_.socket));
    if (!config_.listen.empty()) PLIMSOLL_TRY(server_->listen_tcp(config_.listen));
    log::info("plimsoll " + std::string(kVersion) + " serves " + config_.socket +
              (config_.listen.empty() ? "" : " and http://" + config_.listen + "/metrics"));
    return {};
  }

  std::string history_folder() const { return config_.state + "/history"; }

  const Config& config_;
  const model::HostFacts host_;
  SystemClock clock_;
  UniqueFd signals_;
  exporters::OwnMetrics metrics_;
  Board board_;
  std::unique_ptr<image::Store> images_;
  std::unique_ptr<container::Containers> containers_;
  std::unique_ptr<enforce::AuditLog> audit_;
  std::unique_ptr<watch::OomLog> ooms_;
  std::unique_ptr<history::Recorder> history_;  // null: not wanted
  std::optional<OwnContainers> own_;
  std::unique_ptr<bpf::Probes> probes_;  // null: not wanted
  std::unique_ptr<watch::Watcher> watcher_;
  std::optional<policies::Engine> engine_;
  std::optional<OwnControl> control_;
  std::optional<enforce::Executor> executor_;
  std::optional<PolicyFolder> folder_;
  std::unique_ptr<Loop> loop_;
  std::optional<BoardStats> stats_;
  std::optional<api::DockerParts> docker_;
  std::optional<Pages> pages_;
  api::Router router_;
  std::optional<api::Server> server_;
  container::Subscription exits_, events_;
};

}  // namespace

Result<> run_agent(const Config& config) {
  log::configure(config.log_level, config.log_format);
  PLIMSOLL_ASSIGN(model::HostFacts host, kernel::read_host_facts(config.host));
  if (host.cgroup_mount.empty()) {
    return fail("this host has no cgroup v2 mount: see plimsoll doctor", ErrorKind::kUnsupported);
  }
  Agent agent(config, std::move(host));
  PLIMSOLL_TRY(agent.open());
  return agent.run();
}

}  // namespace plimsoll::daemon
