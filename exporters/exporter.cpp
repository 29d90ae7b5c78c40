#include "exporters/exporter.h"

#include <unordered_map>

#include "exporters/catalogue.h"
#include "exporters/families.h"
#include "exporters/text.h"

namespace plimsoll::exporters {
namespace {

class TextPoints final : public Points {
 public:
  TextPoints(FamilyWriter& family, std::string_view fixed) : family_(family), fixed_(fixed) {}
  using Points::add;
  void add(double value, std::span<const Label> labels) override { family_.add(fixed_, labels, value); }

 private:
  FamilyWriter& family_;
  std::string_view fixed_;
};

struct Line {
  Subject subject;
  std::string_view labels;
};

constexpr std::string_view kRootLabels = "id=\"/\"";

std::vector<Line> subjects_of(const Scrape& scrape, const std::vector<LabelCache::Text>& labels) {
  const model::Snapshot& now = *scrape.now;
  std::unordered_map<model::CgroupId, const model::Sample*> before;
  if (scrape.before) {
    for (const auto& container : scrape.before->containers) before[container.ref->id] = &container.sample;
  }
  std::vector<Line> lines;
  lines.reserve(now.containers.size() + 1);
  if (now.root) {
    const bool known = scrape.before && scrape.before->root;
    lines.push_back(
        {{nullptr, *now.root, known ? &*scrape.before->root : nullptr, now, scrape.host}, kRootLabels});
  }
  for (std::size_t at = 0; at < labels.size(); ++at) {
    const auto& container = now.containers[at];
    const auto known = before.find(container.ref->id);
    lines.push_back({{container.ref.get(), container.sample, known != before.end() ? known->second : nullptr,
                      now, scrape.host},
                     *labels[at]});
  }
  return lines;
}

template <typename Containers>
std::vector<std::shared_ptr<const model::ContainerRef>> refs_of(const Containers& first, const auto& second) {
  std::vector<std::shared_ptr<const model::ContainerRef>> refs;
  refs.reserve(first.size() + second.size());
  for (const auto& one : first) refs.push_back(one.ref);
  for (const auto& one : second) refs.push_back(one.ref);
  return refs;
}

}  // namespace

std::string Exporter::render(const Scrape& scrape) {
  const model::Snapshot& now = *scrape.now;
  std::vector<LabelCache::Text> labels = labels_.rendered(refs_of(now.containers, now.ended));
  const auto middle = labels.begin() + static_cast<std::ptrdiff_t>(now.containers.size());
  const std::vector<LabelCache::Text> ended_labels(middle, labels.end());
  labels.erase(middle, labels.end());

  std::string out;
  out.reserve(last_size_.load(std::memory_order_relaxed) + 4096);
  const std::vector<Line> lines = subjects_of(scrape, labels);
  each_container_metric([&](const ContainerMetric& row) {
    FamilyWriter family(out, row.name, row.type, row.help);
    for (const Line& line : lines) {
      TextPoints points(family, line.labels);
      row.read(line.subject, points);
    }
  });
  write_info(now, labels, out);
  write_ended(now, ended_labels, out);
  write_workloads(now, out);
  write_decisions(scrape.decisions, out);
  write_machine(scrape, out);
  out.append(own_.text());
  last_size_.store(out.size(), std::memory_order_relaxed);
  return out;
}

}  // namespace plimsoll::exporters
