// The default seccomp profile: Docker's allow list for a container with Docker's default capabilities. What
// is not listed fails with EPERM. Sockets of AF_ALG (38) and AF_VSOCK (40) are refused: the one is a rich
// source of kernel bugs, the other reaches the hypervisor past every network namespace.
#include <sstream>

#include "agent/oci/spec.h"

namespace plimsoll::oci {
namespace {

constexpr const char* kAllowed = R"(
accept accept4 access adjtimex alarm bind brk cachestat capget capset chdir chmod chown chown32 clock_adjtime
clock_adjtime64 clock_getres clock_getres_time64 clock_gettime clock_gettime64 clock_nanosleep
clock_nanosleep_time64 close close_range connect copy_file_range creat dup dup2 dup3 epoll_create epoll_create1
epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old eventfd eventfd2 execve execveat exit
exit_group faccessat faccessat2 fadvise64 fadvise64_64 fallocate fanotify_mark fchdir fchmod fchmodat fchmodat2
fchown fchown32 fchownat fcntl fcntl64 fdatasync fgetxattr flistxattr flock fork fremovexattr fsetxattr fstat
fstat64 fstatat64 fstatfs fstatfs64 fsync ftruncate ftruncate64 futex futex_requeue futex_time64 futex_wait
futex_waitv futex_wake futimesat getcpu getcwd getdents getdents64 getegid getegid32 geteuid geteuid32 getgid
getgid32 getgroups getgroups32 getitimer getpeername getpgid getpgrp getpid getppid getpriority getrandom
getresgid getresgid32 getresuid getresuid32 getrlimit get_robust_list getrusage getsid getsockname getsockopt
get_thread_area gettid gettimeofday getuid getuid32 getxattr getxattrat inotify_add_watch inotify_init
inotify_init1 inotify_rm_watch io_cancel ioctl io_destroy io_getevents io_pgetevents io_pgetevents_time64
ioprio_get ioprio_set io_setup io_submit ipc kill landlock_add_rule landlock_create_ruleset
landlock_restrict_self lchown lchown32 lgetxattr link linkat listen listmount listxattr listxattrat llistxattr
_llseek lremovexattr lseek lsetxattr lstat lstat64 madvise map_shadow_stack membarrier memfd_create memfd_secret
mincore mkdir mkdirat mknod mknodat mlock mlock2 mlockall mmap mmap2 mprotect mq_getsetattr mq_notify mq_open
mq_timedreceive mq_timedreceive_time64 mq_timedsend mq_timedsend_time64 mq_unlink mremap mseal msgctl msgget
msgrcv msgsnd msync munlock munlockall munmap name_to_handle_at nanosleep newfstatat _newselect open openat
openat2 pause pidfd_open pidfd_send_signal pipe pipe2 pkey_alloc pkey_free pkey_mprotect poll ppoll ppoll_time64
prctl pread64 preadv preadv2 prlimit64 process_mrelease pselect6 pselect6_time64 pwrite64 pwritev pwritev2 read
readahead readlink readlinkat readv recv recvfrom recvmmsg recvmmsg_time64 recvmsg remap_file_pages removexattr
removexattrat rename renameat renameat2 restart_syscall riscv_hwprobe rmdir rseq rt_sigaction rt_sigpending
rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64
rt_tgsigqueueinfo sched_getaffinity sched_getattr sched_getparam sched_get_priority_max sched_get_priority_min
sched_getscheduler sched_rr_get_interval sched_rr_get_interval_time64 sched_setaffinity sched_setattr
sched_setparam sched_setscheduler sched_yield seccomp select semctl semget semop semtimedop semtimedop_time64
send sendfile sendfile64 sendmmsg sendmsg sendto setfsgid setfsgid32 setfsuid setfsuid32 setgid setgid32
setgroups setgroups32 setitimer setpgid setpriority setregid setregid32 setresgid setresgid32 setresuid
setresuid32 setreuid setreuid32 setrlimit set_robust_list setsid setsockopt set_thread_area set_tid_address
setuid setuid32 setxattr setxattrat shmat shmctl shmdt shmget shutdown sigaltstack signalfd signalfd4
sigprocmask sigreturn socketpair splice stat stat64 statfs statfs64 statmount statx symlink symlinkat
sync sync_file_range syncfs sysinfo tee tgkill time timer_create timer_delete timer_getoverrun timer_gettime
timer_gettime64 timer_settime timer_settime64 timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime
timerfd_settime64 times tkill truncate truncate64 ugetrlimit umask uname unlink unlinkat uretprobe utime
utimensat utimensat_time64 utimes vfork vmsplice wait4 waitid waitpid write writev
ptrace process_vm_readv process_vm_writev
arch_prctl modify_ldt chroot
)";

// CLONE_NEWNS | NEWCGROUP | NEWUTS | NEWIPC | NEWUSER | NEWPID | NEWNET
constexpr std::uint64_t kNamespaceFlags = 0x7E020000;
constexpr std::uint64_t kAfAlg = 38;
constexpr std::uint64_t kAfVsock = 40;

SeccompRule allow(std::string name, std::vector<SeccompArg> args = {}) {
  return {.names = {std::move(name)}, .action = "SCMP_ACT_ALLOW", .args = std::move(args)};
}

}  // namespace

Seccomp default_seccomp() {
  Seccomp profile{.default_action = "SCMP_ACT_ERRNO", .default_errno_ret = 1};
#if defined(__x86_64__)
  profile.architectures = {"SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"};
#elif defined(__aarch64__)
  profile.architectures = {"SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"};
#endif
  SeccompRule plain{.action = "SCMP_ACT_ALLOW"};
  std::istringstream words(kAllowed);
  for (std::string name; words >> name;) plain.names.push_back(name);
  profile.syscalls.push_back(std::move(plain));
  // The families below, between and above the two refused ones.
  profile.syscalls.push_back(allow("socket", {{0, kAfAlg, 0, "SCMP_CMP_LT"}}));
  profile.syscalls.push_back(allow("socket", {{0, kAfAlg + 1, 0, "SCMP_CMP_EQ"}}));
  profile.syscalls.push_back(allow("socket", {{0, kAfVsock, 0, "SCMP_CMP_GT"}}));
  for (const std::uint64_t persona : {0x0UL, 0x8UL, 0x20000UL, 0x20008UL, 0xffffffffUL}) {
    profile.syscalls.push_back(allow("personality", {{0, persona, 0, "SCMP_CMP_EQ"}}));
  }
  profile.syscalls.push_back(allow("clone", {{0, kNamespaceFlags, 0, "SCMP_CMP_MASKED_EQ"}}));
  // Its flags lie in memory, where a filter cannot look: ENOSYS makes the C library fall back to clone.
  profile.syscalls.push_back({.names = {"clone3"}, .action = "SCMP_ACT_ERRNO", .errno_ret = 38, .args = {}});
  return profile;
}

}  // namespace plimsoll::oci
