// Listens, and serves each connection on a thread of its own, up to a bound. Thread-safe.
#pragma once

#include <atomic>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "agent/api/serve.h"

namespace plimsoll::api {

class Server {
 public:
  // The router outlives the server.
  explicit Server(const Router& router) : router_(router) {}
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // A Unix socket of mode 0660, group `plimsoll` where that exists: whoever may speak to it is root on this
  // host. A stale socket file is replaced; one that is answered is kConflict.
  Result<> listen_unix(const std::string& path);
  // Public routes only. "127.0.0.1:9876"; port 0 takes any, see port().
  Result<> listen_tcp(const std::string& address);
  int port() const { return port_; }

  // Ends all connections and waits for their threads. Handlers that wait for something must end soon by
  // themselves.
  void stop();

 private:
  struct Listener {
    UniqueFd socket;
    ServeLimits limits;
    std::size_t most_connections;
    std::thread thread;
    std::size_t connections = 0;  // that are being served; under mutex_
  };
  struct Connection {
    Listener& listener;
    UniqueFd socket;  // the thread's, which takes it at once
    UniqueFd own;     // so that stop() can end a connection whose socket a handler has taken over
    std::thread thread;
    std::atomic<bool> done{false};
  };
  void start(UniqueFd socket, ServeLimits limits, std::size_t most_connections);
  void accept_loop(Listener& listener);
  void take(UniqueFd socket, Listener& listener);
  bool serve(UniqueFd& socket, Listener& listener);
  void reap();

  const Router& router_;
  std::mutex mutex_;
  std::list<Connection> connections_;
  std::list<Listener> listeners_;
  std::atomic<bool> stopping_{false};
  std::string path_;
  int port_ = 0;
};

}  // namespace plimsoll::api
