#include "agent/model/limits.h"

namespace plimsoll::model {

Bound<CpuCores> CpuMax::cores() const {
  if (quota.is_max() || period.count() == 0) return Bound<CpuCores>::max();
  return Bound<CpuCores>(
      CpuCores{static_cast<double>(quota.value().count()) / static_cast<double>(period.count())});
}

std::string to_string(DeviceNumber device) {
  return std::to_string(device.major) + ":" + std::to_string(device.minor);
}

}  // namespace plimsoll::model
