// An agent running in the guest: `plimsoll agent` of the build that the test is of. What the suites that
// drive it have in common.
#pragma once

#include <gtest/gtest.h>
#include <sys/types.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/vm/program.h"

namespace plimsoll::vm_test {

inline constexpr std::chrono::seconds kCeiling{300};  // of a wait: the guest may be emulated

struct Answer {
  int status = 0;  // 0: nobody answered, and `text` says why
  std::string text;
};

class GuestAgent {
 public:
  static constexpr const char* kState = "/var/lib/plimsoll";
  static constexpr const char* kSocket = "/run/plimsoll/plimsoll.sock";
  static constexpr const char* kPolicies = "/tmp/policies";
  static constexpr const char* kListen = "tcp://127.0.0.1:9876";

  static std::string binary(const std::string& name);  // beside the test's own

  // To load the probes takes an emulated guest seconds, each time that an agent is started.
  enum class With { kProbes, kNoProbes };
  // With these flags more; waits until it answers.
  void start(With with, const std::vector<std::string>& flags = {});
  void kill();  // SIGKILL
  void stop();  // SIGTERM; it ends well
  bool started() const { return pid_ != 0; }

  // One request, to its end; `where`: kSocket or kListen.
  static Answer ask(const std::string& target, const std::string& where = kSocket,
                    const std::string& method = "GET");
  // Of what must be there, as JSON.
  static nlohmann::json get(const std::string& target);

  // What it has logged since this was last called.
  static std::string take_log();
  // Removes all containers by force, and expects that nothing of them is left on the host.
  static void remove_containers();

 private:
  int end(int signal);  // its wait status

  pid_t pid_ = 0;
};

}  // namespace plimsoll::vm_test
