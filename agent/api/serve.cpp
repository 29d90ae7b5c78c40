#include "agent/api/serve.h"

#include <algorithm>
#include <array>
#include <boost/asio/write.hpp>
#include <boost/beast/core/buffers_to_string.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <exception>
#include <limits>
#include <optional>

#include "agent/api/fd_stream.h"
#include "agent/base/version.h"

namespace plimsoll::api {
namespace {

namespace beast = boost::beast;
namespace http = boost::beast::http;
using boost::system::error_code;
using SpanBody = http::span_body<const char>;

std::string lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

// One request on a live connection.
class LiveExchange final : public Exchange {
 public:
  using Parser = http::request_parser<http::buffer_body>;

  LiveExchange(UniqueFd& socket, FdStream& stream, beast::flat_buffer& buffer, Parser& parser)
      : socket_(socket), stream_(stream), buffer_(buffer), parser_(parser) {
    const auto& head = parser.get();
    request_.method = std::string(head.method_string());
    for (const auto& field : head) {
      const auto name = field.name_string();
      request_.headers[lower({name.data(), name.size()})] = std::string(field.value());
    }
    head_only_ = request_.method == "HEAD";
    keep_alive_ = head.keep_alive();
    version_ = head.version();
  }

  Request& mutable_request() { return request_; }
  bool answered() const { return answered_; }
  bool hijacked() const { return hijacked_; }
  bool reusable() const { return keep_alive_ && !hijacked_ && !broken_ && parser_.is_done(); }
  void give_up() { broken_ = true; }  // what was begun is not ended: the client sees it cut off
  void finish() {
    if (streaming_ && !broken_ && chunked_) send_raw("0\r\n\r\n");
  }

  // Who still sends when we close sees a broken pipe in place of the answer: what comes is thrown away until
  // he ends too, or the time is up (RFC 9112, 9.6).
  void linger(std::chrono::milliseconds most) {
    if (hijacked_ || parser_.is_done()) return;
    ::shutdown(socket_.get(), SHUT_WR);
    const auto end = std::chrono::steady_clock::now() + most;
    std::array<char, 65536> waste{};
    for (error_code code; !code;) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
      if (left.count() <= 0) return;
      stream_.set_patience(left);
      stream_.read_some(boost::asio::buffer(waste), code);
    }
  }

  Result<std::size_t> read_body(std::span<char> into) override {
    send_continue();
    auto& body = parser_.get().body();
    while (!parser_.is_done()) {
      body.data = into.data();
      body.size = into.size();
      error_code code;
      http::read_some(stream_, buffer_, parser_, code);
      const std::size_t got = into.size() - body.size;
      if (code && code != http::error::need_buffer) {
        broken_ = true;
        return invalid("request body: " + code.message());
      }
      if (got > 0) return got;
    }
    return std::size_t{0};
  }

  void reply(const Response& response) override {
    http::response<SpanBody> message = head<SpanBody>(response);
    const bool bodiless = response.status == 204 || response.status == 304;
    if (!parser_.is_done()) keep_alive_ = false;
    message.keep_alive(keep_alive_);
    if (bodiless) {
      message.erase(http::field::content_type);
    } else {
      message.content_length(response.body.size());
      if (!head_only_) message.body() = {response.body.data(), response.body.size()};
    }
    error_code code;
    if (head_only_) {
      http::response_serializer<SpanBody> serializer{message};
      http::write_header(stream_, serializer, code);
    } else {
      http::write(stream_, message, code);
    }
    if (code) broken_ = true;
    answered_ = true;
  }

  void begin_stream(const Response& response) override {
    http::response<http::empty_body> message = head<http::empty_body>(response);
    chunked_ = version_ >= 11;
    if (!chunked_ || !parser_.is_done()) keep_alive_ = false;
    message.keep_alive(keep_alive_);
    if (chunked_) message.chunked(true);
    http::response_serializer<http::empty_body> serializer{message};
    error_code code;
    http::write_header(stream_, serializer, code);
    if (code) broken_ = true;
    answered_ = streaming_ = true;
  }

  bool write(std::string_view bytes) override {
    if (bytes.empty() || head_only_) return !broken_;
    if (!chunked_) {
      send_raw(bytes);
    } else {
      send(http::make_chunk(boost::asio::buffer(bytes.data(), bytes.size())));
    }
    return !broken_;
  }

