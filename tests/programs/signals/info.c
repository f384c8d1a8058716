// What siginfo_t says of each source of signals, alternate stacks in every state, and what a handler's changes to its frame do.
#include "../syscalls/show.h"
#include <setjmp.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <ucontext.h>

static volatile int handled;
static pid_t sender;
static siginfo_t last;

/** All 128 bytes: processes and users by their roles. */
static void print_info(const char *what, siginfo_t *info, int pid, int times) {
  int w[32];
  memcpy(w, info, 128);
  printf("%s: signo %d errno %d code %d", what, w[0], w[1], w[2]);
  for (int k = 3; k < 32; k++) {
    if (w[k] == 0) continue;
    if (k == 3 && pid) printf(" pid %s", w[k] == getpid() ? "own" : w[k] == sender ? "child" : "other");
    else if (k == 4 && w[k] == getuid()) printf(" uid own");
    else if (times && k >= 6 && k <= 7) continue;
    else printf(" [%d] %x", k, w[k]);
  }
  printf("\n");
}

static void note(int n, siginfo_t *info, void *context) {
  last = *info;
  handled++;
}
static void install(int n, void (*f)(int, siginfo_t *, void *), int flags) {
  struct sigaction a = {.sa_sigaction = f, .sa_flags = SA_SIGINFO | flags};
  sigemptyset(&a.sa_mask);
  sigaction(n, &a, 0);
}
static void await(const char *what, int pid, int times) {
  while (!handled) usleep(1000);
  print_info(what, &last, pid, times);
  handled = 0;
  memset(&last, 0, sizeof last);
}

