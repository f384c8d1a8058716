// Every signal's default action, what it does ignored and blocked, what exec keeps, flags of actions, queues and their limits.
#include "../syscalls/show.h"
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>

/** The kernel's struct sigaction: the C library refuses two of the signals. */
struct action { void *handler; unsigned long flags; void *restorer; unsigned long long mask; } PACKED64;
static long set_action(int n, void *handler, unsigned long flags, unsigned long long mask) {
  struct action a;
  memset(&a, 0, sizeof a);
  a.handler = handler;
  a.flags = flags;
  a.mask = mask;
  return SYS(SYS_rt_sigaction, n, &a, 0, 8);
}
#define BIT(n) (1ull << ((n) - 1))
static unsigned long long set_mask(unsigned long long m) {
  unsigned long long old;
  SYS(SYS_rt_sigprocmask, SIG_SETMASK, &m, &old, 8);
  return old;
}
static unsigned long long pending(void) {
  unsigned long long p = 0;
  SYS(SYS_rt_sigpending, &p, 8);
  return p;
}

/** Waits until these, sent by another process, are pending: where a process has more threads than the program knows of, this may
 * take a moment. */
static void await_pending(unsigned long long set) { while (set & ~pending()) usleep(1000); }

static void print_status(const char *what, int n, int s) {
  if (WIFEXITED(s)) printf("%s %d: exited %d\n", what, n, WEXITSTATUS(s));
  else if (WIFSIGNALED(s)) printf("%s %d: killed by %d core %d\n", what, n, WTERMSIG(s), WCOREDUMP(s) != 0);
  else if (WIFSTOPPED(s)) printf("%s %d: stopped by %d\n", what, n, WSTOPSIG(s));
  else if (WIFCONTINUED(s)) printf("%s %d: continued\n", what, n);
}

/** What the parent tells the child and the other way round. */
static int up[2], down[2];
static void ready(void) { if (write(up[1], "r", 1) != 1) abort(); }
static void await(int f) { char c; if (read(f, &c, 1) != 1) abort(); }

static volatile int handled[65], last_code, last_value, order[64], orders;
static void handler(int n, siginfo_t *info, void *context) {
  handled[n]++;
  last_code = info->si_code;
  last_value = info->si_value.sival_int;
  if (orders < 64) order[orders++] = n << 16 | (info->si_code == SI_QUEUE ? info->si_value.sival_int & 0xffff : 0);
}
static void print_order(const char *what) {
  printf("%s:", what);
  for (int k = 0; k < orders; k++) printf(" %d/%d", order[k] >> 16, order[k] & 0xffff);
  printf("\n");
  orders = 0;
}

enum { DEFAULT, IGNORED, HANDLED, BLOCKED };
static const char *const HOW[] = {"default", "ignored", "handled", "blocked"};

/** Whether the signal's default action ends the process. */
static int deadly(int n) {
  static const int OTHERS[] = {SIGCHLD, SIGCONT, SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU, SIGURG, SIGWINCH};
  for (unsigned k = 0; k < sizeof OTHERS / sizeof *OTHERS; k++) if (OTHERS[k] == n) return 0;
  return 1;
}

