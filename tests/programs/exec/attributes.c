/*
 * What execve keeps of a process and what it takes away (execve(2), capabilities(7)): sets everything up, executes itself,
 * and prints what is left. Run as a program of its own, in a child of fork, in one of vfork, and by a chain of execs. Every
 * line must be the same natively and under an emulator.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void handler(int signal) { (void)signal; }

static void show(void) {
  struct sigaction action;
  sigset_t set;
  stack_t stack;
  struct itimerval timer;
  struct itimerspec spec;
  struct rlimit limit;
  char text[4096];
  int n, value = -1, status;
  printf("handlers");
  for (n = 1; n < 65; n++) {
    if (n == SIGKILL || n == SIGSTOP || n == 32 || n == 33 || sigaction(n, 0, &action)) continue;
    if (action.sa_handler != SIG_DFL || action.sa_flags) printf(" %d:%s,%x", n, action.sa_handler == SIG_IGN ? "ign" : "other", action.sa_flags);
  }
  sigprocmask(SIG_BLOCK, 0, &set);
  printf("\nblocked");
  for (n = 1; n < 65; n++) if (sigismember(&set, n) == 1) printf(" %d", n);
  sigpending(&set);
  printf("\npending");
  for (n = 1; n < 65; n++) if (sigismember(&set, n) == 1) printf(" %d", n);
  sigaltstack(0, &stack);
  printf("\naltstack %x %lx\n", stack.ss_flags, (long)stack.ss_size);
  getitimer(ITIMER_REAL, &timer);
  printf("real timer %d\n", timer.it_value.tv_sec > 900);
  getitimer(ITIMER_VIRTUAL, &timer);
  printf("virtual timer %d\n", timer.it_value.tv_sec > 900);
  n = syscall(SYS_timer_gettime, 0, &spec);
  printf("posix timer %d %d\n", n, n ? errno : 0);
  for (n = 3; n < 12; n++) {
    int flags = fcntl(n, F_GETFD);
    if (flags >= 0) printf("descriptor %d: %x at %ld\n", n, flags, (long)lseek(n, 0, SEEK_CUR));
  }
  n = umask(0);
  printf("umask %o, directory %s, group %d, session %d\n", n, getcwd(text, sizeof text), getpgrp() == getpid(), getsid(0) == getpid());
  printf("nice %d\n", getpriority(PRIO_PROCESS, 0));
  for (n = 0; n < 16; n++) if (!getrlimit(n, &limit)) printf("limit %d: %lx %lx\n", n, (long)limit.rlim_cur, (long)limit.rlim_max);
  prctl(PR_GET_NAME, text);
  printf("comm %s\n", text);
  printf("dumpable %d keepcaps %d nonewprivs %d slack %d securebits %x\n", prctl(PR_GET_DUMPABLE), prctl(PR_GET_KEEPCAPS),
         prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), prctl(PR_GET_TIMERSLACK), prctl(PR_GET_SECUREBITS));
  prctl(PR_GET_PDEATHSIG, &value);
  printf("death signal %d", value);
  prctl(PR_GET_CHILD_SUBREAPER, &value);
  printf(" subreaper %d\n", value);
  printf("personality %lx\n", (long)personality(0xffffffff));
  {
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2];
    uid_t a, b, c;
    memset(data, 0, sizeof data);
    syscall(SYS_capget, &header, data);
    printf("capabilities %x %x %x %x %x %x\n", data[0].effective, data[0].permitted, data[0].inheritable, data[1].effective, data[1].permitted, data[1].inheritable);
    getresuid(&a, &b, &c);
    printf("users %d %d %d", a, b, c);
    getresgid(&a, &b, &c);
    printf(" groups %d %d %d secure %ld\n", a, b, c, getauxval(AT_SECURE));
  }
  {
    cpu_set_t cpus;
    sched_getaffinity(0, sizeof cpus, &cpus);
    printf("cpus %d first %d\n", CPU_COUNT(&cpus), CPU_ISSET(0, &cpus) != 0);
  }
  {
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(text, sizeof text, f)) if (!strncmp(text, "VmLck", 5) || !strncmp(text, "Name", 4)) fputs(text, stdout);
    if (f) fclose(f);
  }
  {
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 10};
    pid_t child = fork();
    if (child == 0) {
      fcntl(4, F_GETLK, &lock);
      _exit(lock.l_type == F_WRLCK && lock.l_pid == getppid() ? 1 : 2);
    }
    waitpid(child, &status, 0);
    printf("record lock held %d\n", WEXITSTATUS(status));
  }
  n = waitpid(-1, &status, 0);
  printf("earlier child %d %d\n", n > 0, n > 0 ? WEXITSTATUS(status) : errno);
  printf("brk %d\n", (char *)sbrk(0) - (char *)sbrk(0));
  fflush(stdout);
}

static void prepare(int root) {
  struct sigaction action;
  sigset_t set;
  struct itimerval timer = {{0, 0}, {1000, 0}};
  struct sigevent event;
  struct rlimit limit = {100, 200};
  timer_t id;
  int fd;
  char *page = mmap(0, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  stack_t stack = {.ss_sp = page, .ss_size = 65536};
  memset(&action, 0, sizeof action);
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART | SA_ONSTACK;
  sigaction(SIGUSR1, &action, 0);
  sigaction(SIGTERM, &action, 0);
  sigaction(40, &action, 0);
  action.sa_handler = SIG_IGN;
  sigaction(SIGHUP, &action, 0);
  sigaction(41, &action, 0);
  sigaction(SIGTTOU, &action, 0);
  action.sa_handler = SIG_DFL;
  action.sa_flags = SA_NOCLDSTOP;
  sigaction(SIGCHLD, &action, 0);
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  sigaddset(&set, SIGUSR2);
  sigaddset(&set, SIGHUP);
  sigaddset(&set, 45);
  sigprocmask(SIG_SETMASK, &set, 0);
  /* Root that gets capabilities back needs the kernel's own execve, through which wemu loses what is pending. */
  if (root != 2) {
    raise(SIGUSR1);
    raise(45);
  }
  sigaltstack(&stack, 0);
  setitimer(ITIMER_REAL, &timer, 0);
  setitimer(ITIMER_VIRTUAL, &timer, 0);
  memset(&event, 0, sizeof event);
  event.sigev_notify = SIGEV_NONE;
  timer_create(CLOCK_MONOTONIC, &event, &id);
  fd = open("/tmp", O_RDONLY | O_CLOEXEC);
  if (fd != 3) dup2(fd, 3);
  fcntl(3, F_SETFD, FD_CLOEXEC);
  fd = open("lockfile", O_RDWR | O_CREAT, 0600);
  if (fd != 4) dup2(fd, 4);
  if (write(4, "0123456789abcdef", 16) != 16) exit(1);
  lseek(4, 7, SEEK_SET);
  {
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 10};
    fcntl(4, F_SETLK, &lock);
  }
  dup2(4, 6);
  fcntl(4, F_DUPFD_CLOEXEC, 8);
  umask(027);
  setrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max = 0;
  setrlimit(RLIMIT_CORE, &limit);
  nice(3);
  prctl(PR_SET_NAME, "somebody else");
  prctl(PR_SET_DUMPABLE, 0);
  prctl(PR_SET_KEEPCAPS, 1);
  prctl(PR_SET_TIMERSLACK, 77777);
  prctl(PR_SET_PDEATHSIG, SIGWINCH);
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  mlock(page, 65536);
  if (root == 1) {
    /* As a server that has given up being root but for what it may come back to. */
    setresgid(11, 12, 13);
    setresuid(21, 22, 23);
  }
  if (root == 2) {
    /* Root without some capabilities has them again. */
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2];
    syscall(SYS_capget, &header, data);
    data[0].effective &= ~1u;
    data[0].permitted &= ~1u;
    syscall(SYS_capset, &header, data);
  }
  {
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    CPU_SET(0, &cpus);
    sched_setaffinity(0, sizeof cpus, &cpus);
  }
  if (fork() == 0) _exit(42);
}

