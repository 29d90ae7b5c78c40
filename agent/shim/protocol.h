// The contract between the agent and `plimsoll-runtime shim`: one shim holds one process (a container's init,
// or one exec session) and what must not be lost with the agent: its stdio, its log, its exit.
//
//   plimsoll-runtime shim --id ID --bundle BUNDLE --root ROOT --dir DIR --cgroup-root MOUNT --cgroup PATH
//     [--exec PROCESS.json] [--tty] [--open-stdin] [--log-size BYTES --log-files N] [--shim-cgroup PATH]
//     [--ready-fd N]
//
// 1. The agent starts it with --ready-fd, the write end of a pipe. The shim goes into --shim-cgroup (if
// given), becomes a
//    session leader and child subreaper, listens on DIR/shim.sock, and makes the container (OCI `created`),
//    with --exec: holds the process until `kStart`, then runs it inside the running container ID.
// 2. It writes one line to the ready pipe and closes it: "ok PID\n" (the init process), or "error TEXT\n" and
// exits,
//    leaving nothing behind (no cgroup, mount, folder or process).
// 3. From now on it outlives the agent. Everyone with access to the socket may connect, any number at once.
// 4. When its process has ended and all output is read, it writes DIR/exit.json (whole, by rename), tells
// every connection
//    with kExited, removes the container's OCI state and cgroup (after reading the final usage from it), and
//    stays, so that late connections learn the exit, until kRelease. With --exec the cgroup is the
//    container's and stays.
// 5. A shim that is killed takes its container with it (PR_SET_PDEATHSIG); DIR/exit.json is then missing, and
// the agent
//    reads that as "exit unknown, 137".
//
// Files in DIR: shim.sock; pid ("SHIM_PID SHIM_STARTTIME\n", starttime is field 22 of /proc/PID/stat); init
// ("PID STARTTIME\n"); exit.json; log, log.1 ... log.N-1 (newest is `log`).
//
// Log format, a line each: RFC 3339 time with nanoseconds in UTC, stream, tag, text:
//   2026-11-24T08:00:00.123456789Z stdout F hello
// (the kubelet's CRI format; tag P marks a line cut at 16 KiB that the next line continues). A file is
// rotated when it would pass --log-size; a line is never lost or split over two files.
//
// Frames, both ways, on the SOCK_STREAM socket: [kind, 0, 0, 0, length as 32-bit big-endian] and `length`
// bytes. Kinds 1 and 2 are Docker's stream frames, so output can be passed on to a Docker client as it is.
// Numbers are decimal text.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace plimsoll::shim {

enum class FrameKind : std::uint8_t {
  // shim -> client
  kStdout = 1,
  kStderr = 2,
  kStatus = 3,  // "created PID" | "running PID" | "exited CODE": answer to kStatusAsked; also sent once on
                // kStart's success
  kExited =
      4,  // the text of exit.json; sent to every connection when the process ended, and at once to late ones
  kError = 5,  // a request failed: one line of text
  kOk = 6,     // a request without another answer succeeded
  // client -> shim
  kStdin = 16,     // bytes for the process; accepted only with --open-stdin or --tty
  kStdinEnd = 17,  // no more input, from anyone
  kAttach = 18,    // payload: which of "stdout", "stderr", joined by ','; output from now on follows kOk
  kStart = 19,     // created -> running
  kSignal = 20,    // "15": to the process; "15 all": to every process of the cgroup
  kResize = 21,    // "ROWS COLUMNS"; --tty only
  kStatusAsked = 22,
  kRelease = 23,  // the shim ends; refused with kError while the process lives
  kKillAll = 24,  // SIGKILL to the whole cgroup
};

inline constexpr std::size_t kHeaderSize = 8;
inline constexpr std::size_t kMostPayload = 64 * 1024;
inline constexpr std::size_t kLineLimit = 16 * 1024;

struct FrameHeader {
  FrameKind kind;
  std::uint32_t length;
};

constexpr std::array<unsigned char, kHeaderSize> encode_header(FrameHeader header) {
  return {static_cast<unsigned char>(header.kind),
          0,
          0,
          0,
          static_cast<unsigned char>(header.length >> 24),
          static_cast<unsigned char>(header.length >> 16),
          static_cast<unsigned char>(header.length >> 8),
          static_cast<unsigned char>(header.length)};
}

constexpr FrameHeader decode_header(const unsigned char* bytes) {
  return {static_cast<FrameKind>(bytes[0]), static_cast<std::uint32_t>(bytes[4]) << 24 |
                                                static_cast<std::uint32_t>(bytes[5]) << 16 |
                                                static_cast<std::uint32_t>(bytes[6]) << 8 | bytes[7]};
}

// exit.json: {"exitCode":137,"signal":9,"oomKilled":true,"oomKills":1,"startedAt":"RFC 3339",
//   "exitedAt":"RFC 3339","cpuUsageUsec":N,"cpuUserUsec":N,"cpuSystemUsec":N,"memoryPeakBytes":N,
//   "cgroupId":N}
// exitCode is 128+N for signal N; signal is 0 where the process ended by itself; the usage fields are absent
// where the cgroup lacks the file, and with --exec. cgroupId: the inode of the cgroup's folder. oomKilled:
// memory.events oom_kill was not 0 at the end (for the container's init), whatever the exit code.

}  // namespace plimsoll::shim
