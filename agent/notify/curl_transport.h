// Requests by libcurl, which no other file includes. HTTP and HTTPS only; redirections are not followed,
// since they would carry headers and tokens to wherever they point. A proxy is used where the environment
// names one.
#pragma once

#include <memory>

#include "agent/base/result.h"
#include "agent/notify/transport.h"

namespace plimsoll::notify {

class CurlTransport final : public Transport {
 public:
  // Before other threads, the first time: libcurl's set-up is not thread-safe everywhere.
  static Result<std::unique_ptr<CurlTransport>> open();
  ~CurlTransport() override;

  void start(std::uint64_t id, const Request& request) override;
  std::vector<Ended> wait(Nanoseconds most) override;
  void wake() override;

 private:
  struct Parts;
  explicit CurlTransport(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace plimsoll::notify
