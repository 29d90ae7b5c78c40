#include "agent/kernel/file.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdio>

namespace plimsoll::kernel {
namespace {

constexpr std::size_t kMostBytes = 64UL << 20;
constexpr std::size_t kFirstBuffer = 4096;

Result<> write_all(int fd, std::string_view text, const std::string& doing) {
  while (!text.empty()) {
    const ssize_t wrote = ::write(fd, text.data(), text.size());
    if (wrote < 0) {
      if (errno == EINTR) continue;
      return fail_errno(doing);
    }
    text.remove_prefix(static_cast<std::size_t>(wrote));
  }
  return {};
}

}  // namespace

Result<std::string> read_file_at(int dir, const std::string& path) {
  const UniqueFd fd(::openat(dir, path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return fail_errno("open " + path);
  std::string text;
  std::size_t length = 0;
  while (true) {
    if (text.size() - length < kFirstBuffer) text.resize(text.size() + std::max(kFirstBuffer, text.size()));
    const ssize_t got = ::read(fd.get(), text.data() + length, text.size() - length);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_errno("read " + path);
    if (got == 0) break;
    length += static_cast<std::size_t>(got);
    if (length > kMostBytes) return fail("read " + path + ": larger than 64 MiB");
  }
  text.resize(length);
  return text;
}

Result<std::string> read_file(const std::string& path) { return read_file_at(AT_FDCWD, path); }

Result<std::string_view> pread_all(int fd, std::string& buffer) {
  if (buffer.size() < kFirstBuffer) buffer.resize(kFirstBuffer);
  std::size_t length = 0;
  while (true) {
    const ssize_t got =
        ::pread(fd, buffer.data() + length, buffer.size() - length, static_cast<off_t>(length));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_errno("pread");
    length += static_cast<std::size_t>(got);
    // seq_file gives less than asked only at the end or at a page's edge: a short read with room left is the
    // end.
    if (got == 0 || length + kFirstBuffer / 4 <= buffer.size()) break;
    if (buffer.size() >= kMostBytes) return fail("pread: larger than 64 MiB");
    buffer.resize(buffer.size() * 2);
  }
  return std::string_view(buffer.data(), length);
}

Result<> write_file_at(int dir, const std::string& path, std::string_view text) {
  const UniqueFd fd(::openat(dir, path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd) return fail_errno("open " + path);
  while (::write(fd.get(), text.data(), text.size()) < 0) {
    if (errno != EINTR) return fail_errno("write " + path);
  }
  return {};
}

Result<> replace_file(const std::string& path, std::string_view text, unsigned mode) {
  const std::string temporary = path + ".new";
  UniqueFd fd(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode));
  if (!fd) return fail_errno("create " + temporary);
  auto written = write_all(fd.get(), text, "write " + temporary);
  if (written && ::fsync(fd.get()) != 0) written = fail_errno("fsync " + temporary);
  if (written && ::rename(temporary.c_str(), path.c_str()) != 0) written = fail_errno("rename " + temporary);
  if (!written) ::unlink(temporary.c_str());
  return written;
}

}  // namespace plimsoll::kernel
