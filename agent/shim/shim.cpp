#include "agent/shim/shim.h"

#include <fcntl.h>
#include <link.h>
#include <malloc.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <csignal>
#include <cstdint>
#include <cstring>

#include "agent/kernel/file.h"
#include "agent/launch/lifecycle.h"
#include "agent/shim/loop.h"

namespace plimsoll::shim {
namespace {

constexpr int kBacklog = 64;
constexpr const char* kSocket = "shim.sock";

Result<> enter_cgroup(const Options& options) {
  if (options.shim_cgroup.empty()) return {};
  PLIMSOLL_ASSIGN(const kernel::Cgroup cgroup,
                  kernel::Cgroup::create(options.cgroup_root + options.shim_cgroup));
  return cgroup.add_process(0);
}

Result<UniqueFd> listen_in(int dir) {
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return fail_errno("create the shim's socket");
  if (::unlinkat(dir, kSocket, 0) != 0 && errno != ENOENT) return fail_errno("remove an old shim.sock");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  // The folder's path may be longer than the 107 bytes that sun_path holds.
  const std::string path = "/proc/self/fd/" + std::to_string(dir) + "/" + kSocket;
  std::memcpy(address.sun_path, path.c_str(), path.size());
  const mode_t before = ::umask(0117);
  const int bound = ::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address);
  ::umask(before);
  if (bound != 0) return fail_errno("bind shim.sock");
  if (::listen(fd.get(), kBacklog) != 0) return fail_errno("listen on shim.sock");
  return fd;
}

Result<UniqueFd> hold_signals() {
  sigset_t set;
  ::sigemptyset(&set);
  ::sigaddset(&set, SIGCHLD);
  ::sigaddset(&set, SIGTERM);
  ::sigprocmask(SIG_SETMASK, &set, nullptr);
  for (const int ignored : {SIGPIPE, SIGHUP, SIGINT}) ::signal(ignored, SIG_IGN);
  UniqueFd fd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd) return fail_errno("wait for signals");
  return fd;
}

// The files `pid` and `init` of the folder.
Result<> write_identity(const Options& options, const std::string& name, int pid,
                        unsigned long long started) {
  return kernel::replace_file(options.dir + "/" + name,
                              std::to_string(pid) + " " + std::to_string(started) + "\n", 0640);
}

void let_go_of_stdio() {
  const UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  for (int fd = 0; null && fd < 3; ++fd) ::dup2(null.get(), fd);
}

// Starting up touches most of the program; waiting touches little of it. The pages stay in the page cache,
// and come back where they are used.
int forget_segment(dl_phdr_info* info, std::size_t, void*) {
  static const auto kPage = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const auto& segment = info->dlpi_phdr[i];
    if (segment.p_type != PT_LOAD || (segment.p_flags & PF_W) != 0) continue;
    const std::uintptr_t begin = (info->dlpi_addr + segment.p_vaddr) & ~(kPage - 1);
    const std::uintptr_t end = info->dlpi_addr + segment.p_vaddr + segment.p_memsz;
    ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
  }
  return 0;
}

// Undoes make_process.
void discard(const Options& options, const Held& held) {
  ::kill(held.pid, SIGKILL);
  const auto removing = options.is_exec() ? Result<int>(held.pid) : start_delete(options);
  for (const int pid : {held.pid, removing.value_or(held.pid)}) {
    while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
}

// Answers the ready pipe, once.
void tell_ready(int& fd, const std::string& line) {
  UniqueFd pipe(std::exchange(fd, -1));
  const std::string text = line + "\n";
  if (pipe && ::write(pipe.get(), text.data(), text.size()) < 0)
    pipe.reset();  // the agent died: nobody waits
}

struct Prepared {
  UniqueFd dir, listener, signals;
};

Result<Prepared> prepare(const Options& options) {
  if (options.ready_fd >= 0 && ::fcntl(options.ready_fd, F_SETFD, FD_CLOEXEC) != 0) {
    return fail_errno("--ready-fd " + std::to_string(options.ready_fd));
  }
  Prepared out;
  out.dir.reset(::open(options.dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!out.dir) return fail_errno("open --dir " + options.dir);
  PLIMSOLL_TRY(enter_cgroup(options));
  // EPERM: it leads a process group already; then the agent gave it a session.
  if (::setsid() < 0 && errno != EPERM) return fail_errno("start a session");
  if (::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0) return fail_errno("become a subreaper");
  let_go_of_stdio();
  PLIMSOLL_ASSIGN(out.signals, hold_signals());
  PLIMSOLL_ASSIGN(out.listener, listen_in(out.dir.get()));
  return out;
}

Result<> serve(const Options& options, int& ready) {
  const SystemClock clock;
  PLIMSOLL_ASSIGN(Prepared prepared, prepare(options));
  PLIMSOLL_ASSIGN(LogWriter log, LogWriter::open(prepared.dir.get(), options.log_size, options.log_files));
  PLIMSOLL_TRY(
      write_identity(options, "pid", ::getpid(), launch::start_time("/proc", ::getpid()).value_or(0)));
  PLIMSOLL_ASSIGN(Held held, make_process(options));
  if (auto written = write_identity(options, "init", held.pid, held.start_time); !written) {
    discard(options, held);
    return written;
  }
  std::optional<kernel::Cgroup> cgroup;
  if (auto opened = kernel::Cgroup::open(options.cgroup_path())) cgroup = std::move(*opened);
  const int pid = held.pid;
  Loop loop(options, clock, prepared.dir.get(), std::move(log), std::move(held), std::move(cgroup));
  tell_ready(ready, "ok " + std::to_string(pid));
  ::malloc_trim(0);
  ::dl_iterate_phdr(forget_segment, nullptr);
  return loop.run(std::move(prepared.listener), std::move(prepared.signals));
}

// What a start that failed has put into the folder.
void clean_up(const Options& options) {
  for (const char* name : {kSocket, "pid", "init"}) ::unlink((options.dir + "/" + name).c_str());
}

}  // namespace

int shim_main(const std::vector<std::string>& words) {
  const auto options = parse_options(words);
  if (!options) {
    const std::string line = "plimsoll-runtime: " + options.error().message() + "\n";
    return ::write(STDERR_FILENO, line.data(), line.size()) < 0 ? 2 : 1;
  }
  int ready = options->ready_fd;
  const auto served = serve(*options, ready);
  if (!served) {
    clean_up(*options);
    tell_ready(ready, "error " + served.error().message());
    return 1;
  }
  ::unlink((options->dir + "/" + kSocket).c_str());
  return 0;
}

}  // namespace plimsoll::shim
