/* Exercises signals and prints only what must be the same on every machine. The part to run is the argument. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

static sigjmp_buf back;
static volatile int count, seen[128], order[64], orders;
static char *page; /* addresses are printed relative to this */

static void install(int sig, void (*f)(int, siginfo_t *, void *), int flags) {
  struct sigaction a;
  memset(&a, 0, sizeof a);
  a.sa_sigaction = f;
  a.sa_flags = flags | SA_SIGINFO;
  if (sigaction(sig, &a, 0)) perror("sigaction");
}

static void describe(int sig, siginfo_t *info, void *context) {
  ucontext_t *uc = context;
  greg_t *r = uc->uc_mcontext.gregs;
  int has_address = sig == SIGSEGV || sig == SIGBUS;
  printf("signal %d code %d", sig, info->si_code);
  if (has_address && info->si_code > 0 && info->si_code < 0x80) {
    if (page && (char *)info->si_addr >= page - 4096 && (char *)info->si_addr < page + 16 * 4096)
      printf(" address page+%#x", (char *)info->si_addr - page);
    else printf(" address %p", info->si_addr);
    printf(" cr2 %s", uc->uc_mcontext.cr2 == (unsigned long)info->si_addr ? "same" : "other");
  }
  if (sig != SIGUSR1) printf(" trapno %d err %d", r[REG_TRAPNO], r[REG_ERR]);
  if ((sig == SIGFPE || sig == SIGILL) && info->si_code > 0)
    printf(" address %s", info->si_addr == (void *)r[REG_EIP] ? "at eip" : "elsewhere");
  printf(" stack %d\n", (int)((unsigned long)__builtin_frame_address(0) & 15));
  siglongjmp(back, 1);
}

/* Code that is called by address, so that faults have a known EIP. */
#define TRY(text, ...) do { printf("%s: ", text); fflush(stdout); if (!sigsetjmp(back, 1)) { __VA_ARGS__; printf("no signal\n"); } } while (0)

