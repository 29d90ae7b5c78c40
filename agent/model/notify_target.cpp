#include "agent/model/notify_target.h"

#include <strings.h>

#include <algorithm>

namespace plimsoll::model {
namespace {

constexpr std::size_t kLongestUrl = 4096;

// RFC 3986, 3.2: [user@]host[:port], where the host may be an address in brackets.
struct Authority {
  std::string_view host;
  std::optional<std::string_view> port;
};

Authority authority_of(std::string_view url) {
  const auto begin = url.find("://") + 3;
  std::string_view text = url.substr(begin, url.find_first_of("/?#", begin) - begin);
  text.remove_prefix(text.rfind('@') == std::string_view::npos ? 0 : text.rfind('@') + 1);
  const auto bracket = text.starts_with('[') ? text.find(']') : std::string_view::npos;
  const auto colon = text.find(':', bracket == std::string_view::npos ? 0 : bracket);
  if (colon == std::string_view::npos) return {text, std::nullopt};
  return {text.substr(0, colon), text.substr(colon + 1)};
}

bool has_scheme(std::string_view url) { return url.starts_with("http://") || url.starts_with("https://"); }

}  // namespace

std::string_view kind_of(const NotifyTarget& target) {
  return std::holds_alternative<Webhook>(target.to) ? "webhook" : "alertmanager";
}

std::vector<std::string> urls_of(const NotifyTarget& target) {
  if (const auto* webhook = std::get_if<Webhook>(&target.to)) return {webhook->url};
  return std::get<Alertmanager>(target.to).urls;
}

std::string origin_of(std::string_view url) {
  if (!has_scheme(url)) return "";
  const Authority authority = authority_of(url);
  std::string origin(url.substr(0, url.find("://") + 3));
  origin += authority.host;
  if (authority.port) origin += ":" + std::string(*authority.port);
  return origin;
}

std::string origins_of(const NotifyTarget& target) {
  std::string origins;
  for (const std::string& url : urls_of(target)) origins += (origins.empty() ? "" : ", ") + origin_of(url);
  return origins;
}

std::string problem_of_url(std::string_view url) {
  if (!has_scheme(url)) return "it begins with neither http:// nor https://";
  if (url.size() > kLongestUrl) return "it is longer than " + std::to_string(kLongestUrl) + " bytes";
  const auto printable = [](char c) { return c > ' ' && c != 0x7f; };
  if (!std::ranges::all_of(url, printable)) return "it has a space or a control character";
  const Authority authority = authority_of(url);
  if (authority.host.empty()) return "it names no host";
  if (authority.host.starts_with('[') && !authority.host.ends_with(']')) return "its '[' is never closed";
  if (!authority.port) return "";
  const auto port = parse_u64(*authority.port);
  return port && *port >= 1 && *port <= 65535 ? "" : "its port is not 1 to 65535";
}

bool sends_json(const Webhook& webhook) {
  const auto given = std::ranges::find_if(
      webhook.headers, [](const auto& one) { return ::strcasecmp(one.first.c_str(), "content-type") == 0; });
  return given == webhook.headers.end() || given->second.find("json") != std::string::npos;
}

}  // namespace plimsoll::model
