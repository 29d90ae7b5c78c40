// What runs inside test containers where busybox has no applet for it. Static.
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>

namespace {

// 0 or errno, as the exit status and in words.
int told(const char* what, bool good) {
  std::printf("%s: %s\n", what, good ? "done" : std::strerror(errno));
  return good ? 0 : errno;
}

int hog(std::size_t mebibytes) {
  for (std::size_t i = 0; i < mebibytes; ++i) {
    void* block = std::malloc(1UL << 20);
    if (block == nullptr) return 1;
    std::memset(block, 1, 1UL << 20);
    __asm__ volatile("" ::"r"(block) : "memory");
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view verb = argc > 1 ? argv[1] : "";
  const int number = argc > 2 ? std::atoi(argv[2]) : 0;
  if (verb == "socket")
    return told("socket", ::socket(number, SOCK_STREAM, 0) >= 0 || ::socket(number, SOCK_SEQPACKET, 0) >= 0);
  if (verb == "hog") return hog(static_cast<std::size_t>(number));
  if (verb == "unshare") return told("unshare", ::unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0);
  if (verb == "mount") return told("mount", ::mount("none", "/tmp", "tmpfs", 0, nullptr) == 0);
  if (verb == "overwrite") return told("open", std::fopen(argv[2], "r+") != nullptr);
  return 64;
}
