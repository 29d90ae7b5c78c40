#include "policies/notify_template.h"

#include <algorithm>
#include <array>

#include "agent/base/template_text.h"
#include "policies/spelling.h"

namespace plimsoll::policies {
namespace {

constexpr std::array<std::string_view, 3> kVariables = {"container.name", "container.id", "container.image"};

void check_variable(std::string_view name, Place place, const ParseContext& context) {
  const auto signal = find_signal(name);
  const bool variable = std::ranges::find(kVariables, name) != kVariables.end();
  if ((signal && (!context.host || signals()[*signal].host)) || (variable && !context.host)) return;
  const std::string what = "notify: " + policies::quoted("{{" + std::string(name) + "}}");
  if (signal || variable) {
    return context.out.error(place, what + " is of one container, expected a host.* signal in a HostPolicy");
  }
  std::vector<std::string_view> known(signal_names(context.host).begin(), signal_names(context.host).end());
  if (!context.host) known.insert(known.end(), kVariables.begin(), kVariables.end());
  context.out.error(place, what + " is no variable" + did_you_mean(name, known) + ", expected " +
                               (context.host ? "a signal such as {{host.memory.available}}"
                                             : "{{container.name}} or a signal such as {{memory.usage}}"));
}

}  // namespace

std::span<const std::string_view> container_variables() { return kVariables; }

void check_template(const YamlNode& node, const ParseContext& context) {
  for (const TemplateVariable& one : variables_of(node.text)) {
    const Place place = place_in_scalar(context.source, node, one.at);
    if (!one.closed) return context.out.error(place, "notify: '{{' is never closed, expected '}}' behind it");
    check_variable(one.name, place, context);
  }
}

}  // namespace plimsoll::policies
