// A scrape as Prometheus text, exposition format 0.0.4.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "exporters/scrape.h"

namespace plimsoll::exporters {

// The label text of each container ('id="/x",name="y"'), rendered once and kept while the container lives.
// Thread-safe.
class LabelCache {
 public:
  // The text for the container, without braces. The pointer is to an immutable text that outlives the cache's
  // next call.
  std::shared_ptr<const std::string> get(const std::shared_ptr<const model::ContainerRef>& ref,
                                         const std::set<std::string>& label_keys);
  // Forgets those that are in no snapshot any more.
  void keep_only(const model::Snapshot& snapshot);
  std::size_t size() const;

 private:
  struct Entry {
    std::shared_ptr<const model::ContainerRef> ref;
    std::shared_ptr<const std::string> text;
  };
  mutable std::mutex mutex_;
  std::unordered_map<std::uint64_t, Entry> entries_;  // by inode
};

// Takes the next part of a text; false: nobody wants the rest.
using Sink = std::function<bool(std::string_view part)>;
// Thread-safe: reads its input only. Each family's HELP and TYPE stand once, before its series. The text
// comes in parts of about 64 KiB, so that a scrape needs no more memory than that, however many containers
// there are.
void render(const Scrape& scrape, LabelCache& cache, const Sink& sink);
std::string render(const Scrape& scrape, LabelCache& cache);

// Appends a value as prometheus-cpp writes it: 16 significant digits, "Nan", "+Inf", "-Inf".
void append_value(std::string& text, double value);
// Appends `text` with backslash, quote and newline escaped, and U+FFFD for each byte that is no UTF-8: a
// cgroup's name may be any bytes, and one such label would make Prometheus refuse the whole scrape.
void append_escaped(std::string& out, std::string_view text);
// A label name made of any text: "app.kubernetes.io/name" -> "container_label_app_kubernetes_io_name".
std::string container_label_name(std::string_view key);

}  // namespace plimsoll::exporters
