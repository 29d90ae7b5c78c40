#include "agent/cli/oom_page.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <vector>

#include "agent/base/units.h"
#include "agent/cli/table.h"
#include "agent/cli/time_text.h"

namespace plimsoll::cli {
namespace {

using nlohmann::json;

constexpr double kMebi = 1024.0 * 1024.0;
constexpr std::size_t kColumns = 60;  // seconds
constexpr std::size_t kRows = 8;

const json& member(const json& object, const char* key) {
  static const json nothing;
  if (!object.is_object()) return nothing;
  const auto found = object.find(key);
  return found == object.end() ? nothing : *found;
}
std::string text(const json& object, const char* key) {
  const json& value = member(object, key);
  return value.is_string() ? value.get<std::string>() : "";
}
std::int64_t number(const json& object, const char* key) {
  const json& value = member(object, key);
  return value.is_number() ? value.get<std::int64_t>() : 0;
}
double real(const json& object, const char* key) {
  const json& value = member(object, key);
  return value.is_number() ? value.get<double>() : 0;
}
const json& first_victim(const json& post_mortem) {
  const json& victims = member(post_mortem, "victims");
  static const json nothing;
  return victims.is_array() && !victims.empty() ? victims[0] : nothing;
}
std::string or_none(const json& bytes) { return bytes.is_null() ? "none" : mebibytes(bytes); }
std::string named(const json& process) {
  return fmt::format("{} (pid {})", text(process, "comm"), number(process, "pid"));
}
std::string span(double seconds) {
  return format_duration(std::chrono::duration_cast<Microseconds>(std::chrono::duration<double>(seconds)));
}

// What ran out, in one sentence.
std::string why(const json& post_mortem) {
  const json& ran_out = member(post_mortem, "ran_out");
  if (number(member(post_mortem, "asked_by"), "order") < 0)
    return "A person asked the kernel for an OOM kill (SysRq f).";
  const std::string cgroup = text(ran_out, "cgroup");
  if (cgroup.empty())
    return fmt::format("The machine ran out of memory: {} that there can be, of memory and swap.",
                       mebibytes(member(ran_out, "total_bytes")));
  const std::string limit = mebibytes(member(ran_out, "max_bytes"));
  const std::string owner = text(ran_out, "container");
  const json& container = member(post_mortem, "container");
  if (owner.empty())
    return fmt::format("The cgroup {} reached its memory limit of {}, which all that is below it shares.",
                       cgroup, limit);
  if (text(container, "id") == text(ran_out, "container_id") && text(container, "cgroup") != cgroup)
    return fmt::format("A cgroup inside of {} reached its own memory limit of {}: {}.", owner, limit, cgroup);
  return fmt::format("{} reached its memory limit of {}.", owner, limit);
}

std::string what_was_done(const json& post_mortem) {
  const json& victims = member(post_mortem, "victims");
  const std::size_t count = victims.is_array() ? victims.size() : 0;
  if (count == 0) return "What the kernel killed is not known: the event was lost.";
  const std::string whose = victim_of(post_mortem);
  if (count == 1) return fmt::format("The kernel killed {} of {}.", named(victims[0]), whose);
  return fmt::format(
      "The kernel killed {} of {}, and with it the rest of its group (memory.oom.group): {} processes.",
      named(victims[0]), whose, count);
}

std::string who_asked(const json& post_mortem) {
  const json& asker = member(post_mortem, "asked_by");
  if (number(asker, "order") < 0) return "";
  if (number(asker, "pid") == number(first_victim(post_mortem), "pid"))
    return "It had asked for more memory itself.\n";
  const std::string container = text(asker, "container");
  return fmt::format("More memory had been asked for by {} of {}.\n", named(asker),
                     container.empty() ? text(asker, "cgroup") : container);
}

std::string facts(const json& post_mortem) {
  const json& ran_out = member(post_mortem, "ran_out");
  const json& asker = member(post_mortem, "asked_by");
  std::string out;
  const auto line = [&](const char* name, const std::string& value) {
    out += fmt::format("  {:<12} {}\n", name, value);
  };
  if (!member(ran_out, "cgroup").is_null()) {
    line("cgroup", text(ran_out, "cgroup"));
    line("usage", mebibytes(member(ran_out, "usage_bytes")));
    line("memory.max", or_none(member(ran_out, "max_bytes")));
    line("memory.high", or_none(member(ran_out, "high_bytes")));
    line("swap", fmt::format("{}, limit {}", mebibytes(member(ran_out, "swap_bytes")),
                             or_none(member(ran_out, "swap_max_bytes"))));
  }
  if (const auto order = number(asker, "order"); order >= 0 && order < 64)
    line("asked for",
         fmt::format("{}, gfp {}",
                     order == 0 ? "1 page" : fmt::format("{} pages in one piece", std::uint64_t{1} << order),
                     text(asker, "gfp")));
  line("kills", std::to_string(number(post_mortem, "kills")) +
                    (number(post_mortem, "untold") > 0
                         ? fmt::format(", of {} the victim is not known", number(post_mortem, "untold"))
                         : ""));
  return out;
}

std::string processes(const json& list) {
  Table table({{"Pid", "PID"},
               {"Name", "NAME"},
               {"Container", "CONTAINER"},
               {"Resident", "RESIDENT"},
               {"Anon", "ANON"},
               {"File", "FILE"},
               {"Shmem", "SHMEM"},
               {"Swap", "SWAP"},
               {"Tables", "PAGE TABLES"},
               {"Virtual", "VIRTUAL"},
               {"Adj", "SCORE ADJ"},
               {"Uid", "UID"}});
  for (const json& one : list) {
    std::vector<std::string> cells = {std::to_string(number(one, "pid")), text(one, "comm"),
                                      text(one, "container")};
    for (const char* key : {"resident_bytes", "anon_bytes", "file_bytes", "shmem_bytes", "swap_bytes",
                            "page_tables_bytes", "virtual_bytes"})
      cells.push_back(mebibytes(member(one, key)));
    cells.push_back(std::to_string(number(one, "oom_score_adj")));
    cells.push_back(std::to_string(number(one, "uid")));
    table.add(std::move(cells));
  }
  return table.render("").value_or("");
}

std::string largest(const json& post_mortem) {
  const json& seen = member(post_mortem, "processes");
  const json& top = member(seen, "top");
  if (!top.is_array() || top.empty())
    return "The largest processes are not known: the kernel did not look (vm.oom_kill_allocating_task).\n";
  return fmt::format("The largest processes, as the kernel saw them at the kill ({} before it; {} of {}):\n",
                     span(real(seen, "looked_seconds_before")), top.size(), number(seen, "considered")) +
         processes(top);
}

std::string history(const json& post_mortem) {
  const json& before = member(post_mortem, "before");
  const std::string whose = text(member(post_mortem, "container"), "name");
  const std::string graph = memory_graph(before);
  if (graph.empty()) return "What its memory was before is not known: no sample had been taken.\n";
  const json& last = before.back();
  const json& some = member(last, "pressure_some_10s");
  std::string out =
      fmt::format("Memory of {} in the minute before (# usage, - memory.max), in MiB:\n", whose) + graph;
  out += fmt::format(
      "The last sample, {} before the kill: usage {}, working set {}, anon {}, file {} (of it tmpfs and "
      "shared {}), swap {}{}\n",
      span(real(last, "seconds_before")), mebibytes(member(last, "usage_bytes")),
      mebibytes(member(last, "working_set_bytes")), mebibytes(member(last, "anon_bytes")),
      mebibytes(member(last, "file_bytes")), mebibytes(member(last, "shmem_bytes")),
      mebibytes(member(last, "swap_bytes")),
      some.is_number() ? fmt::format(", pressure {:.0f}%", some.get<double>()) : "");
  return out;
}

}  // namespace

std::string mebibytes(const json& bytes) {
  if (!bytes.is_number()) return "";
  return fmt::format("{:.1f} MiB", bytes.get<double>() / kMebi);
}

std::string victims_text(const json& post_mortem) {
  const json& first = first_victim(post_mortem);
  if (first.is_null()) return "(not known)";
  std::string out = fmt::format("{} ({})", text(first, "comm"), number(first, "pid"));
  if (const auto more = post_mortem["victims"].size() - 1; more > 0) out += fmt::format(" and {} more", more);
  return out;
}

std::string victim_of(const json& post_mortem) {
  const std::string name = text(member(post_mortem, "container"), "name");
  return name.empty() ? text(first_victim(post_mortem), "cgroup") : name;
}

std::string memory_graph(const json& before) {
  if (!before.is_array() || before.empty()) return "";
  double top = 0;
  std::array<double, kColumns> usage{}, limit{};
  for (const json& one : before) {
    const auto ago = static_cast<std::size_t>(std::max(0.0, real(one, "seconds_before")));
    if (ago >= kColumns) continue;
    const std::size_t column = kColumns - 1 - ago;
    usage[column] = std::max(usage[column], real(one, "usage_bytes"));
    limit[column] = real(one, "max_bytes");
    top = std::max({top, usage[column], limit[column]});
  }
  if (top == 0) return "";
  // A row is full from its middle on.
  const auto row_of = [&](double value) {
    return static_cast<std::size_t>(value / top * static_cast<double>(kRows) + 0.5);
  };
  std::string out;
  for (std::size_t row = kRows; row > 0; --row) {
    std::string line;
    for (std::size_t i = 0; i < kColumns; ++i)
      line += row_of(usage[i]) >= row ? '#' : limit[i] > 0 && row_of(limit[i]) == row ? '-' : ' ';
    line.erase(line.find_last_not_of(' ') + 1);
    out += fmt::format("{:>10.1f} |{}\n", top / kMebi * static_cast<double>(row) / kRows, line);
  }
  return out + fmt::format("{:>10.1f} +{}\n{:12}{:<{}}the kill\n", 0.0, std::string(kColumns, '-'), "",
                           "60 s before", kColumns - 8);
}

std::string oom_page(const json& post_mortem) {
  std::string out = fmt::format("OOM kill {}, {}\n\n{}\n{}\n{}\n{}\n", number(post_mortem, "id"),
                                day_text(text(post_mortem, "when")), why(post_mortem),
                                what_was_done(post_mortem), who_asked(post_mortem), facts(post_mortem));
  const json& victims = member(post_mortem, "victims");
  if (victims.is_array() && !victims.empty()) out += "Killed:\n" + processes(victims) + "\n";
  return out + largest(post_mortem) + "\n" + history(post_mortem);
}

}  // namespace plimsoll::cli
