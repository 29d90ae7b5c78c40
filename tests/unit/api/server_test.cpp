#include "agent/api/server.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>

#include "agent/api/client.h"
#include "agent/api/url.h"

namespace plimsoll::api {
namespace {

class ServerTest : public testing::Test {
 protected:
  ServerTest() {
    std::string pattern = testing::TempDir() + "/api-XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
    path_ = folder_ + "/agent.sock";
    router_.add("GET", "/hello/{name}",
                [](Exchange& exchange) {
                  exchange.reply({.body = "hello " + exchange.request().params.at("name") +
                                          exchange.request().value("end"),
                                  .type = "text/plain"});
                },
                {.is_public = true});
    router_.add("POST", "/echo",
                [](Exchange& exchange) { exchange.reply({.body = exchange.request().body}); });
    router_.add("GET", "/images/{name...}/json",
                [](Exchange& exchange) { exchange.reply({.body = exchange.request().params.at("name")}); });
    router_.add("GET", "/numbers", [](Exchange& exchange) {
      exchange.begin_stream({.type = "text/plain"});
      for (int i = 0; i < 3; ++i) exchange.write(std::to_string(i) + "\n");
    });
    router_.add("POST", "/sum",
                [](Exchange& exchange) {
                  std::size_t total = 0;
                  std::array<char, 1000> chunk{};
                  while (true) {
                    const auto got = exchange.read_body(chunk);
                    if (!got) return exchange.reply_error(got.error());
                    if (*got == 0) break;
                    total += *got;
                  }
                  exchange.reply({.body = std::to_string(total)});
                },
                {.streams_body = true});
    router_.add("POST", "/unread", [](Exchange& exchange) { exchange.reply({.body = "not now"}); },
                {.streams_body = true});
    router_.add("POST", "/upper", [](Exchange& exchange) {
      std::string text;
      const UniqueFd socket = exchange.hijack("application/vnd.docker.raw-stream", text);
      char chunk[100];
      for (ssize_t got = 0; (got = ::recv(socket.get(), chunk, sizeof chunk, 0)) > 0;)
        text.append(chunk, static_cast<std::size_t>(got));
      for (char& c : text) c = static_cast<char>(std::toupper(c));
      EXPECT_EQ(::send(socket.get(), text.data(), text.size(), MSG_NOSIGNAL),
                static_cast<ssize_t>(text.size()));
    });
    server_ = std::make_unique<Server>(router_);
    const auto listening = server_->listen_unix(path_);
    EXPECT_TRUE(listening) << listening.error().message();
    EXPECT_TRUE(server_->listen_tcp("127.0.0.1:0"));
  }
  ~ServerTest() override {
    server_.reset();
    EXPECT_FALSE(std::filesystem::exists(path_));
    std::filesystem::remove_all(folder_);
  }

