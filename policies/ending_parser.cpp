#include "policies/ending_parser.h"

#include "agent/base/signal_name.h"
#include "policies/map_reader.h"
#include "policies/spelling.h"

namespace plimsoll::policies {
namespace {

// Which signal decides, and whether its most or its least: exactly one is given.
void parse_order(MapReader& reader, const std::string& what, const ParseContext& context, Victim& victim) {
  const YamlNode* most = reader.find("most");
  const YamlNode* least = reader.find("least");
  if ((most == nullptr) == (least == nullptr)) {
    return context.out.error(
        most == nullptr ? reader.place() : least->place,
        what + ": expected either 'most: SIGNAL' or 'least: SIGNAL'" + (most == nullptr ? "" : ", got both"));
  }
  victim.least = least != nullptr;
  const std::string key = victim.least ? "least" : "most";
  const YamlNode& node = victim.least ? *least : *most;
  const auto signal = find_signal(node.text);
  if (!signal || signals()[*signal].host) {
    return context.out.error(node.place, what + "." + key + ": " + policies::quoted(node.text) +
                                             " is no signal of a container" +
                                             did_you_mean(node.text, signal_names(false)));
  }
  victim.by = *signal;
}

std::optional<Victim> parse_victim(MapReader& outer, const YamlNode& node, const ParseContext& context) {
  const std::string& action = outer.what();
  const YamlNode* chosen = outer.find("victim");
  if (context.host && chosen == nullptr) {
    context.out.error(node.place,
                      action + ": a HostPolicy says who, expected 'victim: {among: SELECT, most: SIGNAL}'");
    return std::nullopt;
  }
  if (chosen == nullptr) return std::nullopt;
  if (!context.host) {
    context.out.error(chosen->place, action + ".victim: only a HostPolicy chooses a victim; a Policy " +
                                         action + "s the container it selected");
    return std::nullopt;
  }
  Victim victim;
  const std::string what = action + ".victim";
  MapReader reader(*chosen, what, context.out, MapId::kVictim);
  if (const YamlNode* among = reader.require("among")) {
    victim.among = parse_selector(*among, what + ".among", context, true);
  }
  parse_order(reader, what, context, victim);
  if (const YamlNode* prefer = reader.find("prefer"))
    victim.prefer = parse_selector(*prefer, what + ".prefer", context, false);
  if (const YamlNode* avoid = reader.find("avoid"))
    victim.avoid = parse_selector(*avoid, what + ".avoid", context, false);
  reader.finish();
  return victim;
}

}  // namespace

void parse_kill(const YamlNode& node, const ParseContext& context, std::vector<Step>& steps) {
  KillStep step;
  MapReader reader(node, "kill", context.out, context.host ? MapId::kHostKill : MapId::kKill);
  if (const std::string text = reader.text("signal"); !text.empty()) {
    if (const auto number = parse_signal(text)) {
      step.signal = *number;
    } else {
      context.out.error(
          node.place, "kill.signal: " + policies::quoted(text) + " is no signal, expected one such as TERM");
    }
  }
  if (const YamlNode* grace = reader.find("grace")) {
    step.grace = parse_duration_node(*grace, "kill.grace", context).value_or(step.grace);
  }
  step.victim = parse_victim(reader, node, context);
  reader.finish();
  steps.emplace_back(std::move(step));
}

void parse_end(std::string_view name, const YamlNode& node, const ParseContext& context,
               std::vector<Step>& steps) {
  EndStep step;
  step.restart = name == "restart";
  step.place = node.place;
  MapReader reader(node, std::string(name), context.out, context.host ? MapId::kHostEnd : MapId::kEnd);
  if (const YamlNode* grace = reader.find("grace"))
    step.grace = parse_duration_node(*grace, std::string(name) + ".grace", context);
  step.victim = parse_victim(reader, node, context);
  reader.finish();
  steps.emplace_back(std::move(step));
}

}  // namespace plimsoll::policies
