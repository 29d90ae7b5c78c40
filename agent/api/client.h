// An HTTP client over a Unix socket or TCP: one connection a request.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/result.h"
#include "agent/base/unique_fd.h"

namespace plimsoll::api {

struct ClientRequest {
  std::string method = "GET";
  std::string target;
  std::string body;      // sent with a Content-Length, as JSON
  bool upgrade = false;  // asks for `Upgrade: tcp`
  int upload_fd = -1;    // sends all it holds as a chunked body instead of `body`
};

// A reply whose head is there; the body is read as it comes.
class ClientReply {
 public:
  virtual ~ClientReply() = default;
  virtual int status() const = 0;
  // Decoded body bytes, or raw bytes after an upgrade; 0 at the end.
  virtual Result<std::size_t> read(std::span<char> into) = 0;
  virtual Result<> write(std::string_view bytes) = 0;
  virtual Result<> end_input() = 0;
};

// Sends the request and waits for the head of the reply, for as long as it takes. `where` as connect_to().
Result<std::unique_ptr<ClientReply>> send(const std::string& where, const ClientRequest& request);

}  // namespace plimsoll::api
