#include "tests/vm/docker_fixture.h"

#include <cstdio>
#include <cstdlib>
#include <filesystem>

namespace plimsoll::docker_test {
namespace {

namespace fs = std::filesystem;

// What stands in the image "demo": busybox, two users, a file that is no program.
void make_image_tar() {
  const fs::path tree = "/tmp/docker-tree";
  for (const char* part : {"bin", "etc", "tmp", "proc", "dev", "sys", "srv"})
    fs::create_directories(tree / part);
  fs::copy_file("/bin/busybox", tree / "bin/busybox");
  for (const char* name :
       {"sh",   "sleep", "cat",  "echo", "ls",    "id",    "seq", "hostname", "head", "tail",
        "wc",   "dd",    "stty", "env",  "touch", "ps",    "pwd", "tty",      "grep", "kill",
        "stat", "true",  "tee",  "date", "ip",    "mknod", "df",  "test"}) {
    fs::create_symlink("busybox", tree / "bin" / name);
  }
  std::ofstream(tree / "etc/passwd") << "root:x:0:0::/root:/bin/sh\nweb:x:7:8::/srv:/bin/sh\n";
  std::ofstream(tree / "etc/group") << "root:x:0:\nweb:x:8:\nlogs:x:44:web\n";
  std::ofstream(tree / "etc/data") << "not a program\n";
  ASSERT_EQ(std::system(("tar -C /tmp/docker-tree -cf " + std::string(kImageTar) + " .").c_str()), 0);
}

class Setting final : public testing::Environment {
 public:
  void SetUp() override {
    make_image_tar();
    agent().start(GuestAgent::With::kNoProbes);
    const Outcome imported = vm_test::run_program(
        {GuestAgent::binary("plimsoll"), "import", "--change", "ENV COLOUR=blue", kImageTar, "demo"}, "",
        true);
    ASSERT_EQ(imported.status, 0) << imported.out;
  }
  void TearDown() override { agent().stop(); }
};

[[maybe_unused]] const auto* const kSetting = testing::AddGlobalTestEnvironment(new Setting);

std::string docker_program() {
  if (const char* named = std::getenv("PLIMSOLL_DOCKER")) return named;
  const char* cache = std::getenv("PLIMSOLL_CACHE");
  return std::string(cache != nullptr ? cache : "/var/cache/plimsoll") + "/docker/usr/bin/docker";
}

}  // namespace

GuestAgent& agent() {
  static GuestAgent one;
  return one;
}

Words DockerCli::command(Words words) {
  Words all = {docker_program(), "-H", std::string("unix://") + GuestAgent::kSocket};
  all.insert(all.end(), words.begin(), words.end());
  return all;
}

Outcome DockerCli::docker(Words words, const std::string& input) {
  return vm_test::run_program(command(std::move(words)), input);
}

std::future<Outcome> DockerCli::background(Words words) {
  return std::async(std::launch::async, [words = std::move(words)] { return docker(words); });
}

std::string DockerCli::told(Words words, const std::string& input) {
  const std::string shown = testing::PrintToString(words);
  Outcome outcome = docker(std::move(words), input);
  EXPECT_EQ(outcome.status, 0) << shown << ": " << outcome.err;
  EXPECT_EQ(outcome.err, "") << shown;
  if (outcome.out.ends_with('\n')) outcome.out.pop_back();
  return outcome.out;
}

std::string DockerCli::in_container(Words flags, const std::string& script) {
  Words words = {"run", "--rm"};
  words.insert(words.end(), flags.begin(), flags.end());
  words.insert(words.end(), {"demo", "sh", "-c", script});
  return told(std::move(words));
}

void DockerCli::start(const std::string& name, const std::string& script, Words flags) {
  Words words = {"run", "-d", "--name", name};
  words.insert(words.end(), flags.begin(), flags.end());
  words.insert(words.end(), {"demo", "sh", "-c", script});
  EXPECT_THAT(told(std::move(words)), MatchesRegex("[0-9a-f]{64}"));
}

void DockerCli::expect_refused(Words words, int status, const std::vector<std::string>& parts) {
  expect_all_refused({{std::move(words), parts}}, status);
}

void DockerCli::expect_all_refused(const std::vector<Refusal>& all, int status) {
  for (std::size_t i = 0; i < all.size(); i += 2) {
    const bool second = i + 1 < all.size();
    std::future<Outcome> other = second ? background(all[i + 1].words) : std::future<Outcome>();
    check_refused(all[i], docker(all[i].words), status);
    if (second) check_refused(all[i + 1], other.get(), status);
  }
}

void DockerCli::check_refused(const Refusal& refusal, const Outcome& outcome, int status) {
  const std::string shown = testing::PrintToString(refusal.words);
  EXPECT_EQ(outcome.status, status) << shown << ": " << outcome.err;
  for (const std::string& part : refusal.parts) EXPECT_THAT(outcome.err, HasSubstr(part)) << shown;
  // Lines of the command line's own: a hint at its help, its log, what it had been doing.
  std::istringstream lines(outcome.err);
  int count = 0;
  for (std::string line; std::getline(lines, line);) {
    const bool own = line.starts_with("See 'docker") || line.starts_with("Run 'docker ") ||
                     line.starts_with("time=\"") || line.starts_with("WARNING: ") ||
                     line.starts_with("Error: failed to ");
    count += line.empty() || own ? 0 : 1;
  }
  EXPECT_EQ(count, 1) << shown << ": " << outcome.err;
}

nlohmann::json DockerCli::api(const std::string& target) {
  auto parsed = nlohmann::json::parse(GuestAgent::ask(target).text, nullptr, false);
  EXPECT_FALSE(parsed.is_discarded()) << target;
  return parsed;
}

nlohmann::json DockerCli::state(const std::string& name) {
  return api("/containers/" + name + "/json").value("State", nlohmann::json::object());
}

bool DockerCli::exited(const std::string& name) {
  return eventually([&] { return state(name).value("Status", "") == "exited"; }, vm_test::kCeiling);
}

bool DockerCli::running(const std::string& name) {
  return eventually([&] { return state(name).value("Status", "") == "running"; }, vm_test::kCeiling);
}

void DockerCli::SetUp() { GuestAgent::take_log(); }

void DockerCli::TearDown() {
  GuestAgent::remove_containers();
  if (HasFailure()) std::printf("the agent's log:\n%s\n", GuestAgent::take_log().c_str());
}

}  // namespace plimsoll::docker_test
