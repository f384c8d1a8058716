/*
 * The host signal handler: notes the signal for the guest thread that took it, and stops what that thread is doing. The
 * machine code stands in signal-handler-code.ts: run src/tools/build-signal-handler.ts after a change here.
 */

typedef unsigned long ulong;
typedef unsigned int uint;

#define EXPORT __attribute__((used, visibility("default")))

enum {
  SYS_RT_SIGACTION = 13, SYS_GETPID = 39, SYS_RT_SIGQUEUEINFO = 129, SYS_GETTID = 186,
  SIGILL = 4, SIGTRAP = 5, SIGBUS = 7, SIGFPE = 8, SIGSEGV = 11,
  MAX_THREADS = 1024,
  /* A mailbox: how many signals were put in so far, and from byte 64 on a ring of siginfo_t, 32 words each. */
  RING_WORD = 16, RING_ENTRIES = 16, INFO_WORDS = 32,
  /* 8-byte words of struct ucontext: RIP among the registers, the mask to be restored. */
  UC_RIP = 21, UC_SIGMASK = 37
};

struct guest_thread { int tid; volatile uint *poll; volatile uint *mailbox; };

static struct guest_thread threads[MAX_THREADS];
static volatile int thread_count;
/* Signals to block until the thread has looked into its mailbox. */
static ulong all_signals;
/* See SYSCALL_WINDOW in syscall.ts. */
static ulong window_start, window_end, window_interrupted;

static long call4(long number, long a, long b, long c, long d) {
  long result;
  __asm__ volatile("mov %5, %%r10\n\tsyscall"
                   : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c), "r"(d) : "rcx", "r10", "r11", "memory");
  return result;
}

/* A signal marked so was passed on by a thread of the engine; the low 16 bits are what the kernel had said. */
#define FORWARDED 0xa5000000u

EXPORT void on_signal(int signal, uint *info, ulong *context) {
  int code = (int)info[2], tid, k;
  if (code > 0 && code < 0x80 &&
      (signal == SIGILL || signal == SIGTRAP || signal == SIGBUS || signal == SIGFPE || signal == SIGSEGV)) {
    /* Our own machine code failed, not the guest's: die of it when the instruction is repeated. */
    ulong action[4] = {0, 0, 0, 0};
    call4(SYS_RT_SIGACTION, signal, (long)action, 0, 8);
    return;
  }
  tid = (int)call4(SYS_GETTID, 0, 0, 0, 0);
  for (k = 0; k < thread_count; k++) {
    if (threads[k].tid == tid) {
      volatile uint *mailbox = threads[k].mailbox;
      volatile uint *entry = mailbox + RING_WORD + INFO_WORDS * (mailbox[0] % RING_ENTRIES);
      int n;
      for (n = 0; n < INFO_WORDS; n++) entry[n] = info[n];
      if ((info[2] & 0xff000000u) == FORWARDED) entry[2] = info[2] & 0xffff;
      mailbox[0]++;
      *threads[k].poll = 1;
      context[UC_SIGMASK] |= all_signals;
      if (context[UC_RIP] >= window_start && context[UC_RIP] < window_end) context[UC_RIP] = window_interrupted;
      return;
    }
  }
  /* A thread of the engine took it because every guest thread blocks it: never again, and back to the process with it. */
  context[UC_SIGMASK] |= all_signals;
  if (code >= 0) info[2] = FORWARDED | (code & 0xffff);
  call4(SYS_RT_SIGQUEUEINFO, call4(SYS_GETPID, 0, 0, 0, 0), signal, (long)info, 0);
}

EXPORT void configure(ulong start, ulong end, ulong interrupted, uint all_low, uint all_high) {
  window_start = start;
  window_end = end;
  window_interrupted = interrupted;
  all_signals = (ulong)all_high << 32 | all_low;
}

/* Makes the thread `tid` one whose mailbox and poll word are told of signals; the same tid replaces. Returns 0 or -1. */
EXPORT int attach(int tid, void *poll, void *mailbox) {
  int k;
  for (k = 0; k < thread_count && threads[k].tid != tid && threads[k].tid != 0;) k++;
  if (k == MAX_THREADS) return -1;
  threads[k].poll = poll;
  threads[k].mailbox = mailbox;
  threads[k].tid = tid;
  if (k == thread_count) thread_count = k + 1;
  return 0;
}

EXPORT void detach(int tid) {
  int k;
  for (k = 0; k < thread_count; k++) if (threads[k].tid == tid) threads[k].tid = 0;
}
