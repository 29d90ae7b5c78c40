#include "agent/container/names.h"

#include <array>
#include <string_view>

namespace plimsoll::container {

Result<> check_name(const std::string& name) {
  constexpr std::size_t kMostCharacters = 128;
  const std::string_view text = name.starts_with('/') ? std::string_view(name).substr(1) : name;
  constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
  const bool good = text.size() >= 2 && text.size() <= kMostCharacters &&
                    kLetters.find(text.front()) != std::string_view::npos &&
                    text.find_first_not_of(std::string(kLetters) + "_.-") == std::string_view::npos;
  if (good) return {};
  return invalid("Invalid container name (" + name + "), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed");
}

std::string made_up_name(const std::string& id) {
  constexpr auto kHow =
      std::to_array<std::string_view>({"calm", "brisk", "bold", "quiet", "steady", "swift", "bright", "deep",
                                       "fair", "high", "keen", "light", "salty", "trim", "windy", "young"});
  constexpr auto kWhat =
      std::to_array<std::string_view>({"anchor", "barge", "beacon", "bow", "brig", "deck", "ferry", "hull",
                                       "keel", "ketch", "mast", "rudder", "sail", "sloop", "tide", "wharf"});
  const auto digit = [&](std::size_t at) {
    return static_cast<std::size_t>(std::string_view("0123456789abcdef").find(id.at(at))) % 16;
  };
  return std::string(kHow[digit(0)]) + "_" + std::string(kWhat[digit(1)]) + "_" + id.substr(2, 6);
}

}  // namespace plimsoll::container
