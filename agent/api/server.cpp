#include "agent/api/server.h"

#include <fcntl.h>
#include <grp.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>

#include "agent/api/address.h"

namespace plimsoll::api {
namespace {

constexpr std::size_t kMostConnections = 256;
constexpr int kBacklog = 128;
constexpr int kStopPollMilliseconds = 200;

bool somebody_listens(const sockaddr_un& address) {
  const UniqueFd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  return ::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

}  // namespace

Server::~Server() { stop(); }

Result<> Server::listen_unix(const std::string& path) {
  PLIMSOLL_ASSIGN(const sockaddr_un address, unix_address(path));
  if (somebody_listens(address))
    return fail("socket " + path + ": another agent listens there", ErrorKind::kConflict);
  ::unlink(path.c_str());
  UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket) return fail_errno("make a Unix socket");
  // Created without any access, opened to the group only when it has its owner.
  if (::fchmod(socket.get(), 0600) != 0) return fail_errno("chmod socket " + path);
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return fail_errno("bind socket " + path);
  }
  std::array<char, 1024> names{};
  group entry{};
  group* found = nullptr;
  if (::getgrnam_r("plimsoll", &entry, names.data(), names.size(), &found) == 0 && found != nullptr) {
    if (::chown(path.c_str(), 0, entry.gr_gid) != 0) return fail_errno("chown socket " + path);
  }
  if (::chmod(path.c_str(), 0660) != 0) return fail_errno("chmod socket " + path);
  if (::listen(socket.get(), kBacklog) != 0) return fail_errno("listen on " + path);
  path_ = path;
  start(std::move(socket), {});
  return {};
}

Result<> Server::listen_tcp(const std::string& text) {
  PLIMSOLL_ASSIGN(sockaddr_in address, tcp_address(text));
  UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket) return fail_errno("make a TCP socket");
  const int on = 1;
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return fail_errno("listen on " + text);
  }
  socklen_t length = sizeof address;
  ::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &length);
  if (::listen(socket.get(), kBacklog) != 0) return fail_errno("listen on " + text);
  port_ = ntohs(address.sin_port);
  ServeLimits limits;
  limits.public_only = true;
  limits.most_body = 64UL * 1024;
  start(std::move(socket), limits);
  return {};
}

void Server::start(UniqueFd socket, ServeLimits limits) {
  Listener& listener = listeners_.emplace_back(std::move(socket), limits, std::thread());
  listener.thread = std::thread([this, &listener] { accept_loop(listener); });
}

void Server::accept_loop(const Listener& listener) {
  while (!stopping_) {
    pollfd wait{listener.socket.get(), POLLIN, 0};
    if (::poll(&wait, 1, kStopPollMilliseconds) <= 0) continue;
    UniqueFd socket(::accept4(listener.socket.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!socket) continue;
    const int on = 1;
    if (listener.limits.public_only) ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    take(std::move(socket), listener.limits);
  }
}

void Server::take(UniqueFd socket, const ServeLimits& limits) {
  reap();
  const std::scoped_lock lock(mutex_);
  if (connections_.size() >= kMostConnections) {
    static constexpr std::string_view kBusy =
        "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    (void)!::send(socket.get(), kBusy.data(), kBusy.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    return;
  }
  // A descriptor of our own, so that stop() can end a connection whose socket a handler has taken over.
  Connection& connection = connections_.emplace_back();
  connection.fd = ::fcntl(socket.get(), F_DUPFD_CLOEXEC, 3);
  connection.thread = std::thread([this, &connection, limits, socket = std::move(socket)]() mutable {
    serve_connection(std::move(socket), router_, limits);
    ::shutdown(connection.fd, SHUT_RDWR);
    connection.done = true;
  });
}

void Server::reap() {
  const std::scoped_lock lock(mutex_);
  std::erase_if(connections_, [](Connection& one) {
    if (!one.done) return false;
    one.thread.join();
    ::close(one.fd);
    return true;
  });
}

void Server::stop() {
  if (stopping_.exchange(true)) return;
  for (Listener& listener : listeners_) listener.thread.join();
  {
    const std::scoped_lock lock(mutex_);
    for (const Connection& one : connections_) ::shutdown(one.fd, SHUT_RDWR);
  }
  for (Connection& one : connections_) {
    one.thread.join();
    ::close(one.fd);
  }
  connections_.clear();
  if (!path_.empty()) ::unlink(path_.c_str());
}

}  // namespace plimsoll::api
