#include "exporters/labels.h"

#include <algorithm>
#include <unordered_set>

#include "exporters/text.h"

namespace plimsoll::exporters {

std::string label_name(std::string_view key) {
  std::string name = "container_label_";
  for (const char letter : key) {
    const bool allowed = (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') ||
                         (letter >= '0' && letter <= '9') || letter == '_';
    name.push_back(allowed ? letter : '_');
  }
  return name;
}

std::vector<std::pair<std::string, std::string>> labels_of(const model::ContainerRef& ref,
                                                           const std::vector<std::string>& keys) {
  std::vector<std::pair<std::string, std::string>> labels = {
      {"container", ref.kube_container}, {"id", ref.cgroup}, {"image", ref.image}, {"name", ref.name},
      {"namespace", ref.kube_namespace}, {"pod", ref.pod}};
  std::erase_if(labels, [](const auto& label) { return label.second.empty(); });
  for (const std::string& key : keys) {
    const auto found = ref.labels.find(key);
    if (found == ref.labels.end() || found->second.empty()) continue;
    std::string name = label_name(key);
    // Two keys may come out as one name; a series cannot have it twice.
    const bool taken = std::ranges::any_of(labels, [&](const auto& label) { return label.first == name; });
    if (!taken) labels.emplace_back(std::move(name), found->second);
  }
  return labels;
}

std::vector<LabelCache::Text> LabelCache::rendered(
    const std::vector<std::shared_ptr<const model::ContainerRef>>& refs) {
  const std::scoped_lock lock(mutex_);
  if (entries_.size() > 2 * refs.size() + 16) {
    std::unordered_set<const model::ContainerRef*> used;
    for (const auto& ref : refs) used.insert(ref.get());
    std::erase_if(entries_, [&](const auto& entry) { return !used.contains(entry.first); });
  }
  std::vector<Text> texts;
  texts.reserve(refs.size());
  for (const auto& ref : refs) {
    Entry& entry = entries_[ref.get()];
    if (!entry.text) {
      std::string text;
      for (const auto& [name, value] : labels_of(*ref, keys_)) append_label(text, name, value);
      entry = {ref, std::make_shared<const std::string>(std::move(text))};
    }
    texts.push_back(entry.text);
  }
  return texts;
}

}  // namespace plimsoll::exporters