/** Signals sent by another process: to a child that waits, then told to end. */
static void from_outside(int n, int how) {
  fflush(stdout);
  close(down[0]);
  close(down[1]);
  if (pipe(down)) abort();
  pid_t child = fork();
  int s;
  if (child == 0) {
    /* A group of its own, whose parent is in the session, can be stopped. */
    setpgid(0, 0);
    if (how == IGNORED) set_action(n, SIG_IGN, 0, 0);
    if (how == HANDLED) set_action(n, handler, SA_SIGINFO | SA_RESTART, 0);
    if (how == BLOCKED) set_mask(BIT(n));
    ready();
    await(down[0]);
    /* Where a process has more threads than the program knows of, a signal may take a moment longer than a byte in a pipe. */
    while (how == HANDLED && handled[n] == 0) usleep(1000);
    if (how == BLOCKED) await_pending(BIT(n));
    if (how == HANDLED) printf("%s %d: code %d times %d\n", HOW[how], n, last_code, handled[n]);
    if (how == BLOCKED) {
      printf("%s %d: pending %llx\n", HOW[how], n, pending());
      fflush(stdout);
      set_mask(0);
    }
    fflush(stdout);
    _exit(3);
  }
  await(up[0]);
  kill(child, n);
  if (how == DEFAULT) {
    static const int STOPPING[] = {SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU};
    for (int k = 0; k < 4; k++) {
      if (STOPPING[k] != n) continue;
      waitpid(child, &s, WUNTRACED);
      print_status("default", n, s);
      kill(child, SIGCONT);
      waitpid(child, &s, WCONTINUED);
      print_status("default", n, s);
    }
  }
  /* One that dies is not told to end: its death, too, may come after the byte. */
  if (!(how == DEFAULT && deadly(n)) && write(down[1], "g", 1) != 1) abort();
  while (waitpid(child, &s, WUNTRACED) == child && WIFSTOPPED(s)) {
    print_status(HOW[how], n, s);
    kill(child, SIGCONT);
  }
  print_status(HOW[how], n, s);
}

static void from_itself(int n, int how) {
  fflush(stdout);
  pid_t child = fork();
  int s;
  if (child == 0) {
    if (how == IGNORED) set_action(n, SIG_IGN, 0, 0);
    if (how == HANDLED) set_action(n, handler, SA_SIGINFO, 0);
    if (how == BLOCKED) set_mask(BIT(n));
    SYS(SYS_tkill, getpid(), n);
    if (how == HANDLED) printf("own %s %d: code %d times %d\n", HOW[how], n, last_code, handled[n]);
    if (how == BLOCKED) {
      printf("own %s %d: pending %llx\n", HOW[how], n, pending());
      fflush(stdout);
      set_mask(0);
    }
    fflush(stdout);
    _exit(3);
  }
  while (waitpid(child, &s, WUNTRACED) == child && WIFSTOPPED(s)) {
    print_status("own", n, s);
    kill(child, SIGCONT);
  }
  print_status("own", n, s);
}

static void every(void (*send)(int, int)) {
  for (int n = 1; n <= 64; n++) {
    for (int how = DEFAULT; how <= BLOCKED; how++) {
      if (how != DEFAULT && (n == SIGKILL || n == SIGSTOP)) continue;
      send(n, how);
    }
  }
}

/** Actions, mask and pending signals of a program that was executed. */
static int show_state(void) {
  unsigned long long ignored = 0, caught = 0, mask = 0;
  struct action a;
  unsigned long flags = 0;
  for (int n = 1; n <= 64; n++) {
    SYS(SYS_rt_sigaction, n, 0, &a, 8);
    if (a.handler == SIG_IGN) ignored |= BIT(n);
    else if (a.handler) caught |= BIT(n);
    flags |= a.flags & ~0x04000000ul;
    if (a.mask) printf("mask of %d: %llx\n", n, a.mask);
  }
  SYS(SYS_rt_sigprocmask, SIG_BLOCK, 0, &mask, 8);
  stack_t s;
  sigaltstack(0, &s);
  printf("ignored %llx caught %llx flags %lx mask %llx pending %llx stack %d %d\n", ignored, caught, flags, mask, pending(), s.ss_flags, (int)s.ss_size);
  fflush(stdout);
  set_mask(0);
  return 0;
}

