#include "policies/history.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace plimsoll::policies {
namespace {

constexpr Nanoseconds kShortestRate = std::chrono::milliseconds(500);
// However many events there are: an earlier end each 100 ms, and so many points a window.
constexpr Nanoseconds kClosestEnds = std::chrono::milliseconds(100);
constexpr int kMostPoints = 4096;
// A window counts as seen when its oldest point is this near to its beginning.
constexpr double kCovered = 0.9;

double percentile(std::vector<double>& values, double share) {
  const auto rank = static_cast<std::size_t>(std::ceil(share * static_cast<double>(values.size())));
  const auto at = values.begin() + static_cast<std::ptrdiff_t>(rank == 0 ? 0 : rank - 1);
  std::ranges::nth_element(values, at);
  return *at;
}

}  // namespace

bool History::advance(const Counters& counters) {
  if (now_ && counters.taken <= now_->taken) return false;
  if (now_ && (ends_.empty() || now_->taken - ends_.back().taken >= kClosestEnds)) ends_.push_back(*now_);
  // Of those that are old enough, only the youngest is of use.
  while (ends_.size() > 1 && counters.taken - ends_[1].taken >= kShortestRate) ends_.pop_front();
  now_ = counters;
  return true;
}

const Counters* History::before() const {
  if (!now_ || ends_.empty() || now_->taken - ends_.front().taken < kShortestRate) return nullptr;
  return &ends_.front();
}

void History::keep(const Wanted& wanted, const SignalInputs& inputs) {
  std::erase_if(points_, [&](const auto& entry) { return !wanted.contains(entry.first); });
  for (const auto& [signal, length] : wanted) {
    auto& points = points_[signal];
    const bool close = !points.empty() && now_->taken - points.back().at < length / kMostPoints;
    const Reading reading = close ? Reading{0, Unknown::kNotThere, signal} : read_signal(signal, inputs);
    if (reading.known()) points.push_back({now_->taken, reading.value});
    // One point older than the window stays, so that the window is known to be covered.
    while (points.size() > 1 && now_->taken - points[1].at >= length) points.pop_front();
  }
}

Reading History::window(Function function, SignalId signal, Nanoseconds length) const {
  const auto found = points_.find(signal);
  if (found == points_.end() || found->second.size() < 2 || !now_) return {0, Unknown::kShortHistory, signal};
  const auto& points = found->second;
  const auto span = now_->taken - points.front().at;
  if (static_cast<double>(span.count()) < kCovered * static_cast<double>(length.count())) {
    return {0, Unknown::kShortHistory, signal};
  }
  // Kept, as this runs for each condition at each tick.
  static thread_local std::vector<double> values;
  values.clear();
  for (std::size_t i = 0; i < points.size(); ++i) values.push_back(points[i].value);
  switch (function) {
    case Function::kAverage:
      return {std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size())};
    case Function::kMax:
      return {std::ranges::max(values)};
    case Function::kMin:
      return {std::ranges::min(values)};
    case Function::kRate:
      return {(values.back() - values.front()) /
              std::chrono::duration<double>(points.back().at - points.front().at).count()};
    case Function::kP50:
      return {percentile(values, 0.50)};
    case Function::kP95:
      return {percentile(values, 0.95)};
    case Function::kP99:
      return {percentile(values, 0.99)};
  }
  return {0, Unknown::kNotThere, signal};
}

}  // namespace plimsoll::policies
