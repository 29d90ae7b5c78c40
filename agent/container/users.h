// Names of users and groups, looked up in a container's own /etc/passwd and /etc/group.
#pragma once

#include <string>
#include <vector>

#include "agent/base/result.h"
#include "agent/oci/spec.h"

namespace plimsoll::container {

struct Identity {
  oci::User user;
  std::string home = "/";
};

// `user` is Docker's "[USER|UID][:GROUP|GID]", "" is root. Links in the root file system are followed inside
// it only. kInvalid: "unable to find user web: no matching entries in passwd file".
Result<Identity> find_user(const std::string& rootfs, const std::string& user,
                           const std::vector<std::string>& additional_groups);

}  // namespace plimsoll::container
