// A web server on loopback that says what the test wants, once for each connection, and keeps what it was
// asked.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "agent/base/unique_fd.h"

namespace plimsoll {

class OneAnswerServer {
 public:
  // `answer` gets the number of the request, from 0, and gives all that is sent; "" lets it hang.
  explicit OneAnswerServer(std::function<std::string(std::size_t)> answer) : answer_(std::move(answer)) {
    socket_ = UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    ::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
    ::listen(socket_.get(), 16);
    ::getsockname(socket_.get(), reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
  }
  ~OneAnswerServer() {
    thread_.request_stop();
    thread_.join();
  }

  std::string url(const std::string& path = "/hook") const {
    return "http://127.0.0.1:" + std::to_string(port_) + path;
  }
  // The whole text of each request so far.
  std::vector<std::string> asked() const {
    const std::lock_guard lock(mutex_);
    return asked_;
  }
  static std::string say(const std::string& status, const std::string& body = "",
                         const std::string& more = "") {
    return "HTTP/1.1 " + status + "\r\nContent-Length: " + std::to_string(body.size()) +
           "\r\nConnection: close\r\n" + more + "\r\n" + body;
  }

 private:
  void run(const std::stop_token& stop) {
    std::vector<UniqueFd> hanging;
    while (!stop.stop_requested()) {
      pollfd ready{.fd = socket_.get(), .events = POLLIN, .revents = 0};
      if (::poll(&ready, 1, 50) != 1) continue;
      UniqueFd client(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (!client) continue;
      const std::string request = read(client.get());
      std::size_t number = 0;
      {
        const std::lock_guard lock(mutex_);
        number = asked_.size();
        asked_.push_back(request);
      }
      const std::string answer = answer_(number);
      if (answer.empty()) {
        hanging.push_back(std::move(client));
        continue;
      }
      [[maybe_unused]] const ssize_t sent = ::send(client.get(), answer.data(), answer.size(), MSG_NOSIGNAL);
    }
  }
  // To the end that its Content-Length says.
  static std::string read(int fd) {
    std::string text;
    char part[4096];
    while (true) {
      const auto head = text.find("\r\n\r\n");
      const auto length = text.find("Content-Length: ");
      if (head != std::string::npos && length != std::string::npos &&
          text.size() >= head + 4 + std::stoul(text.substr(length + 16)))
        return text;
      const ssize_t got = ::recv(fd, part, sizeof part, 0);
      if (got <= 0) return text;
      text.append(part, static_cast<std::size_t>(got));
    }
  }

  std::function<std::string(std::size_t)> answer_;
  UniqueFd socket_;
  std::uint16_t port_ = 0;
  mutable std::mutex mutex_;
  std::vector<std::string> asked_;
  std::jthread thread_;
};

}  // namespace plimsoll
