// linux.seccomp as a classic BPF filter, compiled by libseccomp. The only file pair that knows libseccomp.
#pragma once

#include <linux/filter.h>

#include <vector>

#include "agent/base/result.h"
#include "agent/oci/spec.h"

namespace plimsoll::launch {

struct SeccompFilter {
  std::vector<sock_filter> program;
  unsigned flags = 0;  // SECCOMP_FILTER_FLAG_*
};

// System calls that libseccomp does not know are left out, as every runtime does: profiles list calls of
// kernels to come. kInvalid: an unknown action, operator, architecture or flag.
Result<SeccompFilter> compile_seccomp(const oci::Seccomp& profile);
// Puts the filter on the calling thread; wants CAP_SYS_ADMIN or no_new_privs.
Result<> load_seccomp(const SeccompFilter& filter);

}  // namespace plimsoll::launch
