#include "agent/api/docker_words.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "agent/api/docker.h"
#include "agent/base/json_text.h"
#include "agent/base/units.h"
#include "agent/shim/protocol.h"

namespace plimsoll::api {

using nlohmann::json;

Result<Filters> parse_filters(const std::string& text) {
  Filters filters;
  if (text.empty()) return filters;
  const json document = json::parse(text, nullptr, /*allow_exceptions=*/false);
  const auto wrong = [&] { return invalid("filters: expected a JSON object of lists or sets of strings"); };
  if (!document.is_object()) return wrong();
  for (const auto& [name, values] : document.items()) {
    auto& list = filters[name];
    if (values.is_array()) {
      for (const json& value : values) {
        if (!value.is_string()) return wrong();
        list.push_back(value.get<std::string>());
      }
    } else if (values.is_object()) {
      for (const auto& [value, on] : values.items()) {
        if (!on.is_boolean()) return wrong();
        if (on.get<bool>()) list.push_back(value);
      }
    } else {
      return wrong();
    }
    if (list.empty()) filters.erase(name);
  }
  return filters;
}

Result<> check_filters(const Filters& filters, std::initializer_list<std::string_view> known) {
  for (const auto& [name, values] : filters) {
    if (std::ranges::find(known, name) == known.end()) return invalid("invalid filter '" + name + "'");
  }
  return {};
}

bool has_label(const std::map<std::string, std::string>& labels, const std::string& wanted) {
  const auto equals = wanted.find('=');
  const auto found = labels.find(wanted.substr(0, equals));
  return found != labels.end() && (equals == std::string::npos || found->second == wanted.substr(equals + 1));
}

Result<TerminalSize> terminal_size(const Request& request) {
  const auto rows = request.integer("h");
  const auto columns = request.integer("w");
  if (!rows) return std::unexpected(rows.error());
  if (!columns) return std::unexpected(columns.error());
  const auto fits = [](std::int64_t size) { return size >= 0 && size <= UINT16_MAX; };
  if (!fits(rows->value_or(0)) || !fits(columns->value_or(0))) {
    return invalid("a terminal has 0 to 65535 rows and columns");
  }
  return TerminalSize{static_cast<int>(rows->value_or(0)), static_cast<int>(columns->value_or(0))};
}

Result<> check_platform(const std::string& platform, const HostFacts& host) {
  const std::string own = "linux/" + host.architecture;
  if (platform.empty() || platform == own || platform == "linux" || platform == host.architecture) return {};
  return fail("platform '" + platform + "' is not supported: this host is " + own, ErrorKind::kUnsupported);
}

void reply_json(Exchange& exchange, const json& value, int status) {
  exchange.reply({.status = status, .body = json_text(value) + "\n"});
}

void reply_empty(Exchange& exchange, int status) { exchange.reply({.status = status, .body = ""}); }

void reply_done(Exchange& exchange, const Result<>& result, int status) {
  if (result) return reply_empty(exchange, status);
  exchange.reply_error(result.error());
}

Error told_as_docker(const Error& error) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 3> kWords = {
      {{"No such file or directory", "no such file or directory"},
       {"Permission denied", "permission denied"},
       {"Is a directory", "is a directory: permission denied"}}};
  std::string text = error.message();
  bool known = text.find("executable file not found") != std::string::npos;
  for (const auto& [ours, dockers] : kWords) {
    const auto at = text.find(ours);
    if (at == std::string::npos) continue;
    text.replace(at, ours.size(), dockers);
    known = true;
  }
  return Error(text, known ? ErrorKind::kInvalid : error.kind());
}

std::string framed(bool is_stderr, const std::string& text) {
  const auto kind = is_stderr ? shim::FrameKind::kStderr : shim::FrameKind::kStdout;
  const auto header = shim::encode_header({kind, static_cast<std::uint32_t>(text.size())});
  return std::string(reinterpret_cast<const char*>(header.data()), header.size()) + text;
}

}  // namespace plimsoll::api