static void faults(void) {
  int sigs[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP};
  for (int i = 0; i < 5; i++) install(sigs[i], describe, 0);
  page = mmap(0, 16 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  char *only_read = page + 4096, *none = page + 2 * 4096, *gone = page + 3 * 4096, *file = page + 4 * 4096;
  memset(page, 0x90, 16 * 4096);
  mprotect(only_read, 4096, PROT_READ);
  mprotect(none, 4096, PROT_NONE);
  munmap(gone, 4096);
  char name[] = "/tmp/signals-XXXXXX";
  int fd = mkstemp(name);
  unlink(name);
  if (ftruncate(fd, 100)) return;
  mmap(file, 2 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0);
  TRY("read null", *(volatile char *)0);
  TRY("read 12345678", *(volatile int *)0x12345678);
  TRY("write null", *(volatile char *)0 = 1);
  TRY("write read-only", *(volatile char *)(only_read + 17) = 1);
  TRY("read none", *(volatile char *)(none + 5));
  TRY("write none", *(volatile char *)(none + 6) = 1);
  TRY("read gone", *(volatile char *)(gone + 7));
  TRY("read across into none", *(volatile int *)(none - 2));
  TRY("read file", *(volatile char *)(file + 50));
  TRY("read beyond file", *(volatile char *)(file + 4096 + 9));
  TRY("write beyond file", *(volatile char *)(file + 4096 + 10) = 1);
  TRY("execute null", ((void (*)(void))0)());
  TRY("execute data", ((void (*)(void))page)());
  TRY("execute none", ((void (*)(void))none)());
  TRY("memset into read-only", memset(only_read - 100, 1, 200));
  printf("bytes before the fault: %d %d\n", only_read[-100], only_read[-1]);
  TRY("rep movs into none", __asm__ volatile("rep movsb" :: "S"(page), "D"(none - 10), "c"(100) : "memory"));
  TRY("divide", __asm__ volatile("xorl %%edx,%%edx; movl $1,%%eax; xorl %%ecx,%%ecx; divl %%ecx" ::: "eax", "ecx", "edx"));
  TRY("divide overflow", __asm__ volatile("movl $5,%%edx; movl $1,%%ecx; divl %%ecx" ::: "eax", "ecx", "edx"));
  TRY("ud2", __asm__ volatile("ud2"));
  TRY("int3", __asm__ volatile("int3"));
  TRY("int 3 in two bytes", __asm__ volatile(".byte 0xcd, 3"));
  TRY("int 0x70", __asm__ volatile("int $0x70"));
  TRY("hlt", __asm__ volatile("hlt"));
  TRY("in", __asm__ volatile("inb $0x60, %%al" ::: "eax"));
  TRY("cli", __asm__ volatile("cli"));
  TRY("into", __asm__ volatile("movl $0x7fffffff,%%eax; addl $1,%%eax; into" ::: "eax"));
  int bounds[2] = {1, 5};
  TRY("bound", __asm__ volatile("bound %0, %1" :: "r"(9), "m"(*bounds)));
  TRY("bad selector", __asm__ volatile("movw %w0, %%gs" :: "r"(0x1003)));
  TRY("fpu divide by zero", {
    unsigned short cw = 0x037b; double zero = 0, one = 1;
    __asm__ volatile("fninit; fldcw %0; fldl %1; fdivl %2; fwait; fninit" :: "m"(cw), "m"(one), "m"(zero));
  });
  __asm__ volatile("fninit");
}

static void note(int sig, siginfo_t *info, void *context) {
  ucontext_t *uc = context;
  sigset_t now;
  sigprocmask(SIG_BLOCK, 0, &now);
  seen[sig]++;
  if (orders < 64) order[orders++] = sig;
  printf("handler %d code %d", sig, info->si_code);
  if (info->si_code == SI_QUEUE) printf(" value %d", info->si_value.sival_int);
  if (info->si_code <= 0 && info->si_code != SI_TIMER)
    printf(" pid %s uid %s", info->si_pid == getpid() ? "own" : "other", info->si_uid == getuid() ? "own" : "other");
  printf(" blocked now");
  for (int n = 1; n < 40; n++) if (sigismember(&now, n) == 1) printf(" %d", n);
  printf(", before");
  for (int n = 1; n < 40; n++) if (sigismember(&uc->uc_sigmask, n) == 1) printf(" %d", n);
  printf("\n");
}

static void masks(void) {
  sigset_t set, old;
  install(SIGUSR1, note, 0);
  install(SIGUSR2, note, SA_NODEFER);
  raise(SIGUSR1);
  raise(SIGUSR2);
  kill(getpid(), SIGUSR1);
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  sigaddset(&set, SIGUSR2);
  sigaddset(&set, SIGRTMIN);
  sigaddset(&set, SIGKILL);
  sigprocmask(SIG_BLOCK, &set, &old);
  sigprocmask(SIG_BLOCK, 0, &old);
  printf("SIGKILL blocked: %d\n", sigismember(&old, SIGKILL));
  raise(SIGUSR2);
  raise(SIGUSR1);
  raise(SIGUSR1);
  sigpending(&set);
  printf("pending %d %d %d\n", sigismember(&set, SIGUSR1), sigismember(&set, SIGUSR2), sigismember(&set, SIGHUP));
  printf("unblock\n");
  sigprocmask(SIG_SETMASK, &(sigset_t){0}, 0);
  printf("counts %d %d\n", seen[SIGUSR1], seen[SIGUSR2]);

  printf("queue\n");
  install(SIGRTMIN, note, 0);
  install(SIGRTMIN + 1, note, 0);
  sigemptyset(&set);
  sigaddset(&set, SIGRTMIN);
  sigaddset(&set, SIGRTMIN + 1);
  sigprocmask(SIG_BLOCK, &set, 0);
  for (int k = 0; k < 3; k++) {
    sigqueue(getpid(), SIGRTMIN + 1, (union sigval){.sival_int = k});
    sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = 10 + k});
  }
  sigprocmask(SIG_UNBLOCK, &set, 0);
  printf("order");
  for (int k = 0; k < orders; k++) printf(" %d", order[k]);
  printf("\n");

  printf("ignored\n");
  signal(SIGUSR1, SIG_IGN);
  raise(SIGUSR1);
  printf("reset\n");
  install(SIGUSR1, note, SA_RESETHAND);
  raise(SIGUSR1);
  struct sigaction a;
  sigaction(SIGUSR1, 0, &a);
  printf("handler is default: %d flags %x\n", a.sa_handler == SIG_DFL, a.sa_flags & ~0x04000000);
  install(SIGUSR2, note, SA_RESTART | SA_ONSTACK | SA_NOCLDSTOP | 0x200);
  sigaction(SIGUSR2, 0, &a);
  printf("flags %x\n", a.sa_flags & ~0x04000000);
  memset(&a, 0, sizeof a);
  printf("errors %d", sigaction(SIGKILL, &a, 0));
  printf(" %d", errno);
  errno = 0;
  printf(" %ld", syscall(SYS_rt_sigaction, 65, 0, 0, 8));
  printf(" %d", errno);
  printf(" %ld", syscall(SYS_rt_sigaction, 1, 1, 0, 8));
  printf(" %d", errno);
  printf(" %ld", syscall(SYS_rt_sigaction, 1, 0, 0, 4));
  printf(" %d", errno);
  printf(" %ld", syscall(SYS_rt_sigprocmask, 7, &set, 0, 8));
  printf(" %d", errno);
  printf(" %d", kill(getpid(), 99));
  printf(" %d\n", errno);
}

