// images, import, rmi, tag.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "agent/base/units.h"
#include "agent/cli/filters.h"
#include "agent/cli/flags.h"
#include "agent/cli/table.h"
#include "agent/cli/time_text.h"
#include "agent/cli/verb.h"

namespace plimsoll::cli {
namespace {

using nlohmann::json;

struct Reference {
  std::string repository, tag;
};

// "registry:5000/team/app:1" -> {"registry:5000/team/app", "1"}
Reference split_reference(const std::string& text) {
  const auto colon = text.rfind(':');
  if (colon == std::string::npos || text.find('/', colon) != std::string::npos) return {text, ""};
  return {text.substr(0, colon), text.substr(colon + 1)};
}

std::string short_id(std::string id) {
  if (id.starts_with("sha256:")) id.erase(0, 7);
  return id.substr(0, 12);
}

}  // namespace

Result<int> images(const Connection& agent, const Words& args) {
  bool quiet = false, whole = false, all = false;
  std::string format;
  std::vector<std::string> filters;
  Flags flags("images [FLAGS]", "List images", "plimsoll images --format json");
  flags.flag('q', "quiet", quiet, "ids only")
      .flag('a', "all", all, "also those without a name")
      .flag(0, "no-trunc", whole, "whole ids")
      .list('f', "filter", filters, "KEY=VALUE", "reference, label, dangling")
      .value(0, "format", format, "FORMAT", "table, json, or a template such as '{{.Repository}}'");
  PLIMSOLL_ASSIGN(const auto words, flags.take(args, {.most = 0}, "no words"));
  if (!words) return 0;
  PLIMSOLL_ASSIGN(const std::string filter, filter_query(filters));
  const std::string query = fmt::format("?all={:d}{}", all, filter.empty() ? "" : "&filters=" + filter);
  PLIMSOLL_ASSIGN(const json list, agent.get("/images/json" + query));
  Table table({{"Repository", "REPOSITORY"},
               {"Tag", "TAG"},
               {"ID", "IMAGE ID"},
               {"CreatedSince", "CREATED"},
               {"Size", "SIZE"}});
  for (const json& image : list) {
    const std::string id = image.value("Id", "");
    json tags = image.value("RepoTags", json());
    if (!tags.is_array() || tags.empty()) tags = json::array({"<none>:<none>"});
    if (quiet) {
      fmt::print("{}\n", whole ? id : short_id(id));
      continue;
    }
    for (const json& one : tags) {
      const auto [repository, tag] = split_reference(one.get<std::string>());
      table.add({repository, tag, whole ? id : short_id(id), ago(image.value("Created", std::int64_t{0})),
                 format_bytes({image.value("Size", std::uint64_t{0})})});
    }
  }
  if (quiet) return 0;
  PLIMSOLL_ASSIGN(const std::string text, table.render(format));
  fmt::print("{}", text);
  return 0;
}

Result<int> import_image(const Connection& agent, const Words& args) {
  std::vector<std::string> changes;
  std::string message;
  Flags flags("import [FLAGS] TAR|- NAME[:TAG]", "Make an image from a tar archive of a root filesystem",
              "plimsoll import --change 'CMD [\"sh\"]' rootfs.tar.gz alpine:3");
  flags
      .list('c', "change", changes, "LINE",
            "CMD, ENTRYPOINT, ENV, WORKDIR, USER, LABEL, EXPOSE, STOPSIGNAL, VOLUME")
      .value('m', "message", message, "TEXT", "a comment to keep with it");
  PLIMSOLL_ASSIGN(const auto words, flags.take(args, {.least = 2, .most = 2}, "an archive and a name"));
  if (!words) return 0;
  const bool from_stdin = words->front() == "-";
  UniqueFd file(from_stdin ? ::dup(STDIN_FILENO) : ::open(words->front().c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return fail_errno("open " + words->front());
  struct stat facts{};
  if (::fstat(file.get(), &facts) == 0 && S_ISDIR(facts.st_mode))
    return invalid(words->front() + ": is a directory, expected a tar archive");
  const auto [repository, tag] = split_reference(words->back());
  std::string target = "/images/create?fromSrc=-&repo=" + encode(repository);
  if (!tag.empty()) target += "&tag=" + encode(tag);
  if (!message.empty()) target += "&message=" + encode(message);
  for (const std::string& change : changes) target += "&changes=" + encode(change);
  PLIMSOLL_ASSIGN(const std::string reply, agent.upload(target, file.get()));
  // A stream of JSON objects: {"status":"sha256:..."} or {"errorDetail":{"message":"..."}}.
  std::string status;
  for (std::size_t at = 0; at < reply.size();) {
    const auto end = std::min(reply.find('\n', at), reply.size());
    const json line = json::parse(reply.begin() + static_cast<std::ptrdiff_t>(at),
                                  reply.begin() + static_cast<std::ptrdiff_t>(end), nullptr, false);
    if (line.is_object() && line.contains("error")) return fail(line["error"].get<std::string>());
    if (line.is_object()) status = line.value("status", status);
    at = end + 1;
  }
  fmt::print("{}\n", status);
  return 0;
}

Result<int> rmi(const Connection& agent, const Words& args) {
  bool force = false;
  Flags flags("rmi [FLAGS] IMAGE...", "Remove images", "plimsoll rmi alpine:3");
  flags.flag('f', "force", force, "also take its other names away");
  PLIMSOLL_ASSIGN(const auto names, flags.take(args, {.least = 1}, "one or more images"));
  if (!names) return 0;
  int status = 0;
  for (const std::string& name : *names) {
    const auto reply =
        agent.send("DELETE", fmt::format("/images/{}?force={:d}", encode(name), force), json());
    if (!reply) {
      fmt::print(stderr, "plimsoll: {}\n", reply.error().message());
      status = 1;
      continue;
    }
    for (const json& line : *reply) {
      for (const auto& [what, which] : line.items()) fmt::print("{}: {}\n", what, which.get<std::string>());
    }
  }
  return status;
}

Result<int> tag(const Connection& agent, const Words& args) {
  Flags flags("tag IMAGE NAME[:TAG]", "Give an image another name", "plimsoll tag alpine:3 base");
  PLIMSOLL_ASSIGN(const auto words, flags.take(args, {.least = 2, .most = 2}, "an image and a name"));
  if (!words) return 0;
  const auto [repository, name] = split_reference(words->back());
  std::string target = "/images/" + encode(words->front()) + "/tag?repo=" + encode(repository);
  if (!name.empty()) target += "&tag=" + encode(name);
  PLIMSOLL_TRY(agent.post(target));
  return 0;
}

}  // namespace plimsoll::cli
