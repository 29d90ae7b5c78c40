// The agent's own cost, in a prometheus-cpp registry. Thread-safe.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "agent/base/units.h"

namespace plimsoll::exporters {

class OwnMetrics {
 public:
  OwnMetrics();
  ~OwnMetrics();

  void sampled(std::chrono::duration<double> took);
  void scraped(std::chrono::duration<double> took);
  void lost_events(double count);                         // more since the last call
  void history(std::uint64_t bytes, std::uint64_t lost);  // since the start: written, and moments not kept
  void watching(std::size_t containers);
  void gave_up();  // an action that failed again and again
  void cost(std::chrono::duration<double> cpu,
            Bytes memory);  // totals of this process: CPU time, resident memory
  double last_sample_seconds() const;
  // Prometheus text.
  std::string text() const;

 private:
  struct Series;
  std::unique_ptr<Series> series_;
};

}  // namespace plimsoll::exporters
