// One connection to the shim's socket.
#pragma once

#include <string>
#include <string_view>

#include "agent/base/unique_fd.h"
#include "agent/shim/frames.h"

namespace plimsoll::shim {

class Client {
 public:
  explicit Client(UniqueFd fd) : fd_(std::move(fd)) {}

  int fd() const { return fd_.get(); }
  FrameReader& frames() { return frames_; }
  bool attached_to(FrameKind stream) const { return stream == FrameKind::kStdout ? out_ : err_; }
  void attach(bool out, bool err) {
    out_ = out;
    err_ = err;
  }

  // Queues a frame and sends what the socket takes. False: the connection is broken.
  bool send(FrameKind kind, std::string_view payload);
  bool flush();
  std::size_t waiting() const { return waiting_.size(); }
  // Its input is not read until the process has taken what it sent.
  bool stalled() const { return stalled_; }
  void stall(bool stalled) { stalled_ = stalled; }

 private:
  UniqueFd fd_;
  FrameReader frames_;
  std::string waiting_;
  bool out_ = false, err_ = false, stalled_ = false;
};

}  // namespace plimsoll::shim
