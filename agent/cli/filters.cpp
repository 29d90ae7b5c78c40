#include "agent/cli/filters.h"

#include <nlohmann/json.hpp>

#include "agent/base/json_text.h"
#include "agent/cli/connection.h"

namespace plimsoll::cli {

Result<std::string> filter_query(const std::vector<std::string>& filters) {
  if (filters.empty()) return std::string();
  nlohmann::json query = nlohmann::json::object();
  for (const std::string& filter : filters) {
    const auto equals = filter.find('=');
    if (equals == std::string::npos || equals == 0)
      return invalid("--filter '" + filter + "': expected KEY=VALUE");
    query[filter.substr(0, equals)].push_back(filter.substr(equals + 1));
  }
  return encode(json_text(query));
}

}  // namespace plimsoll::cli
