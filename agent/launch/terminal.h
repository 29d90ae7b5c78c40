// The container's terminal: a pair made in the container's own devpts, its master handed to whoever holds the
// console socket.
#pragma once

#include <optional>

#include "agent/base/result.h"
#include "agent/base/unique_fd.h"
#include "agent/oci/spec.h"

namespace plimsoll::launch {

struct Terminal {
  UniqueFd master, slave;
};

// Opens /dev/pts/ptmx inside `root` and proves it to be a devpts' (CVE-2025-52565); the slave comes from the
// master itself (TIOCGPTPEER), never from a path.
Result<Terminal> open_terminal(int root, const std::optional<oci::ConsoleSize>& size);

// Sends a descriptor, with a name, as runc's console-socket protocol does (SCM_RIGHTS).
Result<> send_descriptor(int socket, int fd, const char* name);
Result<UniqueFd> receive_descriptor(int socket);
// Connects to a Unix socket of any path length.
Result<UniqueFd> connect_unix(const std::string& path);

// Makes the terminal the caller's controlling one, and its stdin, stdout and stderr. The caller leads its
// session.
Result<> become_terminal(int slave);

}  // namespace plimsoll::launch
