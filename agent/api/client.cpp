#include "agent/api/client.h"

#include <sys/socket.h>

#include <array>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <cstring>
#include <limits>

#include "agent/api/address.h"
#include "agent/api/fd_stream.h"
#include "agent/base/version.h"

namespace plimsoll::api {
namespace {

namespace beast = boost::beast;
namespace http = boost::beast::http;
using boost::system::error_code;

constexpr std::chrono::milliseconds kForever{-1};

class Reply final : public ClientReply {
 public:
  explicit Reply(UniqueFd socket) : socket_(std::move(socket)), stream_(socket_.get(), kForever) {
    parser_.body_limit(std::numeric_limits<std::uint64_t>::max());
  }

  Result<> ask(const ClientRequest& request) {
    // An agent that refuses early answers and closes: its answer says more than our broken pipe.
    auto sent = send_all(head_of(request));
    if (sent && request.upload_fd >= 0) sent = upload(request.upload_fd);
    parser_.skip(request.method == "HEAD");  // its answer tells a length, and has no body
    error_code code;
    http::read_header(stream_, buffer_, parser_, code);
    if (code && !sent) return std::unexpected(sent.error());
    if (code) return fail("the agent closed the connection: " + code.message());
    upgraded_ = request.upgrade && (status() == 101 || status() == 200);
    return {};
  }

  int status() const override { return static_cast<int>(parser_.get().result_int()); }

  Result<std::size_t> read(std::span<char> into) override {
    return upgraded_ ? read_raw(into) : read_body(into);
  }

  Result<> write(std::string_view bytes) override { return send_all(bytes); }

  Result<> end_input() override {
    if (::shutdown(socket_.get(), SHUT_WR) != 0) return fail_errno("end of input to the agent");
    return {};
  }

 private:
  static std::string head_of(const ClientRequest& request) {
    std::string text = request.method + " " + request.target +
                       " HTTP/1.1\r\nHost: plimsoll\r\nUser-Agent: plimsoll/" + std::string(kVersion) +
                       "\r\n";
    if (request.upgrade) text += "Connection: Upgrade\r\nUpgrade: tcp\r\n";
    if (request.upload_fd >= 0) {
      text += "Content-Type: application/x-tar\r\nTransfer-Encoding: chunked\r\n";
    } else if (!request.body.empty()) {
      text +=
          "Content-Type: application/json\r\nContent-Length: " + std::to_string(request.body.size()) + "\r\n";
    } else if (request.method != "GET" && request.method != "HEAD") {
      text += "Content-Length: 0\r\n";
    }
    return text + "\r\n" + (request.upload_fd >= 0 ? "" : request.body);
  }

  Result<> send_all(std::string_view bytes) {
    error_code code;
    boost::asio::write(stream_, boost::asio::buffer(bytes.data(), bytes.size()), code);
    if (code) return fail("send to the agent: " + code.message());
    return {};
  }

  Result<> upload(int fd) {
    std::array<char, 65536> chunk{};
    while (true) {
      const ssize_t got = ::read(fd, chunk.data(), chunk.size());
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return fail_errno("read what to upload");
      std::array<char, 24> size{};
      std::snprintf(size.data(), size.size(), "%zx\r\n", static_cast<std::size_t>(got));
      const auto sent = send_all(std::string(size.data()) +
                                 std::string(chunk.data(), static_cast<std::size_t>(got)) + "\r\n");
      if (!sent || got == 0) return {};
    }
  }

  Result<std::size_t> read_raw(std::span<char> into) {
    if (buffer_.size() > 0) {
      const std::size_t taken =
          boost::asio::buffer_copy(boost::asio::buffer(into.data(), into.size()), buffer_.data());
      buffer_.consume(taken);
      return taken;
    }
    error_code code;
    const std::size_t got = stream_.read_some(boost::asio::buffer(into.data(), into.size()), code);
    if (code == boost::asio::error::eof || code == boost::asio::error::connection_reset)
      return std::size_t{0};
    if (code) return fail("read from the agent: " + code.message());
    return got;
  }

  Result<std::size_t> read_body(std::span<char> into) {
    while (!parser_.is_done()) {
      auto& body = parser_.get().body();
      body.data = into.data();
      body.size = into.size();
      error_code code;
      http::read_some(stream_, buffer_, parser_, code);
      const std::size_t got = into.size() - body.size;
      if (got > 0) return got;
      if (code && code != http::error::need_buffer) return fail("read from the agent: " + code.message());
    }
    return std::size_t{0};
  }

  UniqueFd socket_;
  FdStream stream_;
  beast::flat_buffer buffer_;
  http::response_parser<http::buffer_body> parser_;
  bool upgraded_ = false;
};

}  // namespace

Result<std::unique_ptr<ClientReply>> send(const std::string& where, const ClientRequest& request) {
  PLIMSOLL_ASSIGN(UniqueFd socket, connect_to(where));
  auto reply = std::make_unique<Reply>(std::move(socket));
  PLIMSOLL_TRY(reply->ask(request));
  return std::unique_ptr<ClientReply>(std::move(reply));
}

}  // namespace plimsoll::api
