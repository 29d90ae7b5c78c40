#include "agent/container/logs.h"

#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>

#include "agent/base/rfc3339.h"

namespace plimsoll::container {
namespace {

constexpr int kMostFiles = 100;

std::string file_name(const std::string& folder, int index) {
  return folder + "/log" + (index == 0 ? "" : "." + std::to_string(index));
}

std::optional<std::uint64_t> inode_of(const std::string& path) {
  struct stat about{};
  if (::stat(path.c_str(), &about) != 0) return std::nullopt;
  return about.st_ino;
}

// Which file this inode is by now; nullopt: rotated out of sight.
std::optional<int> index_of(const std::string& folder, std::uint64_t inode) {
  for (int index = 0; index < kMostFiles; ++index) {
    if (inode_of(file_name(folder, index)) == inode) return index;
  }
  return std::nullopt;
}

std::optional<int> oldest(const std::string& folder) {
  for (int index = kMostFiles - 1; index >= 0; --index) {
    if (inode_of(file_name(folder, index))) return index;
  }
  return std::nullopt;
}

struct Opened {
  UniqueFd fd;
  std::uint64_t inode = 0;
};

std::optional<Opened> open_file(const std::string& path) {
  Opened out{.fd = UniqueFd(::open(path.c_str(), O_RDONLY | O_CLOEXEC))};
  struct stat about{};
  if (!out.fd || ::fstat(out.fd.get(), &about) != 0) return std::nullopt;
  out.inode = about.st_ino;
  return out;
}

}  // namespace

Result<LogLine> parse_log_line(std::string_view line) {
  const auto first = line.find(' ');
  const auto second = first == line.npos ? line.npos : line.find(' ', first + 1);
  const auto third = second == line.npos ? line.npos : line.find(' ', second + 1);
  if (third == line.npos)
    return invalid("log line '" + std::string(line.substr(0, 60)) + "': want TIME STREAM TAG TEXT");
  LogLine out{.time = std::string(line.substr(0, first)), .text = std::string(line.substr(third + 1))};
  const auto when = parse_rfc3339(out.time);
  const std::string_view stream = line.substr(first + 1, second - first - 1);
  const std::string_view tag = line.substr(second + 1, third - second - 1);
  if (!when || (stream != "stdout" && stream != "stderr") || (tag != "F" && tag != "P"))
    return invalid("log line '" + std::string(line.substr(0, 60)) + "': malformed");
  out.when = *when;
  out.is_stderr = stream == "stderr";
  out.complete = tag == "F";
  return out;
}

LogReader::LogReader(std::string folder, const LogOptions& options, std::function<bool()> alive)
    : folder_(std::move(folder)), options_(options), alive_(std::move(alive)) {}
LogReader::~LogReader() = default;

Result<std::unique_ptr<LogReader>> LogReader::open(const std::string& folder, const LogOptions& options,
                                                   std::function<bool()> alive) {
  std::unique_ptr<LogReader> reader(new LogReader(folder, options, std::move(alive)));
  PLIMSOLL_TRY(reader->begin());
  return reader;
}

Result<> LogReader::begin() {
  changes_ = UniqueFd(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!changes_) return fail_errno("make an inotify descriptor");
  if (::inotify_add_watch(changes_.get(), folder_.c_str(), IN_MODIFY | IN_CREATE | IN_MOVED_TO) < 0)
    return fail_errno("watch the log in " + folder_);
  if (!options_.tail) return {};
  // Forward through all files: they are bounded, and nothing is lost to a rotation meanwhile.
  const std::size_t most = *options_.tail;
  std::size_t complete = 0;
  while (true) {
    auto text = take_line();
    if (!text) {
      PLIMSOLL_ASSIGN(const bool more, fill());
      if (!more) return {};
      continue;
    }
    auto line = parse_log_line(*text);
    if (!line || !wanted(*line)) continue;
    complete += line->complete ? 1 : 0;
    queued_.push_back(std::move(*line));
    while (complete > most || (most == 0 && !queued_.empty())) {
      complete -= queued_.front().complete ? 1 : 0;
      queued_.pop_front();
    }
  }
}

bool LogReader::wanted(const LogLine& line) const {
  if (!(line.is_stderr ? options_.err : options_.out)) return false;
  if (options_.since && line.when < *options_.since) return false;
  return !options_.until || line.when <= *options_.until;
}

std::optional<std::string> LogReader::take_line() {
  const auto end = pending_.find('\n', used_);
  if (end == std::string::npos) return std::nullopt;
  std::string line = pending_.substr(used_, end - used_);
  used_ = end + 1;
  return line;
}

Result<bool> LogReader::open_next() {
  if (!file_) {
    // The file may be rotated between the look and the opening: then it is the one after it, and looked for
    // again.
    for (auto index = oldest(folder_); index; index = oldest(folder_)) {
      auto opened = open_file(file_name(folder_, *index));
      if (!opened || oldest(folder_) != index || inode_of(file_name(folder_, *index)) != opened->inode)
        continue;
      file_ = std::move(opened->fd);
      inode_ = opened->inode;
      return true;
    }
    return false;
  }
  while (true) {
    const auto index = index_of(folder_, inode_);
    if (index == 0) return false;
    if (!index) {  // rotated away while it was read: go on with the oldest that is left
      file_.reset();
      return open_next();
    }
    auto opened = open_file(file_name(folder_, *index - 1));
    if (index_of(folder_, inode_) != index) continue;
    if (!opened) return false;  // in the middle of a rotation
    if (inode_of(file_name(folder_, *index - 1)) != opened->inode) continue;
    file_ = std::move(opened->fd);
    inode_ = opened->inode;
    return true;
  }
}

Result<bool> LogReader::fill() {
  pending_.erase(0, used_);
  used_ = 0;
  std::array<char, 65536> buffer{};
  while (true) {
    if (!file_) {
      PLIMSOLL_ASSIGN(const bool opened, open_next());
      if (!opened) return false;
    }
    // Rotated files are written no more: what is read after this look is their end.
    const bool rotated = index_of(folder_, inode_) != 0;
    const ssize_t got = ::read(file_.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_errno("read the log in " + folder_);
    if (got > 0) {
      pending_.append(buffer.data(), static_cast<std::size_t>(got));
      return true;
    }
    if (!rotated) return false;
    pending_.clear();  // an unfinished line of a shim that was killed
    PLIMSOLL_ASSIGN(const bool opened, open_next());
    if (!opened) return false;
  }
}

Result<std::optional<LogLine>> LogReader::next() {
  if (!queued_.empty()) {
    LogLine line = std::move(queued_.front());
    queued_.pop_front();
    return line;
  }
  if (ended_) return std::nullopt;
  std::array<char, 4096> events{};
  while (::read(changes_.get(), events.data(), events.size()) > 0) {
  }
  // Asked before the last look, so that what was written before the end is seen.
  const bool more_to_come = options_.follow && alive_();
  while (true) {
    auto text = take_line();
    if (!text) {
      PLIMSOLL_ASSIGN(const bool more, fill());
      if (more) continue;
      ended_ = !more_to_come;
      return std::nullopt;
    }
    auto line = parse_log_line(*text);
    if (!line) continue;
    if (options_.until && line->when > *options_.until) {
      ended_ = true;
      return std::nullopt;
    }
    if (wanted(*line)) return std::move(*line);
  }
}

}  // namespace plimsoll::container
