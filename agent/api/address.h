// Where a server listens and a client connects: a Unix socket's path or an IPv4 address with its port.
#pragma once

#include <netinet/in.h>
#include <sys/un.h>

#include <string>

#include "agent/base/result.h"
#include "agent/base/unique_fd.h"

namespace plimsoll::api {

// "127.0.0.1:9876". kInvalid names the text.
Result<sockaddr_in> tcp_address(const std::string& text);
// unix(7): paths of up to 107 bytes.
Result<sockaddr_un> unix_address(const std::string& path);

// Connects to "tcp://IPV4:PORT", "http://IPV4:PORT", "unix://PATH" or PATH.
Result<UniqueFd> connect_to(const std::string& where);

}  // namespace plimsoll::api
