// The verbs that are one call each.
#include <algorithm>
#include <csignal>

#include "agent/base/signal_name.h"
#include "agent/launch/main/verb.h"

namespace plimsoll::runtime {

Result<int> run_create(const Context& context, const Flags& flags) {
  UniqueFd socket;
  PLIMSOLL_ASSIGN(launch::LaunchOptions options, launch_options(flags, socket));
  PLIMSOLL_ASSIGN(launch::Spawned spawned,
                  launch::launch(context.roots, context.clock, flags.words()[0], options));
  PLIMSOLL_TRY(report(context, spawned.pid()));
  spawned.release();
  return 0;
}

Result<int> run_start(const Context& context, const Flags& flags) {
  PLIMSOLL_TRY(launch::start(context.roots, flags.words()[0]));
  return 0;
}

Result<int> run_state(const Context& context, const Flags& flags) {
  auto known = launch::look_up(context.roots, flags.words()[0]);
  if (!known) return std::unexpected(std::move(known).error().in("state " + flags.words()[0]));
  PLIMSOLL_TRY(print(launch::state_json(known->record, known->status)));
  return 0;
}

Result<int> run_kill(const Context& context, const Flags& flags) {
  const auto& words = flags.words();
  const std::string name = words.size() > 1 ? words[1] : "TERM";
  const auto signal = parse_signal(name);
  if (!signal) return invalid("unknown signal '" + name + "'");
  PLIMSOLL_TRY(launch::kill(context.roots, words[0], *signal, flags.has("--all")));
  return 0;
}

Result<int> run_delete(const Context& context, const Flags& flags) {
  PLIMSOLL_TRY(launch::remove(context.roots, flags.words()[0], flags.has("--force")));
  return 0;
}

namespace {

std::string padded(std::string_view text, std::size_t width) {
  std::string out(text);
  out.resize(std::max(width, text.size() + 2), ' ');
  return out;
}

std::string table_of(const std::vector<launch::Known>& containers) {
  std::size_t id_width = 12;
  std::size_t bundle_width = 12;
  for (const launch::Known& one : containers) {
    id_width = std::max(id_width, one.record.id.size() + 2);
    bundle_width = std::max(bundle_width, one.record.bundle.size() + 2);
  }
  std::string out = padded("ID", id_width) + padded("PID", 12) + padded("STATUS", 12) +
                    padded("BUNDLE", bundle_width) + "CREATED\n";
  for (const launch::Known& one : containers) {
    const int pid = one.status == launch::Status::kStopped ? 0 : one.record.pid;
    out += padded(one.record.id, id_width) + padded(std::to_string(pid), 12) +
           padded(name_of(one.status), 12) + padded(one.record.bundle, bundle_width) + one.record.created +
           "\n";
  }
  return out;
}

}  // namespace

Result<int> run_list(const Context& context, const Flags& flags) {
  const std::string format = flags.value("--format", "table");
  if (format != "table" && format != "json")
    return invalid("list: unknown format '" + format + "': expected table or json");
  PLIMSOLL_ASSIGN(const auto containers, launch::list(context.roots));
  std::string out;
  if (flags.has("--quiet")) {
    for (const launch::Known& one : containers) out += one.record.id + "\n";
  } else if (format == "table") {
    out = table_of(containers);
  } else {
    for (const launch::Known& one : containers) {
      std::string state = launch::state_json(one.record, one.status);
      state.pop_back();
      out += (out.empty() ? "[" : ",\n") + state;
    }
    out = (out.empty() ? "[" : out) + "]\n";
  }
  PLIMSOLL_TRY(print(out));
  return 0;
}

}  // namespace plimsoll::runtime