static void over_exec(const char *program, int variant) {
  CHILD({
    static char stack[65536];
    sigaltstack(&(stack_t){.ss_sp = stack, .ss_size = sizeof stack}, 0);
    unsigned long long mask = 0;
    for (int n = 1; n <= 64; n++) {
      if (n == SIGKILL || n == SIGSTOP) continue;
      switch ((n + variant) % 4) {
      case 0: set_action(n, SIG_IGN, SA_NODEFER, BIT(3)); break;
      case 1: set_action(n, handler, SA_SIGINFO | SA_ONSTACK, BIT(5)); break;
      case 2: mask |= BIT(n); break;
      case 3: set_action(n, SIG_IGN, 0, 0); mask |= BIT(n); break;
      }
    }
    set_mask(mask);
    /* Of the blocked ones, those that are not ignored stay pending. */
    for (int n = 1; n <= 64; n++) if (mask & BIT(n) && n != SIGCHLD) SYS(SYS_tkill, getpid(), n);
    if (variant >= 4) for (int n = 34; n <= 64; n++) if (mask & BIT(n)) SYS(SYS_kill, getpid(), n);
    fflush(stdout);
    execl(program, program, "state", (char *)0);
    _exit(9);
  });
}

static void nested(int n, siginfo_t *info, void *context) {
  unsigned long long now = 0;
  SYS(SYS_rt_sigprocmask, SIG_BLOCK, 0, &now, 8);
  struct action a;
  SYS(SYS_rt_sigaction, n, 0, &a, 8);
  char here;
  stack_t s;
  sigaltstack(0, &s);
  printf("  handler %d mask %llx action %s flags %lx stack %d\n", n, now, a.handler == SIG_DFL ? "default" : "handler", a.flags & ~0x04000000ul, s.ss_flags);
  if (handled[n]++ < 2 && a.handler != SIG_DFL) raise(n);
  printf("  leaves %d\n", n);
}

static void flags(void) {
  static char stack[65536];
  sigaltstack(&(stack_t){.ss_sp = stack, .ss_size = sizeof stack}, 0);
  static const unsigned long FLAGS[] = {0, SA_NODEFER, SA_RESETHAND, SA_RESETHAND | SA_NODEFER, SA_ONSTACK, SA_ONSTACK | SA_NODEFER, SA_RESTART, 0x400, 0x800};
  for (unsigned k = 0; k < sizeof FLAGS / sizeof *FLAGS; k++) {
    for (int n = 10; n <= 40; n += 30) {
      printf("flags %lx signal %d\n", FLAGS[k], n);
      handled[n] = 0;
      set_action(n, nested, SA_SIGINFO | FLAGS[k], BIT(12) | BIT(45) | BIT(9));
      raise(n);
      printf("  handled %d\n", handled[n]);
    }
  }
  /* SIGURG's action is a default that does nothing: reset, the second one is lost. */
  set_action(SIGURG, handler, SA_SIGINFO | SA_RESETHAND, 0);
  raise(SIGURG);
  raise(SIGURG);
  printf("SIGURG handled %d\n", handled[SIGURG]);
  /* Setting an action to ignore throws away what is pending, setting a handler does not. */
  set_action(SIGUSR1, handler, SA_SIGINFO, 0);
  set_mask(BIT(SIGUSR1) | BIT(SIGCHLD) | BIT(40));
  raise(SIGUSR1);
  raise(SIGCHLD);
  raise(40);
  raise(40);
  printf("pending %llx\n", pending());
  set_action(SIGUSR1, SIG_DFL, 0, 0);
  printf("after default %llx\n", pending());
  set_action(SIGUSR1, SIG_IGN, 0, 0);
  set_action(SIGCHLD, SIG_DFL, 0, 0);
  set_action(40, SIG_IGN, 0, 0);
  printf("after ignoring %llx\n", pending());
  raise(SIGUSR1);
  printf("ignored and blocked %llx\n", pending());
  set_action(SIGUSR1, handler, SA_SIGINFO, 0);
  printf("caught again %llx\n", pending());
  handled[SIGUSR1] = 0;
  set_mask(0);
  printf("handled %d\n", handled[SIGUSR1]);
  set_action(40, handler, SA_SIGINFO, 0);
}

