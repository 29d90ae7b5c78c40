#include "agent/cli/connection.h"

#include <array>
#include <nlohmann/json.hpp>

#include "agent/api/client.h"
#include "agent/api/url.h"
#include "agent/base/json_text.h"

namespace plimsoll::cli {
namespace {

using nlohmann::json;

class ReplyStream final : public Stream {
 public:
  explicit ReplyStream(std::unique_ptr<api::ClientReply> reply) : reply_(std::move(reply)) {}
  Result<std::size_t> read(std::span<char> into) override { return reply_->read(into); }
  Result<> write(std::string_view bytes) override { return reply_->write(bytes); }
  Result<> end_input() override { return reply_->end_input(); }

 private:
  std::unique_ptr<api::ClientReply> reply_;
};

Result<std::string> body_of(api::ClientReply& reply) {
  std::string text;
  std::array<char, 16384> chunk{};
  while (true) {
    PLIMSOLL_ASSIGN(const std::size_t got, reply.read(chunk));
    if (got == 0) return text;
    text.append(chunk.data(), got);
  }
}

ErrorKind kind_of(int status) {
  if (status == 404) return ErrorKind::kNotFound;
  if (status == 409) return ErrorKind::kConflict;
  if (status == 501) return ErrorKind::kUnsupported;
  return status < 500 ? ErrorKind::kInvalid : ErrorKind::kSystem;
}

// The reply, or the agent's own words for what went wrong.
Result<std::unique_ptr<api::ClientReply>> ask(const std::string& socket, const api::ClientRequest& request) {
  PLIMSOLL_ASSIGN(auto reply, api::send(socket, request));
  if (reply->status() < 400) return reply;
  PLIMSOLL_ASSIGN(const std::string text, body_of(*reply));
  const json parsed = json::parse(text, nullptr, false);
  std::string message = parsed.is_object() ? parsed.value("message", "") : "";
  if (message.empty()) message = "the agent answered with status " + std::to_string(reply->status());
  return fail(std::move(message), kind_of(reply->status()));
}

Result<json> as_json(api::ClientReply& reply, const std::string& target) {
  PLIMSOLL_ASSIGN(const std::string text, body_of(reply));
  if (text.empty()) return json();
  json parsed = json::parse(text, nullptr, false);
  if (parsed.is_discarded()) return fail("the agent's answer to " + target + " is not JSON");
  return parsed;
}

std::string text_of(const json& body) { return body.is_null() ? "" : json_text(body); }

}  // namespace

Result<json> Connection::get(const std::string& target) const {
  PLIMSOLL_ASSIGN(const auto reply, ask(socket_, {.target = target}));
  return as_json(*reply, target);
}

Result<json> Connection::send(const std::string& method, const std::string& target, const json& body) const {
  PLIMSOLL_ASSIGN(const auto reply,
                  ask(socket_, {.method = method, .target = target, .body = text_of(body)}));
  return as_json(*reply, target);
}

Result<json> Connection::post(const std::string& target) const { return send("POST", target, json()); }

Result<std::unique_ptr<Stream>> Connection::open(const std::string& method, const std::string& target) const {
  PLIMSOLL_ASSIGN(auto reply, ask(socket_, {.method = method, .target = target}));
  return std::unique_ptr<Stream>(std::make_unique<ReplyStream>(std::move(reply)));
}

Result<std::unique_ptr<Stream>> Connection::upgrade(const std::string& target, const json& body) const {
  PLIMSOLL_ASSIGN(auto reply,
                  ask(socket_, {.method = "POST", .target = target, .body = text_of(body), .upgrade = true}));
  return std::unique_ptr<Stream>(std::make_unique<ReplyStream>(std::move(reply)));
}

Result<std::string> Connection::upload(const std::string& target, int fd) const {
  PLIMSOLL_ASSIGN(const auto reply, ask(socket_, {.method = "POST", .target = target, .upload_fd = fd}));
  return body_of(*reply);
}

std::string encode(std::string_view text) { return api::percent_encode(text); }

}  // namespace plimsoll::cli
