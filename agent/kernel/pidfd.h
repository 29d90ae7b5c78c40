// A process held by descriptor (pidfd_open(2)), safe against reuse of its number.
#pragma once

#include "agent/base/result.h"
#include "agent/base/unique_fd.h"

namespace plimsoll::kernel {

class Pidfd {
 public:
  static Result<Pidfd> open(int pid);  // kNotFound: no such process

  int fd() const { return fd_.get(); }  // readable once the process has ended
  bool ended() const;
  // kNotFound: it has ended and was reaped.
  Result<> signal(int number) const;

 private:
  explicit Pidfd(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
};

}  // namespace plimsoll::kernel