static void children(void) {
  static const unsigned long FLAGS[] = {0, SA_NOCLDSTOP, SA_NOCLDWAIT, SA_NOCLDSTOP | SA_NOCLDWAIT};
  for (int k = 0; k < 5; k++) {
    printf("SIGCHLD %s %lx\n", k < 4 ? "caught" : "ignored", k < 4 ? FLAGS[k] : 0);
    set_action(SIGCHLD, k < 4 ? (void *)handler : SIG_IGN, k < 4 ? SA_SIGINFO | SA_RESTART | FLAGS[k] : 0, 0);
    handled[SIGCHLD] = 0;
    pid_t child = fork();
    if (child == 0) { for (;;) pause(); }
    kill(child, SIGSTOP);
    siginfo_t info;
    LK(waitid(P_PID, child, &info, WSTOPPED));
    /* The child is found stopped a moment before it tells. */
    while (k < 4 && !(FLAGS[k] & SA_NOCLDSTOP) && handled[SIGCHLD] < 1) usleep(1000);
    printf("  handled %d\n", handled[SIGCHLD]);
    kill(child, SIGCONT);
    LK(waitid(P_PID, child, &info, WCONTINUED));
    /* The child itself tells, when it runs again. */
    while (k < 4 && !(FLAGS[k] & SA_NOCLDSTOP) && handled[SIGCHLD] < 2) usleep(1000);
    printf("  handled %d\n", handled[SIGCHLD]);
    kill(child, SIGTERM);
    int s;
    L(waitpid(child, &s, 0) == child ? 1 : -1);
    printf("  handled %d\n", handled[SIGCHLD]);
  }
  set_action(SIGCHLD, SIG_DFL, 0, 0);
  /* Blocked and ignored: children leave no zombies either. */
  set_action(SIGCHLD, SIG_IGN, 0, 0);
  set_mask(BIT(SIGCHLD));
  if (fork() == 0) _exit(0);
  int s;
  L(waitpid(-1, &s, 0));
  set_mask(0);
  set_action(SIGCHLD, SIG_DFL, 0, 0);
}

static void send_value(pid_t pid, int n, int value) {
  if (sigqueue(pid, n, (union sigval){.sival_int = value})) printf("sigqueue %d: %s\n", n, strerrorname_np(errno));
}

