#include "agent/container/backoff.h"

#include <algorithm>

namespace plimsoll::container {
namespace {

using namespace std::chrono_literals;
constexpr Nanoseconds kFirst = 100ms, kMost = 1min, kGoodRun = 10s;
constexpr int kDoublings = 10;  // 100 ms << 10 is past a minute

}  // namespace

std::optional<Nanoseconds> Backoff::next(const RestartPolicy& policy, const Ended& ended) {
  if (ended.stopped_by_user || policy.kind == RestartKind::kNo) return std::nullopt;
  if (ended.ran >= kGoodRun) failures_ = 0;
  if (policy.kind == RestartKind::kOnFailure) {
    if (ended.exit_code == 0) return std::nullopt;
    if (policy.maximum_retries > 0 && failures_ >= policy.maximum_retries) return std::nullopt;
  }
  const Nanoseconds wait = std::min<Nanoseconds>(kFirst * (1LL << std::min(failures_, kDoublings)), kMost);
  ++failures_;
  return wait;
}

}  // namespace plimsoll::container
