#include <algorithm>

#include "policies/document.h"

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

}  // namespace

bool Selector::matches(const model::ContainerRef& ref) const {
  const bool runtime = runtimes.empty() ? ref.runtime == model::Runtime::kPlimsoll
                                        : std::ranges::find(runtimes, ref.runtime) != runtimes.end();
  if (!runtime || !keys_match(*this, ref)) return false;
  if (!except) return true;
  const bool excepted_runtime =
      except->runtimes.empty() || std::ranges::find(except->runtimes, ref.runtime) != except->runtimes.end();
  return !(excepted_runtime && keys_match(*except, ref));
}

}  // namespace plimsoll::policies
