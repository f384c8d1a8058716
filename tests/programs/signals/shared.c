// Signals that an emulator may need for itself (SEGV, BUS, PWR, 33), sent by other processes in every way and awaited in every way.
#include "../syscalls/show.h"
#include "asleep.h"
#include <poll.h>
#include <sys/mman.h>
#include <sys/resource.h>

struct action { void *handler; unsigned long flags; void *restorer; unsigned long long mask; } PACKED64;
static long set_action(int n, void *handler, unsigned long flags) {
  struct action a;
  memset(&a, 0, sizeof a);
  a.handler = handler;
  a.flags = flags;
  return SYS(SYS_rt_sigaction, n, &a, 0, 8);
}
#define BIT(n) (1ull << ((n) - 1))
static void set_mask(unsigned long long m) { SYS(SYS_rt_sigprocmask, SIG_SETMASK, &m, 0, 8); }
static unsigned long long pending(void) {
  unsigned long long p = 0;
  SYS(SYS_rt_sigpending, &p, 8);
  return p;
}

static const int SIGNALS[] = {SIGSEGV, SIGBUS, SIGPWR, 33};
static volatile int handled, faults;
static siginfo_t last;
static volatile char *page;
static void handler(int n, siginfo_t *info, void *context) {
  if (info->si_code > 0) {
    faults++;
    mprotect((void *)page, 4096, PROT_READ | PROT_WRITE);
    return;
  }
  handled++;
  last = *info;
}
static void show_info(const char *what, const siginfo_t *i, pid_t sender, int value) {
  printf("%s: signal %d errno %d code %d pid %d uid %d value %d\n", what, i->si_signo, i->si_errno, i->si_code, i->si_pid == sender, i->si_uid == getuid(),
         value ? i->si_value.sival_int : 0);
}

/** Queues with any code and value: the C library refuses the last signal. */
static long queue(int call, pid_t pid, int n, int value) {
  siginfo_t info;
  memset(&info, 0, sizeof info);
  info.si_signo = n;
  info.si_errno = 5;
  info.si_code = -77;
  info.si_pid = getpid();
  info.si_uid = getuid();
  info.si_value.sival_int = value;
  return call == SYS_rt_sigqueueinfo ? SYS(call, pid, n, &info) : SYS(call, pid, pid, n, &info);
}
static long send(int how, pid_t pid, int n) {
  switch (how) {
  case 0: return SYS(SYS_kill, pid, n);
  case 1: return queue(SYS_rt_sigqueueinfo, pid, n, 4711);
  case 2: return SYS(SYS_tgkill, pid, pid, n);
  case 3: return queue(SYS_rt_tgsigqueueinfo, pid, n, 4712);
  default: return SYS(SYS_tkill, pid, n);
  }
}

/** A child that sends when the parent has begun to wait. */
static pid_t later(int how, int n) {
  fflush(stdout);
  pid_t parent = getpid(), child = fork();
  if (child == 0) {
    asleep(parent, 0);
    send(how, parent, n);
    _exit(0);
  }
  return child;
}
static void gone(pid_t child) { int s; while (waitpid(child, &s, 0) < 0 && errno == EINTR); }

/** Until it has arrived: a process may have more threads than the program knows of. */
static void arrived(int count) { while (handled < count) usleep(1000); }
static void await_pending(int n) { while (!(pending() & BIT(n))) usleep(1000); }

static void ways(int n) {
  for (int how = 0; how < 5; how++) {
    handled = 0;
    pid_t child = later(how, n);
    gone(child);
    arrived(1);
    printf("way %d handled %d ", how, handled);
    show_info("info", &last, child, how == 1 || how == 3);
  }
  /* Blocked: what is pending, for the thread and for the process, and how often it arrives. */
  set_mask(BIT(n));
  handled = 0;
  for (int how = 0; how < 5; how++) gone(later(how, n));
  await_pending(n);
  printf("pending %d handled %d\n", (pending() & BIT(n)) != 0, handled);
  set_mask(0);
  /* Real-time signals are all kept, others once for the thread and once for the process. */
  arrived(n > 31 ? 5 : 2);
  printf("unblocked: pending %d handled %d\n", (pending() & BIT(n)) != 0, handled);
}

