#include "agent/model/probes.h"

#include <algorithm>

namespace plimsoll::model {

TimeHistogram TimeHistogram::operator-(const TimeHistogram& before) const {
  TimeHistogram out;
  out.sum = std::max(Nanoseconds{0}, sum - before.sum);
  // Another CPU may have counted between the reading of one slot and that of the next: never below nothing.
  for (std::size_t i = 0; i < kSlots; ++i) out.slots[i] = slots[i] - std::min(slots[i], before.slots[i]);
  return out;
}

TimeHistogram& TimeHistogram::operator+=(const TimeHistogram& more) {
  sum += more.sum;
  for (std::size_t i = 0; i < kSlots; ++i) slots[i] += more.slots[i];
  return *this;
}

Nanoseconds TimeHistogram::percentile(double share) const {
  const double wanted = share * static_cast<double>(count());
  double below = 0;
  for (std::size_t i = 0; i < kSlots; ++i) {
    const auto here = static_cast<double>(slots[i]);
    if (here > 0 && below + here >= wanted) {
      const auto end = static_cast<double>(end_of(i).count());
      const double begin = i == 0 ? 0 : end / 2;
      return Nanoseconds(static_cast<std::int64_t>(begin + (end - begin) * (wanted - below) / here));
    }
    below += here;
  }
  return Nanoseconds{0};
}

TimeHistogram latency(const std::vector<DiskIo>& disks) {
  TimeHistogram all;
  for (const DiskIo& disk : disks) {
    for (const IoRequests* one : {&disk.read, &disk.written, &disk.other}) all += one->latency;
  }
  return all;
}

std::string_view to_string(ProbeAlarm::Why why) {
  switch (why) {
    case ProbeAlarm::Why::kForkBurst:
      return "fork burst";
    case ProbeAlarm::Why::kMemoryHigh:
      return "over memory.high";
    case ProbeAlarm::Why::kReclaimStall:
      return "reclaim stall";
  }
  return "";
}

}  // namespace plimsoll::model
