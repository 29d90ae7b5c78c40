// Small readers that rows of the catalogue are made of. Private to exporters.
#pragma once

#include <chrono>
#include <optional>

#include "exporters/metric.h"

namespace plimsoll::exporters {

inline double number(Bytes bytes) { return static_cast<double>(bytes.value); }
inline double number(model::Count count) { return static_cast<double>(count); }
inline double seconds(Microseconds time) { return static_cast<double>(time.count()) / 1e6; }
// To the microsecond: more would be noise in 16 digits.
inline double seconds(WallTime time) {
  return static_cast<double>(
             std::chrono::duration_cast<std::chrono::microseconds>(time.time_since_epoch()).count()) /
         1e6;
}

template <typename Value>
void add_if(Points& points, const std::optional<Value>& value) {
  if (!value) return;
  if constexpr (std::is_same_v<Value, Microseconds>) {
    points.add(seconds(*value));
  } else {
    points.add(number(*value));
  }
}

// Rows of memory.stat.
template <auto kField>
void memory_stat(const Subject& subject, Points& points) {
  if (subject.sample.memory.stat) points.add(number((*subject.sample.memory.stat).*kField));
}
template <auto kField>
void memory_event(const Subject& subject, Points& points) {
  if (subject.sample.memory.events) points.add(number((*subject.sample.memory.events).*kField));
}
template <auto kField>
void memory_file(const Subject& subject, Points& points) {
  add_if(points, subject.sample.memory.*kField);
}

inline bool has_quota(const Subject& subject) {
  const auto& limit = subject.sample.limits.cpu_max;
  return limit && !limit->quota.is_max();
}

}  // namespace plimsoll::exporters
