#include "agent/launch/main/protect.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/base/unique_fd.h"

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif

namespace plimsoll::runtime {
namespace {

constexpr int kSeals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;

Result<UniqueFd> new_memory() {
  // MFD_EXEC (6.3) is needed where vm.memfd_noexec is 1, and unknown to older kernels.
  UniqueFd copy(::memfd_create("plimsoll-runtime", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC));
  if (!copy && errno == EINVAL)
    copy.reset(::memfd_create("plimsoll-runtime", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!copy) return fail_errno("create a memory file for this program");
  return copy;
}

}  // namespace

Result<> run_from_sealed_copy(char** argv, char** env) {
  // Nobody in the container may trace this process or read its links while it is halfway in.
  ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  const UniqueFd self(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
  if (!self) return fail_errno("open /proc/self/exe");
  if (::fcntl(self.get(), F_GET_SEALS) == kSeals) return {};
  PLIMSOLL_ASSIGN(const UniqueFd copy, new_memory());
  struct stat info{};
  if (::fstat(self.get(), &info) != 0) return fail_errno("stat /proc/self/exe");
  off_t left = info.st_size;
  while (left > 0) {
    const ssize_t sent = ::sendfile(copy.get(), self.get(), nullptr, static_cast<std::size_t>(left));
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return fail_errno("copy this program to memory");
    left -= sent;
  }
  if (::fcntl(copy.get(), F_ADD_SEALS, kSeals) != 0) return fail_errno("seal the copy of this program");
  ::syscall(SYS_execveat, copy.get(), "", argv, env, AT_EMPTY_PATH);
  return fail_errno("execute the sealed copy of this program");
}

}  // namespace plimsoll::runtime
