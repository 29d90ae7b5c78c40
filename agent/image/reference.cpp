#include "agent/image/reference.h"

#include <algorithm>
#include <array>

namespace plimsoll::image {
namespace {

constexpr std::size_t kMostName = 255;
constexpr std::size_t kMostTag = 128;

bool is_lower_alnum(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }
bool is_word(char c) { return is_lower_alnum(c) || (c >= 'A' && c <= 'Z') || c == '_'; }

// [a-z0-9]+ parted by one '.', one or two '_', or any number of '-'.
bool is_component(std::string_view text) {
  if (text.empty() || !is_lower_alnum(text.front()) || !is_lower_alnum(text.back())) return false;
  for (std::size_t i = 0; i < text.size();) {
    if (is_lower_alnum(text[i])) {
      ++i;
      continue;
    }
    const char separator = text[i];
    std::size_t run = 0;
    while (i < text.size() && text[i] == separator) ++i, ++run;
    const std::size_t most = separator == '.' ? 1 : separator == '_' ? 2 : separator == '-' ? kMostName : 0;
    if (run > most || !is_lower_alnum(text[i])) return false;
  }
  return true;
}

bool is_host(std::string_view text) {
  const auto colon = text.find(':');
  const std::string_view name = text.substr(0, colon);
  if (colon != std::string_view::npos) {
    const std::string_view port = text.substr(colon + 1);
    if (port.empty() || !std::ranges::all_of(port, [](char c) { return c >= '0' && c <= '9'; })) return false;
  }
  return !name.empty() && name.front() != '-' && name.front() != '.' && name.back() != '-' &&
         name.back() != '.' &&
         std::ranges::all_of(name, [](char c) { return (is_word(c) && c != '_') || c == '-' || c == '.'; });
}

bool is_repository(std::string_view text) {
  if (text.size() > kMostName) return false;
  bool first = true;
  while (true) {
    const auto slash = text.find('/');
    const std::string_view part = text.substr(0, slash);
    const bool last = slash == std::string_view::npos;
    // The first of several parts is a host where it could not be anything else.
    const bool host = first && !last && (part.find_first_of(".:") != part.npos || part == "localhost");
    if (!(host ? is_host(part) : is_component(part))) return false;
    if (last) return true;
    text.remove_prefix(slash + 1);
    first = false;
  }
}

std::string_view familiar(std::string_view repository) {
  constexpr std::array<std::string_view, 4> kPrefixes = {"docker.io/library/", "index.docker.io/library/",
                                                         "docker.io/", "index.docker.io/"};
  for (const std::string_view prefix : kPrefixes) {
    if (repository.starts_with(prefix)) return repository.substr(prefix.size());
  }
  return repository;
}

}  // namespace

Result<Reference> parse_reference(std::string_view text) {
  const std::string shown(text);
  if (text.find('@') != std::string_view::npos) {
    return invalid("image reference " + shown + ": a digest names nothing here, use a tag or an image id");
  }
  Reference reference{.repository = "", .tag = "latest"};
  const auto colon = text.rfind(':');
  const auto slash = text.rfind('/');
  if (colon != std::string_view::npos && (slash == std::string_view::npos || colon > slash)) {
    reference.tag = text.substr(colon + 1);
    text = text.substr(0, colon);
    const std::string& tag = reference.tag;
    if (tag.empty() || tag.size() > kMostTag || !is_word(tag.front()) ||
        !std::ranges::all_of(tag, [](char c) { return is_word(c) || c == '.' || c == '-'; })) {
      return invalid("image reference " + shown + ": a tag is up to 128 of [A-Za-z0-9_.-], not first . or -");
    }
  }
  reference.repository = familiar(text);
  if (!is_repository(reference.repository)) {
    return invalid("invalid reference format: '" + shown +
                   "': a repository is lower-case [a-z0-9] parts joined by . _ - and /");
  }
  return reference;
}

}  // namespace plimsoll::image
