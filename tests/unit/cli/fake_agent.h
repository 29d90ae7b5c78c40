// An agent made of prepared answers: a real api::Server on a socket of its own, so that a verb is tested from
// its flags to what it prints.
#pragma once

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "agent/api/docker_words.h"
#include "agent/api/server.h"
#include "agent/cli/verb.h"

namespace plimsoll::cli_test {

using nlohmann::json;

class FakeAgent {
 public:
  FakeAgent() {
    std::string pattern = testing::TempDir() + "/cli-XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
    for (const char* method : {"GET", "POST", "DELETE"})
      router_.add(method, "/{path...}", [this](api::Exchange& exchange) { answer_one(exchange); });
    const auto listening = server_.listen_unix(socket());
    EXPECT_TRUE(listening) << listening.error().message();
  }
  ~FakeAgent() {
    server_.stop();
    ::rmdir(folder_.c_str());
  }
  std::string socket() const { return folder_ + "/s"; }

  // `request`: "GET /containers/json", without the query. Answers are taken in order; the last one stays.
  void answer(const std::string& request, const json& body, int status = 200) {
    answers_[request].push_back({.status = status, .body = body.is_null() ? "" : body.dump()});
  }
  // The answer to an upgrade: this text on the two streams, then `after` is told once the client has ended
  // its input.
  void answer_stream(const std::string& request, const std::string& out, const std::string& err) {
    streams_[request] = {out, err};
  }
  // What was asked so far: "POST /containers/x/stop?t=3 BODY".
  std::vector<std::string> asked() {
    const std::lock_guard lock(mutex_);
    return asked_;
  }
  json body_of(const std::string& request) {
    for (const std::string& one : asked()) {
      if (one.starts_with(request)) return json::parse(one.substr(one.find('{')), nullptr, false);
    }
    return nullptr;
  }

 private:
  void answer_one(api::Exchange& exchange) {
    const api::Request& request = exchange.request();
    const std::string key = request.method + " " + request.path;
    api::Response response{.status = 404,
                           .body = json{{"message", "No such object: " + request.path}}.dump()};
    bool stream = false;
    std::pair<std::string, std::string> texts;
    {
      const std::lock_guard lock(mutex_);
      std::string query;
      for (const auto& [name, value] : request.query)
        query += (query.empty() ? "?" : "&") + name + "=" + value;
      asked_.push_back(key + query + (request.body.empty() ? "" : " " + request.body));
      if (const auto found = streams_.find(key); found != streams_.end()) {
        stream = true;
        texts = found->second;
      } else if (auto& list = answers_[key]; !list.empty()) {
        response = list.front();
        if (list.size() > 1) list.erase(list.begin());
      }
    }
    if (!stream) return exchange.reply(response);
    std::string early;
    const UniqueFd client = exchange.hijack(api::kFramedStream, early);
    const std::string bytes = api::framed(false, texts.first) + api::framed(true, texts.second);
    const ssize_t sent = ::send(client.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    // Whoever attached hangs up when the start fails, which may be sooner than this.
    const bool gone = sent < 0 && (errno == EPIPE || errno == ECONNRESET);
    EXPECT_TRUE(gone || sent == static_cast<ssize_t>(bytes.size())) << std::strerror(errno);
  }

  std::string folder_;
  api::Router router_;
  api::Server server_{router_};
  std::mutex mutex_;
  std::map<std::string, std::vector<api::Response>> answers_;
  std::map<std::string, std::pair<std::string, std::string>> streams_;
  std::vector<std::string> asked_;
};

struct Said {
  int status = -1;
  std::string out, err;
};

// A verb as `plimsoll` runs it.
inline Said say(FakeAgent& agent, const std::string& name, const cli::Words& args) {
  const cli::Verb* verb = cli::find_verb(name);
  if (verb == nullptr) {
    ADD_FAILURE() << "no verb " << name;
    return {};
  }
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  Result<int> status = 1;
  try {
    status = verb->run(cli::Connection(agent.socket()), args);
  } catch (const std::exception& error) {  // as plimsoll's main does
    status = fail(std::string("exception: ") + error.what());
  }
  std::fflush(stdout);
  Said said{.out = testing::internal::GetCapturedStdout(), .err = testing::internal::GetCapturedStderr()};
  said.status = status ? *status : name == "run" ? cli::kExitCannotRun : 1;
  if (!status) said.err += status.error().message() + "\n";
  return said;
}

// Compares with tests/unit/cli/golden/NAME. PLIMSOLL_UPDATE_GOLDEN=1 writes the files anew; read the
// difference before you commit it.
inline void expect_golden(const std::string& text, const std::string& name) {
  const std::string path = std::string(PLIMSOLL_SOURCE_DIR) + "/tests/unit/cli/golden/" + name;
  if (std::getenv("PLIMSOLL_UPDATE_GOLDEN") != nullptr) std::ofstream(path, std::ios::binary) << text;
  std::ostringstream wanted;
  wanted << std::ifstream(path, std::ios::binary).rdbuf();
  EXPECT_EQ(text, wanted.str()) << path;
  EXPECT_FALSE(text.empty()) << path;
}

}  // namespace plimsoll::cli_test
