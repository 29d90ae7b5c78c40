// How many descriptors the sampler may keep open. Beyond it files are opened for each reading: slower, but
// nothing goes unread.
#pragma once

#include <cstdint>

namespace plimsoll::watch {

class DescriptorBudget {
 public:
  explicit DescriptorBudget(std::uint64_t limit) : left_(limit) {}

  // RLIMIT_NOFILE raised to its hard limit, less a half (256 at least): each container's folder is held open
  // in any case, beside what the rest of the agent needs.
  static DescriptorBudget of_this_process();

  bool take() {
    if (left_ == 0) return false;
    --left_;
    return true;
  }
  void give_back() { ++left_; }
  std::uint64_t left() const { return left_; }

 private:
  std::uint64_t left_;
};

}  // namespace plimsoll::watch
