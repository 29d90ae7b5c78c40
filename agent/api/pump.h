// Between a client's raw stream and a shim's socket (shim/protocol.h), until either ends.
#pragma once

#include <string>

#include "agent/base/unique_fd.h"

namespace plimsoll::api {

struct PumpOptions {
  bool tty = false;    // output goes on as it is; else in Docker's frames, which are the shim's own
  bool input = false;  // what the client sends goes to the process
  // The end of the client's input is the end of the process's (docker run -i); else others may still write.
  bool end_input = false;
  std::string detach_keys = "ctrl-p,ctrl-q";  // with tty and input only
};

// Blocks until the process ended (true), or the client has gone or detached (false). `early` is what the
// client sent already.
bool pump(const UniqueFd& client, const UniqueFd& shim, const std::string& early, const PumpOptions& options);

// "ctrl-p,ctrl-q" or "ctrl-a,x" as bytes; "" where it is none.
std::string detach_sequence(const std::string& keys);

}  // namespace plimsoll::api
