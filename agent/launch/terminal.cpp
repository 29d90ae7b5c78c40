#include "agent/launch/terminal.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/vfs.h>

#include <cstring>

#include "agent/launch/rooted.h"

#ifndef DEVPTS_SUPER_MAGIC
#define DEVPTS_SUPER_MAGIC 0x1cd1
#endif

namespace plimsoll::launch {
namespace {

// Opens what an O_PATH descriptor stands for. /proc/self/fd is the only way to.
UniqueFd reopen(int fd, int flags) {
  return UniqueFd(::open(("/proc/self/fd/" + std::to_string(fd)).c_str(), flags | O_CLOEXEC));
}

Result<> want_devpts(int fd) {
  struct statfs filesystem{};
  struct stat info{};
  if (::fstatfs(fd, &filesystem) != 0 || ::fstat(fd, &info) != 0) return fail_errno("stat /dev/pts/ptmx");
  const bool device = S_ISCHR(info.st_mode) && major(info.st_rdev) == 5 && minor(info.st_rdev) == 2;
  if (filesystem.f_type == DEVPTS_SUPER_MAGIC && device) return {};
  return fail("/dev/pts/ptmx of the container is not a devpts' ptmx", ErrorKind::kInvalid);
}

}  // namespace

Result<Terminal> open_terminal(int root, const std::optional<oci::ConsoleSize>& size) {
  auto path = open_in_root(root, "/dev/pts/ptmx");
  if (!path) {
    return std::unexpected(std::move(path).error().in("process.terminal wants a devpts mount on /dev/pts"));
  }
  PLIMSOLL_TRY(want_devpts(path->get()));
  Terminal terminal;
  terminal.master = reopen(path->get(), O_RDWR | O_NOCTTY);
  if (!terminal.master) return fail_errno("open /dev/pts/ptmx");
  const int unlock = 0;
  if (::ioctl(terminal.master.get(), TIOCSPTLCK, &unlock) != 0) return fail_errno("unlock the terminal");
  terminal.slave.reset(::ioctl(terminal.master.get(), TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (!terminal.slave) return fail_errno("open the terminal's slave");
  if (size && (size->height != 0 || size->width != 0)) {
    const winsize window{size->height, size->width, 0, 0};
    if (::ioctl(terminal.master.get(), TIOCSWINSZ, &window) != 0)
      return fail_errno("set the terminal's size");
  }
  return terminal;
}

Result<> send_descriptor(int socket, int fd, const char* name) {
  iovec data{const_cast<char*>(name), std::strlen(name)};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
  while (::sendmsg(socket, &message, MSG_NOSIGNAL) < 0) {
    if (errno != EINTR) return fail_errno("send the terminal to the console socket");
  }
  return {};
}

Result<UniqueFd> receive_descriptor(int socket) {
  char text[256] = {};
  iovec data{text, sizeof text};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  ssize_t got = 0;
  do {
    got = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  } while (got < 0 && errno == EINTR);
  if (got < 0) return fail_errno("receive the terminal");
  const cmsghdr* header = CMSG_FIRSTHDR(&message);
  if (header == nullptr || header->cmsg_type != SCM_RIGHTS)
    return fail("receive the terminal: none was sent");
  int fd = -1;
  std::memcpy(&fd, CMSG_DATA(header), sizeof fd);
  return UniqueFd(fd);
}

Result<UniqueFd> connect_unix(const std::string& path) {
  const UniqueFd file(::open(path.c_str(), O_PATH | O_CLOEXEC));
  if (!file) return fail_errno("open socket " + path);
  UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket) return fail_errno("create a Unix socket");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  // sun_path holds 107 bytes; this way there is no limit.
  const std::string shortened = "/proc/self/fd/" + std::to_string(file.get());
  std::memcpy(address.sun_path, shortened.c_str(), shortened.size());
  if (::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    return fail_errno("connect to " + path);
  }
  return socket;
}

Result<> become_terminal(int slave) {
  if (::ioctl(slave, TIOCSCTTY, 0) != 0) return fail_errno("make the terminal the controlling one");
  for (int fd = 0; fd < 3; ++fd) {
    if (::dup2(slave, fd) < 0) return fail_errno("put the terminal on stdin, stdout and stderr");
  }
  return {};
}

}  // namespace plimsoll::launch
