// plimsoll-runtime: the OCI runtime's command line, and (as `plimsoll-runtime shim`) the per-container shim.
#include <fcntl.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "agent/base/rfc3339.h"
#include "agent/base/version.h"
#include "agent/launch/main/protect.h"
#include "agent/launch/main/verb.h"
#include "agent/shim/shim.h"

namespace plimsoll::runtime {
namespace {

const std::vector<Flag>& global_flags() {
  static const std::vector<Flag> flags = {{"--root"},
                                          {"--log"},
                                          {"--log-format"},
                                          {"--report-fd"},
                                          {"--cgroup-root"},
                                          {"--rootless"},
                                          {"--debug", "", false},
                                          {"--systemd-cgroup", "", false},
                                          {"--help", "-h", false},
                                          {"--version", "-v", false}};
  return flags;
}

std::string help() {
  std::string out =
      "plimsoll-runtime - an OCI runtime for cgroup v2\n\nusage: plimsoll-runtime [global flags] VERB "
      "[flags] ID\n\n"
      "verbs:\n";
  for (const Verb& verb : verbs()) {
    out += "  " + std::string(verb.name) + std::string(9 - verb.name.size(), ' ') +
           std::string(verb.summary) + "\n";
  }
  out +=
      "\nglobal flags:\n"
      "  --root FOLDER        where states are kept (default: /run/plimsoll-runtime)\n"
      "  --log FILE           append errors to this file\n"
      "  --log-format FORMAT  text (default) or json\n"
      "  --cgroup-root MOUNT  the cgroup v2 mount (default: from /proc/self/mounts)\n"
      "  --debug              accepted, as runc's\n"
      "  --version, --help\n\n"
      "example:\n  plimsoll-runtime run --bundle /srv/web web\n"
      "`plimsoll-runtime VERB --help` tells more of a verb.\n";
  return out;
}

std::string help_of(const Verb& verb) {
  std::string out = "plimsoll-runtime " + std::string(verb.name) + " - " + std::string(verb.summary) +
                    "\n\nusage: plimsoll-runtime " + std::string(verb.name) + " " +
                    std::string(verb.arguments) + "\n";
  for (const Flag& flag : verb.flags) {
    if (flag.name == "--shim-child") continue;  // between the shim and us
    out += "  " + std::string(flag.name) + (flag.shorter.empty() ? "" : ", " + std::string(flag.shorter)) +
           (flag.takes_value ? " VALUE" : "") + "\n";
  }
  return out + "\nexample:\n  plimsoll-runtime " + std::string(verb.example) + "\n";
}

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (static_cast<unsigned char>(c) >= 0x20) out += c;
  }
  return out;
}

void write_line(int fd, const std::string& line) {
  if (::write(fd, line.data(), line.size()) < 0) return;  // there is no further place to complain at
}

// The formats are logrus', which runc's callers (containerd, conmon) read back.
void log_error(const Flags& flags, const std::string& time, const std::string& message) {
  write_line(STDERR_FILENO, "plimsoll-runtime: " + message + "\n");
  if (const auto fd = flags.number("--report-fd", -1); fd && *fd >= 0) write_line(*fd, message);
  const UniqueFd log(flags.has("--log") ? ::open(flags.value("--log").c_str(),
                                                 O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644)
                                        : -1);
  if (!log) return;
  const std::string text = escaped(message);
  write_line(log.get(), flags.value("--log-format") == "json"
                            ? R"({"level":"error","msg":")" + text + R"(","time":")" + time + "\"}\n"
                            : "time=\"" + time + "\" level=error msg=\"" + text + "\"\n");
}

Result<int> run_verb(const Verb& verb, const Context& context, const std::vector<std::string>& words,
                     char** argv, char** env) {
  std::vector<Flag> known = verb.flags;
  known.push_back({"--help", "-h", false});
  auto flags = Flags::parse(known, words, verb.stop_at_word);
  if (!flags) return std::unexpected(std::move(flags).error().in(verb.name));
  if (flags->has("--help")) {
    PLIMSOLL_TRY(print(help_of(verb)));
    return 0;
  }
  const std::size_t count = flags->words().size();
  if (count < verb.least_words || count > verb.most_words) {
    return invalid("usage: plimsoll-runtime " + std::string(verb.name) + " " + std::string(verb.arguments));
  }
  const bool enters = verb.run == run_create || verb.run == run_run || verb.run == run_exec;
  if (enters) PLIMSOLL_TRY(run_from_sealed_copy(argv, env));
  return verb.run(context, *flags);
}

Result<int> run(const Flags& flags, const Context& context, char** argv, char** env, int& error_status) {
  if (flags.has("--version")) {
    PLIMSOLL_TRY(print("plimsoll-runtime version " + std::string(kVersion) + "\nspec: 1.0.2\n"));
    return 0;
  }
  if (flags.has("--help") || flags.words().empty()) {
    PLIMSOLL_TRY(print(help()));
    return flags.has("--help") ? 0 : 1;
  }
  if (flags.has("--systemd-cgroup")) {
    return fail("--systemd-cgroup: cgroups are made in the file system only; remove the flag",
                ErrorKind::kUnsupported);
  }
  const std::string format = flags.value("--log-format", "text");
  if (format != "text" && format != "json")
    return invalid("--log-format '" + format + "': expected text or json");
  const std::vector<std::string> words(flags.words().begin() + 1, flags.words().end());
  for (const Verb& verb : verbs()) {
    if (verb.name != flags.words()[0]) continue;
    error_status = verb.error_status;
    return run_verb(verb, context, words, argv, env);
  }
  return invalid("unknown verb '" + flags.words()[0] + "'; see plimsoll-runtime --help");
}

int main_of(const std::vector<std::string>& words, char** argv, char** env) {
  Context context;
  const auto complain = [&context](const Flags& flags, const Error& error) {
    log_error(flags, format_rfc3339(context.clock.wall()), error.message());
  };
  auto flags = Flags::parse(global_flags(), words, true);
  if (!flags) {
    complain(*Flags::parse({}, {}, true), flags.error());
    return 1;
  }
  context.roots = {.state = flags->value("--root", "/run/plimsoll-runtime"),
                   .proc = "/proc",
                   .cgroup = flags->value("--cgroup-root")};
  if (const auto fd = flags->number("--report-fd", -1)) context.report_fd = *fd;
  int error_status = 1;
  const auto status = run(*flags, context, argv, env, error_status);
  if (status) return *status;
  complain(*flags, status.error());
  return error_status;
}

}  // namespace
}  // namespace plimsoll::runtime

int main(int argc, char** argv, char** env) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  if (!words.empty() && words[0] == "shim") {
    return plimsoll::shim::shim_main(std::vector<std::string>(words.begin() + 1, words.end()));
  }
  return plimsoll::runtime::main_of(words, argv, env);
}