static void quiet(int sig) { seen[sig]++; }

/* SIGALRM, once after so many microseconds: only where it is blocked until the call that waits. */
static void after(long us) {
  struct itimerval t = {{0, 0}, {us / 1000000, us % 1000000}};
  setitimer(ITIMER_REAL, &t, 0);
}

/* SIGALRM again and again until `report`: the first may come before the call. */
static void often(long us) {
  struct itimerval t = {{0, us}, {0, us}};
  setitimer(ITIMER_REAL, &t, 0);
}

static int reported;
static void report(const char *what, long result) {
  int error = errno;
  after(0);
  printf("%s: %ld %s, a handler ran: %d\n", what, result, result < 0 ? strerror(error) : "", seen[SIGALRM] > reported);
  reported = seen[SIGALRM];
}

static void waiting(void) {
  struct sigaction a;
  memset(&a, 0, sizeof a);
  a.sa_handler = quiet;
  sigaction(SIGALRM, &a, 0);
  int p[2];
  char c;
  if (pipe(p)) return;
  often(60000); report("read", read(p[0], &c, 1));
  often(60000); report("pause", pause());
  struct timespec t = {1000, 0}, rest = {0, 0};
  often(60000); report("nanosleep", nanosleep(&t, &rest));
  printf("there is a rest: %d\n", rest.tv_sec >= 0 && rest.tv_sec < 1000 && rest.tv_nsec > 0);
  often(60000); report("poll", poll(0, 0, 1000000));
  fd_set set;
  FD_ZERO(&set);
  FD_SET(p[0], &set);
  struct timeval tv = {1000, 0};
  often(60000); report("select", select(p[0] + 1, &set, 0, 0, &tv));
  a.sa_flags = SA_RESTART;
  sigaction(SIGALRM, &a, 0);
  often(60000); report("poll with SA_RESTART", poll(0, 0, 1000000));
  often(60000); report("nanosleep with SA_RESTART", nanosleep(&t, &rest));
  /* The handler of the second signal writes, so that the repeated read ends. */
  extern int writer_fd;
  void writes(int);
  writer_fd = p[1];
  a.sa_handler = writes;
  sigaction(SIGALRM, &a, 0);
  often(20000); report("read with SA_RESTART", read(p[0], &c, 1));

  printf("sigsuspend\n");
  install(SIGALRM, note, 0);
  sigset_t block, old, none;
  sigemptyset(&none);
  sigemptyset(&block);
  sigaddset(&block, SIGALRM);
  sigaddset(&block, SIGUSR1);
  sigprocmask(SIG_BLOCK, &block, &old);
  after(60000); report("sigsuspend", sigsuspend(&none));
  sigprocmask(SIG_BLOCK, 0, &old);
  printf("blocked again: %d %d\n", sigismember(&old, SIGALRM), sigismember(&old, SIGUSR1));
  raise(SIGALRM);
  report("sigsuspend with one pending", sigsuspend(&none));
  after(60000);
  struct timespec second = {1000, 0};
  report("ppoll", ppoll(0, 0, &second, &none));
  raise(SIGALRM);
  report("pselect with one pending", pselect(0, 0, 0, 0, &second, &none));

  printf("sigtimedwait\n");
  siginfo_t info;
  struct timespec nothing = {0, 0}, some = {0, 20000000};
  sigemptyset(&block);
  sigaddset(&block, SIGUSR1);
  sigaddset(&block, SIGALRM);
  report("nothing", sigtimedwait(&block, &info, &nothing));
  report("some time", sigtimedwait(&block, &info, &some));
  sigqueue(getpid(), SIGUSR1, (union sigval){.sival_int = 77});
  printf("got %d", sigtimedwait(&block, &info, &some));
  printf(" code %d value %d pid %d\n", info.si_code, info.si_value.sival_int, info.si_pid == getpid());
  after(60000);
  printf("got %d code %d\n", sigwaitinfo(&block, &info), info.si_code);
}