static void sources(void) {
  int n = SIGUSR1, rt = SIGRTMIN + 5;
  install(n, note, SA_RESTART);
  install(rt, note, SA_RESTART);
  kill(getpid(), n); await("kill", 1, 0);
  raise(n); await("tgkill", 1, 0);
  SYS(SYS_tkill, getpid(), rt); await("tkill", 1, 0);
  sigqueue(getpid(), n, (union sigval){.sival_int = 0x12345678}); await("sigqueue", 1, 0);
  CHILD(sigqueue(getppid(), rt, (union sigval){.sival_int = -5}); kill(getppid(), 0));
  sender = last.si_pid; await("sigqueue of a child", 1, 0);
  CHILD(kill(getppid(), n));
  sender = last.si_pid; await("kill of a child", 1, 0);
  CHILD(SYS(SYS_tgkill, getppid(), getppid(), n));
  sender = last.si_pid; await("tgkill of a child", 1, 0);
  int made[32];
  for (int code = -8; code < 3; code++) {
    for (int k = 0; k < 32; k++) made[k] = 0x1000 + k;
    made[0] = 77;
    made[1] = 66;
    made[2] = code;
    printf("code %d: %ld\n", code, SYS(SYS_rt_sigqueueinfo, getpid(), n, made));
    if (handled) await("made up", 0, 0);
    printf("to the thread %d: %ld\n", code, SYS(SYS_rt_tgsigqueueinfo, getpid(), getpid(), rt, made));
    if (handled) await("made up", 0, 0);
    CHILD(printf("of a child %d: %ld\n", code, SYS(SYS_rt_sigqueueinfo, getppid(), rt, made)));
    if (handled) await("made up", 0, 0);
  }
  /* Timers. */
  timer_t t;
  struct sigevent e = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = rt, .sigev_value.sival_int = 0x7654321};
  timer_create(CLOCK_MONOTONIC, &e, &t);
  struct itimerspec s = {{0, 0}, {0, 1}};
  timer_settime(t, 0, &s, 0); await("timer", 0, 0);
  e.sigev_notify = SIGEV_THREAD_ID;
  e._sigev_un._tid = getpid();
  timer_t t2;
  L(timer_create(CLOCK_REALTIME, &e, &t2));
  timer_settime(t2, 0, &s, 0); await("timer to a thread", 0, 0);
  install(SIGALRM, note, SA_RESTART);
  setitimer(ITIMER_REAL, &(struct itimerval){{0, 0}, {0, 1}}, 0); await("itimer", 1, 0);
  install(SIGPROF, note, SA_RESTART);
  setitimer(ITIMER_PROF, &(struct itimerval){{0, 0}, {0, 1}}, 0);
  while (!handled); 
  await("profiling", 1, 0);
  /* Children. */
  install(SIGCHLD, note, SA_RESTART);
  for (int k = 0; k < 4; k++) {
    sender = fork();
    if (sender == 0) {
      if (k == 0) _exit(37);
      if (k == 1) raise(SIGTERM);
      if (k == 2) SYS(SYS_tkill, getpid(), SIGKILL);
      setpgid(0, 0);
      raise(SIGSTOP);
      for (;;) pause();
    }
    await("child", 1, 1);
    int status;
    if (k == 3) {
      kill(sender, SIGCONT);
      await("child", 1, 1);
      kill(sender, SIGKILL);
    }
    handled = 0;
    waitpid(sender, &status, 0);
    usleep(1000);
    handled = 0;
  }
  signal(SIGCHLD, SIG_DFL);
  /* Pipes and descriptors. */
  int p[2];
  if (pipe(p)) return;
  close(p[0]);
  install(SIGPIPE, note, SA_RESTART);
  L(write(p[1], "x", 1)); await("SIGPIPE", 1, 0);
  socketpair(AF_UNIX, SOCK_STREAM, 0, p);
  close(p[0]);
  L(send(p[1], "x", 1, 0)); await("SIGPIPE", 1, 0);
  L(send(p[1], "x", 1, MSG_NOSIGNAL));
  printf("%d\n", handled);
  close(p[1]);
  for (int k = 0; k < 3; k++) {
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, p)) return;
    dup2(p[0], 50);
    install(SIGIO, note, SA_RESTART);
    fcntl(50, F_SETOWN, getpid());
    if (k) fcntl(50, F_SETSIG, k == 1 ? rt : SIGIO);
    fcntl(50, F_SETFL, O_ASYNC | O_NONBLOCK);
    if (write(p[1], "x", 1) != 1) return;
    await("SIGIO", k == 0, 0);
    close(p[1]);
    await("SIGIO at the end", k == 0, 0);
    close(50);
    close(p[0]);
  }
  /* Limits. */
  install(SIGXFSZ, note, SA_RESTART);
  int f = open("limited", O_RDWR | O_CREAT, 0600);
  setrlimit(RLIMIT_FSIZE, &(struct rlimit){10, RLIM_INFINITY});
  L(pwrite(f, "x", 1, 10)); await("SIGXFSZ", 1, 0);
  setrlimit(RLIMIT_FSIZE, &(struct rlimit){RLIM_INFINITY, RLIM_INFINITY});
  /* The death of a parent. */
  install(SIGUSR2, note, SA_RESTART);
  int over[2];
  if (pipe(over)) return;
  CHILD({
    install(SIGUSR2, note, SA_RESTART);
    int q[2];
    if (pipe(q)) abort();
    if (fork() == 0) {
      prctl(PR_SET_PDEATHSIG, SIGUSR2);
      sender = getppid();
      if (write(q[1], "r", 1) != 1) abort();
      await("a parent's death", 1, 0);
      fflush(stdout);
      _exit(0);
    }
    char c;
    if (read(q[0], &c, 1) != 1) abort();
  });
  /* Until it has said so and is gone. */
  char c;
  close(over[1]);
  if (read(over[0], &c, 1)) abort();
}

static sigjmp_buf back;
static char *page;
static char guard[0x1000] __attribute__((aligned(4096), used)), stack[0x10001] __attribute__((aligned(4096)));

static void print_stack(const char *what) {
  stack_t s = {(void *)1, 2, 3};
  long r = SYS(SYS_sigaltstack, 0, &s);
  printf("%s: %ld sp %s flags %x size %x\n", what, r, s.ss_sp == stack ? "stack" : s.ss_sp ? "other" : "0", s.ss_flags, (int)s.ss_size);
}
static int on_stack(void *p) { return (char *)p >= stack && (char *)p < stack + sizeof stack; }

