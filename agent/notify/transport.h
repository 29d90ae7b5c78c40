// The seam to the network: requests that run side by side.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "agent/base/units.h"

namespace plimsoll::notify {

// A POST.
struct Request {
  std::string url;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  std::string bearer_token_file;  // read by whoever starts the request; empty: none
  Nanoseconds timeout{0};
};

struct Reply {
  int status = 0;              // 0: there was none
  std::string text;            // the begin of what was answered, or why there was no answer
  Nanoseconds retry_after{0};  // 0: not said
  bool hopeless = false;       // no answer, and none to be had by trying again
};

struct Ended {
  std::uint64_t id = 0;
  Reply reply;
};

// Not thread-safe but for wake().
class Transport {
 public:
  virtual ~Transport() = default;
  virtual void start(std::uint64_t id, const Request& request) = 0;
  // Those that have ended; waits for one, for wake(), or for so long.
  virtual std::vector<Ended> wait(Nanoseconds most) = 0;
  // From any thread: wait() returns, now or, where nobody waits, the next time.
  virtual void wake() = 0;
};

}  // namespace plimsoll::notify
