// Moves bytes between an upgraded stream of the agent and this process's own standard streams.
#pragma once

#include <string>

#include "agent/base/result.h"
#include "agent/cli/connection.h"

namespace plimsoll::cli {

struct PumpOptions {
  bool tty = false;    // the stream is raw; else it comes in Docker's frames of stdout and stderr
  bool input = false;  // pass this process's standard input on
  // Where the container's terminal is resized: POST to "RESOURCE/resize?h=&w=" at every SIGWINCH. Empty:
  // never.
  std::string resize_target;
};

// Returns at the end of the container's output. Input that ends is passed on as a half close.
Result<> pump(const Connection& agent, Stream& stream, const PumpOptions& options);

// Writes a whole framed body (logs) to standard output and error; raw bytes where `tty`.
Result<> print_frames(Stream& stream, bool tty);

// Tells the container's terminal this terminal's size.
void send_size(const Connection& agent, const std::string& resize_target);

}  // namespace plimsoll::cli
