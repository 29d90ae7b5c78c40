#include "exporters/render.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>

#include "exporters/catalogue.h"
#include "exporters/gzip.h"
#include "exporters/own_metrics.h"
#include "tests/promtool.h"

namespace plimsoll::exporters {
namespace {

using namespace std::chrono_literals;
using model::Bound;

model::Sample full_sample(BootTime taken, Microseconds cpu) {
  model::Sample sample;
  sample.taken = taken;
  sample.cpu = {.usage = cpu,
                .user = cpu / 2,
                .system = cpu / 2,
                .periods = 100,
                .throttled_periods = 7,
                .burst_periods = 1,
                .throttled = 1500ms,
                .burst = 2ms};
  sample.memory.current = Bytes{100ULL << 20};
  sample.memory.peak = Bytes{120ULL << 20};
  sample.memory.swap_current = Bytes{0};
  sample.memory.stat = model::MemoryStat{
      .anon = {60ULL << 20}, .file = {30ULL << 20}, .inactive_file = {20ULL << 20}, .pgfault = 5};
  sample.memory.events = model::MemoryEvents{.high = 3, .max = 4, .oom = 1, .oom_kill = 2};
  sample.pressure.cpu = {.some = {.avg10 = 1.5, .total = 2500ms}, .full = model::PressureLine{.total = 1ms}};
  sample.io = {{.major = 254,
                .minor = 0,
                .device = "vda",
                .read = {4096},
                .written = {8192},
                .reads = 1,
                .writes = 2}};
  sample.net = {{.interface = "eth0", .received = {10}, .transmitted = {20}}};
  sample.hugetlb = {{.page_size = "2MB", .current = Bytes{0}, .failures = 0}};
  sample.processes = 3;
  sample.threads = 9;
  sample.limits.cpu_max = model::CpuMax{Bound<Microseconds>(50ms), 100ms};
  sample.limits.cpu_weight = 100;
  sample.limits.memory_max = Bound(Bytes{128ULL << 20});
  sample.limits.pids_max = Bound<std::uint64_t>(90);
  return sample;
}

Scrape declared() {
  model::ContainerRef web;
  web.id = {7};
  web.cgroup = "/plimsoll/abc";
  web.runtime = model::Runtime::kPlimsoll;
  web.container_id = "abc";
  web.name = "web";
  web.image = "demo:latest";
  web.labels = {{"app.kubernetes.io/name", "we\"b\\\n"}, {"secret", "no"}};
  web.started = WallTime(1764000000s);
  const auto ref = std::make_shared<const model::ContainerRef>(web);
  model::ContainerRef gone = web;
  gone.id = {8};
  gone.name = "short";

  auto before = std::make_shared<model::Snapshot>();
  before->containers.push_back({ref, full_sample({10s}, 4s)});
  auto now = std::make_shared<model::Snapshot>();
  now->wall = WallTime(1764000123s + 500ms);
  now->host.memory_total = {1ULL << 30};
  now->root = model::Sample{};
  now->root->memory.stat = model::MemoryStat{.anon = {1}, .file = {2}};
  now->containers.push_back({ref, full_sample({12s}, 4500ms)});
  now->ended.push_back({.ref = std::make_shared<const model::ContainerRef>(gone),
                        .last = full_sample({11s}, 1s),
                        .vanished = WallTime(1764000100s),
                        .exit = model::Exit{.when = {}, .code = 137, .oom_killed = true}});
  Scrape scrape;
  scrape.now = now;
  scrape.previous = before;
  scrape.host.machine_id = "m";
  scrape.host.cpus = 2;
  scrape.decisions = {{"batch", "limits", "set", "done", 3}};
  scrape.label_keys = {"app.kubernetes.io/name"};
  return scrape;
}

// The same data through prometheus-cpp's own data model and serialiser.
std::string by_prometheus_cpp(const Scrape& scrape) {
  std::vector<prometheus::MetricFamily> families;
  const auto add = [&](std::string_view name, Type type, std::string_view help) -> prometheus::MetricFamily& {
    families.push_back(
        {std::string(name),
         std::string(help),
         type == Type::kCounter ? prometheus::MetricType::Counter : prometheus::MetricType::Gauge,
         {}});
    return families.back();
  };
  const auto put = [](prometheus::MetricFamily& family, std::vector<prometheus::ClientMetric::Label> labels,
                      double value) {
    prometheus::ClientMetric metric;
    metric.label = std::move(labels);
    (family.type == prometheus::MetricType::Counter ? metric.counter.value : metric.gauge.value) = value;
    family.metric.push_back(std::move(metric));
  };
  for (const ContainerFamily& family : container_families()) {
    auto& into = add(family.name, family.type, family.help);
    const auto emit_for = [&](std::vector<prometheus::ClientMetric::Label> base) {
      return [&into, &put, base = std::move(base)](std::initializer_list<Label> extra, double value) {
        auto labels = base;
        for (const auto& [key, text] : extra) labels.push_back({std::string(key), std::string(text)});
        put(into, labels, value);
      };
    };
    const model::Snapshot& now = *scrape.now;
    family.read({nullptr, &*now.root, nullptr, now.wall, now.host.memory_total, now.host.swap_total},
                emit_for({{"id", "/"}}));
    const auto& one = now.containers[0];
    family.read({one.ref.get(),
                 &one.sample,
                 &scrape.previous->containers[0].sample,
                 now.wall,
                 now.host.memory_total,
                 {}},
                emit_for({{"id", "/plimsoll/abc"},
                          {"name", "web"},
                          {"image", "demo:latest"},
                          {"container_label_app_kubernetes_io_name", "we\"b\\\n"}}));
  }
  for (const HostFamily& family : host_families()) {
    auto& into = add(family.name, family.type, family.help);
    family.read(scrape, [&](std::span<const Label> labels, double value) {
      std::vector<prometheus::ClientMetric::Label> copied;
      for (const auto& [key, text] : labels) copied.push_back({std::string(key), std::string(text)});
      put(into, copied, value);
    });
  }
  std::erase_if(families, [](const auto& family) { return family.metric.empty(); });
  return prometheus::TextSerializer().Serialize(families);
}

std::string line_of(const std::string& text, const std::string& begin) {
  const auto at = text.find("\n" + begin);
  return at == std::string::npos ? "" : text.substr(at + 1, text.find('\n', at + 1) - at - 1);
}

TEST(Render, EqualsPrometheusCppsSerialiser) {
  LabelCache cache;
  const Scrape scrape = declared();
  EXPECT_EQ(render(scrape, cache), by_prometheus_cpp(scrape));
}

// Values of one family, without the labels that all series of a container have.
std::string series_of(const Scrape& scrape, const std::string& family) {
  LabelCache cache;
  const std::string text = render(scrape, cache);
  std::string out;
  for (auto at = text.find("\n" + family + "{"); at != std::string::npos;
       at = text.find("\n" + family + "{", at + 1)) {
    const std::string line = text.substr(at + 1, text.find('\n', at + 1) - at - 1);
    const auto last = line.rfind(',', line.rfind('='));
    out += line.substr(last + 1) + "\n";
  }
  return out;
}

TEST(Render, TellsWhatTheSocketsDid) {
  Scrape scrape = declared();
  auto now = std::make_shared<model::Snapshot>(*scrape.now);
  now->ended.clear();
  now->containers[0].sample.probes.network = model::Network{.bytes_sent = 1000,
                                                            .bytes_received = 2000,
                                                            .packets_sent = 10,
                                                            .packets_received = 20,
                                                            .retransmits = 3,
                                                            .resets_sent = 4,
                                                            .resets_received = 5,
                                                            .accepts = 6,
                                                            .connected = 7,
                                                            .refused = 8,
                                                            .timed_out = 9,
                                                            .failed = 11};
  now->containers[0].sample.probes.network->connects.slots[8] = 7;
  scrape.now = now;
  EXPECT_EQ(series_of(scrape, "plimsoll_net_bytes_total"),
            "direction=\"sent\"} 1000\ndirection=\"received\"} 2000\n");
  EXPECT_EQ(series_of(scrape, "plimsoll_net_packets_total"),
            "direction=\"sent\"} 10\ndirection=\"received\"} 20\n");
  EXPECT_EQ(series_of(scrape, "plimsoll_net_tcp_resets_total"),
            "direction=\"sent\"} 4\ndirection=\"received\"} 5\n");
  EXPECT_EQ(series_of(scrape, "plimsoll_net_connects_total"),
            "outcome=\"success\"} 7\noutcome=\"refused\"} 8\noutcome=\"timeout\"} 9\n"
            "outcome=\"failure\"} 11\n");
  EXPECT_THAT(series_of(scrape, "plimsoll_net_tcp_retransmits_total"), testing::EndsWith("} 3\n"));
  EXPECT_THAT(series_of(scrape, "plimsoll_net_accepts_total"), testing::EndsWith("} 6\n"));
  EXPECT_THAT(series_of(scrape, "plimsoll_net_connect_seconds_count"), testing::EndsWith("} 7\n"));
}

TEST(Render, NamesTheErrorsOfSystemCalls) {
  Scrape scrape = declared();
  EXPECT_EQ(series_of(scrape, "plimsoll_syscalls_total"), "");
  auto now = std::make_shared<model::Snapshot>(*scrape.now);
  now->ended.clear();
  now->containers[0].sample.probes.syscalls =
      model::Syscalls{.calls = 100, .errors = {{0, 1}, {ENOENT, 2}, {ETIMEDOUT, 3}, {41, 4}}};
  scrape.now = now;
  EXPECT_THAT(series_of(scrape, "plimsoll_syscalls_total"), testing::EndsWith("} 100\n"));
  // No errno is 41: Linux gave it up.
  EXPECT_EQ(series_of(scrape, "plimsoll_syscall_errors_total"),
            "errno=\"other\"} 1\nerrno=\"ENOENT\"} 2\nerrno=\"ETIMEDOUT\"} 3\nerrno=\"41\"} 4\n");
}

TEST(Render, ComputesWhatTheContractSays) {
  LabelCache cache;
  const std::string text = render(declared(), cache);
  const std::string web =
      R"({id="/plimsoll/abc",name="web",image="demo:latest",container_label_app_kubernetes_io_name="we\"b\\\n")";
  EXPECT_EQ(line_of(text, "container_memory_working_set_bytes" + web),
            "container_memory_working_set_bytes" + web + "} 83886080");
  EXPECT_EQ(line_of(text, "container_memory_usage_bytes{id=\"/\"}"),
            "container_memory_usage_bytes{id=\"/\"} 3");
  EXPECT_EQ(line_of(text, "container_spec_memory_limit_bytes{id=\"/\"}"),
            "container_spec_memory_limit_bytes{id=\"/\"} 1073741824");
  EXPECT_EQ(line_of(text, "container_oom_events_total" + web), "container_oom_events_total" + web + "} 2");
  EXPECT_EQ(line_of(text, "container_spec_cpu_shares" + web), "container_spec_cpu_shares" + web + "} 2597");
  EXPECT_EQ(line_of(text, "plimsoll_load_ratio" + web + ",resource=\"cpu\""),
            "plimsoll_load_ratio" + web + ",resource=\"cpu\"} 0.5");
  EXPECT_EQ(line_of(text, "plimsoll_load_ratio" + web + ",resource=\"pids\""),
            "plimsoll_load_ratio" + web + ",resource=\"pids\"} 0.1");
  EXPECT_NE(text.find("plimsoll_container_exit_code{id=\"/plimsoll/"
                      "abc\",name=\"short\",image=\"demo:latest\",container_id=\"abc\",cgroup_id=\"8\"} 137"),
            std::string::npos);
  EXPECT_EQ(text.find("secret"), std::string::npos);
}

TEST(Render, AbsentValuesGiveNoSeriesAndNoFamily) {
  LabelCache cache;
  Scrape scrape;
  auto now = std::make_shared<model::Snapshot>();
  now->containers.push_back({std::make_shared<model::ContainerRef>(), model::Sample{}});
  scrape.now = now;
  const std::string text = render(scrape, cache);
  EXPECT_EQ(text.find("container_memory"), std::string::npos) << text;
  EXPECT_EQ(text.find("container_cpu"), std::string::npos);
}

TEST(Render, EachFamilyStandsOnceAndTogether) {
  LabelCache cache;
  std::istringstream in(render(declared(), cache));
  std::map<std::string, int> heads;
  std::string current;
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("# HELP ")) {
      current = line.substr(7, line.find(' ', 7) - 7);
      EXPECT_EQ(++heads[current], 1) << current;
    } else if (!line.starts_with('#')) {
      EXPECT_EQ(line.substr(0, line.find_first_of("{ ")), current) << line;
    }
  }
  EXPECT_GT(heads.size(), 60U);
}

