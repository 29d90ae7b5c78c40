// Cutting a byte stream into frames (protocol.h).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "agent/base/result.h"
#include "agent/shim/protocol.h"

namespace plimsoll::shim {

struct Frame {
  FrameKind kind{};
  std::string payload;
};

class FrameReader {
 public:
  void add(std::string_view bytes) { buffer_.append(bytes); }
  // The next whole frame; nullopt until there is one. kInvalid: a payload above kMostPayload; the stream is
  // of no use any more.
  Result<std::optional<Frame>> next();

 private:
  std::string buffer_;
};

std::string make_frame(FrameKind kind, std::string_view payload);

}  // namespace plimsoll::shim
