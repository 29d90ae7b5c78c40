// What the benchmarks have in common.
#pragma once

#include <sys/types.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

namespace plimsoll::bench {

// Of at least one value.
inline double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::ranges::nth_element(values, middle);
  return *middle;
}

// The sum of the lines of /proc/PID/smaps_rollup that begin with `key` ("Private_"), in KiB (proc(5)).
inline long smaps_kib(pid_t pid, std::string_view key) {
  std::ifstream in("/proc/" + std::to_string(pid) + "/smaps_rollup");
  long sum = 0;
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with(key)) sum += std::atol(line.c_str() + line.find(':') + 1);
  }
  return sum;
}

}  // namespace plimsoll::bench