TEST(Render, TheCacheForgetsContainersThatAreGone) {
  LabelCache cache;
  Scrape scrape = declared();
  render(scrape, cache);
  EXPECT_EQ(cache.size(), 1U);
  scrape.now = std::make_shared<model::Snapshot>();
  render(scrape, cache);
  EXPECT_EQ(cache.size(), 0U);
}

TEST(Value, IsWrittenAsPrometheusCppDoes) {
  const std::pair<double, const char*> kCases[] = {{0, "0"},
                                                   {-1, "-1"},
                                                   {0.1, "0.1"},
                                                   {1764000123.5, "1764000123.5"},
                                                   {1e15, "1000000000000000"},
                                                   {1e17, "1e+17"},
                                                   {INFINITY, "+Inf"},
                                                   {-INFINITY, "-Inf"},
                                                   {9007199254740991.0, "9007199254740991"}};
  for (const auto& [value, expected] : kCases) {
    std::string text;
    append_value(text, value);
    EXPECT_EQ(text, expected);
  }
}

TEST(Label, IsUtf8WhateverItsBytes) {
  const std::string bad = "\xEF\xBF\xBD";
  const std::pair<std::string, std::string> kCases[] = {
      {"web-1", "web-1"},
      {"a\"b\\c\nd", "a\\\"b\\\\c\\nd"},
      {"\xC3\xBC \xE2\x82\xAC \xF0\x9F\x9A\xA2", "\xC3\xBC \xE2\x82\xAC \xF0\x9F\x9A\xA2"},
      {"\xFF.service", bad + ".service"},
      {"\xE2\x82", bad + bad},                     // cut off
      {"\xC0\xAF", bad + bad},                     // longer than it need be
      {"\xED\xA0\x80", bad + bad + bad},           // half of a surrogate pair
      {"\xF4\x90\x80\x80", bad + bad + bad + bad}  // beyond the last character
  };
  for (const auto& [text, expected] : kCases) {
    std::string out;
    append_escaped(out, text);
    EXPECT_EQ(out, expected) << text;
  }
}