int writer_fd;
void writes(int sig) { if (++seen[sig] % 2 == 0) if (write(writer_fd, "x", 1) != 1) abort(); }

static volatile int stop;
static void stops(int sig) { stop = 1; }

static void computing(void) {
  signal(SIGALRM, stops);
  after(30000);
  unsigned x = 1;
  while (!stop) x = x * 1664525 + 1013904223;
  printf("stopped a loop\n");
  stop = 0;
  signal(SIGVTALRM, stops);
  struct itimerval t = {{0, 0}, {0, 20000}};
  setitimer(ITIMER_VIRTUAL, &t, 0);
  while (!stop) getppid();
  printf("stopped a loop of system calls\n");
}

static char alternate[65536];

static void where(int sig, siginfo_t *info, void *context) {
  stack_t now;
  char local, *at = &local;
  sigaltstack(0, &now);
  printf("handler %d on alternate stack: %d, flags %d", sig, at >= alternate && at < alternate + sizeof alternate, now.ss_flags);
  stack_t other = {.ss_sp = alternate, .ss_size = sizeof alternate};
  printf(", changing it: %d", sigaltstack(&other, 0));
  printf(" %d\n", errno);
  if (sig == SIGSEGV) siglongjmp(back, 1);
}

static int deep(int n) { volatile char big[1000]; big[n % 1000] = 1; return deep(n + 1) + big[n % 999]; }

