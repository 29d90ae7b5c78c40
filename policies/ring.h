// A queue that keeps its memory: what moves through a window each second must not allocate each second.
#pragma once

#include <cstddef>
#include <vector>

namespace plimsoll::policies {

template <typename T>
class Ring {
 public:
  bool empty() const { return size_ == 0; }
  std::size_t size() const { return size_; }
  const T& operator[](std::size_t at) const { return slots_[(first_ + at) % slots_.size()]; }
  const T& front() const { return (*this)[0]; }
  const T& back() const { return (*this)[size_ - 1]; }
  void push_back(const T& value) {
    if (size_ == slots_.size()) grow();
    slots_[(first_ + size_++) % slots_.size()] = value;
  }
  void pop_front() {
    first_ = (first_ + 1) % slots_.size();
    --size_;
  }

 private:
  void grow() {
    std::vector<T> more;
    more.reserve(slots_.empty() ? 2 : 2 * slots_.size());
    for (std::size_t i = 0; i < size_; ++i) more.push_back((*this)[i]);
    more.resize(more.capacity());
    slots_ = std::move(more);
    first_ = 0;
  }
  std::vector<T> slots_;
  std::size_t first_ = 0, size_ = 0;
};

}  // namespace plimsoll::policies