static void queues(void) {
  unsigned long long all = BIT(SIGUSR1) | BIT(SIGUSR2) | BIT(40) | BIT(41) | BIT(64);
  for (int n = 1; n <= 64; n++) if (all & BIT(n)) set_action(n, handler, SA_SIGINFO, -1);
  pid_t parent = getpid();
  set_mask(all);
  for (int k = 0; k < 3; k++) {
    send_value(parent, 64, k);
    send_value(parent, 40, k + 10);
    send_value(parent, SIGUSR2, k + 20);
    kill(parent, SIGUSR1);
  }
  set_mask(0);
  print_order("own");
  /* From another process, and from both. */
  set_mask(all);
  CHILD(for (int k = 0; k < 3; k++) { send_value(parent, 41, k); send_value(parent, 40, k + 10); send_value(parent, SIGUSR1, k + 20); });
  printf("pending %llx\n", pending());
  set_mask(0);
  print_order("child's");
  set_mask(all);
  send_value(parent, 40, 1);
  send_value(parent, SIGUSR1, 1);
  CHILD(send_value(parent, 40, 2); send_value(parent, SIGUSR1, 2));
  send_value(parent, 40, 3);
  CHILD(send_value(parent, 40, 4));
  printf("pending %llx\n", pending());
  set_mask(0);
  print_order("both");
  set_mask(all);
  CHILD(send_value(parent, 40, 1); send_value(parent, SIGUSR1, 1));
  send_value(parent, 40, 2);
  send_value(parent, SIGUSR1, 2);
  CHILD(send_value(parent, SIGUSR1, 3));
  set_mask(0);
  print_order("both, the other first");
  /* To the thread and to the process: the thread's come first, and one of each kind is kept; so do those of faults. */
  set_mask(-1);
  set_action(SIGFPE, handler, SA_SIGINFO, -1);
  set_action(SIGHUP, handler, SA_SIGINFO, -1);
  kill(parent, SIGUSR1);
  kill(parent, 40);
  raise(SIGUSR2);
  raise(SIGUSR1);
  raise(SIGUSR1);
  kill(parent, SIGUSR1);
  raise(41);
  kill(parent, SIGHUP);
  kill(parent, SIGFPE);
  set_mask(0);
  print_order("thread and process");
  /* Taken one by one. */
  set_mask(all);
  send_value(parent, 41, 1);
  CHILD(send_value(parent, 40, 2); send_value(parent, 41, 3); send_value(parent, SIGUSR2, 4));
  send_value(parent, 40, 5);
  send_value(parent, 41, 6);
  sigset_t set;
  memset(&set, 0, sizeof set);
  memcpy(&set, &all, 8);
  siginfo_t info;
  struct timespec now = {0, 0};
  while (sigtimedwait(&set, &info, &now) > 0) printf("took %d %d %d\n", info.si_signo, info.si_code, info.si_value.sival_int);
  set_mask(0);
  print_order("none left");
  /* Through a descriptor. */
  set_mask(all);
  send_value(parent, 41, 1);
  int f = signalfd(-1, &set, SFD_NONBLOCK);
  CHILD(send_value(parent, 40, 2); send_value(parent, 41, 3); send_value(parent, SIGUSR2, 4));
  send_value(parent, 40, 5);
  send_value(parent, 41, 6);
  kill(parent, SIGUSR2);
  struct signalfd_siginfo got[16];
  int n = read(f, got, sizeof got);
  for (int k = 0; k < n / (int)sizeof *got; k++) printf("read %d %d %d\n", got[k].ssi_signo, got[k].ssi_code, got[k].ssi_int);
  printf("pending %llx\n", pending());
  set_mask(0);
  print_order("none left");
  close(f);
}

static void limit(void) {
  struct rlimit l = {0, 0};
  unsigned long long all = BIT(SIGUSR1) | BIT(40);
  set_action(SIGUSR1, handler, SA_SIGINFO, -1);
  set_action(40, handler, SA_SIGINFO, -1);
  set_mask(all);
  L(setrlimit(RLIMIT_SIGPENDING, &l));
  handled[40] = handled[SIGUSR1] = 0;
  union sigval v = {.sival_int = 77};
  L(sigqueue(getpid(), 40, v));
  L(sigqueue(getpid(), SIGUSR1, v));
  L(kill(getpid(), 40));
  L(kill(getpid(), SIGUSR1));
  L(raise(40));
  printf("pending %llx\n", pending());
  CHILD(LK(kill(getppid(), SIGUSR1)));
  printf("pending %llx\n", pending());
  set_mask(0);
  printf("handled %d %d code %d\n", handled[40], handled[SIGUSR1], last_code);
}

