// The agent's end of a shim: launching one, and asking it things over its socket (shim/protocol.h).
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "agent/base/result.h"
#include "agent/base/unique_fd.h"
#include "agent/shim/protocol.h"

namespace plimsoll::container {

struct ShimCommand {
  std::string binary, id, bundle, root, dir;
  std::string cgroup_root, cgroup, shim_cgroup;
  std::string exec_process;  // "": the container's init
  bool tty = false, open_stdin = false;
  std::uint64_t log_size = 0;  // 0: the shim's default
  int log_files = 0;
};

struct LaunchedShim {
  pid_t shim = 0;  // a child of this process, to be reaped
  int init = 0;
};

// Starts it and waits until its process is made. After an error nothing of it is left.
Result<LaunchedShim> launch_shim(const ShimCommand& command);

struct Frame {
  shim::FrameKind kind{};
  std::string payload;
};

// Frames out of a stream of bytes.
class FrameBuffer {
 public:
  void feed(const char* bytes, std::size_t count) { bytes_.append(bytes, count); }
  // kInvalid: the other side does not speak the protocol.
  Result<std::optional<Frame>> next();

 private:
  std::string bytes_;
};

Result<UniqueFd> connect_shim(const std::string& dir);
Result<> send_frame(int socket, shim::FrameKind kind, const std::string& payload);
// The answer of the shim to what was sent: kStatus or kOk (its payload); kError becomes the error, kExited a
// kConflict. Output that comes first is dropped.
Result<std::string> await_answer(int socket, std::chrono::milliseconds ceiling);
// connect, send and await.
Result<std::string> ask_shim(const std::string& dir, shim::FrameKind kind, const std::string& payload);
// Kills what a shim holds, awaits its end and releases the shim. One that is gone is no error.
Result<> end_shim(const std::string& dir, std::chrono::milliseconds ceiling);
// Ends a shim whose process has ended, and waits until it is gone. One that is gone is no error.
Result<> release_shim(const std::string& dir);

}  // namespace plimsoll::container
