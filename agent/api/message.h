// One HTTP request and the ways to answer it. Rooms write handlers against these types and never see the HTTP
// library.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/base/result.h"
#include "agent/base/unique_fd.h"

namespace plimsoll::api {

struct Request {
  std::string method;
  std::string path;                           // decoded per segment only; without "/v1.47" and query
  std::map<std::string, std::string> params;  // of the route's pattern, decoded
  std::vector<std::pair<std::string, std::string>> query;  // decoded, in order
  std::map<std::string, std::string> headers;              // names in lower case
  std::string body;                                        // whole; empty on routes that read it as a stream
  bool is_public = false;                                  // came by the listener that anybody may speak to

  // The first value of a query key or header; "" where absent.
  std::string value(std::string_view key) const;
  std::string header(const std::string& lower_name) const;
  // Docker's booleans: absent, "", "0", "no", "false", "none" are false.
  bool flag(std::string_view key) const;
  // A whole number of the query; nullopt where absent or empty, kInvalid where it is none.
  Result<std::optional<std::int64_t>> integer(std::string_view key) const;
};

struct Response {
  int status = 200;
  std::string body;
  std::string type = "application/json";
  std::vector<std::pair<std::string, std::string>> headers;
};

// {"message": "..."} with the status that the error's kind means: 400, 404, 409, 501 or 500.
Response error_response(const Error& error);

// A request being answered: exactly one of reply(), begin_stream() or hijack() is called, by the handler's
// thread.
class Exchange {
 public:
  virtual ~Exchange() = default;
  const Request& request() const { return request_; }

  // Bytes of the request's body, on routes that stream it; 0 is the end. Errors where the client has gone or
  // is too slow.
  virtual Result<std::size_t> read_body(std::span<char> into) = 0;

  virtual void reply(const Response& response) = 0;
  void reply_error(const Error& error) { reply(error_response(error)); }
  // Sends the head at once (`head` has no body yet); the body follows in chunks. write() is false when the
  // client has gone.
  virtual void begin_stream(const Response& head) = 0;
  virtual bool write(std::string_view bytes) = 0;
  // True where the client has closed its side or is gone; does not block.
  virtual bool client_gone() = 0;
  // Gives the raw socket away: 101 where the client asked for `Upgrade: tcp`, else 200. `early` is what the
  // client had sent behind its request already.
  virtual UniqueFd hijack(const std::string& type, std::string& early) = 0;

 protected:
  Request request_;
};

}  // namespace plimsoll::api
