/* The floor: the system calls of a container's start with everything fixed at compile time; no JSON, no state, no errors told.
 *   launch_bare ROOTFS CGROUP PROGRAM      exit status: 0, or 1 at the first thing that failed */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#define MUST(call) do { if ((call) < 0) _exit(1); } while (0)

static void child(const char *root, char *program) {
  static const struct { const char *name; unsigned major, minor; } nodes[] = {
      {"dev/null", 1, 3}, {"dev/zero", 1, 5}, {"dev/full", 1, 7}, {"dev/random", 1, 8}, {"dev/urandom", 1, 9}, {"dev/tty", 5, 0}};
  MUST(setsid());
  MUST(unshare(CLONE_NEWCGROUP));
  MUST(sethostname("box", 3));
  MUST(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
  MUST(mount(root, root, NULL, MS_BIND | MS_REC, NULL));
  MUST(chdir(root));
  MUST(mount("proc", "proc", "proc", 0, NULL));
  MUST(mount("tmpfs", "dev", "tmpfs", MS_NOSUID, "mode=755,size=65536k"));
  MUST(mkdir("dev/pts", 0755));
  MUST(mount("devpts", "dev/pts", "devpts", MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620,gid=5"));
  MUST(mount("sysfs", "sys", "sysfs", MS_RDONLY | MS_NOSUID, NULL));
  MUST(mkdir("dev/mqueue", 0755));
  MUST(mount("mqueue", "dev/mqueue", "mqueue", 0, NULL));
  MUST(mount("cgroup", "sys/fs/cgroup", "cgroup2", MS_RDONLY, NULL));
  for (unsigned i = 0; i < sizeof nodes / sizeof *nodes; ++i) {
    MUST(mknod(nodes[i].name, S_IFCHR | 0666, makedev(nodes[i].major, nodes[i].minor)));
  }
  MUST(symlink("/proc/self/fd", "dev/fd"));
  MUST(symlink("/proc/self/fd/0", "dev/stdin"));
  MUST(symlink("/proc/self/fd/1", "dev/stdout"));
  MUST(symlink("/proc/self/fd/2", "dev/stderr"));
  MUST(symlink("pts/ptmx", "dev/ptmx"));
  MUST(mount("proc/sys", "proc/sys", NULL, MS_BIND | MS_REC, NULL));
  MUST(mount(NULL, "proc/sys", NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL));
  MUST(mount("/dev/null", "proc/timer_list", NULL, MS_BIND, NULL));
  MUST(mount("tmpfs", "sys/firmware", "tmpfs", MS_RDONLY, "size=4k"));
  MUST(syscall(SYS_pivot_root, ".", "."));
  MUST(umount2(".", MNT_DETACH));
  MUST(chdir("/"));
  for (int capability = 0; prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; ++capability) {
    MUST(prctl(PR_CAPBSET_DROP, capability, 0, 0, 0));
  }
  MUST(syscall(SYS_close_range, 3, ~0U, 0));
  char *args[] = {program, NULL};
  char *env[] = {"PATH=/bin", NULL};
  execve(program, args, env);
  _exit(1);
}

int main(int argc, char **argv) {
  if (argc != 4 || mkdir(argv[2], 0755) != 0) return 1;
  int cgroup = open(argv[2], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  struct clone_args args = {.flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_INTO_CGROUP,
                            .exit_signal = SIGCHLD,
                            .cgroup = (uint64_t)cgroup};
  long pid = syscall(SYS_clone3, &args, sizeof args);
  if (pid == 0) child(argv[1], argv[3]);
  int status = 1;
  if (pid < 0 || waitpid((pid_t)pid, &status, 0) < 0) status = 1;
  if (rmdir(argv[2]) != 0) status = 1;
  return status != 0;
}
