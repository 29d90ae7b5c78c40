// The words of Docker's interface: signals, restart policies.
#include <array>
#include <cctype>
#include <csignal>

#include "agent/base/units.h"
#include "agent/container/config_json.h"

namespace plimsoll::container {
namespace {

struct SignalName {
  std::string_view name;
  int number;
};
constexpr std::array kSignals = std::to_array<SignalName>({
    {"HUP", SIGHUP},       {"INT", SIGINT},   {"QUIT", SIGQUIT}, {"ILL", SIGILL},   {"TRAP", SIGTRAP},
    {"ABRT", SIGABRT},     {"BUS", SIGBUS},   {"FPE", SIGFPE},   {"KILL", SIGKILL}, {"USR1", SIGUSR1},
    {"SEGV", SIGSEGV},     {"USR2", SIGUSR2}, {"PIPE", SIGPIPE}, {"ALRM", SIGALRM}, {"TERM", SIGTERM},
    {"STKFLT", SIGSTKFLT}, {"CHLD", SIGCHLD}, {"CONT", SIGCONT}, {"STOP", SIGSTOP}, {"TSTP", SIGTSTP},
    {"TTIN", SIGTTIN},     {"TTOU", SIGTTOU}, {"URG", SIGURG},   {"XCPU", SIGXCPU}, {"XFSZ", SIGXFSZ},
    {"VTALRM", SIGVTALRM}, {"PROF", SIGPROF}, {"IO", SIGIO},     {"PWR", SIGPWR},   {"SYS", SIGSYS},
    {"WINCH", SIGWINCH},
});
constexpr std::uint64_t kHighestSignal = 64;

}  // namespace

Result<int> parse_signal(const std::string& text) {
  if (const auto number = parse_u64(text); number && *number >= 1 && *number <= kHighestSignal)
    return static_cast<int>(*number);
  std::string name = text;
  for (char& c : name) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  if (name.starts_with("SIG")) name.erase(0, 3);
  for (const SignalName& known : kSignals) {
    if (known.name == name) return known.number;
  }
  // RTMIN+3, RTMAX-2, as systemd in a container wants to be stopped. Numbers as the kernel's, not as a C
  // library's.
  if (name == "RTMIN") return 34;
  if (name == "RTMAX") return 64;
  if (name.starts_with("RTMIN+") || name.starts_with("RTMAX-")) {
    const auto step = parse_u64(name.substr(6));
    if (step && *step <= 30)
      return name[3] == 'I' ? 34 + static_cast<int>(*step) : 64 - static_cast<int>(*step);
  }
  return invalid("invalid signal: " + text);
}

std::string_view to_string(RestartKind kind) {
  switch (kind) {
    case RestartKind::kOnFailure:
      return "on-failure";
    case RestartKind::kAlways:
      return "always";
    case RestartKind::kUnlessStopped:
      return "unless-stopped";
    case RestartKind::kNo:
      break;
  }
  return "no";
}

Result<RestartPolicy> parse_restart_policy(const std::string& text) {
  const auto colon = text.find(':');
  const std::string name = text.substr(0, colon);
  RestartPolicy policy;
  if (colon != std::string::npos) {
    const auto retries = parse_u64(text.substr(colon + 1));
    if (name != "on-failure" || !retries || *retries > 1'000'000) {
      return invalid("invalid restart policy '" + text + "': only on-failure takes a number of retries");
    }
    policy.maximum_retries = static_cast<int>(*retries);
  }
  for (const RestartKind kind :
       {RestartKind::kNo, RestartKind::kOnFailure, RestartKind::kAlways, RestartKind::kUnlessStopped}) {
    if (name == to_string(kind)) {
      policy.kind = kind;
      return policy;
    }
  }
  return invalid("unknown restart policy '" + text + "'; want no, on-failure[:N], always or unless-stopped");
}

}  // namespace plimsoll::container
