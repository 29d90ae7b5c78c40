#include "agent/launch/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>

#include <algorithm>

#include "agent/launch/plan_checks.h"

namespace plimsoll::launch {
namespace {

oci::Spec spec() {
  oci::Spec out = oci::default_spec();
  out.process->args = {"true"};
  return out;
}

std::string error_of(const oci::Spec& in) {
  const auto plan = make_plan(in, {.id = "web", .bundle = "/b"});
  return plan ? "no error" : plan.error().message();
}

Plan plan_of(const oci::Spec& in) {
  auto plan = make_plan(in, {.id = "web", .bundle = "/b"});
  EXPECT_TRUE(plan) << plan.error().message();
  return plan ? std::move(*plan) : Plan{};
}

template <typename T>
std::vector<T> steps_of(const Plan& plan) {
  std::vector<T> out;
  for (const RootStep& step : plan.steps) {
    if (const T* one = std::get_if<T>(&step)) out.push_back(*one);
  }
  return out;
}

TEST(Plan, DefaultSpecification) {
  const Plan plan = plan_of(spec());
  EXPECT_EQ(plan.namespaces.create, static_cast<std::uint64_t>(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWUTS |
                                                               CLONE_NEWPID | CLONE_NEWIPC));
  EXPECT_TRUE(plan.namespaces.create_cgroup);
  EXPECT_EQ(plan.root, "/b/rootfs");
  EXPECT_EQ(plan.cgroup, "/plimsoll-runtime/web");
  EXPECT_TRUE(plan.make_root);
  EXPECT_EQ(steps_of<MountFilesystem>(plan).size(), 7U);
  EXPECT_EQ(steps_of<MountFilesystem>(plan).back().type, "cgroup2");
  EXPECT_EQ(steps_of<MakeNode>(plan).size(), 6U);
  EXPECT_TRUE(plan.device_rules);
  EXPECT_EQ(plan.process.capabilities.inheritable, 0U);
  EXPECT_EQ(plan.process.capabilities.bounding & 1, 1U);
}

// Masks and read-only views cover what was mounted; nothing is mounted over them afterwards.
TEST(Plan, MasksComeAfterAllMounts) {
  const Plan plan = plan_of(spec());
  const auto is_mount = [](const RootStep& s) { return std::holds_alternative<MountFilesystem>(s); };
  const auto is_mask = [](const RootStep& s) { return std::holds_alternative<Mask>(s); };
  const auto first_mask = std::ranges::find_if(plan.steps, is_mask);
  EXPECT_TRUE(std::none_of(first_mask, plan.steps.end(), is_mount));
}

TEST(Plan, BindsOverDevLeaveItsNodesAlone) {
  oci::Spec in = spec();
  std::erase_if(in.mounts, [](const oci::Mount& m) { return m.destination.starts_with("/dev"); });
  in.mounts.push_back({"/dev", "bind", "/dev", {"rbind"}});
  const Plan plan = plan_of(in);
  EXPECT_TRUE(steps_of<MakeNode>(plan).empty());
  EXPECT_TRUE(steps_of<BindMount>(plan).at(0).options.recursive_bind);
}

TEST(Plan, RelativeBindSourcesAreTheBundles) {
  oci::Spec in = spec();
  in.mounts.push_back({"/data/../data/./x", "bind", "data", {}});
  const BindMount bind = steps_of<BindMount>(plan_of(in)).at(0);
  EXPECT_EQ(bind.source, "/b/data");
  EXPECT_EQ(bind.destination, "/data/x");
}

TEST(Plan, JoinsAUserNamespaceFirst) {
  oci::Spec in = spec();
  in.linux_.namespaces = {{oci::NamespaceType::kMount, ""},
                          {oci::NamespaceType::kNetwork, "/n/net"},
                          {oci::NamespaceType::kUser, "/n/user"}};
  const NamespacePlan namespaces = plan_of(in).namespaces;
  ASSERT_EQ(namespaces.join.size(), 2U);
  EXPECT_EQ(namespaces.join[0].path, "/n/user");
  EXPECT_EQ(namespaces.join[1], (JoinNamespace{CLONE_NEWNET, "/n/net"}));
}

TEST(PlanErrors, NameThePlace) {
  const auto with = [](auto change) {
    oci::Spec in = spec();
    change(in);
    return error_of(in);
  };
  EXPECT_EQ(with([](oci::Spec& s) { s.unsupported = {"hooks.prestart"}; }),
            "config.json: hooks.prestart: not supported yet");
  EXPECT_EQ(with([](oci::Spec& s) { s.process.reset(); }), "config.json: process: is missing");
  EXPECT_EQ(
      with([](oci::Spec& s) { s.linux_.namespaces.clear(); }),
      "config.json: linux.namespaces: a mount namespace is missing; without one the host's mounts would "
      "change");
  EXPECT_EQ(with([](oci::Spec& s) { s.linux_.namespaces.push_back({oci::NamespaceType::kPid, ""}); }),
            "config.json: linux.namespaces: pid is listed twice");
  EXPECT_EQ(
      with([](oci::Spec& s) { s.linux_.namespaces.push_back({oci::NamespaceType::kUser, ""}); }),
      "config.json: linux.namespaces: a new user namespace wants uidMappings, which are not supported yet");
  EXPECT_EQ(with([](oci::Spec& s) { s.mounts.push_back({"/proc/sys/kernel", "tmpfs", "tmpfs", {}}); }),
            "config.json: mounts[7]: destination: /proc/sys/kernel is inside /proc");
  EXPECT_EQ(with([](oci::Spec& s) { s.mounts.push_back({"/x", "tmpfs", "tmpfs", {"idmap"}}); }),
            "config.json: mounts[7]: mount option 'idmap' is not supported");
  EXPECT_EQ(with([](oci::Spec& s) { s.process->rlimits = {{"RLIMIT_MOON", 1, 1}}; }),
            "config.json: process.rlimits: unknown limit 'RLIMIT_MOON'");
  EXPECT_EQ(with([](oci::Spec& s) { s.process->capabilities->bounding = {"CAP_MOON"}; }),
            "config.json: process.capabilities.bounding: unknown capability 'CAP_MOON'");
  EXPECT_EQ(with([](oci::Spec& s) { s.process->capabilities->ambient = {"CAP_CHOWN"}; }),
            "config.json: process.capabilities.ambient: has capabilities that are not both permitted and "
            "inheritable");
  EXPECT_EQ(with([](oci::Spec& s) { s.process->env = {"A"}; }),
            "config.json: process.env: expected NAME=VALUE, got 'A'");
  EXPECT_EQ(with([](oci::Spec& s) { s.linux_.sysctl["kernel.panic"] = "1"; }),
            "config.json: linux.sysctl[kernel.panic]: is not in a namespace, it would change the host");
  EXPECT_EQ(with([](oci::Spec& s) { s.linux_.cgroups_path = "a/b"; }),
            "config.json: linux.cgroupsPath: expected an absolute path below the cgroup mount, got 'a/b'");
  EXPECT_EQ(
      with([](oci::Spec& s) { s.linux_.resources->memory = oci::MemoryResources{.limit = 5, .swap = 4}; }),
      "config.json: linux.resources: memory.swap: is less than memory.limit");
  EXPECT_EQ(with([](oci::Spec& s) { s.linux_.resources->unified["../x"] = "1"; }),
            "config.json: linux.resources: unified: '../x' is not the name of a control file");
  EXPECT_EQ(with([](oci::Spec& s) { s.linux_.resources->unified["cgroup.procs"] = "1"; }),
            "config.json: linux.resources: unified: 'cgroup.procs' is no limit");
  EXPECT_EQ(with([](oci::Spec& s) { s.linux_.rootfs_propagation = "up"; }),
            "config.json: linux.rootfsPropagation: 'up' is not a mount propagation: expected private, slave, "
            "shared, unbindable or one of them with an 'r' before it");
}

TEST(PlanErrors, HostNamespacesAreNotToBeChanged) {
  oci::Spec in = spec();
  in.linux_.namespaces = {{oci::NamespaceType::kMount, ""}};
  in.hostname = "x";
  EXPECT_EQ(error_of(in), "config.json: hostname: wants a UTS namespace, or it would rename the host");
  in.hostname.clear();
  in.linux_.sysctl["net.ipv4.ip_forward"] = "1";
  EXPECT_EQ(error_of(in),
            "config.json: linux.sysctl[net.ipv4.ip_forward]: belongs to a namespace that this "
            "container shares with the host");
}

TEST(Sysctl, NamesInBothSpellings) {
  const NamespacePlan all{.all = ~0ULL};
  EXPECT_EQ(sysctl_path("net.ipv4.ip_forward", all).value(), "net/ipv4/ip_forward");
  EXPECT_EQ(sysctl_path("net/ipv4/conf/eth0.1/forwarding", all).value(), "net/ipv4/conf/eth0.1/forwarding");
  EXPECT_EQ(sysctl_path("net.ipv4.conf.eth0/1.forwarding", all).value(), "net/ipv4/conf/eth0.1/forwarding");
  EXPECT_EQ(sysctl_path("kernel.sem", all).value(), "kernel/sem");
  EXPECT_FALSE(sysctl_path("net..x", all));
  EXPECT_FALSE(sysctl_path("net/../kernel/panic", all));
}

TEST(CleanPath, StaysBelowTheRoot) {
  EXPECT_EQ(clean_path("/a/./b//../c/"), "/a/c");
  EXPECT_EQ(clean_path("/../../etc"), "/etc");
  EXPECT_EQ(clean_path("x"), "/x");
  EXPECT_EQ(clean_path(""), "/");
}

TEST(CheckId, RefusesPaths) {
  EXPECT_TRUE(check_id("a_b+c-d.9"));
  for (const char* bad : {"", ".", "..", "a/b", "a b", "ä"}) EXPECT_FALSE(check_id(bad)) << bad;
}

TEST(MountOptions, SortedByWhoWantsThem) {
  const auto options =
      parse_mount_options({"rbind", "ro", "nosuid", "noatime", "rslave", "rro", "size=64k", "newinstance"})
          .value();
  EXPECT_TRUE(options.bind && options.recursive_bind);
  EXPECT_EQ(options.attributes.set,
            static_cast<std::uint64_t>(MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOATIME));
  EXPECT_EQ(options.attributes.clear, static_cast<std::uint64_t>(MOUNT_ATTR__ATIME));
  EXPECT_EQ(options.recursive_attributes, (AttributeChange{MOUNT_ATTR_RDONLY, 0}));
  EXPECT_EQ(options.propagation, (Propagation{MS_SLAVE, true}));
  EXPECT_EQ(options.data, (std::vector<FsOption>{{"size", "64k", false}, {"newinstance", "", true}}));
}

TEST(MountOptions, TheLastOneWins) {
  const auto options = parse_mount_options({"ro", "rw", "noexec", "exec", "suid", "nosuid"}).value();
  EXPECT_EQ(options.attributes.set, static_cast<std::uint64_t>(MOUNT_ATTR_NOSUID));
  EXPECT_EQ(options.attributes.clear, static_cast<std::uint64_t>(MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOEXEC));
}

}  // namespace
}  // namespace plimsoll::launch