static void waits(int n) {
  unsigned long long set = BIT(n), none = 0;
  siginfo_t info;
  struct timespec long_time = {1000, 0}, no_time = {0, 0};
  set_mask(set);
  pid_t child = later(1, n);
  long r = SYS(SYS_rt_sigtimedwait, &set, &info, &long_time, 8);
  printf("sigtimedwait %ld ", r);
  if (r > 0) show_info("info", &info, child, 1);
  gone(child);
  gone(child = later(0, n));
  await_pending(n);
  r = SYS(SYS_rt_sigtimedwait, &set, &info, &no_time, 8);
  printf("sigtimedwait %ld ", r);
  if (r > 0) show_info("info", &info, child, 0);
  LK(SYS(SYS_rt_sigtimedwait, &set, &info, &no_time, 8));
  /* Waits that a blocked signal does not interrupt. */
  handled = 0;
  child = later(0, n);
  LK(poll(0, 0, 100));
  struct timespec t = {0, 100000000};
  LK(nanosleep(&t, 0));
  gone(child);
  await_pending(n);
  printf("handled %d pending %d\n", handled, (pending() & set) != 0);
  /* Waits that let it in. */
  LK(SYS(SYS_rt_sigsuspend, &none, 8));
  printf("handled %d pending %d\n", handled, (pending() & set) != 0);
  child = later(2, n);
  LK(SYS(SYS_rt_sigsuspend, &none, 8));
  gone(child);
  printf("handled %d\n", handled);
  child = later(3, n);
  LK(SYS(SYS_ppoll, 0, 0, 0, &none, 8));
  gone(child);
  printf("handled %d\n", handled);
  set_mask(0);
  /* A call that is begun again after the handler, and one that is not. */
  for (int again = 1; again >= 0; again--) {
    int p[2];
    char c = 0;
    volatile int *done = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (pipe(p)) abort();
    set_action(n, handler, SA_SIGINFO | (again ? SA_RESTART : 0));
    handled = 0;
    fflush(stdout);
    pid_t parent = getpid();
    child = fork();
    if (child == 0) {
      /* More than once: the first time the parent may have slept for another reason, before the call. */
      for (int times = 0; (!again || times < 2) && asleep(parent, done); times++) {
        send(0, parent, n);
        usleep(20000);
      }
      if (asleep(parent, done) && write(p[1], "x", 1) != 1) abort();
      _exit(0);
    }
    LK(read(p[0], &c, 1));
    *done = 1;
    printf("handled %d\n", handled > 0);
    gone(child);
    close(p[0]);
    close(p[1]);
  }

}

/** Real faults while others send. */
static void mixed(int n) {
  page = mmap(0, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  set_action(SIGSEGV, handler, SA_SIGINFO | SA_NODEFER);
  faults = handled = 0;
  fflush(stdout);
  pid_t parent = getpid(), child = fork();
  if (child == 0) {
    for (int k = 0; k < 100; k++) {
      send(k % 5, parent, n);
      usleep(500);
    }
    _exit(0);
  }
  int rounds = 0, s;
  while (waitpid(child, &s, WNOHANG) == 0) {
    *page = 1;
    mprotect((void *)page, 4096, PROT_READ);
    rounds++;
  }
  arrived(1);
  printf("mixed %d: %d %d\n", n, handled > 0, faults == rounds);
}

static int show_state(const char *what) {
  int n = atoi(what);
  struct action a;
  unsigned long long mask = 0;
  SYS(SYS_rt_sigaction, n, 0, &a, 8);
  SYS(SYS_rt_sigprocmask, SIG_BLOCK, 0, &mask, 8);
  printf("after exec: ignored %d blocked %d pending %d\n", a.handler == SIG_IGN, (mask & BIT(n)) != 0, (pending() & BIT(n)) != 0);
  return 0;
}

static void over_exec(const char *program, int n, int ignored) {
  CHILD({
    set_mask(BIT(n));
    if (ignored) set_action(n, SIG_IGN, 0);
    gone(later(0, n));
    await_pending(n);
    char number[8];
    sprintf(number, "%d", n);
    fflush(stdout);
    execl(program, program, "state", number, (char *)0);
    _exit(9);
  });
}

int main(int argc, char **argv) {
  setvbuf(stdout, malloc(1 << 16), _IOFBF, 1 << 16);
  setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
  if (argc > 2) return show_state(argv[2]);
  for (int k = 0; k < 4; k++) {
    int n = SIGNALS[k];
    printf("signal %d\n", n);
    set_action(n, handler, SA_SIGINFO);
    ways(n);
    waits(n);
    mixed(n);
    set_action(n, SIG_DFL, 0);
    over_exec(argv[0], n, 0);
    over_exec(argv[0], n, 1);
  }
  return 0;
}
