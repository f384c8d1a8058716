/* What each of the 64 signals does by default, ignored, blocked and handled, sent by itself and by others, and what exec keeps. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile int seen;
static void note(int sig) { seen = sig; }

/** The kernel's own calls: the C library keeps signals 32 and 33 for itself. */
struct action { void (*handler)(int); unsigned long flags; void (*restorer)(void); unsigned mask[2]; };
extern void restore(void);
__asm__("restore: pop %eax; mov $119, %eax; int $0x80");
static int act(int sig, void (*handler)(int)) {
  struct action a = {handler, 0x04000000, restore, {0, 0}};
  return syscall(SYS_rt_sigaction, sig, &a, 0, 8);
}
static void (*action_of(int sig))(int) {
  struct action a = {0};
  syscall(SYS_rt_sigaction, sig, 0, &a, 8);
  return a.handler;
}
static void block(int sig) {
  unsigned mask[2] = {0, 0};
  mask[(sig - 1) / 32] = 1u << (sig - 1) % 32;
  syscall(SYS_rt_sigprocmask, SIG_BLOCK, mask, 0, 8);
}
static int pending(int sig) {
  unsigned mask[2] = {0, 0};
  syscall(SYS_rt_sigpending, mask, 8);
  return mask[(sig - 1) / 32] >> (sig - 1) % 32 & 1;
}

static void end(const char *what, int sig, pid_t pid) {
  int status;
  while (waitpid(pid, &status, WUNTRACED) < 0) ;
  printf("%d %s: ", sig, what);
  if (WIFSTOPPED(status)) {
    printf("stopped by %d, ", WSTOPSIG(status));
    kill(pid, SIGCONT);
    while (waitpid(pid, &status, 0) < 0) ;
  }
  if (WIFEXITED(status)) printf("exit %d\n", WEXITSTATUS(status));
  else printf("killed by %d\n", WTERMSIG(status));
}

#define CHILD(what, ...) do { fflush(stdout); pid_t pid_ = fork(); if (!pid_) { __VA_ARGS__; } end(what, sig, pid_); } while (0)

int main(int argc, char **argv) {
  if (argc > 1) {
    for (int sig = 1; sig <= 64; sig++) if (action_of(sig) != SIG_DFL) printf(" %d%s", sig, action_of(sig) == SIG_IGN ? "i" : "h");
    unsigned mask[2];
    syscall(SYS_rt_sigprocmask, SIG_BLOCK, 0, mask, 8);
    printf(" mask %08x %08x pending %d %d\n", mask[0], mask[1], pending(SIGUSR2), pending(40));
    return 0;
  }
  /* Stops are only obeyed in a process group that is not orphaned: the children's, whose parent is in another of the session. */
  struct rlimit none = {0, 0};
  setrlimit(RLIMIT_CORE, &none);
  for (int sig = 1; sig <= 64; sig++) {
    CHILD("by itself", setpgid(0, 0); kill(getpid(), sig); _exit(1));
    CHILD("to its thread", setpgid(0, 0); syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), sig); _exit(1));
    CHILD("ignored", setpgid(0, 0); act(sig, SIG_IGN); kill(getpid(), sig); _exit(action_of(sig) == SIG_IGN ? 1 : 2));
    CHILD("blocked", setpgid(0, 0); block(sig); kill(getpid(), sig); _exit(10 + pending(sig)));
    CHILD("handled", setpgid(0, 0); act(sig, note); kill(getpid(), sig); _exit(seen == sig ? 1 : 2));
    /* From others the engine takes SIGPWR for its own (README.md, Limits). */
    if (sig != SIGPWR) CHILD("by another", setpgid(0, 0); pid_t me = getpid(), other = fork(); if (!other) { kill(me, sig); _exit(0); } int st; while (waitpid(other, &st, 0) < 0 && errno == EINTR) ; _exit(1));
  }
  for (int sig = 1; sig <= 64; sig++) act(sig, sig % 3 == 0 ? SIG_IGN : sig % 3 == 1 ? note : SIG_DFL);
  int blocked[] = {SIGUSR2, SIGTERM, 40, 64};
  for (int i = 0; i < 4; i++) block(blocked[i]);
  act(SIGUSR2, SIG_DFL);
  act(40, SIG_DFL);
  kill(getpid(), SIGUSR2);
  kill(getpid(), 40);
  printf("before exec: %d %d\nafter exec:", pending(SIGUSR2), pending(40));
  fflush(stdout);
  execl("/proc/self/exe", argv[0], "after", (char *)0);
  return 1;
}
