// What the container's process does to itself before it becomes its program: limits, working folder, user,
// capabilities. Called in the cloned process.
#pragma once

#include <string>
#include <vector>

#include "agent/base/result.h"
#include "agent/launch/plan.h"

namespace plimsoll::launch {

Result<> apply_limits(const std::vector<Limit>& limits);

// Changes to `cwd` and proves that it lies below "/" (CVE-2024-21626: a working folder of
// /proc/self/fd/N would be the host's).
Result<> enter_working_folder(const std::string& cwd);

// User, groups and all five capability sets. The bounding set is emptied of what is not listed first.
Result<> become_user(const oci::User& user, const CapabilitySets& capabilities);

// Where the program is: args[0] itself where it has a slash, else searched for in PATH of `env`. Errors say
// what Docker tells 127 (not found) and 126 (not executable) apart by: kNotFound, kSystem.
Result<std::string> find_program(const std::string& name, const std::vector<std::string>& env);

// HOME from the root's /etc/passwd where `env` has none; "/" where nobody knows the user.
void add_home(std::vector<std::string>& env, std::uint32_t uid);

// Closes every descriptor from 3 on but the first `preserved` and those in `keep`.
void close_other_descriptors(int preserved, std::vector<int> keep);

// All signals unblocked and back to their defaults: exec keeps "ignored".
void reset_signals();

}  // namespace plimsoll::launch
