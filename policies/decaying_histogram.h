// A histogram that forgets: a sample's weight halves with each half-life, as in Google's Autopilot and the
// Kubernetes VPA. Its buckets grow by a constant factor, so that a percentile is right to that factor
// whatever the size. Values only: time is given. Not thread-safe.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/units.h"

namespace plimsoll::policies {

class DecayingHistogram {
 public:
  // Bucket 0 is from 0 to `first`; each is `growth` times as wide as the one before; the last begins below
  // `most` and takes all that is larger.
  struct Shape {
    double first = 1;
    double most = 1e6;
    double growth = 1.05;
    bool operator==(const Shape&) const = default;
  };
  DecayingHistogram(Shape shape, Nanoseconds half_life);

  void add(double value, double weight, WallTime at);
  // Undoes an add() of the same value, weight and time.
  void take_back(double value, double weight, WallTime at);
  // What weighs least counts from `at` on by the new half-life; what was forgotten by then stays so.
  void use_half_life(Nanoseconds half_life, WallTime at);

  bool empty() const;
  // The end of the bucket in which the share (0..1) of all weight is reached; 0 where empty.
  double percentile(double share) const;

  // Bucket and weight at `reference()`, those with a weight.
  std::vector<std::pair<std::size_t, double>> weights() const;
  WallTime reference() const { return reference_; }
  Nanoseconds half_life() const { return half_life_; }
  // Replaces all. False: a bucket that the shape does not have, a weight below 0 or no half-life; nothing is
  // changed then.
  bool restore(const std::vector<std::pair<std::size_t, double>>& weights, WallTime reference,
               Nanoseconds half_life);

  std::size_t bucket_of(double value) const;
  double end_of(std::size_t bucket) const;

 private:
  double weight_at(double weight, WallTime at);
  void move_reference(WallTime to);

  Shape shape_;
  std::size_t count_;
  Nanoseconds half_life_;
  WallTime reference_{};  // where a new sample weighs what was given
  std::vector<double> weights_;
};

}  // namespace plimsoll::policies
