// Images: list, inspect, import, tag, remove.
#include <fnmatch.h>

#include <nlohmann/json.hpp>

#include "agent/api/docker.h"
#include "agent/api/docker_words.h"
#include "agent/base/rfc3339.h"

namespace plimsoll::api {
namespace {

using image::Image;
using nlohmann::json;

std::string digest(const std::string& hex) { return "sha256:" + hex; }

json tags_of(const Image& one) {
  json tags = json::array();
  for (const image::Reference& reference : one.references) tags.push_back(reference.text());
  return tags;
}

json set_of(const std::set<std::string>& keys) {
  json out = json::object();
  for (const std::string& key : keys) out[key] = json::object();
  return out;
}

json texts_or_null(const std::vector<std::string>& texts) {
  return texts.empty() ? json(nullptr) : json(texts);
}

json inspect_json(const Image& one) {
  const image::Defaults& config = one.config;
  return {{"Id", digest(one.id)},
          {"RepoTags", tags_of(one)},
          {"RepoDigests", json::array()},
          {"Parent", ""},
          {"Comment", one.comment},
          {"Created", format_rfc3339(one.created)},
          {"Architecture", one.architecture},
          {"Os", one.os},
          {"Size", one.size},
          {"VirtualSize", one.size},
          {"GraphDriver", {{"Name", "overlayfs"}, {"Data", nullptr}}},
          {"RootFS", {{"Type", "layers"}, {"Layers", {digest(one.diff_id)}}}},
          {"Metadata", {{"LastTagTime", "0001-01-01T00:00:00Z"}}},
          {"Config",
           {{"Env", config.env},
            {"Cmd", texts_or_null(config.cmd)},
            {"Entrypoint", texts_or_null(config.entrypoint)},
            {"WorkingDir", config.working_dir},
            {"User", config.user},
            {"StopSignal", config.stop_signal},
            {"Labels", config.labels},
            {"ExposedPorts", set_of(config.exposed_ports)},
            {"Volumes", set_of(config.volumes)}}}};
}

bool names_it(const image::Reference& reference, const std::string& pattern) {
  return ::fnmatch(pattern.c_str(), reference.repository.c_str(), FNM_PATHNAME) == 0 ||
         ::fnmatch(pattern.c_str(), reference.text().c_str(), FNM_PATHNAME) == 0;
}

// Of an image that a `reference` filter found, only the names that the filter wants are shown.
bool wanted(Image& one, const Filters& filters) {
  return std::ranges::all_of(filters, [&](const auto& filter) {
    const auto& [name, values] = filter;
    if (name == "label") {
      return std::ranges::all_of(values,
                                 [&](const auto& value) { return has_label(one.config.labels, value); });
    }
    if (name == "dangling")
      return (values.front() == "true" || values.front() == "1") == one.references.empty();
    std::erase_if(one.references, [&, &wants = values](const image::Reference& reference) {
      return std::ranges::none_of(wants,
                                  [&](const std::string& value) { return names_it(reference, value); });
    });
    return !one.references.empty();
  });
}

void list(Exchange& exchange, const DockerParts& parts) {
  const auto filters = parse_filters(exchange.request().value("filters"));
  if (!filters) return exchange.reply_error(filters.error());
  if (const auto known = check_filters(*filters, {"label", "reference", "dangling"}); !known)
    return exchange.reply_error(known.error());
  json out = json::array();
  for (Image& one : parts.images.list()) {
    if (!wanted(one, *filters)) continue;
    out.push_back(
        {{"Id", digest(one.id)},
         {"ParentId", ""},
         {"RepoTags", tags_of(one)},
         {"RepoDigests", json::array()},
         {"Created", std::chrono::floor<std::chrono::seconds>(one.created.time_since_epoch()).count()},
         {"Size", one.size},
         {"SharedSize", -1},
         {"VirtualSize", one.size},
         {"Labels", one.config.labels},
         {"Containers", -1}});
  }
  reply_json(exchange, out);
}

void inspect(Exchange& exchange, const DockerParts& parts) {
  const auto found = parts.images.find(exchange.request().params.at("name"));
  if (!found) return exchange.reply_error(found.error());
  reply_json(exchange, inspect_json(*found));
}

Result<image::ImportOptions> import_options(const Request& request) {
  image::ImportOptions options;
  const std::string source = request.value("fromSrc");
  if (source.empty()) {
    // What `docker run` asks for after "No such image".
    return fail("No such image: " + request.value("fromImage") + ": pulling comes later; import a tar of it",
                ErrorKind::kNotFound);
  }
  if (source != "-")
    return fail("import: only a tar sent along (fromSrc=-) is taken, not " + source, ErrorKind::kUnsupported);
  const std::string tag = request.value("tag");
  if (const std::string repository = request.value("repo"); !repository.empty()) {
    PLIMSOLL_ASSIGN(options.reference,
                    image::parse_reference(tag.empty() ? repository : repository + ":" + tag));
  }
  for (const auto& [key, value] : request.query) {
    if (key == "changes") options.changes.push_back(value);
  }
  options.comment = request.value("message");
  return options;
}

void import(Exchange& exchange, const DockerParts& parts) {
  if (const auto fits = check_platform(exchange.request().value("platform"), parts.host); !fits)
    return exchange.reply_error(fits.error());
  const auto options = import_options(exchange.request());
  if (!options) return exchange.reply_error(options.error());
  const auto made =
      parts.images.import([&](std::span<char> into) { return exchange.read_body(into); }, *options);
  if (!made) return exchange.reply_error(made.error());
  // Docker's progress messages; an import has one.
  reply_json(exchange, {{"status", digest(made->id)}});
}

void tag(Exchange& exchange, const DockerParts& parts) {
  const Request& request = exchange.request();
  const std::string text = request.value("tag");
  const auto reference =
      image::parse_reference(text.empty() ? request.value("repo") : request.value("repo") + ":" + text);
  if (!reference) return exchange.reply_error(reference.error());
  reply_done(exchange, parts.images.tag(request.params.at("name"), *reference), 201);
}

void remove(Exchange& exchange, const DockerParts& parts) {
  const auto removed =
      parts.images.remove(exchange.request().params.at("name"), exchange.request().flag("force"));
  if (!removed) return exchange.reply_error(removed.error());
  json out = json::array();
  for (const image::Reference& reference : removed->untagged) out.push_back({{"Untagged", reference.text()}});
  for (const std::string& id : removed->deleted) out.push_back({{"Deleted", digest(id)}});
  reply_json(exchange, out);
}

}  // namespace

void add_image_routes(Router& router, const DockerParts& parts) {
  const std::vector<std::string_view> kNone;
  router.add("GET", "/images/json", [&parts](Exchange& e) { list(e, parts); },
             {.queries = {{"all", "filters", "digests", "shared-size"}}});
  router.add("POST", "/images/create", [&parts](Exchange& e) { import(e, parts); },
             {.streams_body = true,
              .queries = {{"fromSrc", "fromImage", "repo", "tag", "message", "changes", "platform"}}});
  router.add("GET", "/images/{name...}/json", [&parts](Exchange& e) { inspect(e, parts); },
             {.queries = kNone});
  router.add("POST", "/images/{name...}/tag", [&parts](Exchange& e) { tag(e, parts); },
             {.queries = {{"repo", "tag"}}});
  router.add("DELETE", "/images/{name...}", [&parts](Exchange& e) { remove(e, parts); },
             {.queries = {{"force", "noprune"}}});
}

}  // namespace plimsoll::api