static void stacks(void) {
  stack_t s = {.ss_sp = alternate, .ss_size = sizeof alternate}, old;
  sigaltstack(0, &old);
  printf("at first: flags %d size %u\n", old.ss_flags, (unsigned)old.ss_size);
  printf("too small: %d", sigaltstack(&(stack_t){.ss_sp = alternate, .ss_size = 100}, 0));
  printf(" %d\n", errno);
  printf("bad flags: %d", sigaltstack(&(stack_t){.ss_sp = alternate, .ss_size = 8192, .ss_flags = 8}, 0));
  printf(" %d\n", errno);
  printf("set: %d\n", sigaltstack(&s, 0));
  install(SIGUSR1, where, SA_ONSTACK);
  install(SIGUSR2, where, 0);
  install(SIGSEGV, where, SA_ONSTACK);
  raise(SIGUSR1);
  raise(SIGUSR2);
  if (!sigsetjmp(back, 1)) deep(0);
  printf("survived an overflow\n");
  if (!sigsetjmp(back, 1)) deep(0);
  printf("and another\n");
  s.ss_flags = SS_DISABLE;
  printf("disable: %d\n", sigaltstack(&s, &old));
  printf("old: flags %d size %u\n", old.ss_flags, (unsigned)old.ss_size);
  raise(SIGUSR1);
}

static void changes(int sig, siginfo_t *info, void *context) {
  ucontext_t *uc = context;
  greg_t *r = uc->uc_mcontext.gregs;
  printf("eax %x ebx %x flags %x\n", r[REG_EAX], r[REG_EBX], r[REG_EFL] & 0x8d5);
  r[REG_EIP] += 2;
  r[REG_ECX] = 0x1234;
  r[REG_EFL] = (r[REG_EFL] & ~0x8d5) | 0x41;
  /* Spoil what the frame must bring back. */
  __asm__ volatile("fninit; fldz; std; cld");
}

static void contexts(void) {
  install(SIGILL, changes, 0);
  unsigned flags, ecx, eax, ebx;
  __asm__ volatile("movl $0x11111111,%%eax; movl $0x22222222,%%ebx; movl $0,%%ecx; cmpl $0,%%eax; stc; ud2; pushfl; popl %0"
                   : "=S"(flags), "=c"(ecx), "=a"(eax), "=b"(ebx) :: "edx", "memory", "cc");
  printf("after: eax %x ebx %x ecx %x flags %x\n", eax, ebx, ecx, flags & 0x8d5);
  long double pi, e;
  unsigned short sw, cw;
  __asm__ volatile("fninit; fldpi; fld1; fldl2e; cmpl %%esp, %%esp; ud2; fnstsw %2; fnstcw %3; fstpt %0; fstp %%st(0); fstpt %1"
                   : "=m"(e), "=m"(pi), "=m"(sw), "=m"(cw) :: "memory");
  printf("fpu: %.18Lf %.18Lf sw %x cw %x\n", pi, e, sw & 0x3800, cw);
  /* std at the moment of the signal: the handler runs with DF clear, the flag comes back. */
  __asm__ volatile("std; cmpl %%esp, %%esp; ud2; pushfl; popl %0; cld" : "=r"(flags) :: "ecx", "memory", "cc");
  printf("df %x\n", flags & 0x400);
}

/* The FXSAVE image in a frame, and the XSAVE area that begins with it; offsets as in arch/x86/include/uapi/asm/sigcontext.h. */
enum { FX = 112, FX_MXCSR = FX + 24, FX_XMM = FX + 160, SW_MAGIC = FX + 464, SW_SIZE = FX + 468, SW_FEATURES = FX + 472, SW_XSIZE = FX + 480, XSTATE_BV = FX + 512 };
static int vector_step;

