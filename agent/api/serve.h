// Answers the requests of one connection, one after the other, until either side ends it.
#pragma once

#include <chrono>

#include "agent/api/router.h"
#include "agent/base/unique_fd.h"

namespace plimsoll::api {

struct ServeLimits {
  bool public_only = false;                    // TCP: only GET and HEAD of public routes
  std::chrono::milliseconds patience{30'000};  // for a request's next byte, and for a reply to be taken
  std::chrono::milliseconds linger{2'000};     // for what is still sent after the answer to it
  std::size_t most_header = 64UL * 1024;
  std::size_t most_body = 8UL * 1024 * 1024;  // of routes that take the body whole
};

// Blocks. `socket` is a connected stream socket.
void serve_connection(UniqueFd socket, const Router& router, const ServeLimits& limits);

}  // namespace plimsoll::api
