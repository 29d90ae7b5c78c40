#include "agent/api/address.h"

#include <arpa/inet.h>
#include <sys/socket.h>

#include <cstring>

#include "agent/base/units.h"

namespace plimsoll::api {
namespace {

Result<UniqueFd> connect_to(const std::string& where, const sockaddr* address, socklen_t length) {
  UniqueFd socket(::socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket) return fail_errno("make a socket");
  if (::connect(socket.get(), address, length) != 0) {
    return fail("cannot reach the agent at " + where + ": " + std::strerror(errno) +
                "; is `plimsoll agent` running?");
  }
  return socket;
}

}  // namespace

Result<sockaddr_in> tcp_address(const std::string& text) {
  const auto colon = text.rfind(':');
  sockaddr_in address{};
  address.sin_family = AF_INET;
  const auto port = colon == std::string::npos ? std::nullopt : parse_u64(text.substr(colon + 1));
  const std::string host = text.substr(0, colon);
  if (!port || *port > 65535 || ::inet_pton(AF_INET, host.c_str(), &address.sin_addr) != 1) {
    return invalid("address '" + text + "': expected IPV4:PORT such as 127.0.0.1:9876");
  }
  address.sin_port = htons(static_cast<std::uint16_t>(*port));
  return address;
}

Result<sockaddr_un> unix_address(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    return invalid("socket path " + path + ": longer than 107 bytes");
  }
  path.copy(address.sun_path, path.size());
  return address;
}

Result<UniqueFd> connect_to(const std::string& where) {
  const auto scheme = where.find("://");
  const std::string kind = scheme == std::string::npos ? "unix" : where.substr(0, scheme);
  std::string rest = scheme == std::string::npos ? where : where.substr(scheme + 3);
  if (kind == "tcp" || kind == "http") {
    if (rest.ends_with('/')) rest.pop_back();
    PLIMSOLL_ASSIGN(const sockaddr_in address, tcp_address(rest));
    return connect_to(where, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  }
  if (kind != "unix") return invalid("'" + where + "': expected a path, unix://PATH or tcp://IPV4:PORT");
  PLIMSOLL_ASSIGN(const sockaddr_un address, unix_address(rest));
  return connect_to(where, reinterpret_cast<const sockaddr*>(&address), sizeof address);
}

}  // namespace plimsoll::api