static int depth;
static void within(int n, siginfo_t *info, void *context) {
  ucontext_t *uc = context;
  char here;
  printf("handler %d on it %d, frame's sp %s flags %x size %x\n", n, on_stack(&here), uc->uc_stack.ss_sp == stack ? "stack" : uc->uc_stack.ss_sp ? "other" : "0", uc->uc_stack.ss_flags, (int)uc->uc_stack.ss_size);
  print_stack("  now");
  stack_t s = {.ss_sp = stack, .ss_size = 0x8000, .ss_flags = 0};
  printf("  change %ld\n", SYS(SYS_sigaltstack, &s, 0));
  print_stack("  then");
  if (depth++ < 2) raise(SIGUSR2);
  if (n == SIGHUP) uc->uc_stack.ss_flags = SS_DISABLE;
  if (n == SIGINT) uc->uc_stack.ss_size = 0x4000;
  if (n == SIGQUIT) uc->uc_stack.ss_size = 10;
  if (n == SIGTERM) uc->uc_stack.ss_flags = 77;
}

static void stacks(void) {
  print_stack("at first");
  static const unsigned FLAGS[] = {0, 1, 2, 3, 4, 0x80000000, 0x80000001, 0x80000002, 0x80000003, 0x40000000};
  for (unsigned k = 0; k < sizeof FLAGS / 4; k++) {
    for (int size = 0; size < 6; size++) {
      static const int SIZES[] = {0, 2047, 2048, 8192, 0x10000, 0x10001};
      stack_t s = {.ss_sp = stack, .ss_flags = FLAGS[k], .ss_size = SIZES[size]};
      printf("flags %x size %x = %ld\n", FLAGS[k], SIZES[size], SYS(SYS_sigaltstack, &s, 0));
      print_stack("  now");
    }
  }
  stack_t old;
  C(SYS_sigaltstack, BAD, 0);
  C(SYS_sigaltstack, 0, BAD);
  stack_t s = {.ss_sp = stack, .ss_size = 0x10000};
  C(SYS_sigaltstack, &s, BAD);
  print_stack("stored");
  static const int WITH[] = {0, 1, 0x80000000};
  static const int SIGNALS[] = {SIGUSR1, SIGHUP, SIGINT, SIGQUIT, SIGTERM};
  install(SIGUSR2, within, SA_ONSTACK | SA_NODEFER);
  for (int k = 0; k < 3; k++) {
    for (int n = 0; n < 5; n++) {
      s = (stack_t){.ss_sp = stack, .ss_size = 0x10000, .ss_flags = WITH[k]};
      SYS(SYS_sigaltstack, &s, 0);
      install(SIGNALS[n], within, SA_ONSTACK);
      depth = n ? 5 : 0;
      raise(SIGNALS[n]);
      print_stack("after");
      SYS(SYS_sigaltstack, &(stack_t){.ss_flags = SS_DISABLE}, 0);
    }
  }
}

/** A fault's signal, code and address relative to where it was expected. */
static void *expected;
static void fault(int n, siginfo_t *info, void *context) {
  ucontext_t *uc = context;
  sigset_t now;
  sigprocmask(0, 0, &now);
  char here;
  printf("signal %d code %d address %+ld on it %d blocked %d %d\n", n, info->si_code, (long)info->si_addr - (long)expected,
         on_stack(&here), sigismember(&now, n), sigismember(&now, SIGUSR2));
#ifndef WITHOUT_CPU
  printf("trapno %d err %x\n", uc->uc_mcontext.gregs[REG_TRAPNO], uc->uc_mcontext.gregs[REG_ERR]);
#endif
  fflush(stdout);
  siglongjmp(back, 1);
}
static int grow(int n) { volatile char b[4000]; b[0] = n; return grow(n + 1) + b[0]; }