/* Executes itself `left` more times, then shows. */
static void become(const char *self, const char *mode, int left) {
  char count[16];
  sprintf(count, "%d", left);
  execl(self, "a name of its own", mode, count, (char *)0);
  printf("execl: %s\n", strerror(errno));
  exit(1);
}

int main(int argc, char **argv) {
  const char *mode = argc > 1 ? argv[1] : "plain";
  char self[4096];
  ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
  self[length < 0 ? 0 : length] = 0;
  if (argc > 2) {
    int left = atoi(argv[2]);
    if (left > 0) become(self, mode, left - 1);
    printf("argv %s %s, file %s\n", argv[0], mode, strrchr((char *)getauxval(AT_EXECFN), '/'));
    show();
    return 0;
  }
  int root = !strcmp(mode, "users") ? 1 : !strcmp(mode, "capabilities") ? 2 : 0;
  if (!strcmp(mode, "fork") || !strcmp(mode, "vfork")) {
    int status, v = mode[0] == 'v';
    if (!v) {
      pid_t child = fork();
      if (child == 0) {
        setpgid(0, 0);
        prepare(0);
        become(self, mode, 0);
      }
      waitpid(child, &status, 0);
    } else {
      prepare(0);
      pid_t child = vfork();
      if (child == 0) {
        execl(self, self, mode, "0", (char *)0);
        _exit(1);
      }
      waitpid(child, &status, 0);
    }
    printf("status %x\n", status);
    return 0;
  }
  prepare(root);
  become(self, mode, !strcmp(mode, "chain") ? 3 : 0);
}