// declared() with as many containers as `count`, each with a cgroup of its own.
Scrape crowd(std::uint64_t count) {
  Scrape scrape = declared();
  auto now = std::make_shared<model::Snapshot>(*scrape.now);
  const auto one = now->containers.front();
  for (std::uint64_t i = 1; i < count; ++i) {
    auto ref = std::make_shared<model::ContainerRef>(*one.ref);
    ref->id.inode += i;
    ref->cgroup += std::to_string(i);
    now->containers.push_back({std::move(ref), one.sample});
  }
  scrape.now = now;
  return scrape;
}

TEST(Render, ComesInPartsUntilNobodyWantsMore) {
  LabelCache cache;
  const auto lines = [&](std::uint64_t containers) {
    std::string text;
    render(crowd(containers), cache, [&](std::string_view part) {
      EXPECT_LT(part.size(), 80U * 1024);
      text += part;
      return true;
    });
    return std::ranges::count(text, '\n');
  };
  const auto one = lines(1);
  EXPECT_EQ(lines(200), one + 199 * (lines(2) - one));
  int parts = 0;
  render(crowd(200), cache, [&](std::string_view) { return ++parts < 2; });
  EXPECT_EQ(parts, 2);
}

TEST(Gzip, IsReadByGunzip) {
  std::string packed;
  Gzip gzip([&](std::string_view part) {
    packed += part;
    return true;
  });
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(gzip.write(std::string(1000, 'a')));
  EXPECT_TRUE(gzip.finish());
  EXPECT_LT(packed.size(), 2000U);
  const std::string path = testing::TempDir() + "/gzip-test.gz";
  std::ofstream(path, std::ios::binary) << packed;
  EXPECT_EQ(std::system(("test \"$(gunzip -c " + path + " | wc -c)\" = 100000").c_str()), 0);
  std::remove(path.c_str());
}

