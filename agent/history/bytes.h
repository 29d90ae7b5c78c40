// Numbers as bytes: seven bits each, the least first, as LEB128 and protocol buffers have them; signed ones
// zigzag.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace plimsoll::history {

class ByteWriter {
 public:
  explicit ByteWriter(std::string& out) : out_(out) {}
  void number(std::uint64_t value) {
    while (value >= 0x80) {
      out_.push_back(static_cast<char>(value | 0x80));
      value >>= 7;
    }
    out_.push_back(static_cast<char>(value));
  }
  // `to` - `from`, which may wrap.
  void change(std::uint64_t from, std::uint64_t to) {
    const auto delta = static_cast<std::int64_t>(to - from);
    number(static_cast<std::uint64_t>(delta) << 1 ^ static_cast<std::uint64_t>(delta >> 63));
  }
  void text(std::string_view text) {
    number(text.size());
    out_.append(text);
  }

 private:
  std::string& out_;
};

// What is not there is 0 or empty, and good() is false from then on.
class ByteReader {
 public:
  explicit ByteReader(std::string_view in) : in_(in) {}
  bool good() const { return good_; }
  std::size_t left() const { return in_.size(); }
  std::uint64_t number() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      if (in_.empty()) break;
      const auto byte = static_cast<unsigned char>(in_.front());
      in_.remove_prefix(1);
      value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
      if ((byte & 0x80) == 0) return value;
    }
    good_ = false;
    return 0;
  }
  std::uint64_t changed(std::uint64_t from) {
    const std::uint64_t coded = number();
    return from + (coded >> 1 ^ (~(coded & 1) + 1));
  }
  // Of things that take a byte each at least: more than there are bytes is malformed.
  std::uint64_t count() {
    const std::uint64_t value = number();
    if (value <= in_.size()) return value;
    good_ = false;
    return 0;
  }
  std::string_view text() {
    const std::uint64_t size = count();
    const std::string_view out = in_.substr(0, size);
    in_.remove_prefix(out.size());
    return out;
  }

 private:
  std::string_view in_;
  bool good_ = true;
};

}  // namespace plimsoll::history
