#include "policies/cpu_list.h"

#include "agent/base/units.h"

namespace plimsoll::policies {
namespace {

constexpr std::uint64_t kMostCpus = 8192;  // CONFIG_NR_CPUS of the largest kernels

}  // namespace

std::string wanted_of_cpus(std::string_view list, const HostCpus* host) {
  static const std::string kForm = "a list of CPUs such as \"0-3\" or \"0,2\"";
  while (true) {
    const auto comma = list.find(',');
    const std::string_view range = list.substr(0, comma);
    const auto dash = range.find('-');
    const auto first = parse_u64(range.substr(0, dash));
    const auto last = dash == std::string_view::npos ? first : parse_u64(range.substr(dash + 1));
    if (!first || !last) return kForm;
    if (*first > *last) return "the lower CPU first in " + std::string(range);
    if (host != nullptr && *last > host->last) {
      return host->last == 0 ? "CPU 0, the only one of this host"
                             : "CPUs of this host, 0 to " + std::to_string(host->last);
    }
    if (*last >= kMostCpus) return "CPUs below " + std::to_string(kMostCpus);
    if (comma == std::string_view::npos) return "";
    list.remove_prefix(comma + 1);
  }
}

}  // namespace plimsoll::policies
