// A scrape of a fixture tree, through the watch flow itself: what a real kernel wrote becomes a snapshot.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "agent/model/workload.h"
#include "agent/watch/watcher.h"
#include "exporters/render.h"

namespace plimsoll::exporters {

class StoppedClock final : public Clock {
 public:
  WallTime wall() const override { return WallTime(std::chrono::seconds(1'795'507'200) + moved); }
  BootTime boot() const override { return {std::chrono::seconds(100) + moved}; }
  std::chrono::nanoseconds moved{0};
};

class FixtureNames final : public watch::IdentitySource {
 public:
  std::optional<watch::Identity> identify(const std::string&) override {
    watch::Identity identity;
    identity.name = "web \"1\"\\";  // a name that must be escaped
    identity.image = "registry.local/web:1";
    identity.labels = {{"tier", "front"}, {"app.kubernetes.io/name", "web"}, {"secret", "not asked for"}};
    identity.created = identity.started = WallTime(std::chrono::milliseconds(1'795'507'100'500));
    return identity;
  }
};

inline Scrape fixture_scrape(const std::string& kernel) {
  const std::string folder = std::string(PLIMSOLL_FIXTURES) + "/cgroup-" + kernel;
  StoppedClock clock;
  FixtureNames names;
  watch::Options options;
  options.cgroup_mount = folder + "/cgroup";
  options.proc = folder + "/proc";
  options.most_pressure_triggers = 0;
  auto watcher = watch::Watcher::open(std::move(options), clock, &names);
  EXPECT_TRUE(watcher) << watcher.error().message();
  Scrape scrape;
  scrape.previous = (*watcher)->take();
  clock.moved = std::chrono::seconds(1);
  auto now = std::make_shared<model::Snapshot>(*(*watcher)->take());
  // One that ended, as a copy of a living one, twice over: a service that failed twice.
  for (const std::uint64_t inode : {4001, 4002}) {
    model::EndedContainer ended{now->containers.back().ref, now->containers.front().sample, now->wall,
                                std::nullopt};
    auto ref = std::make_shared<model::ContainerRef>(*ended.ref);
    ref->id = {inode};
    ref->created = now->wall - std::chrono::seconds(3);
    ended.ref = ref;
    ended.exit = model::Exit{now->wall, 137, inode == 4001};
    now->ended.push_back(ended);
  }
  scrape.now = now;
  scrape.decisions = {{"batch", "limits", "set", "done", 3}, {"batch", "squeeze", "notify", "audited", 1}};
  scrape.label_keys = {"tier", "app.kubernetes.io/name", "missing"};
  scrape.policies = {2, 0};
  scrape.host.kernel_version = kernel;
  scrape.host.os_version = "Debian GNU/Linux 12 (bookworm)";
  scrape.host.machine_id = "0123456789abcdef0123456789abcdef";
  scrape.host.boot_id = "11111111-2222-3333-4444-555555555555";
  scrape.host.cpus = scrape.host.physical_cores = 2;
  scrape.host.sockets = 1;
  scrape.host.memory = now->host.memory_total;
  return scrape;
}

}  // namespace plimsoll::exporters
