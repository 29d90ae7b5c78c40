#include "tests/vm/guest_agent.h"

#include <filesystem>
#include <utility>

#include "agent/api/client.h"

namespace plimsoll::vm_test {
namespace {

namespace fs = std::filesystem;
constexpr const char* kLog = "/tmp/agent.log";

void expect_nothing_left() {
  const std::string containers = std::string(GuestAgent::kState) + "/containers";
  std::istringstream mounts(text_of("/proc/self/mounts"));
  for (std::string line; std::getline(mounts, line);)
    EXPECT_EQ(line.find(containers), std::string::npos) << line;
  for (const auto& entry : fs::directory_iterator("/sys/fs/cgroup/plimsoll"))
    EXPECT_FALSE(entry.is_directory()) << entry.path();
  EXPECT_TRUE(fs::is_empty(containers));
  // A shim that was let go of ends by itself, a moment later.
  EXPECT_TRUE(
      eventually([] { return text_of("/sys/fs/cgroup/plimsoll-shims/cgroup.procs").empty(); }, kCeiling))
      << "a shim is left";
}

}  // namespace

std::string GuestAgent::binary(const std::string& name) {
  return (fs::read_symlink("/proc/self/exe").parent_path() / name).string();
}

void GuestAgent::start(With with, const std::vector<std::string>& flags) {
  fs::create_directories(kPolicies);
  std::vector<std::string> words = {binary("plimsoll"), "agent", "--policies", kPolicies};
  if (with == With::kNoProbes) words.insert(words.end(), {"--no-probe", "all"});
  words.insert(words.end(), flags.begin(), flags.end());
  const UniqueFd log(::open(kLog, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  ASSERT_TRUE(log);
  pid_ = ::fork();
  ASSERT_GE(pid_, 0);
  if (pid_ == 0) {
    ::dup2(log.get(), STDOUT_FILENO);
    ::dup2(log.get(), STDERR_FILENO);
    become(words);
  }
  ASSERT_TRUE(eventually([] { return ask("/_ping").status == 200; }, kCeiling)) << text_of(kLog);
}

int GuestAgent::end(int signal) {
  int status = 0;
  ::kill(pid_, signal);
  ::waitpid(std::exchange(pid_, 0), &status, 0);
  return status;
}

void GuestAgent::kill() { end(SIGKILL); }

void GuestAgent::stop() { EXPECT_EQ(status_of(end(SIGTERM)), 0); }

Answer GuestAgent::ask(const std::string& target, const std::string& where, const std::string& method) {
  const auto reply = api::send(where, {.method = method, .target = target});
  if (!reply) return {0, reply.error().message()};
  Answer answer{(*reply)->status(), ""};
  std::array<char, 65536> chunk{};
  while (true) {
    const auto got = (*reply)->read(chunk);
    if (!got || *got == 0) return answer;
    answer.text.append(chunk.data(), *got);
  }
}

nlohmann::json GuestAgent::get(const std::string& target) {
  const Answer answer = ask(target);
  EXPECT_EQ(answer.status, 200) << target << ": " << answer.text;
  return nlohmann::json::parse(answer.text, nullptr, false);
}

std::string GuestAgent::take_log() {
  std::string text = text_of(kLog);
  // It goes on at the new end, since it appends.
  if (!text.empty()) fs::resize_file(kLog, 0);
  return text;
}

void GuestAgent::remove_containers() {
  for (const auto& one : get("/containers/json?all=1")) {
    const std::string target = "/containers/" + one["Id"].get<std::string>() + "?force=1";
    const Answer removed = ask(target, kSocket, "DELETE");
    EXPECT_EQ(removed.status, 204) << removed.text;
  }
  expect_nothing_left();
}

}  // namespace plimsoll::vm_test
