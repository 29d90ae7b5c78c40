#include "agent/api/message.h"

#include <charconv>
#include <nlohmann/json.hpp>

#include "agent/base/json_text.h"

namespace plimsoll::api {

std::string Request::value(std::string_view key) const {
  for (const auto& [name, text] : query) {
    if (name == key) return text;
  }
  return "";
}

std::string Request::header(const std::string& lower_name) const {
  const auto found = headers.find(lower_name);
  return found == headers.end() ? "" : found->second;
}

bool Request::flag(std::string_view key) const {
  const std::string text = value(key);
  return !(text.empty() || text == "0" || text == "no" || text == "false" || text == "False" ||
           text == "none");
}

Result<std::optional<std::int64_t>> Request::integer(std::string_view key) const {
  const std::string text = value(key);
  if (text.empty()) return std::optional<std::int64_t>();
  std::int64_t number = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (code != std::errc() || end != text.data() + text.size()) {
    return invalid("query parameter " + std::string(key) + ": '" + text + "' is not a whole number");
  }
  return std::optional(number);
}

Response error_response(const Error& error) {
  Response response;
  switch (error.kind()) {
    case ErrorKind::kInvalid:
      response.status = 400;
      break;
    case ErrorKind::kNotFound:
      response.status = 404;
      break;
    case ErrorKind::kConflict:
      response.status = 409;
      break;
    case ErrorKind::kUnsupported:
      response.status = 501;
      break;
    case ErrorKind::kSystem:
      response.status = 500;
      break;
  }
  response.body = json_text(nlohmann::json{{"message", error.message()}}) + "\n";
  return response;
}

}  // namespace plimsoll::api
