// The labels of a container's series, rendered once for each version of its ContainerRef. Thread-safe.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "agent/model/container_ref.h"
#include "exporters/metric.h"

namespace plimsoll::exporters {

// name -> value in the order in which they are written: container, id, image, name, namespace, pod, then
// container_label_* for those of `keys` that it has. Empty ones are left out: to Prometheus they are the
// same.
std::vector<std::pair<std::string, std::string>> labels_of(const model::ContainerRef& ref,
                                                           const std::vector<std::string>& keys);

// "io.kubernetes.pod/name" -> "container_label_io_kubernetes_pod_name".
std::string label_name(std::string_view key);

class LabelCache {
 public:
  explicit LabelCache(std::vector<std::string> keys) : keys_(std::move(keys)) {}
  using Text = std::shared_ptr<const std::string>;
  // For each of `refs` its labels joined by ','.
  std::vector<Text> rendered(const std::vector<std::shared_ptr<const model::ContainerRef>>& refs);

 private:
  struct Entry {
    std::shared_ptr<const model::ContainerRef> ref;  // kept, so that its address is not used again
    Text text;
  };
  std::vector<std::string> keys_;
  std::mutex mutex_;
  std::unordered_map<const model::ContainerRef*, Entry> entries_;
};

}  // namespace plimsoll::exporters
