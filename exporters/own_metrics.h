// What the agent itself costs and how it fares, held in a prometheus-cpp registry. Thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "agent/base/units.h"

namespace plimsoll::exporters {

class OwnMetrics {
 public:
  OwnMetrics();
  ~OwnMetrics();
  OwnMetrics(const OwnMetrics&) = delete;
  OwnMetrics& operator=(const OwnMetrics&) = delete;

  // Totals since the agent's start; each call replaces the last.
  void set_agent_usage(Microseconds cpu, Bytes resident);
  // `source`: "inotify" (overflows), "births" (containers gone before they could be read), "bpf", ...
  void set_lost_events(const std::string& source, std::uint64_t total);
  void set_malformed_files(std::uint64_t total);
  void set_watched(std::uint64_t living, std::uint64_t ended);
  // Files kept open, and files that are opened for each sample for want of descriptors.
  void set_descriptors(std::uint64_t kept, std::uint64_t reopened);
  // Whether the newest policies were good; otherwise the last good set of `loaded` policies is in force.
  void set_policies(bool good, std::uint64_t loaded);

  void observe_sample(Nanoseconds duration);  // one tick over all containers
  void observe_scrape(Nanoseconds duration);  // one rendering

  std::string text() const;

 private:
  struct Registry;
  std::unique_ptr<Registry> registry_;
};

}  // namespace plimsoll::exporters
