// What a verb asks the agent: HTTP over its Unix socket. A reply of status 400 or more is an Error with the
// agent's own message. One Connection may be used from several threads: each request has a socket of its own.
#pragma once

#include <cstddef>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <string_view>

#include "agent/base/result.h"
#include "agent/base/unique_fd.h"

namespace plimsoll::cli {

// A reply's body as it comes, or, after an upgrade, a raw stream both ways.
class Stream {
 public:
  virtual ~Stream() = default;
  virtual Result<std::size_t> read(std::span<char> into) = 0;  // 0: the end
  virtual Result<> write(std::string_view bytes) = 0;          // upgraded streams only
  virtual Result<> end_input() = 0;                            // half close
};

class Connection {
 public:
  explicit Connection(std::string socket) : socket_(std::move(socket)) {}

  Result<nlohmann::json> get(const std::string& target) const;
  // `body` null: none. An empty reply gives a null.
  Result<nlohmann::json> send(const std::string& method, const std::string& target,
                              const nlohmann::json& body) const;
  Result<nlohmann::json> post(const std::string& target) const;
  // Returns as soon as the head of the reply is there.
  Result<std::unique_ptr<Stream>> open(const std::string& method, const std::string& target) const;
  Result<std::unique_ptr<Stream>> upgrade(const std::string& target, const nlohmann::json& body) const;
  // POSTs all that `fd` holds as a chunked body; the reply's whole body.
  Result<std::string> upload(const std::string& target, int fd) const;

  const std::string& socket() const { return socket_; }

 private:
  std::string socket_;
};

// Percent-encodes a path segment or query value.
std::string encode(std::string_view text);

}  // namespace plimsoll::cli
