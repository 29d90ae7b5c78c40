#include "policies/policy_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "agent/base/unique_fd.h"
#include "policies/document.h"

namespace plimsoll::policies {
namespace {

namespace fs = std::filesystem;
constexpr std::size_t kLargestFile = 1UL << 20;
constexpr int kReadings = 3;

bool same(const struct stat& a, const struct stat& b) {
  return a.st_size == b.st_size && a.st_mtim.tv_sec == b.st_mtim.tv_sec &&
         a.st_mtim.tv_nsec == b.st_mtim.tv_nsec;
}

Result<std::string> read_all(int fd, const std::string& name) {
  std::string text;
  char part[16384];
  while (true) {
    const ssize_t got = ::read(fd, part, sizeof part);
    if (got < 0) return fail_errno("read policy " + name);
    if (got == 0) return text;
    text.append(part, static_cast<std::size_t>(got));
    if (text.size() > kLargestFile) return invalid("read policy " + name + ": larger than 1 MiB");
  }
}

}  // namespace

Result<std::string> read_policy_file(const std::string& name, const std::function<void()>& meanwhile) {
  for (int reading = 0; reading < kReadings; ++reading) {
    // Opened anew: it may have been replaced. Reading never waits: a FIFO or a device in the folder would
    // hold the agent up.
    const UniqueFd fd(::open(name.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    struct stat before{}, after{};
    if (!fd || ::fstat(fd.get(), &before) != 0) return fail_errno("read policy " + name);
    if (!S_ISREG(before.st_mode)) return invalid("read policy " + name + ": not a regular file");
    PLIMSOLL_ASSIGN(std::string text, read_all(fd.get(), name));
    if (meanwhile) meanwhile();
    if (::fstat(fd.get(), &after) != 0) return fail_errno("read policy " + name);
    if (same(before, after) && text.size() == static_cast<std::size_t>(after.st_size)) return text;
  }
  return invalid("read policy " + name + ": it changes while it is read, expected a finished file");
}

Result<std::vector<PolicyFile>> read_folder(const std::string& folder) {
  std::vector<PolicyFile> files;
  std::error_code code;
  for (fs::directory_iterator entry(folder, code), end; !code && entry != end; entry.increment(code)) {
    const std::string extension = entry->path().extension();
    if (extension == ".yaml" || extension == ".yml") files.push_back({entry->path().string(), ""});
  }
  if (code) return fail("read policy folder " + folder + ": " + code.message());
  std::ranges::sort(files, {}, &PolicyFile::name);
  for (PolicyFile& file : files) {
    PLIMSOLL_ASSIGN(file.text, read_policy_file(file.name));
  }
  return files;
}

Result<LoadOutcome> load_folder(const std::string& folder, const std::optional<HostCpus>& host) {
  std::error_code code;
  if (!fs::exists(folder, code)) return load_texts({}, host);
  PLIMSOLL_ASSIGN(const auto files, read_folder(folder));
  return load_texts(files, host);
}

}  // namespace plimsoll::policies
