#include "policies/decaying_histogram.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace plimsoll::policies {
namespace {

// New samples weigh 2^N times what the reference's do; moved before doubles lose the old ones.
constexpr double kMostDoublings = 60;
// What is left of a sample that was taken back is no sample.
constexpr double kDust = 1e-9;

}  // namespace

DecayingHistogram::DecayingHistogram(Shape shape, Nanoseconds half_life)
    : shape_(shape), count_(0), half_life_(half_life) {
  count_ = bucket_of(shape.most) + 1;
  weights_.assign(count_, 0);
}

// The first n buckets end at first * (growth^n - 1) / (growth - 1).
std::size_t DecayingHistogram::bucket_of(double value) const {
  if (!(value > 0)) return 0;
  const double turns = std::log1p(value * (shape_.growth - 1) / shape_.first) / std::log(shape_.growth);
  // A value that is a bucket's end belongs to that bucket, not by a rounding to the next.
  const double bucket = std::ceil(turns - 1e-9) - 1;
  const double last = count_ == 0 ? 1e6 : static_cast<double>(count_ - 1);
  return static_cast<std::size_t>(std::clamp(bucket, 0.0, last));
}

double DecayingHistogram::end_of(std::size_t bucket) const {
  return shape_.first * (std::pow(shape_.growth, static_cast<double>(bucket + 1)) - 1) / (shape_.growth - 1);
}

double DecayingHistogram::weight_at(double weight, WallTime at) {
  if (empty() && reference_ != at) reference_ = at;
  const auto doublings = [&] { return to_seconds(at - reference_) / to_seconds(half_life_); };
  if (doublings() > kMostDoublings) move_reference(at);
  return weight * std::exp2(doublings());
}

void DecayingHistogram::move_reference(WallTime to) {
  const double factor = std::exp2(to_seconds(reference_ - to) / to_seconds(half_life_));
  for (double& weight : weights_) weight *= factor;
  reference_ = to;
}

void DecayingHistogram::add(double value, double weight, WallTime at) {
  const double now = weight_at(weight, at);
  weights_[bucket_of(value)] += now;
}

void DecayingHistogram::take_back(double value, double weight, WallTime at) {
  if (empty()) return;
  const double now = weight_at(weight, at);
  double& bucket = weights_[bucket_of(value)];
  bucket = bucket - now < kDust * now ? 0 : bucket - now;
}

void DecayingHistogram::use_half_life(Nanoseconds half_life, WallTime at) {
  if (half_life == half_life_) return;
  if (!empty()) move_reference(at);
  half_life_ = half_life;
}

bool DecayingHistogram::empty() const {
  return std::ranges::none_of(weights_, [](double weight) { return weight > 0; });
}

double DecayingHistogram::percentile(double share) const {
  const double all = std::accumulate(weights_.begin(), weights_.end(), 0.0);
  if (!(all > 0)) return 0;
  // The same sum, added up in the same order, must reach a share of 1.
  const double wanted = share * all * (1 - 1e-12);
  double reached = 0;
  for (std::size_t bucket = 0; bucket < count_; ++bucket) {
    reached += weights_[bucket];
    if (weights_[bucket] > 0 && reached >= wanted) return end_of(bucket);
  }
  return end_of(count_ - 1);
}

std::vector<std::pair<std::size_t, double>> DecayingHistogram::weights() const {
  std::vector<std::pair<std::size_t, double>> found;
  for (std::size_t bucket = 0; bucket < count_; ++bucket) {
    if (weights_[bucket] > 0) found.emplace_back(bucket, weights_[bucket]);
  }
  return found;
}

bool DecayingHistogram::restore(const std::vector<std::pair<std::size_t, double>>& weights,
                                WallTime reference, Nanoseconds half_life) {
  if (half_life.count() <= 0) return false;
  std::vector<double> restored(count_, 0);
  for (const auto& [bucket, weight] : weights) {
    if (bucket >= count_ || !(weight >= 0) || !std::isfinite(weight)) return false;
    restored[bucket] = weight;
  }
  weights_ = std::move(restored);
  reference_ = reference;
  half_life_ = half_life;
  return true;
}

}  // namespace plimsoll::policies
