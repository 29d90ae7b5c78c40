#include "agent/base/signal_name.h"

#include <csignal>
#include <cstring>
#include <string>

#include "agent/base/units.h"

namespace plimsoll {
namespace {

// The kernel's, not a C library's, which keeps some for itself.
constexpr int kFirstRealTime = 34;
constexpr int kHighest = 64;

}  // namespace

std::optional<int> parse_signal(std::string_view text) {
  if (const auto number = parse_u64(text)) {
    return *number >= 1 && *number <= kHighest ? std::optional(static_cast<int>(*number)) : std::nullopt;
  }
  std::string name(text);
  for (char& c : name) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  if (name.starts_with("SIG")) name.erase(0, 3);
  for (int number = 1; number < 32; ++number) {
    const char* known = ::sigabbrev_np(number);
    if (known != nullptr && name == known) return number;
  }
  if (name == "IO") return SIGIO;  // the C library says POLL
  if (name == "IOT") return SIGABRT;
  if (name == "CLD") return SIGCHLD;
  if (name == "RTMIN") return kFirstRealTime;
  if (name == "RTMAX") return kHighest;
  if (name.starts_with("RTMIN+") || name.starts_with("RTMAX-")) {
    const auto step = parse_u64(std::string_view(name).substr(6));
    if (!step || *step > kHighest - kFirstRealTime) return std::nullopt;
    return name[3] == 'I' ? kFirstRealTime + static_cast<int>(*step) : kHighest - static_cast<int>(*step);
  }
  return std::nullopt;
}

}  // namespace plimsoll
