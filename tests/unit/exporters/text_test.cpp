// The text format, against prometheus-cpp's own serialiser as the reference.
#include "exporters/text.h"

#include <gtest/gtest.h>
#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>
#include <zlib.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <set>
#include <sstream>

#include "exporters/catalogue.h"
#include "exporters/gzip.h"
#include "fixture_scrape.h"

namespace plimsoll::exporters {
namespace {

std::string theirs(double value) {
  prometheus::MetricFamily family;
  family.name = "x";
  family.type = prometheus::MetricType::Gauge;
  family.metric.resize(1);
  family.metric[0].gauge.value = value;
  const std::string text = prometheus::TextSerializer().Serialize({family});
  return text.substr(text.rfind(' ') + 1, text.size() - text.rfind(' ') - 2);
}

std::string ours(double value) {
  std::string text;
  append_number(text, value);
  return text;
}

TEST(Text, NumbersAreWrittenAsPrometheusCppWritesThem) {
  const double edge[] = {0.0,
                         -0.0,
                         1,
                         -1,
                         0.1,
                         0.5,
                         1e15,
                         1e15 - 1,
                         999999999999999.9,
                         1e16,
                         1e17,
                         1e21,
                         1e-5,
                         1e-4,
                         1e-7,
                         123456789012345678.0,
                         4503.599627,
                         1795507200.123456,
                         1.0 / 3,
                         2.0 / 3,
                         std::numeric_limits<double>::max(),
                         std::numeric_limits<double>::min(),
                         std::numeric_limits<double>::denorm_min(),
                         std::numeric_limits<double>::infinity(),
                         -std::numeric_limits<double>::infinity(),
                         std::numeric_limits<double>::quiet_NaN()};
  for (const double value : edge) EXPECT_EQ(ours(value), theirs(value));
  std::mt19937_64 random(7);  // the same numbers in each run
  for (int round = 0; round < 20'000; ++round) {
    const double microseconds = static_cast<double>(random() >> (random() % 64)) / 1e6;
    ASSERT_EQ(ours(microseconds), theirs(microseconds));
    double any = 0;
    const std::uint64_t bits = random();
    std::memcpy(&any, &bits, sizeof any);
    ASSERT_EQ(ours(any), theirs(any));
  }
}

// Builds prometheus-cpp's objects from the same catalogue and the same labels.
class ObjectPoints final : public Points {
 public:
  ObjectPoints(prometheus::MetricFamily& family, std::vector<std::pair<std::string, std::string>> fixed)
      : family_(family), fixed_(std::move(fixed)) {}
  using Points::add;
  void add(double value, std::span<const Label> labels) override {
    prometheus::ClientMetric metric;
    for (const auto& [name, text] : fixed_) metric.label.push_back({name, text});
    for (const auto& [name, text] : labels) metric.label.push_back({std::string(name), std::string(text)});
    (family_.type == prometheus::MetricType::Counter ? metric.counter.value : metric.gauge.value) = value;
    family_.metric.push_back(std::move(metric));
  }

