#include "agent/cli/lines.h"

#include <array>
#include <nlohmann/json.hpp>
#include <string>

namespace plimsoll::cli {

Result<> each_line(Stream& stream, const std::function<bool(const nlohmann::json&)>& on) {
  std::string pending;
  std::array<char, 16384> buffer{};
  while (true) {
    PLIMSOLL_ASSIGN(const std::size_t got, stream.read(buffer));
    pending.append(buffer.data(), got);
    if (got == 0 && !pending.empty()) pending += '\n';
    std::size_t begin = 0;
    for (std::size_t end = pending.find('\n'); end != std::string::npos; end = pending.find('\n', begin)) {
      const auto line =
          nlohmann::json::parse(pending.begin() + static_cast<std::ptrdiff_t>(begin),
                                pending.begin() + static_cast<std::ptrdiff_t>(end), nullptr, false);
      begin = end + 1;
      if (line.is_object() && !on(line)) return {};
    }
    pending.erase(0, begin);
    if (got == 0) return {};
  }
}

}  // namespace plimsoll::cli
