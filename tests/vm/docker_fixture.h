// Docker's own command line as the agent's client: Debian's, unpacked by agent/install-dependencies, or the
// one that PLIMSOLL_DOCKER names. One agent serves all tests of the process; each test leaves nothing behind.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/vm/guest_agent.h"

namespace plimsoll::docker_test {

using vm_test::eventually;
using vm_test::GuestAgent;
using vm_test::Outcome;
using vm_test::Terminal;
using vm_test::text_of;
using Words = std::vector<std::string>;
using testing::HasSubstr;
using testing::MatchesRegex;
using testing::StartsWith;

constexpr const char* kImageTar = "/tmp/docker-image.tar";  // what the image "demo" was imported from

class DockerCli : public testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override;

  // `docker -H unix://... WORDS`, as a command and run to its end.
  static Words command(Words words);
  static Outcome docker(Words words, const std::string& input = "");
  static std::future<Outcome> background(Words words);
  // Its standard output without the last newline, of a command that must succeed without a word on standard
  // error.
  static std::string told(Words words, const std::string& input = "");
  // `docker run --rm FLAGS demo sh -c SCRIPT`: its standard output.
  static std::string in_container(Words flags, const std::string& script);
  // `docker run -d --name NAME FLAGS demo sh -c SCRIPT`
  static void start(const std::string& name, const std::string& script, Words flags = {});
  // Expects that docker refuses with this exit status and one line that has all these parts.
  static void expect_refused(Words words, int status, const std::vector<std::string>& parts);
  // The same of many, two at a time: the command line takes seconds to start where it is emulated.
  struct Refusal {
    Words words;
    std::vector<std::string> parts;
  };
  static void expect_all_refused(const std::vector<Refusal>& all, int status);

  static void check_refused(const Refusal& refusal, const Outcome& outcome, int status);

  // GET of the API itself, for states that a test waits for: the command line is slow where it is emulated.
  static nlohmann::json api(const std::string& target);
  static nlohmann::json state(const std::string& name);  // an empty object where there is no such container
  static bool exited(const std::string& name);
  static bool running(const std::string& name);
};

GuestAgent& agent();

}  // namespace plimsoll::docker_test
