// The CPUs of this machine, for whoever checks policies against it.
#pragma once

#include "policies/host_cpus.h"

namespace plimsoll::daemon {

policies::HostCpus host_cpus();

}  // namespace plimsoll::daemon