TEST(Gzip, AsksNoMoreOfASinkThatIsFull) {
  int asked = 0;
  Gzip gzip([&](std::string_view) { return ++asked < 1; });
  std::string noise;  // does not shrink, so that it must go out
  for (unsigned i = 0; i < 1'000'000; ++i) noise += static_cast<char>((i * 7919 + (i >> 3) * 104729) >> 5);
  EXPECT_FALSE(gzip.write(noise) && gzip.finish());
  EXPECT_FALSE(gzip.finish());
  EXPECT_EQ(asked, 1);
}

TEST(OwnMetrics, TellsOfEachTargetWhileItIsThere) {
  OwnMetrics own;
  const auto says = [&](const std::string& line) { return own.text().find(line) != std::string::npos; };
  own.notifications(
      std::array{model::TargetState{
                     .name = "oncall", .sent = 3, .retried = 2, .failed = 1, .suppressed = 5, .pending = 4},
                 model::TargetState{.name = "ops"}});
  EXPECT_TRUE(says("plimsoll_notifications_total{outcome=\"sent\",target=\"oncall\"} 3")) << own.text();
  EXPECT_TRUE(says("plimsoll_notifications_total{outcome=\"suppressed\",target=\"oncall\"} 5"));
  EXPECT_TRUE(says("plimsoll_notifications_total{outcome=\"sent\",target=\"ops\"} 0"));
  EXPECT_TRUE(says("plimsoll_notifications_pending{target=\"oncall\"} 4"));
  own.notifications(std::array{model::TargetState{.name = "ops"}});
  EXPECT_FALSE(says("oncall"));
  own.notifications(std::array{model::TargetState{.name = "oncall", .sent = 4}});
  EXPECT_TRUE(says("plimsoll_notifications_total{outcome=\"sent\",target=\"oncall\"} 4"));
  EXPECT_FALSE(says("ops"));
}

// promtool's findings are allowed only on the names that are cAdvisor's own; each is listed with its finding.
TEST(Promtool, FindsNothingButCadvisorsOwnNames) {
  LabelCache cache;
  OwnMetrics own;
  own.sampled(1ms);
  own.scraped(2ms);
  own.cost(3s, {1});
  own.notifications(std::array{model::TargetState{.name = "oncall", .sent = 1}});
  Scrape scrape = declared();
  scrape.own = own.text();
  const auto findings = promtool_findings(render(scrape, cache));
  EXPECT_THAT(findings.unexpected, testing::IsEmpty());
  EXPECT_THAT(findings.missing, testing::IsEmpty());
}

}  // namespace
}  // namespace plimsoll::exporters
