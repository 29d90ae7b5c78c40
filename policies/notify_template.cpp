#include "policies/notify_template.h"

#include <algorithm>
#include <array>

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
  const std::string& text = node.text;
  for (std::size_t open = text.find("{{"); open != std::string::npos; open = text.find("{{", open)) {
    const Place place = place_in_scalar(context.source, node, open);
    const auto close = text.find("}}", open);
    if (close == std::string::npos) {
      return context.out.error(place, "notify: '{{' is never closed, expected '}}' behind it");
    }
    std::string name = text.substr(open + 2, close - open - 2);
    std::erase(name, ' ');
    check_variable(name, place, context);
    open = close + 2;
  }
}

}  // namespace plimsoll::policies