 private:
  prometheus::MetricFamily& family_;
  std::vector<std::pair<std::string, std::string>> fixed_;
};

TEST(Text, TheContainerSeriesAreWhatPrometheusCppWouldWrite) {
  for (const char* kernel : {"6.1", "6.12"}) {
    const Scrape scrape = fixture_scrape(kernel);
    std::vector<prometheus::MetricFamily> families;
    each_container_metric([&](const ContainerMetric& row) {
      prometheus::MetricFamily family;
      family.name = row.name;
      family.help = row.help;
      family.type =
          row.type == Type::kCounter ? prometheus::MetricType::Counter : prometheus::MetricType::Gauge;
      ObjectPoints root(family, {{"id", "/"}});
      row.read({nullptr, *scrape.now->root, &*scrape.before->root, *scrape.now, scrape.host}, root);
      for (std::size_t at = 0; at < scrape.now->containers.size(); ++at) {
        const auto& one = scrape.now->containers[at];
        ObjectPoints points(family, labels_of(*one.ref, fixture_config().label_keys));
        row.read({one.ref.get(), one.sample, &scrape.before->containers[at].sample, *scrape.now, scrape.host},
                 points);
      }
      if (!family.metric.empty()) families.push_back(std::move(family));
    });
    const std::string reference = prometheus::TextSerializer().Serialize(families);
    Exporter exporter(fixture_config());
    const std::string text = exporter.render(scrape);
    EXPECT_GT(reference.size(), 10'000U);
    EXPECT_EQ(text.substr(0, reference.size()), reference);
    EXPECT_EQ(exporter.render(scrape).substr(0, reference.size()), reference) << "with labels from the cache";
  }
}

TEST(Text, FamiliesAreContiguousAndNoSeriesIsThereTwice) {
  Exporter exporter(fixture_config());
  const std::string text = exporter.render(fixture_scrape("6.12"));
  std::istringstream lines(text);
  std::set<std::string> series;
  std::set<std::string> families;
  std::string family;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("# HELP ")) {
      family = line.substr(7, line.find(' ', 7) - 7);
      EXPECT_TRUE(families.insert(family).second) << family;
    } else if (!line.starts_with('#')) {
      EXPECT_TRUE(line.starts_with(family)) << line;
      EXPECT_TRUE(series.insert(line.substr(0, line.rfind(' '))).second) << line;
    }
  }
  EXPECT_GT(families.size(), 90U);
}

TEST(Text, GzipGivesTheSameBack) {
  std::string text;
  for (int line = 0; line < 50'000; ++line)
    text += "container_cpu{id=\"" + std::to_string(line * 7919) + "\"} 1\n";
  for (const std::string& plain : {text, std::string(), std::string("x")}) {
    const auto packed = gzip(plain);
    ASSERT_TRUE(packed);
    z_stream stream{};
    ASSERT_EQ(::inflateInit2(&stream, MAX_WBITS + 16), Z_OK);
    std::string back(plain.size() + 64, '\0');
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed->data()));
    stream.avail_in = static_cast<uInt>(packed->size());
    stream.next_out = reinterpret_cast<Bytef*>(back.data());
    stream.avail_out = static_cast<uInt>(back.size());
    EXPECT_EQ(::inflate(&stream, Z_FINISH), Z_STREAM_END);
    back.resize(stream.total_out);
    ::inflateEnd(&stream);
    EXPECT_EQ(back, plain);
  }
}

TEST(Text, LabelNamesAreMadeOfWhatPrometheusAllows) {
  EXPECT_EQ(label_name("app.kubernetes.io/name"), "container_label_app_kubernetes_io_name");
  model::ContainerRef ref;
  ref.cgroup = "/x";
  ref.labels = {{"a.b", "1"}, {"a-b", "2"}};
  const auto labels = labels_of(ref, {"a.b", "a-b"});
  ASSERT_EQ(labels.size(), 2U);
  EXPECT_EQ(labels[1], (std::pair<std::string, std::string>("container_label_a_b", "1")));
}

TEST(OwnMetrics, AreWhatTheyWereSetTo) {
  OwnMetrics own;
  own.set_agent_usage(Microseconds(1'500'000), Bytes{4096});
  own.set_agent_usage(Microseconds(2'500'000), Bytes{8192});
  own.set_lost_events("inotify", 3);
  own.set_lost_events("inotify", 3);
  own.set_policies(false, 4);
  own.observe_sample(std::chrono::milliseconds(3));
  const std::string text = own.text();
  for (const char* line :
       {"plimsoll_agent_cpu_seconds_total 2.5\n", "plimsoll_agent_memory_bytes 8192\n",
        "plimsoll_agent_lost_events_total{source=\"inotify\"} 3\n", "plimsoll_policy_load_success 0\n",
        "plimsoll_policies 4\n", "plimsoll_sample_duration_seconds_count 1\n",
        "plimsoll_sample_duration_seconds_bucket{le=\"0.005\"} 1\n"}) {
    EXPECT_NE(text.find(line), std::string::npos) << line << text;
  }
}

}  // namespace
}  // namespace plimsoll::exporters
