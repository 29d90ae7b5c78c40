#include "agent/api/server.h"

#include <fcntl.h>
#include <grp.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <system_error>

#include "agent/api/address.h"

namespace plimsoll::api {
namespace {

// Each listener has its own: whoever fills the public one up shuts nobody out of the socket. An attached
// `docker run` takes two.
constexpr std::size_t kMostOnSocket = 512;
constexpr std::size_t kMostPublic = 64;
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
  start(std::move(socket), {}, kMostOnSocket);
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
  start(std::move(socket), limits, kMostPublic);
  return {};
}

void Server::start(UniqueFd socket, ServeLimits limits, std::size_t most_connections) {
  Listener& listener = listeners_.emplace_back(std::move(socket), limits, most_connections, std::thread());
  listener.thread = std::thread([this, &listener] { accept_loop(listener); });
}

void Server::accept_loop(Listener& listener) {
  while (!stopping_) {
    pollfd wait{listener.socket.get(), POLLIN, 0};
    if (::poll(&wait, 1, kStopPollMilliseconds) <= 0) continue;
    UniqueFd socket(::accept4(listener.socket.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!socket) {
      // Out of descriptors or memory, and the connection still waits: poll() would return at once for ever.
      if (errno != EAGAIN && errno != ECONNABORTED && errno != EINTR)
        ::poll(nullptr, 0, kStopPollMilliseconds);
      continue;
    }
    const int on = 1;
    if (listener.limits.public_only) ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    take(std::move(socket), listener);
  }
}

void Server::take(UniqueFd socket, Listener& listener) {
  reap();
  if (serve(socket, listener)) return;
  static constexpr std::string_view kBusy =
      "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
  (void)!::send(socket.get(), kBusy.data(), kBusy.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
}

// False, and `socket` is untouched, where there is no room for one more.
bool Server::serve(UniqueFd& socket, Listener& listener) {
  const std::scoped_lock lock(mutex_);
  if (listener.connections >= listener.most_connections) return false;
  UniqueFd own(::fcntl(socket.get(), F_DUPFD_CLOEXEC, 3));
  if (!own) return false;
  Connection& connection = connections_.emplace_back(listener, std::move(socket), std::move(own));
  try {
    connection.thread = std::thread([this, &connection] {
      serve_connection(std::move(connection.socket), router_, connection.listener.limits);
      ::shutdown(connection.own.get(), SHUT_RDWR);
      connection.done = true;
    });
  } catch (const std::system_error&) {
    socket = std::move(connection.socket);
    connections_.pop_back();
    return false;
  }
  ++listener.connections;
  return true;
}

void Server::reap() {
  const std::scoped_lock lock(mutex_);
  std::erase_if(connections_, [](Connection& one) {
    if (!one.done) return false;
    one.thread.join();
    --one.listener.connections;
    return true;
  });
}

void Server::stop() {
  if (stopping_.exchange(true)) return;
  for (Listener& listener : listeners_) listener.thread.join();
  {
    const std::scoped_lock lock(mutex_);
    for (const Connection& one : connections_) ::shutdown(one.own.get(), SHUT_RDWR);
  }
  for (Connection& one : connections_) one.thread.join();
  connections_.clear();
  if (!path_.empty()) ::unlink(path_.c_str());
}

}  // namespace plimsoll::api