  static std::string rest(ClientReply& reply) {
    std::string text;
    std::array<char, 7> chunk{};
    while (true) {
      const auto got = reply.read(chunk);
      EXPECT_TRUE(got);
      if (!got || *got == 0) return text;
      text.append(chunk.data(), *got);
    }
  }
  std::pair<int, std::string> ask(ClientRequest request) const {
    auto reply = send(path_, request);
    EXPECT_TRUE(reply) << reply.error().message();
    if (!reply) return {0, ""};
    return {(*reply)->status(), rest(**reply)};
  }
  UniqueFd connected(bool tcp = false) const {
    UniqueFd socket(::socket(tcp ? AF_INET : AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un local{.sun_family = AF_UNIX, .sun_path = {}};
    path_.copy(local.sun_path, path_.size());
    sockaddr_in remote{};
    remote.sin_family = AF_INET;
    remote.sin_port = htons(static_cast<std::uint16_t>(server_->port()));
    remote.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const auto* address = tcp ? reinterpret_cast<sockaddr*>(&remote) : reinterpret_cast<sockaddr*>(&local);
    EXPECT_EQ(::connect(socket.get(), address, tcp ? sizeof remote : sizeof local), 0);
    return socket;
  }
  static void put(const UniqueFd& socket, const std::string& bytes) {
    EXPECT_EQ(::send(socket.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
  }
  static std::string to_the_end(const UniqueFd& socket) {
    std::string text;
    char chunk[4096];
    for (ssize_t got = 0; (got = ::recv(socket.get(), chunk, sizeof chunk, 0)) > 0;)
      text.append(chunk, static_cast<std::size_t>(got));
    return text;
  }
  // What the server answers to these bytes, until it closes.
  std::string raw(const std::string& bytes, bool tcp = false) const {
    const UniqueFd socket = connected(tcp);
    put(socket, bytes);
    ::shutdown(socket.get(), SHUT_WR);
    return to_the_end(socket);
  }

  std::string folder_, path_;
  Router router_;
  std::unique_ptr<Server> server_;
};

TEST_F(ServerTest, AnswersWithAndWithoutAVersion) {
  EXPECT_EQ(ask({.target = "/hello/you"}), std::pair(200, std::string("hello you")));
  EXPECT_EQ(ask({.target = "/v1.41/hello/a%20b?end=%21+"}), std::pair(200, std::string("hello a b! ")));
  EXPECT_EQ(ask({.target = "/images/registry:5000/team/app:1/json"}).second, "registry:5000/team/app:1");
}

TEST_F(ServerTest, RefusesVersionsItDoesNotSpeak) {
  const auto old = ask({.target = "/v1.12/hello/you"});
  EXPECT_EQ(old.first, 400);
  EXPECT_NE(old.second.find("too old"), std::string::npos);
  EXPECT_EQ(ask({.target = "/v1.99/hello/you"}).first, 400);
}

TEST_F(ServerTest, UnknownPagesAndWrongMethodsAreToldApart) {
  EXPECT_EQ(ask({.target = "/nowhere"}),
            std::pair(404, std::string("{\"message\":\"page not found: /nowhere\"}\n")));
  EXPECT_EQ(ask({.method = "DELETE", .target = "/hello/you"}).first, 405);
  EXPECT_EQ(ask({.target = "/hello/%zz"}).first, 400);
}

TEST_F(ServerTest, ABodyThatNobodyReadsBreaksNoPipe) {
  for (const bool tcp : {false, true}) {
    const UniqueFd socket = connected(tcp);
    const std::string head = "POST " + std::string(tcp ? "/nowhere" : "/unread") +
                             " HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n\r\n";
    put(socket, head);
    // The whole answer, and the end of what the server sends; it takes what we send all the same.
    EXPECT_NE(to_the_end(socket).find(tcp ? "404" : "not now"), std::string::npos);
    put(socket, std::string(1'000'000, 'x'));
    put(socket, std::string(1'000'000, 'x'));
  }
}

TEST_F(ServerTest, StreamsChunksAndTakesBodiesWholeOrInPieces) {
  EXPECT_EQ(ask({.target = "/numbers"}).second, "0\n1\n2\n");
  EXPECT_EQ(ask({.method = "POST", .target = "/echo", .body = "{\"a\":1}"}).second, "{\"a\":1}");
  FILE* file = ::tmpfile();
  const std::string bytes(300'000, 'x');
  std::fwrite(bytes.data(), 1, bytes.size(), file);
  std::rewind(file);
  EXPECT_EQ(ask({.method = "POST", .target = "/sum", .upload_fd = ::fileno(file)}).second, "300000");
  std::fclose(file);
}

TEST_F(ServerTest, ABodyThatIsTooLargeIsRefused) {
  EXPECT_EQ(ask({.method = "POST", .target = "/echo", .body = std::string(9UL << 20, 'x')}).first, 400);
}

TEST_F(ServerTest, KeepsAConnectionForSeveralRequests) {
  const std::string reply =
      raw("GET /hello/a HTTP/1.1\r\nHost: x\r\n\r\nHEAD /hello/b HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_NE(reply.find("hello a"), std::string::npos);
  EXPECT_EQ(reply.find("hello b"), std::string::npos);
  EXPECT_NE(reply.find("Content-Length: 7", reply.find("hello a")), std::string::npos) << reply;
}

TEST_F(ServerTest, HijacksAndKeepsWhatCameEarlyAndHalfClose) {
  auto reply = send(path_, {.method = "POST", .target = "/upper", .upgrade = true});
  ASSERT_TRUE(reply);
  EXPECT_EQ((*reply)->status(), 101);
  ASSERT_TRUE((*reply)->write("quiet"));
  ASSERT_TRUE((*reply)->end_input());
  EXPECT_EQ(rest(**reply), "QUIET");
  const std::string early =
      raw("POST /upper HTTP/1.1\r\nHost: x\r\nUpgrade: tcp\r\nConnection: Upgrade\r\n\r\nearly");
  EXPECT_TRUE(early.ends_with("EARLY")) << early;
}

TEST_F(ServerTest, MalformedRequestsGetOneLine) {
  for (const char* bytes :
       {"NONSENSE\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "GET /hello/a HTTP/1.1\r\nContent-Length: x\r\n\r\n"}) {
    const std::string reply = raw(bytes);
    EXPECT_NE(reply.find(" 400 "), std::string::npos) << bytes << reply;
    EXPECT_NE(reply.find("bad request"), std::string::npos) << reply;
  }
  EXPECT_EQ(ask({.target = "/hello/still"}).second, "hello still");
}

TEST_F(ServerTest, TheTcpSideServesPublicPagesOnly) {
  EXPECT_NE(raw("GET /hello/a HTTP/1.0\r\n\r\n", true).find("hello a"), std::string::npos);
  EXPECT_NE(raw("GET /numbers HTTP/1.0\r\n\r\n", true).find(" 404 "), std::string::npos);
  EXPECT_NE(raw("POST /echo HTTP/1.0\r\nContent-Length: 1\r\n\r\nx", true).find(" 404 "), std::string::npos);
}

TEST_F(ServerTest, ASecondServerOnTheSameSocketIsToldSo) {
  Server second(router_);
  const auto listening = second.listen_unix(path_);
  ASSERT_FALSE(listening);
  EXPECT_EQ(listening.error().kind(), ErrorKind::kConflict);
  struct stat info{};
  ASSERT_EQ(::stat(path_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0660U);
}

TEST_F(ServerTest, BadAddressesAreRefused) {
  Server other(router_);
  for (const char* text : {"localhost", "127.0.0.1", "127.0.0.1:x", "1.2.3:80", "127.0.0.1:99999"}) {
    EXPECT_FALSE(other.listen_tcp(text)) << text;
  }
}

TEST_F(ServerTest, WhoFillsThePublicPortShutsNobodyOutOfTheSocket) {
  std::vector<UniqueFd> held;
  const std::string request = "GET /hello/x HTTP/1.1\r\nHost: x\r\n\r\n";
  char reply[64] = "";
  while (held.size() < 1000) {
    held.push_back(connected(true));
    put(held.back(), request);
    ASSERT_GT(::recv(held.back().get(), reply, sizeof reply - 1, 0), 12);
    if (std::string_view(reply).starts_with("HTTP/1.1 503")) break;
  }
  EXPECT_EQ(held.size(), 65U);
  EXPECT_EQ(ask({.method = "GET", .target = "/hello/you"}).first, 200);
}

TEST(Url, DecodesAndEncodes) {
  EXPECT_EQ(percent_decode("a%2Fb"), "a/b");
  EXPECT_EQ(percent_decode("%"), std::nullopt);
  EXPECT_EQ(percent_decode("%4"), std::nullopt);
  EXPECT_EQ(percent_decode("%00"), std::nullopt);
  EXPECT_EQ(percent_encode("a b/c~"), "a%20b%2Fc~");
  EXPECT_EQ(parse_query("a=1&b&&c=%20")->size(), 3U);
}

}  // namespace
}  // namespace plimsoll::api
