#include "agent/kernel/process.h"

#include <sys/resource.h>
#include <unistd.h>

#include <cstdlib>

#include "agent/kernel/file.h"
#include "agent/kernel/text_scan.h"

namespace plimsoll::kernel {

std::string cgroup_of(const std::string& proc, const std::string& process) {
  const auto text = read_file(proc + "/" + process + "/cgroup");
  if (!text) return {};
  std::string_view rest = *text;
  while (!rest.empty()) {
    const std::string_view line = cut(rest, '\n');
    if (line.starts_with("0::")) return std::string(line.substr(3));
  }
  return {};
}

std::uint64_t effective_capabilities(const std::string& proc, const std::string& process) {
  const auto text = read_file(proc + "/" + process + "/status");
  if (!text) return 0;
  constexpr std::string_view kKey = "\nCapEff:";
  const auto at = text->find(kKey);
  return at == std::string::npos ? 0 : std::strtoull(text->c_str() + at + kKey.size(), nullptr, 16);
}

OwnUse own_use(const std::string& proc) {
  OwnUse use;
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  for (const timeval& time : {usage.ru_utime, usage.ru_stime}) {
    use.cpu += std::chrono::seconds(time.tv_sec) + Microseconds(time.tv_usec);
  }
  if (const auto text = read_file(proc + "/self/statm")) {
    std::string_view rest = *text;
    next_word(rest);
    if (const auto pages = digits(next_word(rest))) {
      use.resident = Bytes{*pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE))};
    }
  }
  return use;
}

}  // namespace plimsoll::kernel
