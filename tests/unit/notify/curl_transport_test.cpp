// Requests over a real socket.
#include "agent/notify/curl_transport.h"

#include <gtest/gtest.h>

#include <thread>

#include "tests/one_answer_server.h"

namespace plimsoll::notify {
namespace {

using namespace std::chrono_literals;

class CurlTest : public testing::Test {
 protected:
  void SetUp() override {
    for (const char* name : {"http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"}) ::unsetenv(name);
    auto opened = CurlTransport::open();
    ASSERT_TRUE(opened);
    curl_ = std::move(*opened);
  }
  Ended ended() {
    for (int i = 0; i < 600; ++i) {
      const auto some = curl_->wait(100ms);
      if (!some.empty()) return some[0];
    }
    ADD_FAILURE() << "no request ended";
    return {};
  }
  Reply post(const std::string& url, Nanoseconds timeout = 30s) {
    curl_->start(++id_, {.url = url,
                         .headers = {{"Content-Type", "application/json"}, {"X-Empty", ""}},
                         .body = "{\"a\": 1}",
                         .timeout = timeout});
    const Ended end = ended();
    EXPECT_EQ(end.id, id_);
    return end.reply;
  }

  std::unique_ptr<CurlTransport> curl_;
  std::uint64_t id_ = 0;
};

TEST_F(CurlTest, Posts) {
  OneAnswerServer server([](std::size_t) { return OneAnswerServer::say("200 OK", "ok\nmore"); });
  const Reply reply = post(server.url("/services/T0/B0"));
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.text, "ok");
  const auto asked = server.asked();
  ASSERT_EQ(asked.size(), 1U);
  EXPECT_TRUE(asked[0].starts_with("POST /services/T0/B0 HTTP/1.1\r\n")) << asked[0];
  EXPECT_NE(asked[0].find("\r\nContent-Type: application/json\r\n"), std::string::npos);
  EXPECT_NE(asked[0].find("\r\nX-Empty:\r\n"), std::string::npos);
  EXPECT_TRUE(asked[0].ends_with("\r\n\r\n{\"a\": 1}"));
}

TEST_F(CurlTest, RetryAfterIsInSecondsOrADate) {
  OneAnswerServer server([](std::size_t number) {
    constexpr const char* kHeaders[] = {
        "Retry-After: 7\r\n", "Retry-After: Wed, 21 Oct 2099 07:28:00 GMT\r\n", "Retry-After: soon\r\n",
        "Retry-After: -5\r\n", "Retry-After: 99999999999999999999\r\n"};
    return OneAnswerServer::say("503 Busy", "", kHeaders[number]);
  });
  EXPECT_EQ(post(server.url()).retry_after, 7s);
  EXPECT_EQ(post(server.url()).retry_after, 24h) << "bounded";
  EXPECT_EQ(post(server.url()).retry_after, 0s);
  EXPECT_EQ(post(server.url()).retry_after, 0s);
  const Reply reply = post(server.url());
  EXPECT_LE(reply.retry_after, 24h);
  EXPECT_EQ(reply.status, 503);
}

TEST_F(CurlTest, RedirectionsAreNotFollowed) {
  OneAnswerServer other([](std::size_t) { return OneAnswerServer::say("200 OK"); });
  OneAnswerServer server([&](std::size_t) {
    return OneAnswerServer::say("307 Elsewhere", "", "Location: " + other.url() + "\r\n");
  });
  EXPECT_EQ(post(server.url()).status, 307);
  EXPECT_TRUE(other.asked().empty());
}

TEST_F(CurlTest, WhatDoesNotAnswerTimesOutAndHoldsUpNoOther) {
  OneAnswerServer silent([](std::size_t) { return ""; });
  OneAnswerServer server([](std::size_t) { return OneAnswerServer::say("204 No Content"); });
  curl_->start(1, {.url = silent.url(), .body = "a", .timeout = 3s});
  curl_->start(2, {.url = server.url(), .body = "b", .timeout = 30s});
  const Ended first = ended();
  EXPECT_EQ(first.id, 2U);
  EXPECT_EQ(first.reply.status, 204);
  const Ended second = ended();
  EXPECT_EQ(second.id, 1U);
  EXPECT_EQ(second.reply.status, 0);
  EXPECT_NE(second.reply.text.find("timed out"), std::string::npos) << second.reply.text;
}

TEST_F(CurlTest, WhereNobodyListens) {
  std::string url;
  {
    const OneAnswerServer server([](std::size_t) { return ""; });
    url = server.url();
  }
  const Reply reply = post(url);
  EXPECT_EQ(reply.status, 0);
  EXPECT_FALSE(reply.hopeless);
  EXPECT_EQ(reply.text.find("hook"), std::string::npos) << "a path may be a secret: " << reply.text;
}

TEST_F(CurlTest, OtherProtocolsAreHopeless) {
  const Reply reply = post("file:///etc/passwd");
  EXPECT_EQ(reply.status, 0);
  EXPECT_TRUE(reply.hopeless);
}

// It ends before there is anything to poll for.
TEST_F(CurlTest, WhatEndsAtOnceIsNotWaitedFor) {
  curl_->start(1, {.url = "file:///etc/passwd", .timeout = 60s});
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(curl_->wait(60s).size(), 1U);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 50s);
}

TEST_F(CurlTest, ALongAnswerIsCut) {
  OneAnswerServer server(
      [](std::size_t) { return OneAnswerServer::say("500 Bad", std::string(100'000, 'x')); });
  const Reply reply = post(server.url());
  EXPECT_EQ(reply.status, 500);
  EXPECT_EQ(reply.text, std::string(200, 'x'));
}

TEST_F(CurlTest, AWakeEndsAWait) {
  std::jthread other([this] { curl_->wake(); });
  EXPECT_TRUE(curl_->wait(60s).empty());
}

TEST_F(CurlTest, LettingGoOfARequestOnItsWay) {
  OneAnswerServer silent([](std::size_t) { return ""; });
  curl_->start(1, {.url = silent.url(), .body = "a", .timeout = 60s});
  EXPECT_TRUE(curl_->wait(50ms).empty());
  curl_.reset();
}

}  // namespace
}  // namespace plimsoll::notify
