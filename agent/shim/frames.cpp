#include "agent/shim/frames.h"

namespace plimsoll::shim {

Result<std::optional<Frame>> FrameReader::next() {
  if (buffer_.size() < kHeaderSize) return std::nullopt;
  const FrameHeader header = decode_header(reinterpret_cast<const unsigned char*>(buffer_.data()));
  if (header.length > kMostPayload) {
    return invalid("a frame of " + std::to_string(header.length) + " bytes: more than " +
                   std::to_string(kMostPayload));
  }
  if (buffer_.size() < kHeaderSize + header.length) return std::nullopt;
  Frame frame{header.kind, buffer_.substr(kHeaderSize, header.length)};
  buffer_.erase(0, kHeaderSize + header.length);
  if (buffer_.empty()) std::string().swap(buffer_);  // a shim lives long and shall stay small
  return frame;
}

std::string make_frame(FrameKind kind, std::string_view payload) {
  const auto header = encode_header({kind, static_cast<std::uint32_t>(payload.size())});
  std::string out(reinterpret_cast<const char*>(header.data()), header.size());
  out.append(payload);
  return out;
}

}  // namespace plimsoll::shim
