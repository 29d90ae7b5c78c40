#include "agent/shim/options.h"

#include <array>
#include <climits>

#include "agent/base/units.h"

namespace plimsoll::shim {
namespace {

struct TextFlag {
  std::string_view name;
  std::string Options::* field;
  bool required;
};
constexpr std::array kTexts = {
    TextFlag{"--id", &Options::id, true},
    TextFlag{"--bundle", &Options::bundle, false},
    TextFlag{"--root", &Options::root, true},
    TextFlag{"--dir", &Options::dir, true},
    TextFlag{"--cgroup-root", &Options::cgroup_root, true},
    TextFlag{"--cgroup", &Options::cgroup, true},
    TextFlag{"--exec", &Options::process, false},
    TextFlag{"--shim-cgroup", &Options::shim_cgroup, false},
};

Result<std::uint64_t> number_of(const std::string& flag, const std::string& text) {
  const auto number = parse_u64(text);
  if (!number) return invalid("shim: " + flag + ": expected a number, got '" + text + "'");
  return *number;
}

Result<bool> set_number(const std::string& flag, const std::string& value, Options& out) {
  if (flag != "--log-size" && flag != "--log-files" && flag != "--ready-fd") return false;
  PLIMSOLL_ASSIGN(const std::uint64_t number, number_of(flag, value));
  if (flag == "--log-size") out.log_size = number;
  if (flag == "--log-files") out.log_files = number == 0 ? 1 : number;
  if (flag == "--ready-fd") {
    if (number > INT_MAX) return invalid("shim: --ready-fd: no such descriptor");
    out.ready_fd = static_cast<int>(number);
  }
  return true;
}

bool set_text(const std::string& flag, const std::string& value, Options& out) {
  for (const TextFlag& known : kTexts) {
    if (known.name != flag) continue;
    out.*known.field = value;
    return true;
  }
  return false;
}

}  // namespace

Result<Options> parse_options(const std::vector<std::string>& words) {
  Options out;
  for (std::size_t at = 0; at < words.size(); ++at) {
    const std::string& flag = words[at];
    if (flag == "--tty" || flag == "--open-stdin") {
      (flag == "--tty" ? out.tty : out.open_stdin) = true;
      continue;
    }
    if (at + 1 == words.size()) return invalid("shim: unknown flag or missing value: " + flag);
    const std::string& value = words[++at];
    PLIMSOLL_ASSIGN(const bool numeric, set_number(flag, value, out));
    if (!numeric && !set_text(flag, value, out)) return invalid("shim: unknown flag " + flag);
  }
  for (const TextFlag& known : kTexts) {
    if (known.required && (out.*known.field).empty()) {
      return invalid("shim: " + std::string(known.name) + " is missing");
    }
  }
  if (!out.is_exec() && out.bundle.empty()) return invalid("shim: --bundle is missing");
  return out;
}

}  // namespace plimsoll::shim
