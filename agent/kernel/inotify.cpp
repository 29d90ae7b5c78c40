#include "agent/kernel/inotify.h"

#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <cstring>

namespace plimsoll::kernel {

Result<Inotify> Inotify::open() {
  UniqueFd fd(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  if (!fd) return fail_errno("start inotify");
  return Inotify(std::move(fd));
}

Result<int> Inotify::add(const std::string& path, std::uint32_t mask) {
  const int watch = ::inotify_add_watch(fd_.get(), path.c_str(), mask);
  if (watch < 0) return fail_errno("watch " + path);
  return watch;
}

void Inotify::remove(int watch) { ::inotify_rm_watch(fd_.get(), watch); }

Result<std::vector<Inotify::Change>> Inotify::drain() {
  std::vector<Change> changes;
  alignas(inotify_event) std::array<char, 64 * 1024> buffer;
  while (true) {
    const ssize_t got = ::read(fd_.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) return changes;
    if (got < 0) return fail_errno("read inotify");
    for (std::size_t at = 0; at + sizeof(inotify_event) <= static_cast<std::size_t>(got);) {
      inotify_event event{};
      std::memcpy(&event, buffer.data() + at, sizeof event);
      // The name is padded with zeros.
      const char* name = buffer.data() + at + sizeof event;
      changes.push_back({event.wd, event.mask, std::string(name, ::strnlen(name, event.len))});
      at += sizeof event + event.len;
    }
  }
}

}  // namespace plimsoll::kernel
