// What a plan refuses because it would reach past the container. Private to agent/launch. Pure.
#pragma once

#include <string>

#include "agent/base/result.h"
#include "agent/launch/plan.h"

namespace plimsoll::launch {

// A mount may not hide or fake what the launcher and the container's tools trust below /proc.
Result<> check_mount(const RootStep& step);
// hostname and domainname want the container's own UTS namespace.
Result<> check_names(const oci::Spec& spec, const NamespacePlan& namespaces);
// "net.ipv4.ip_forward" -> "net/ipv4/ip_forward"; only what belongs to a namespace of the container's own.
Result<std::string> sysctl_path(const std::string& name, const NamespacePlan& namespaces);
// linux.cgroupsPath -> a clean path below the cgroup mount; "/plimsoll-runtime/ID" where there is none.
Result<std::string> cgroup_path(const std::string& asked, const std::string& id);
// NAME=VALUE with a name.
Result<> check_environment(const oci::Process& process);
// Letters, digits, '_', '+', '-', '.', at most 1024, not "." and not "..".
Result<> check_id(const std::string& id);

}  // namespace plimsoll::launch