/** SIGCONT throws away stop signals that are pending, and the other way round, whatever is blocked. */
static void stops(void) {
  unsigned long long all = BIT(SIGCONT) | BIT(SIGTSTP) | BIT(SIGTTIN) | BIT(SIGTTOU);
  set_mask(all);
  raise(SIGTSTP);
  raise(SIGTTIN);
  printf("pending %llx\n", pending());
  raise(SIGCONT);
  printf("pending %llx\n", pending());
  raise(SIGTTOU);
  printf("pending %llx\n", pending());
  CHILD(kill(getppid(), SIGCONT));
  printf("pending %llx\n", pending());
  CHILD(kill(getppid(), SIGTSTP));
  printf("pending %llx\n", pending());
  raise(SIGCONT);
  printf("pending %llx\n", pending());
  set_action(SIGCONT, handler, SA_SIGINFO, 0);
  handled[SIGCONT] = 0;
  set_mask(0);
  printf("handled %d\n", handled[SIGCONT]);
  /* Stopped by itself; continued by another; the handler runs then. */
  fflush(stdout);
  for (int n = 19; n <= 22; n++) {
    pid_t child = fork();
    if (child == 0) {
      handled[SIGCONT] = 0;
      /* A group of its own, whose parent is in the session. */
      setpgid(0, 0);
      raise(n);
      printf("continued %d\n", handled[SIGCONT]);
      fflush(stdout);
      _exit(4);
    }
    int s;
    waitpid(child, &s, WUNTRACED);
    print_status("stops", n, s);
    fflush(stdout);
    /* While it is stopped, others wait. */
    kill(child, SIGUSR1 + 2 * (n == 22));
    kill(child, SIGCONT);
    waitpid(child, &s, 0);
    print_status("stops", n, s);
    fflush(stdout);
  }
  /* A process group without a parent in its session is not stopped by a terminal's signals. */
  CHILD({
    setsid();
    raise(SIGTSTP);
    raise(SIGTTIN);
    raise(SIGTTOU);
    printf("an orphaned group goes on\n");
  });
}

static void groups(void) {
  int counts = 0;
  set_action(SIGUSR1, handler, SA_SIGINFO | SA_RESTART, 0);
  CHILD({
    setpgid(0, 0);
    handled[SIGUSR1] = 0;
    pid_t children[3];
    int tell[3];
    for (int k = 0; k < 3; k++) {
      if (pipe(down)) abort();
      tell[k] = down[1];
      children[k] = fork();
      if (children[k] == 0) {
        if (k == 2) setpgid(0, 0);
        set_mask(BIT(SIGUSR1));
        ready();
        await(down[0]);
        printf("child %d pending %llx\n", k, pending());
        fflush(stdout);
        set_mask(0);
        _exit(handled[SIGUSR1]);
      }
      await(up[0]);
    }
    int s;
    L(kill(0, SIGUSR1));
    printf("own %d code %d\n", handled[SIGUSR1], last_code);
    L(kill(-getpgrp(), SIGUSR1));
    printf("own %d code %d\n", handled[SIGUSR1], last_code);
    L(killpg(children[2], SIGUSR1));
    printf("own %d\n", handled[SIGUSR1]);
    L(killpg(NO_PROCESS, SIGUSR1));
    L(killpg(1 << 30, 0));
    L(kill(0, 65));
    L(kill(0, -1));
    L(kill(0, 0));
    L(kill(-0x7fffffff - 1, 0));
    for (int k = 0; k < 3; k++) {
      fflush(stdout);
      if (write(tell[k], "g", 1) != 1) abort();
      waitpid(-1, &s, 0);
      print_status("child", k, s);
    }
    fflush(stdout);
    /* A whole group ends at once. */
    if (fork() == 0) for (;;) pause();
    signal(SIGTERM, SIG_IGN);
    L(kill(0, SIGTERM));
    signal(SIGTERM, SIG_DFL);
    L(waitpid(-1, &s, 0) > 0 ? s : -1);
  });
}

int main(int argc, char **argv) {
  setvbuf(stdout, malloc(1 << 16), _IOFBF, 1 << 16);
  setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
  const char *part = argc > 1 ? argv[1] : "";
  if (pipe(up) || pipe(down)) return 1;
  if (!strcmp(part, "state")) return show_state();
  if (!strcmp(part, "outside")) every(from_outside);
  if (!strcmp(part, "itself")) every(from_itself);
  if (!strcmp(part, "exec")) for (int k = 0; k < 6; k++) over_exec(argv[0], k);
  if (!strcmp(part, "flags")) flags();
  if (!strcmp(part, "children")) children();
  if (!strcmp(part, "queues")) queues();
  if (!strcmp(part, "limit")) limit();
  if (!strcmp(part, "stops")) stops();
  if (!strcmp(part, "groups")) groups();
  return 0;
}
