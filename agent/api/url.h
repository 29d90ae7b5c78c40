// Percent-encoding and query strings (RFC 3986; '+' in a query is a space, as Go's and Python's clients send
// it).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace plimsoll::api {

// nullopt for a broken escape or an escaped NUL.
std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space = false);
std::string percent_encode(std::string_view text);
std::optional<std::vector<std::pair<std::string, std::string>>> parse_query(std::string_view query);

}  // namespace plimsoll::api
