#include "exporters/render.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <unordered_set>

#include "exporters/catalogue.h"

namespace plimsoll::exporters {
namespace {

constexpr std::string_view kRootLabels = R"(id="/")";
constexpr double kExactIntegers =
    1e15;  // up to here %.16g writes a whole number without exponent or fraction

struct LabelledRow {
  Row row;
  std::shared_ptr<const std::string> labels;  // null: the root's
  std::string_view text() const { return labels ? std::string_view(*labels) : kRootLabels; }
};

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD

// Bytes of the character that `text` begins with; 0 where it begins with none (Unicode 15, table 3-7).
std::size_t utf8_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(i < text.size() ? text[i] : 0); };
  const auto within = [&](std::size_t i, int low, int high) { return byte(i) >= low && byte(i) <= high; };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return within(1, 0x80, 0xBF) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    const bool second = within(1, first == 0xE0 ? 0xA0 : 0x80, first == 0xED ? 0x9F : 0xBF);
    return second && within(2, 0x80, 0xBF) ? 3 : 0;
  }
  if (first < 0xF0 || first > 0xF4) return 0;
  const bool second = within(1, first == 0xF0 ? 0x90 : 0x80, first == 0xF4 ? 0x8F : 0xBF);
  return second && within(2, 0x80, 0xBF) && within(3, 0x80, 0xBF) ? 4 : 0;
}

void append_label(std::string& out, std::string_view name, std::string_view value) {
  if (!out.empty()) out += ',';
  out += name;
  out += "=\"";
  append_escaped(out, value);
  out += '"';
}

std::string labels_of(const model::ContainerRef& ref, const std::set<std::string>& label_keys) {
  std::string text;
  append_label(text, "id", ref.cgroup);
  const std::pair<std::string_view, const std::string*> known[] = {{"name", &ref.name},
                                                                   {"image", &ref.image},
                                                                   {"pod", &ref.pod},
                                                                   {"namespace", &ref.kube_namespace},
                                                                   {"container", &ref.kube_container}};
  for (const auto& [name, value] : known) {
    if (!value->empty()) append_label(text, name, *value);
  }
  for (const auto& [key, value] : ref.labels) {
    if (label_keys.contains(key)) append_label(text, container_label_name(key), value);
  }
  return text;
}

std::vector<LabelledRow> rows_of(const Scrape& scrape, LabelCache& cache) {
  const model::Snapshot& now = *scrape.now;
  std::unordered_map<std::uint64_t, const model::Sample*> before;
  if (scrape.previous) {
    for (const auto& one : scrape.previous->containers) before[one.ref->id.inode] = &one.sample;
  }
  std::vector<LabelledRow> rows;
  rows.reserve(now.containers.size() + 1);
  const auto add = [&](const std::shared_ptr<const model::ContainerRef>& ref, const model::Sample& sample,
                       const model::Sample* previous) {
    rows.push_back({{ref.get(), &sample, previous, now.wall, now.host.memory_total, now.host.swap_total},
                    ref ? cache.get(ref, scrape.label_keys) : nullptr});
  };
  if (now.root)
    add(nullptr, *now.root, scrape.previous && scrape.previous->root ? &*scrape.previous->root : nullptr);
  for (const auto& one : now.containers) {
    const auto found = before.find(one.ref->id.inode);
    add(one.ref, one.sample, found == before.end() ? nullptr : found->second);
  }
  return rows;
}

// The part that is being filled, and where it goes.
class Parts {
 public:
  explicit Parts(const Sink& sink) : sink_(sink) { text_.reserve(kPart + 4096); }
  std::string& text() { return text_; }
  void send_if_full() {
    if (text_.size() >= kPart) send();
  }
  void send() {
    if (wanted_ && !text_.empty()) wanted_ = sink_(text_);
    text_.clear();
  }
  bool wanted() const { return wanted_; }

 private:
  static constexpr std::size_t kPart = std::size_t{64} * 1024;
  const Sink& sink_;
  std::string text_;
  bool wanted_ = true;
};

// Writes a family's head before its first series; a family without series leaves no trace.
class FamilyWriter {
 public:
  FamilyWriter(std::string& out, std::string_view name, Type type, std::string_view help)
      : out_(out), name_(name), type_(type), help_(help) {}

  void histogram(std::string_view labels, std::span<const Label> extra, const model::TimeHistogram& times) {
    std::vector<Label> with_end(extra.begin(), extra.end());
    Label& le = with_end.emplace_back("le", "+Inf");
    std::uint64_t below = 0;
    for (std::size_t slot = 0; slot + 1 < model::TimeHistogram::kSlots; ++slot) {
      below += times.slots[slot];
      if (slot % 2 != 0) continue;
      std::string end;
      append_value(end, to_seconds(model::TimeHistogram::end_of(slot)));
      le.second = end;
      series(labels, with_end, static_cast<double>(below), "_bucket");
    }
    const auto all = static_cast<double>(below + times.slots.back());
    le.second = "+Inf";
    series(labels, with_end, all, "_bucket");
    series(labels, extra, to_seconds(times.sum), "_sum");
    series(labels, extra, all, "_count");
  }

