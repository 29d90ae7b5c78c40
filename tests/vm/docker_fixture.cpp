#include "tests/vm/docker_fixture.h"

#include <cstdlib>
#include <filesystem>

#include "agent/api/client.h"

namespace plimsoll::docker_test {
namespace {

namespace fs = std::filesystem;
constexpr const char* kSocket = "/run/docker-test.sock";
constexpr std::chrono::seconds kCeiling{240};  // the guest may be emulated

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
  ASSERT_EQ(std::system("tar -C /tmp/docker-tree -cf /tmp/docker-image.tar ."), 0);
}

class Daemon {
 public:
  void start() {
    const fs::path bin = fs::read_symlink("/proc/self/exe").parent_path();
    int hold[2], out[2];
    ASSERT_EQ(::pipe2(hold, O_CLOEXEC), 0);
    ASSERT_EQ(::pipe2(out, O_CLOEXEC), 0);
    pid_ = ::fork();
    if (pid_ == 0) {
      ::dup2(hold[0], 0);
      ::dup2(out[1], 1);
      vm_test::become({bin / "docker_daemon", kSocket, bin / "plimsoll-runtime"});
    }
    ::close(hold[0]);
    ::close(out[1]);
    hold_ = hold[1];
    char byte = 0;
    ASSERT_EQ(::read(out[0], &byte, 1), 1) << "the daemon did not start";
    ::close(out[0]);
  }
  void stop(bool killed) {
    if (killed) ::kill(pid_, SIGKILL);
    ::close(hold_);
    ASSERT_EQ(::waitpid(pid_, nullptr, 0), pid_);
  }

 private:
  pid_t pid_ = -1;
  int hold_ = -1;
};

Daemon& daemon() {
  static Daemon one;
  return one;
}

class Setting final : public testing::Environment {
 public:
  void SetUp() override {
    make_image_tar();
    daemon().start();
    const UniqueFd tar(::open("/tmp/docker-image.tar", O_RDONLY | O_CLOEXEC));
    const auto reply =
        api::send(kSocket, {.method = "POST",
                            .target = "/images/create?fromSrc=-&repo=demo&changes=ENV%20COLOUR=blue",
                            .upload_fd = tar.get()});
    ASSERT_TRUE(reply) << reply.error().message();
    ASSERT_EQ((*reply)->status(), 200);
  }
  void TearDown() override { daemon().stop(false); }
};

[[maybe_unused]] const auto* const kSetting = testing::AddGlobalTestEnvironment(new Setting);

std::string reply_of(const std::string& method, const std::string& target, int* status = nullptr) {
  const auto reply = api::send(kSocket, {.method = method, .target = target});
  if (!reply) {
    ADD_FAILURE() << reply.error().message();
    return "";
  }
  if (status != nullptr) *status = (*reply)->status();
  std::string text;
  std::array<char, 4096> bytes{};
  while (true) {
    const auto got = (*reply)->read(bytes);
    if (!got || *got == 0) return text;
    text.append(bytes.data(), *got);
  }
}

std::string docker_program() {
  if (const char* named = std::getenv("PLIMSOLL_DOCKER")) return named;
  const char* cache = std::getenv("PLIMSOLL_CACHE");
  return std::string(cache != nullptr ? cache : "/var/cache/plimsoll") + "/docker/usr/bin/docker";
}

void expect_nothing_left() {
  EXPECT_EQ(text_of("/proc/self/mounts").find("/var/lib/plimsoll/containers"), std::string::npos);
  for (const auto& entry : fs::directory_iterator("/sys/fs/cgroup/plimsoll"))
    EXPECT_FALSE(entry.is_directory()) << entry.path();
  EXPECT_TRUE(fs::is_empty("/var/lib/plimsoll/containers"));
  EXPECT_TRUE(eventually([] { return text_of("/sys/fs/cgroup/plimsoll-shims/cgroup.procs").empty(); }))
      << "a shim is left";
}

}  // namespace

void kill_and_restart_daemon() {
  daemon().stop(true);
  daemon().start();
}

Words DockerCli::command(Words words) {
  Words all = {docker_program(), "-H", std::string("unix://") + kSocket};
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
    const bool own = line.starts_with("See 'docker") || line.starts_with("time=\"") ||
                     line.starts_with("WARNING: ") || line.starts_with("Error: failed to ");
    count += line.empty() || own ? 0 : 1;
  }
  EXPECT_EQ(count, 1) << shown << ": " << outcome.err;
}

nlohmann::json DockerCli::api(const std::string& target) {
  auto parsed = nlohmann::json::parse(reply_of("GET", target), nullptr, false);
  EXPECT_FALSE(parsed.is_discarded()) << target;
  return parsed;
}

nlohmann::json DockerCli::state(const std::string& name) {
  return api("/containers/" + name + "/json").value("State", nlohmann::json::object());
}

bool DockerCli::exited(const std::string& name) {
  return eventually([&] { return state(name).value("Status", "") == "exited"; }, kCeiling);
}

bool DockerCli::running(const std::string& name) {
  return eventually([&] { return state(name).value("Status", "") == "running"; }, kCeiling);
}

void DockerCli::TearDown() {
  for (const auto& one : api("/containers/json?all=1")) {
    int status = 0;
    const std::string reply =
        reply_of("DELETE", "/containers/" + one["Id"].get<std::string>() + "?force=1", &status);
    EXPECT_EQ(status, 204) << reply;
  }
  expect_nothing_left();
}

}  // namespace plimsoll::docker_test
