#include "agent/model/container_ref.h"

#include <array>
#include <utility>

namespace plimsoll::model {
namespace {

constexpr std::array<std::pair<Runtime, std::string_view>, 7> kRuntimes = {{
    {Runtime::kPlimsoll, "plimsoll"},
    {Runtime::kDocker, "docker"},
    {Runtime::kPodman, "podman"},
    {Runtime::kContainerd, "containerd"},
    {Runtime::kCrio, "crio"},
    {Runtime::kSystemd, "systemd"},
    {Runtime::kOther, "other"},
}};

}  // namespace

std::string_view to_string(Runtime runtime) {
  for (const auto& [value, text] : kRuntimes) {
    if (value == runtime) return text;
  }
  return "other";
}

std::optional<Runtime> runtime_from(std::string_view text) {
  for (const auto& [value, name] : kRuntimes) {
    if (name == text) return value;
  }
  return std::nullopt;
}

}  // namespace plimsoll::model
