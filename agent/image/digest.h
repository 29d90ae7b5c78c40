// SHA-256 (OpenSSL's), fed piece by piece.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace plimsoll::image {

// Not thread-safe.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;

  void update(std::string_view bytes);
  std::string finish();  // 64 hex digits; once

 private:
  struct State;
  std::unique_ptr<State> state_;
};

std::string sha256_hex(std::string_view bytes);

}  // namespace plimsoll::image