static void vectors_handler(int sig, siginfo_t *info, void *context) {
  static unsigned char now[16] __attribute__((aligned(16)));
  unsigned mxcsr;
  __asm__ volatile("movups %%xmm3, %0; stmxcsr %1" : "=m"(now), "=m"(mxcsr));
  ucontext_t *uc = context;
  uc->uc_mcontext.gregs[REG_EIP] += 2;
  unsigned char *fp = (unsigned char *)uc->uc_mcontext.fpregs;
#define U(at) (*(unsigned *)(fp + (at)))
  unsigned xsize = U(SW_XSIZE);
  printf("handler: xmm3 %02x mxcsr %x, frame: align %d magic %x sw %x size %d features %x bv %x magic2 %x\n", now[0], mxcsr,
         (int)(((unsigned long)fp + FX) & 63), U(108) >> 16, U(SW_MAGIC), U(SW_SIZE) - 4 - 112 == xsize, U(SW_FEATURES) & 3,
         U(XSTATE_BV) & 3, U(FX + xsize));
  printf("  mxcsr %x xmm0 %08x %08x xmm7 %08x %08x\n", U(FX_MXCSR), U(FX_XMM), U(FX_XMM + 12), U(FX_XMM + 112), U(FX_XMM + 124));
  U(FX_XMM + 16) = 0xabcdef01;
  U(FX_MXCSR) = 0x7fa0;
  switch (vector_step++) {
  case 1: U(XSTATE_BV) &= ~2; break; /* XMM becomes zero, MXCSR its default */
  case 2: U(XSTATE_BV) &= ~1; break; /* the x87 begins anew */
  case 3: U(SW_MAGIC) = 0; U(XSTATE_BV) &= ~3; break; /* then it is an FXSAVE image */
  case 4: U(FX + xsize) = 0; U(XSTATE_BV) &= ~3; break;
  }
}

static void vectors(void) {
  static unsigned in[8][4] __attribute__((aligned(16))), out[8][4] __attribute__((aligned(16)));
  install(SIGILL, vectors_handler, 0);
  for (int n = 0; n < 32; n++) in[n / 4][n % 4] = 0x01010101 * (n + 1);
  for (int step = 0; step < 5; step++) {
    unsigned mxcsr = 0x1fa1;
    unsigned short sw = 0;
    __asm__ volatile("fninit; fldpi; ldmxcsr %1; movaps (%3), %%xmm0; movaps 16(%3), %%xmm1; movaps 48(%3), %%xmm3; movaps 112(%3), %%xmm7;"
                     "ud2; movaps %%xmm0, (%4); movaps %%xmm1, 16(%4); movaps %%xmm7, 112(%4); stmxcsr %0; fnstsw %2; fninit"
                     : "=m"(mxcsr), "+m"(mxcsr), "=m"(sw) : "r"(in), "r"(out) : "memory");
    printf("after %d: mxcsr %x sw %x xmm0 %08x xmm1 %08x %08x xmm7 %08x\n", step, mxcsr, sw, out[0][0], out[1][0], out[1][1], out[7][3]);
    mxcsr = 0x1f80;
    __asm__ volatile("ldmxcsr %0" :: "m"(mxcsr));
  }
}

static void bad_mxcsr(int sig, siginfo_t *info, void *context) {
  unsigned char *fp = (unsigned char *)((ucontext_t *)context)->uc_mcontext.fpregs;
  U(FX_MXCSR) = 0x10000000;
}

static void old_handler(int sig, struct sigcontext c) {
  printf("old frame: signal %d trapno %d eip plausible %d\n", sig, (int)c.trapno, c.eip > 0x1000);
  siglongjmp(back, 1);
}

static volatile int old_count;
static void old_quiet(int sig) { old_count += sig; }

static void old_calls(void) {
  struct { void *handler; unsigned long mask, flags; void *restorer; } act = {(void *)old_handler, 0, 0, 0}, was;
  printf("sigaction: %ld\n", syscall(SYS_sigaction, SIGILL, &act, &was));
  if (!sigsetjmp(back, 1)) __asm__ volatile("ud2");
  act.handler = (void *)old_quiet;
  syscall(SYS_sigaction, SIGUSR1, &act, 0);
  raise(SIGUSR1);
  raise(SIGUSR1);
  printf("returned from handlers without a restorer: %d\n", old_count);
  printf("signal: %d\n", syscall(SYS_signal, SIGUSR2, old_quiet) == 0);
  raise(SIGUSR2);
  syscall(SYS_sigaction, SIGUSR2, 0, &was);
  printf("count %d, default again %d flags %lx\n", old_count, was.handler == 0, was.flags);
  unsigned long set = 1 << (SIGUSR1 - 1), old = 0;
  syscall(SYS_sigprocmask, SIG_BLOCK, &set, &old);
  raise(SIGUSR1);
  unsigned long pending = 0;
  syscall(SYS_sigpending, &pending);
  printf("old mask %lx pending %lx count %d\n", old, pending, old_count);
  syscall(SYS_sigsuspend, 0, 0, 0);
  printf("count %d mask %lx\n", old_count, syscall(SYS_sgetmask));
  syscall(SYS_ssetmask, 0);
  printf("mask %lx\n", syscall(SYS_sgetmask));
}