static void overflow(int way) {
  CHILD({
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    stack_t s = {.ss_sp = stack, .ss_size = sizeof stack};
    if (way != 1) sigaltstack(&s, 0);
    install(SIGSEGV, note, way == 2 ? 0 : SA_ONSTACK);
    if (way == 0) install(SIGSEGV, fault, SA_ONSTACK);
    /* A guarded stack of its own, so that the address is known. */
    char *guarded = mmap(0, 0x20000, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    mprotect(guarded, 0x10000, PROT_NONE);
    /* On the alternate stack already, where no frame has room. */
    char *below = stack - 0x1000;
    if (way == 3) mprotect(below, 0x1000, PROT_NONE);
    expected = guarded + 0xfffc;
    fflush(stdout);
    if (!sigsetjmp(back, 1))
#ifdef __arm__
      __asm__ volatile("mov sp, %0\n1: push {r0}\n\tb 1b" :: "r"(way == 3 ? stack + 256 : guarded + 0x20000) : "memory");
#else
      __asm__ volatile("mov %0, %%esp\n1: push $1\n\tjmp 1b" :: "r"(way == 3 ? stack + 256 : guarded + 0x20000) : "memory");
#endif
    printf("after the overflow\n");
  });
}

#ifndef WITHOUT_CPU
/* Registers before and after a handler that changes them all. */
__attribute__((used)) unsigned before[9], after[9];
static int change;
static void changing(int n, siginfo_t *info, void *context) {
  ucontext_t *uc = context;
  greg_t *r = uc->uc_mcontext.gregs;
  static const int ORDER[] = {REG_EDI, REG_ESI, REG_EBP, REG_EBX, REG_EDX, REG_ECX, REG_EAX};
  printf("frame: gs %x fs %x es %x ds %x cs %x ss %x trapno %d err %x esp %s uesp %s cr2 %lx flags %lx link %p mask %lx oldmask %lx fp %s\n", r[REG_GS] & 0xffff ? 1 : 0, r[REG_FS], r[REG_ES], r[REG_DS],
         r[REG_CS], r[REG_SS], r[REG_TRAPNO], r[REG_ERR], (r[REG_ESP] & ~0xffff) == (before[7] & ~0xffff) ? "near" : "far", r[REG_UESP] == r[REG_ESP] ? "same" : "other", uc->uc_mcontext.cr2,
         uc->uc_flags, uc->uc_link, *(unsigned long *)&uc->uc_sigmask, uc->uc_mcontext.oldmask, uc->uc_mcontext.fpregs ? "there" : "0");
  for (int k = 0; k < 7; k++) printf(" %x", r[ORDER[k]]);
  printf(" eflags %x\n", r[REG_EFL] & ~0x10000);
  unsigned *f = (unsigned *)uc->uc_mcontext.fpregs;
  printf("fsave: cw %x sw %x tag %x cssel %x datasel %x status %x\n", f[0], f[1], f[2], f[4] & 0xffff, f[6] & 0xffff, f[27]);
  for (int k = 7; k < 27; k++) printf("%s%08x", k % 10 == 7 ? "\n " : " ", f[k]);
  /* Not the x87's addresses, which CPUs keep differently, and MXCSR's mask. */
  printf("\nfxsave:");
  for (int k = 0; k < 104; k++) if (k < 1 || k == 6 || k > 7) printf("%s%08x", k % 8 ? " " : "\n ", f[28 + k]);
  printf("\n");
  r[REG_EIP] += 2;
  if (change & 1) {
    for (int k = 0; k < 7; k++) if (ORDER[k] != REG_EBP) r[ORDER[k]] ^= 0x11111111 * (k + 1);
    r[REG_EFL] = change & 2 ? 0xffffffff & ~0x100 & ~0x40000 : 0;
  }
  if (change & 4) sigaddset(&uc->uc_sigmask, SIGUSR2), sigaddset(&uc->uc_sigmask, 40), sigaddset(&uc->uc_sigmask, SIGKILL);
  unsigned char *fx = (unsigned char *)(f + 28);
  if (change & 8) {
    *(unsigned short *)fx = 0x27f;
    fx[4] ^= 0x81;
    memset(fx + 32, 0x5a, 10);
    memset(fx + 160, 0xa5, 128);
    *(unsigned *)(fx + 24) = 0x1f80 | 0x6000;
  }
  /* The FSAVE image is what the x87 comes back from only without the other. */
  if (change & 16) f[0] = 0xffff0300, f[7] = 0x12345678, f[2] = 0xffff0000;
}

static void frames(void) {
  install(SIGILL, changing, 0);
  for (change = 0; change < 32; change++) {
    if (change & 2 && !(change & 1)) continue;
    static unsigned char image[512] __attribute__((aligned(16)));
    static unsigned in[4] __attribute__((aligned(16))) = {1, 2, 3, 4};
    printf("changes %d\n", change);
    __asm__ volatile(
        "fninit; fldpi; fld1; fldl2e; fchs; pxor %%xmm0, %%xmm0; movaps %[in], %%xmm1; movaps %%xmm1, %%xmm2; movaps %%xmm1, %%xmm3; movaps %%xmm1, %%xmm4; movaps %%xmm1, %%xmm5; movaps %%xmm1, %%xmm6; paddd %%xmm1, %%xmm6; movaps %%xmm6, %%xmm7\n\t"
        "pushal; mov %%esp, before+28; mov $0x1001, %%edi; mov $0x1002, %%esi; mov $0x1003, %%ebp; mov $0x1004, %%ebx; mov $0x1005, %%edx; mov $0x1006, %%ecx; mov $0x1007, %%eax\n\t"
        "cmp %%edi, %%esi; stc; ud2\n\t"
        "mov %%edi, after; mov %%esi, after+4; mov %%ebp, after+8; mov %%ebx, after+12; mov %%edx, after+16; mov %%ecx, after+20; mov %%eax, after+24\n\t"
        "pushf; popl after+28; push $0x202; popf; popal; fxsave %[image]; fninit"
        : [image] "=m"(image) : [in] "m"(in) : "memory", "cc");
    for (int k = 0; k < 8; k++) printf(" %x", after[k]);
    printf("\n ");
    for (int k = 0; k < 288; k++) {
      /* Instruction and data addresses of the x87. */
      if ((k >= 8 && k < 24) || (k >= 28 && k < 32)) continue;
      printf("%s%02x", k % 32 ? "" : "\n ", image[k]);
    }
    unsigned long long mask = 0;
    SYS(SYS_rt_sigprocmask, 0, 0, &mask, 8);
    printf("\nmask %llx\n", mask);
    mask = 0;
    SYS(SYS_rt_sigprocmask, SIG_SETMASK, &mask, 0, 8);
    unsigned mxcsr = 0x1f80;
    __asm__ volatile("ldmxcsr %0" :: "m"(mxcsr));
  }
}

#endif

static int jumps;
static void jumper(int n, siginfo_t *info, void *context) {
  jumps++;
  siglongjmp(back, n);
}
static void deep(int n, siginfo_t *info, void *context) {
  if (++jumps < 20) raise(n == SIGUSR1 ? SIGUSR2 : SIGUSR1);
  else siglongjmp(back, 3);
}
static void jumping(void) {
  install(SIGUSR1, jumper, 0);
  for (volatile int k = 0; k < 1000; k++) if (!sigsetjmp(back, 1)) raise(SIGUSR1);
  printf("jumped %d\n", jumps);
  /* Without the mask the signal stays blocked. */
  if (!sigsetjmp(back, 0)) raise(SIGUSR1);
  sigset_t now;
  sigprocmask(0, 0, &now);
  printf("blocked %d\n", sigismember(&now, SIGUSR1));
  sigemptyset(&now);
  sigprocmask(SIG_SETMASK, &now, 0);
  jumps = 0;
  install(SIGUSR1, deep, SA_NODEFER);
  install(SIGUSR2, deep, SA_NODEFER);
  printf("out of many: %d", sigsetjmp(back, 1) ?: (raise(SIGUSR1), 0));
  printf(" %d\n", jumps);
  /* Faults in handlers of faults, and of a blocked fault: the end. */
  install(SIGSEGV, fault, SA_NODEFER);
  install(SIGFPE, fault, 0);
  expected = (void *)0x1000;
  for (int k = 0; k < 3; k++) if (!sigsetjmp(back, 1)) *(volatile int *)0x1000 = k;
}

int main(int argc, char **argv) {
  setvbuf(stdout, malloc(1 << 18), _IOFBF, 1 << 18);
  const char *part = argc > 1 ? argv[1] : "";
  if (!strcmp(part, "sources")) sources();
  if (!strcmp(part, "stacks")) stacks();
  if (!strcmp(part, "overflow")) for (int k = 0; k < 3; k++) overflow(k);
#ifndef WITHOUT_CPU
  if (!strcmp(part, "frames")) frames();
#endif
  if (!strcmp(part, "jumping")) jumping();
  return 0;
}
