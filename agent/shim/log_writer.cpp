#include "agent/shim/log_writer.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "agent/base/rfc3339.h"
#include "agent/shim/protocol.h"

namespace plimsoll::shim {
namespace {

constexpr std::size_t kBatch = 32UL << 10;

std::string file_name(std::uint64_t number) { return number == 0 ? "log" : "log." + std::to_string(number); }

}  // namespace

Result<LogWriter> LogWriter::open(int dir, std::uint64_t size, std::uint64_t files) {
  LogWriter writer(dir, size, files);
  PLIMSOLL_TRY(writer.open_file());
  return writer;
}

Result<> LogWriter::open_file() {
  fd_.reset(::openat(dir_, "log", O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640));
  if (!fd_) return fail_errno("open the container's log");
  struct stat info{};
  if (::fstat(fd_.get(), &info) != 0) return fail_errno("stat the container's log");
  written_ = static_cast<std::uint64_t>(info.st_size);
  return {};
}

Result<> LogWriter::add(Stream stream, std::string_view bytes, WallTime now) {
  const std::string time = format_rfc3339(now);
  std::string& partial = partial_[static_cast<std::size_t>(stream)];
  while (!bytes.empty()) {
    const std::size_t newline = bytes.find('\n');
    const std::size_t room = kLineLimit - partial.size();
    const std::size_t text = std::min({newline, bytes.size(), room});
    const bool whole = newline == text;
    if (!whole && text < room) {  // neither its end nor the limit is reached
      partial.append(bytes);
      break;
    }
    if (partial.empty()) {
      append_line(stream, whole ? 'F' : 'P', bytes.substr(0, text), time);
    } else {
      partial.append(bytes.substr(0, text));
      append_line(stream, whole ? 'F' : 'P', partial, time);
      std::string().swap(partial);
    }
    bytes.remove_prefix(text + (whole ? 1 : 0));
  }
  flush();
  return outcome();
}

Result<> LogWriter::finish(WallTime now) {
  const std::string time = format_rfc3339(now);
  for (const Stream stream : {Stream::kStdout, Stream::kStderr}) {
    std::string& partial = partial_[static_cast<std::size_t>(stream)];
    if (partial.empty()) continue;
    append_line(stream, 'F', partial, time);
    std::string().swap(partial);
  }
  flush();
  return outcome();
}

void LogWriter::append_line(Stream stream, char tag, std::string_view text, std::string_view time) {
  const std::size_t length = time.size() + text.size() + 11;  // " stdout F " and the newline
  const bool full = most_ != 0 && written_ + pending_.size() + length > most_;
  if (full || pending_.size() + length > kBatch) flush();
  // A line that is longer than a whole file still goes into one, alone.
  if (full && written_ > 0) rotate();
  pending_.append(time).append(stream == Stream::kStdout ? " stdout " : " stderr ");
  pending_ += tag;
  pending_ += ' ';
  pending_.append(text);
  pending_ += '\n';
  ++pending_lines_;
}

void LogWriter::flush() {
  if (pending_.empty()) return;
  if (lost_ > 0) {
    const std::string stamp = pending_.substr(0, pending_.find(' '));
    const std::string note =
        stamp + " stderr F plimsoll: " + std::to_string(lost_) + " lines of log were lost here\n";
    const std::uint64_t before = lost_;
    write_out(note);
    if (lost_ == before) lost_ = 0;
  }
  if (lost_ == 0) {
    write_out(pending_);
  } else {
    lost_ += pending_lines_;
  }
  pending_.clear();
  if (pending_.capacity() > kBatch) std::string().swap(pending_);
  pending_lines_ = 0;
}

// All of it or nothing: a torn line is worse than a lost one.
void LogWriter::write_out(std::string_view lines) {
  if (!fd_ && !open_file()) {
    error_ = errno;
    lost_ += std::max<std::uint64_t>(pending_lines_, 1);
    return;
  }
  std::size_t done = 0;
  while (done < lines.size()) {
    const ssize_t wrote = ::write(fd_.get(), lines.data() + done, lines.size() - done);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) {
      error_ = errno;
      lost_ += std::max<std::uint64_t>(pending_lines_, 1);
      // If even this fails the next line is glued to the torn one; there is nothing better to be had.
      if (done > 0 && ::ftruncate(fd_.get(), static_cast<off_t>(written_)) != 0) written_ += done;
      return;
    }
    done += static_cast<std::size_t>(wrote);
  }
  written_ += lines.size();
  error_ = 0;
}

void LogWriter::rotate() {
  ::unlinkat(dir_, file_name(files_ - 1).c_str(), 0);
  for (std::uint64_t number = files_ - 1; number > 0; --number) {
    ::renameat(dir_, file_name(number - 1).c_str(), dir_, file_name(number).c_str());
  }
  fd_.reset();
  if (!open_file()) error_ = errno;
}

Result<> LogWriter::outcome() {
  const bool tell = error_ != 0 && !told_;
  told_ = error_ != 0;
  if (!tell) return {};
  return fail_errno("write the container's log: lines are lost", error_);
}

}  // namespace plimsoll::shim