  bool client_gone() override {
    if (broken_) return true;
    char byte = 0;
    const ssize_t got = ::recv(socket_.get(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR);
  }

  UniqueFd hijack(const std::string& type, std::string& early) override {
    const bool upgrade = lower(request_.header("upgrade")) == "tcp";
    std::string text = upgrade ? "HTTP/1.1 101 UPGRADED\r\n" : "HTTP/1.1 200 OK\r\n";
    text += "Content-Type: " + type + "\r\n";
    if (upgrade) text += "Connection: Upgrade\r\nUpgrade: tcp\r\n";
    send_raw(text + "\r\n");
    early = beast::buffers_to_string(buffer_.data());
    buffer_.consume(buffer_.size());
    answered_ = hijacked_ = true;
    return std::move(socket_);
  }

 private:
  template <class Body>
  http::response<Body> head(const Response& response) const {
    http::response<Body> message{static_cast<http::status>(response.status), version_};
    message.set(http::field::server, "Plimsoll/" + std::string(kVersion) + " (linux)");
    message.set("Api-Version", "1.47");
    message.set(http::field::content_type, response.type);
    for (const auto& [name, value] : response.headers) message.set(name, value);
    return message;
  }

  template <class Buffers>
  void send(const Buffers& buffers) {
    if (broken_) return;
    error_code code;
    boost::asio::write(stream_, buffers, code);
    if (code) broken_ = true;
  }
  void send_raw(std::string_view bytes) { send(boost::asio::buffer(bytes.data(), bytes.size())); }

  void send_continue() {
    if (continued_ || lower(request_.header("expect")) != "100-continue") return;
    continued_ = true;
    send_raw("HTTP/1.1 100 Continue\r\n\r\n");
  }

  UniqueFd& socket_;
  FdStream& stream_;
  beast::flat_buffer& buffer_;
  Parser& parser_;
  unsigned version_ = 11;
  bool head_only_ = false, keep_alive_ = false, answered_ = false, streaming_ = false, chunked_ = false;
  bool hijacked_ = false, broken_ = false, continued_ = false;
};

Result<> read_whole_body(LiveExchange& exchange, std::size_t most) {
  std::string& body = exchange.mutable_request().body;
  std::array<char, 16384> chunk{};
  while (true) {
    PLIMSOLL_ASSIGN(const std::size_t got, exchange.read_body(chunk));
    if (got == 0) return {};
    if (body.size() + got > most)
      return invalid("request body: larger than " + std::to_string(most) + " bytes");
    body.append(chunk.data(), got);
  }
}

void answer(LiveExchange& exchange, std::string_view target, const Router& router,
            const ServeLimits& limits) {
  bool wrong_method = false;
  const auto found = router.find(target, exchange.mutable_request(), wrong_method);
  if (!found) {
    Response response = error_response(found.error());
    if (wrong_method) response.status = 405;
    return exchange.reply(response);
  }
  const std::string& method = exchange.request().method;
  exchange.mutable_request().is_public = limits.public_only;
  if (limits.public_only && (!found->options->is_public || (method != "GET" && method != "HEAD"))) {
    return exchange.reply(
        error_response(Error("page not found: " + exchange.request().path, ErrorKind::kNotFound)));
  }
  if (!found->options->streams_body) {
    if (const auto read = read_whole_body(exchange, limits.most_body); !read)
      return exchange.reply_error(read.error());
  }
  try {
    (*found->handler)(exchange);
  } catch (const std::exception&
               error) {  // out of memory, or a fault of ours: this request's end, not the agent's
    if (exchange.answered()) return exchange.give_up();
    return exchange.reply_error(Error(exchange.request().path + ": " + error.what()));
  }
  if (!exchange.answered())
    exchange.reply_error(Error("no answer from the handler of " + exchange.request().path));
}

}  // namespace

void serve_connection(UniqueFd socket, const Router& router, const ServeLimits& limits) {
  FdStream stream(socket.get(), limits.patience);
  beast::flat_buffer buffer;
  while (true) {
    LiveExchange::Parser parser;
    parser.header_limit(static_cast<std::uint32_t>(limits.most_header));
    parser.body_limit(std::numeric_limits<std::uint64_t>::max());
    error_code code;
    http::read_header(stream, buffer, parser, code);
    if (code) {
      // Silence and a closed connection want no answer; a malformed request gets one line.
      if (code.category() != http::make_error_code(http::error::bad_method).category() ||
          code == http::error::end_of_stream || code == http::error::partial_message) {
        return;
      }
      LiveExchange exchange(socket, stream, buffer, parser);
      exchange.reply(error_response(Error("bad request: " + code.message(), ErrorKind::kInvalid)));
      exchange.linger(limits.linger);
      return;
    }
    LiveExchange exchange(socket, stream, buffer, parser);
    const std::string target(parser.get().target());
    answer(exchange, target, router, limits);
    exchange.finish();
    if (!exchange.reusable()) return exchange.linger(limits.linger);
  }
}

}  // namespace plimsoll::api
