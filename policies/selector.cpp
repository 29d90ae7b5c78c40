#include <algorithm>
#include <tuple>

#include "policies/document.h"
#include "policies/spelling.h"

namespace plimsoll::policies {
namespace {

bool any(const std::vector<Glob>& globs, std::string_view text) {
  return std::ranges::any_of(globs, [&](const Glob& glob) { return glob.matches(text); });
}

bool keys_match(const Selector& select, const model::ContainerRef& ref) {
  for (const auto& [key, globs] : select.labels) {
    const auto found = ref.labels.find(key);
    if (found == ref.labels.end() || !any(globs, found->second)) return false;
  }
  return (select.names.empty() || any(select.names, ref.name)) &&
         (select.images.empty() || any(select.images, ref.image)) &&
         (select.cgroups.empty() || any(select.cgroups, ref.cgroup)) &&
         (select.namespaces.empty() || any(select.namespaces, ref.kube_namespace));
}

std::string expected(const std::vector<Glob>& globs) {
  std::vector<std::string_view> patterns;
  patterns.reserve(globs.size());
  for (const Glob& glob : globs) patterns.push_back(glob.pattern());
  return ", expected " + one_of(patterns);
}

// "name 'web-1', expected etl-*"; empty where it matches.
std::string mismatch(std::string_view what, const std::vector<Glob>& globs, const std::string& text) {
  if (globs.empty() || any(globs, text)) return "";
  return (text.empty() ? "no " + std::string(what) : std::string(what) + " is " + policies::quoted(text)) +
         expected(globs);
}

std::string first_mismatch(const Selector& select, const model::ContainerRef& ref) {
  for (const auto& [key, globs] : select.labels) {
    const auto found = ref.labels.find(key);
    const std::string what = "label " + policies::quoted(key);
    if (found == ref.labels.end()) return "no " + what + expected(globs);
    if (!any(globs, found->second)) return what + " is " + policies::quoted(found->second) + expected(globs);
  }
  for (const auto& [what, globs, text] :
       {std::tuple("name", &select.names, &ref.name), std::tuple("image", &select.images, &ref.image),
        std::tuple("cgroup", &select.cgroups, &ref.cgroup),
        std::tuple("namespace", &select.namespaces, &ref.kube_namespace)}) {
    if (std::string found = mismatch(what, *globs, *text); !found.empty()) return found;
  }
  return "";
}

}  // namespace

std::string Selector::why_not(const model::ContainerRef& ref) const {
  if (matches(ref)) return "";
  const std::string runtime = "its runtime is " + std::string(to_string(ref.runtime));
  if (runtimes.empty() && ref.runtime != model::Runtime::kPlimsoll) {
    return runtime + ", and the policy names no runtimes: it is for Plimsoll's own containers";
  }
  if (!runtimes.empty() && std::ranges::find(runtimes, ref.runtime) == runtimes.end()) {
    std::vector<std::string_view> wanted;
    wanted.reserve(runtimes.size());
    for (const model::Runtime one : runtimes) wanted.push_back(to_string(one));
    return runtime + ", expected " + one_of(wanted);
  }
  std::string key = first_mismatch(*this, ref);
  return key.empty() ? "it is excepted by select.except" : key;
}

bool Selector::covers(const model::ContainerRef& ref) const {
  const bool runtime = runtimes.empty() || std::ranges::find(runtimes, ref.runtime) != runtimes.end();
  return runtime && keys_match(*this, ref);
}

bool Selector::matches(const model::ContainerRef& ref) const {
  const bool runtime = runtimes.empty() ? ref.runtime == model::Runtime::kPlimsoll
                                        : std::ranges::find(runtimes, ref.runtime) != runtimes.end();
  if (!runtime || !keys_match(*this, ref)) return false;
  return !except || !except->covers(ref);
}

}  // namespace plimsoll::policies