static volatile int blocked, wrong, done;
static void counts(int sig) { seen[sig]++; if (blocked) wrong = 1; }
static void ends(int sig) { done = 1; }

static void flood(void) {
  struct sigaction a;
  memset(&a, 0, sizeof a);
  a.sa_handler = counts;
  a.sa_flags = SA_RESTART;
  sigaction(SIGUSR1, &a, 0);
  a.sa_handler = ends;
  sigaction(SIGUSR2, &a, 0);
  sigset_t both, old;
  sigemptyset(&both);
  sigaddset(&both, SIGUSR1);
  sigaddset(&both, SIGUSR2);
  printf("ready\n");
  for (unsigned k = 0, told = 0; !done; k++) {
    /* Instances of one signal merge while it is pending. */
    if (!told && seen[SIGUSR1] > 10) told = 1, printf("more than ten\n");
    sigprocmask(SIG_BLOCK, &both, &old);
    blocked = 1;
    for (volatile int n = 0; n < 1000; n++);
    if (k % 3 == 0) usleep(100);
    blocked = 0;
    if (k % 5 == 0 && !done) sigsuspend(&old);
    sigprocmask(SIG_SETMASK, &old, 0);
    for (volatile int n = 0; n < 1000; n++);
  }
  printf("outside the blocks only: %s\n", wrong ? "no" : "yes");
}

int main(int argc, char **argv) {
  const char *part = argc > 1 ? argv[1] : "";
  setvbuf(stdout, 0, _IOLBF, 0);
  if (!strcmp(part, "faults")) faults();
  else if (!strcmp(part, "masks")) masks();
  else if (!strcmp(part, "waiting")) waiting();
  else if (!strcmp(part, "computing")) computing();
  else if (!strcmp(part, "stacks")) stacks();
  else if (!strcmp(part, "contexts")) contexts();
  else if (!strcmp(part, "vectors")) vectors();
  else if (!strcmp(part, "die-mxcsr")) { install(SIGUSR1, bad_mxcsr, 0); raise(SIGUSR1); printf("not reached\n"); }
  else if (!strcmp(part, "old")) old_calls();
  else if (!strcmp(part, "flood")) flood();
  else if (!strcmp(part, "sleep")) { printf("ready\n"); for (;;) pause(); }
  else if (!strcmp(part, "die-segv")) *(volatile int *)0x1234 = 1;
  else if (!strcmp(part, "die-abort")) abort();
  else if (!strcmp(part, "die-term")) raise(SIGTERM);
  else if (!strcmp(part, "die-rt")) raise(SIGRTMIN + 3);
  else if (!strcmp(part, "die-ill")) __asm__ volatile("ud2");
  else if (!strcmp(part, "die-fpe")) { volatile int zero = 0; printf("%d\n", 7 / zero); }
  else if (!strcmp(part, "die-blocked")) {
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, 0);
    *(volatile int *)0 = 1;
  } else if (!strcmp(part, "die-ignored")) {
    signal(SIGSEGV, SIG_IGN);
    *(volatile int *)0 = 1;
  } else if (!strcmp(part, "die-stack")) {
    install(SIGSEGV, note, 0);
    __asm__ volatile("movl $0x100, %%esp; pushl $1" ::: "memory");
  } else return 2;
  return 0;
}