  // `labels`: rendered text, without braces. `suffix`: of the family's name.
  void series(std::string_view labels, std::span<const Label> extra, double value,
              std::string_view suffix = {}) {
    if (!begun_) begin();
    out_ += name_;
    out_ += suffix;
    const bool any = !labels.empty() || !extra.empty();
    if (any) out_ += '{';
    out_ += labels;
    bool first = labels.empty();
    for (const auto& [key, text] : extra) {
      if (!first) out_ += ',';
      first = false;
      out_ += key;
      out_ += "=\"";
      append_escaped(out_, text);
      out_ += '"';
    }
    if (any) out_ += '}';
    out_ += ' ';
    append_value(out_, value);
    out_ += '\n';
  }

 private:
  void begin() {
    begun_ = true;
    out_.append("# HELP ").append(name_).append(" ").append(help_).append("\n# TYPE ").append(name_);
    out_ += type_ == Type::kCounter ? " counter\n" : type_ == Type::kGauge ? " gauge\n" : " histogram\n";
  }

  std::string& out_;
  std::string_view name_;
  Type type_;
  std::string_view help_;
  bool begun_ = false;
};

}  // namespace

std::shared_ptr<const std::string> LabelCache::get(const std::shared_ptr<const model::ContainerRef>& ref,
                                                   const std::set<std::string>& label_keys) {
  const std::scoped_lock lock(mutex_);
  Entry& entry = entries_[ref->id.inode];
  if (entry.ref != ref) {  // new, or told more of since
    entry.ref = ref;
    entry.text = std::make_shared<const std::string>(labels_of(*ref, label_keys));
  }
  return entry.text;
}

void LabelCache::keep_only(const model::Snapshot& snapshot) {
  const std::scoped_lock lock(mutex_);
  if (entries_.size() <= snapshot.containers.size()) return;
  std::unordered_set<std::uint64_t> living;
  for (const auto& one : snapshot.containers) living.insert(one.ref->id.inode);
  std::erase_if(entries_, [&](const auto& entry) { return !living.contains(entry.first); });
}

std::size_t LabelCache::size() const {
  const std::scoped_lock lock(mutex_);
  return entries_.size();
}

namespace {

template <typename Family>
void render_family(const Family& family, const std::vector<LabelledRow>& rows, Parts& parts) {
  if (!parts.wanted()) return;
  constexpr bool kHistogram = std::is_same_v<Family, ContainerHistogram>;
  Type type = Type::kHistogram;
  if constexpr (!kHistogram) type = family.type;
  FamilyWriter writer(parts.text(), family.name, type, family.help);
  std::string_view labels;
  const auto emit = [&](std::initializer_list<Label> extra, const auto& value) {
    const std::span<const Label> more(extra.begin(), extra.size());
    if constexpr (kHistogram) {
      writer.histogram(labels, more, value);
    } else {
      writer.series(labels, more, value);
    }
  };
  const std::conditional_t<kHistogram, HistogramEmit, Emit> once = emit;
  for (const LabelledRow& one : rows) {
    labels = one.text();
    family.read(one.row, once);
    parts.send_if_full();
  }
}

}  // namespace

void render(const Scrape& scrape, LabelCache& cache, const Sink& sink) {
  Parts parts(sink);
  if (scrape.now) {
    const auto rows = rows_of(scrape, cache);
    for (const ContainerFamily& family : container_families()) render_family(family, rows, parts);
    for (const ContainerFamily& family : probe_families()) render_family(family, rows, parts);
    for (const ContainerHistogram& family : container_histograms()) render_family(family, rows, parts);
    if (!parts.wanted()) return;
    cache.keep_only(*scrape.now);
  }
  for (const HostFamily& family : host_families()) {
    FamilyWriter writer(parts.text(), family.name, family.type, family.help);
    family.read(scrape,
                [&](std::span<const Label> labels, double value) { writer.series("", labels, value); });
    parts.send_if_full();
  }
  parts.text() += scrape.own;
  parts.send();
}

std::string render(const Scrape& scrape, LabelCache& cache) {
  std::string text;
  render(scrape, cache, [&](std::string_view part) {
    text += part;
    return true;
  });
  return text;
}

void append_value(std::string& text, double value) {
  char buffer[40];
  if (std::isnan(value)) {
    text += "Nan";
  } else if (std::isinf(value)) {
    text += value > 0 ? "+Inf" : "-Inf";
  } else if (std::abs(value) < kExactIntegers && value == std::trunc(value) &&
             !(value == 0 && std::signbit(value))) {
    const auto end = std::to_chars(buffer, buffer + sizeof buffer, static_cast<std::int64_t>(value)).ptr;
    text.append(buffer, end);
  } else {
    text.append(buffer, static_cast<std::size_t>(std::snprintf(buffer, sizeof buffer, "%.16g", value)));
  }
}

void append_escaped(std::string& out, std::string_view text) {
  while (!text.empty()) {
    const char c = text.front();
    const std::size_t length = utf8_length(text);
    if (length == 0) {
      out += kReplacement;
    } else if (c == '\\' || c == '"') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else {
      out += text.substr(0, length);
    }
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
}

std::string container_label_name(std::string_view key) {
  std::string name = "container_label_";
  for (const char c : key) {
    const bool good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
    name += good ? c : '_';
  }
  return name;
}

}  // namespace plimsoll::exporters
