// Series of the probes, from a sample to the text.
#include <gtest/gtest.h>

#include "exporters/render.h"

namespace plimsoll::exporters {
namespace {

using namespace std::chrono_literals;

std::string text_of_probes(const model::ProbeReadings& seen) {
  model::ContainerRef ref;
  ref.cgroup = "/web";
  auto now = std::make_shared<model::Snapshot>();
  now->containers.push_back({std::make_shared<const model::ContainerRef>(ref), {}});
  now->containers.back().sample.probes = seen;
  Scrape scrape;
  scrape.now = now;
  LabelCache cache;
  return render(scrape, cache);
}

TEST(ProbeFamilies, AStallHasItsKind) {
  model::ProbeReadings seen;
  seen.reclaim = model::Reclaim{.memcg = {3, 250ms}, .direct = {0, 0ms}, .high = {1, 2s}, .pages = 40};
  seen.reclaim->stalls.slots[21] = 1;
  const std::string text = text_of_probes(seen);
  for (const char* line : {"plimsoll_memory_stall_seconds_total{id=\"/web\",kind=\"memcg\"} 0.25\n",
                           "plimsoll_memory_stall_seconds_total{id=\"/web\",kind=\"direct\"} 0\n",
                           "plimsoll_memory_stall_seconds_total{id=\"/web\",kind=\"high\"} 2\n",
                           "plimsoll_memory_reclaimed_pages_total{id=\"/web\"} 40\n",
                           "plimsoll_memory_reclaim_stall_seconds_count{id=\"/web\"} 1\n"})
    EXPECT_NE(text.find(line), std::string::npos) << line << text;
}

TEST(ProbeFamilies, AHistogramBeginsWithItsFirstObservation) {
  model::ProbeReadings seen;
  seen.scheduling = model::Scheduling{};
  seen.throttling = model::Throttling{};
  seen.lifecycle = model::Lifecycle{};
  seen.network = model::Network{};
  seen.reclaim = model::Reclaim{};
  const std::string none = text_of_probes(seen);
  EXPECT_EQ(none.find("le="), std::string::npos) << none;
  EXPECT_EQ(none.find("histogram"), std::string::npos) << none;
  for (const char* line : {"plimsoll_cpu_stolen_seconds_total{id=\"/web\"} 0\n",
                           "plimsoll_process_starts_total{id=\"/web\"} 0\n",
                           "plimsoll_net_tcp_retransmits_total{id=\"/web\"} 0\n",
                           "plimsoll_memory_stall_seconds_total{id=\"/web\",kind=\"high\"} 0\n"})
    EXPECT_NE(none.find(line), std::string::npos) << "a counter has its beginning: " << line << none;
  // One that took no measurable time is one.
  seen.network->connects.slots[0] = 1;
  const std::string one = text_of_probes(seen);
  for (const char* line : {"plimsoll_net_connect_seconds_bucket{id=\"/web\",le=\"1e-06\"} 1\n",
                           "plimsoll_net_connect_seconds_bucket{id=\"/web\",le=\"+Inf\"} 1\n",
                           "plimsoll_net_connect_seconds_sum{id=\"/web\"} 0\n",
                           "plimsoll_net_connect_seconds_count{id=\"/web\"} 1\n"})
    EXPECT_NE(one.find(line), std::string::npos) << line << one;
  EXPECT_EQ(one.find("plimsoll_cpu_wait_seconds"), std::string::npos);
}

TEST(ProbeFamilies, IoIsOfADeviceAndAnOperation) {
  model::DiskIo disk{.major = 254, .minor = 0, .device = "vda"};
  disk.written = {.bytes = 8192, .queued = 500ms, .device = 1s};
  disk.written.latency.sum = 1500ms;
  disk.written.latency.slots[20] = 2;
  model::ProbeReadings seen;
  seen.io = {disk};
  const std::string text = text_of_probes(seen);
  const std::string labels = "{id=\"/web\",device=\"vda\",operation=\"write\"} ";
  for (const std::string& line :
       {"plimsoll_io_bytes_total" + labels + "8192\n", "plimsoll_io_queue_seconds_total" + labels + "0.5\n",
        "plimsoll_io_device_seconds_total" + labels + "1\n",
        "plimsoll_io_latency_seconds_sum" + labels + "1.5\n",
        "plimsoll_io_latency_seconds_count" + labels + "2\n"})
    EXPECT_NE(text.find(line), std::string::npos) << line << text;
  EXPECT_EQ(text.find("operation=\"read\""), std::string::npos) << "it was never asked to read";
}

}  // namespace
}  // namespace plimsoll::exporters
