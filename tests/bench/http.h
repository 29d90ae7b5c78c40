// The least of HTTP that a benchmark needs to ask an agent on the loopback.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace plimsoll::bench {

inline sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

// Listens on a port that the kernel chose.
inline std::pair<int, std::uint16_t> listen_anywhere() {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = loopback(0);
  ::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  ::listen(fd, 16);
  socklen_t size = sizeof address;
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  return {fd, ntohs(address.sin_port)};
}

// All that is answered; empty where nobody listens.
inline std::string get(std::uint16_t port, const std::string& target, const std::string& headers = "") {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = loopback(port);
  std::string answer;
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
    const std::string request =
        "GET " + target + " HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n" + headers + "\r\n";
    std::vector<char> chunk(1 << 18);
    if (::write(fd, request.data(), request.size()) == static_cast<ssize_t>(request.size())) {
      for (ssize_t got = 0; (got = ::read(fd, chunk.data(), chunk.size())) > 0;)
        answer.append(chunk.data(), static_cast<std::size_t>(got));
    }
  }
  ::close(fd);
  return answer;
}

}  // namespace plimsoll::bench
