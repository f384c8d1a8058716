/*
 * What has to be done in signal handlers of the host. The first notes a signal for the guest thread that took it, and stops
 * what that thread is doing; the second stops the engine's threads, so that the process can be forked with all of them. The
 * machine code stands in signal-handler-code.ts: run src/tools/build-signal-handler.ts after a change here.
 */

typedef unsigned long ulong;
typedef unsigned int uint;

#define EXPORT __attribute__((used, visibility("default")))

enum {
  SYS_READ = 0, SYS_CLOSE = 3, SYS_RT_SIGACTION = 13, SYS_RT_SIGPROCMASK = 14, SYS_NANOSLEEP = 35, SYS_GETPID = 39, SYS_EXIT = 60, SYS_RT_SIGQUEUEINFO = 129,
  SYS_RT_SIGSUSPEND = 130, SYS_PRCTL = 157, SYS_GETTID = 186, SYS_FUTEX = 202, SYS_GETDENTS64 = 217, SYS_CLOCK_GETTIME = 228, SYS_TGKILL = 234, SYS_OPENAT = 257, SYS_READLINKAT = 267, SYS_SET_ROBUST_LIST = 273,
  SYS_GET_ROBUST_LIST = 274, SYS_RT_TGSIGQUEUEINFO = 297,
  SIGILL = 4, SIGTRAP = 5, SIGBUS = 7, SIGFPE = 8, SIGSEGV = 11, SIGPWR = 30,
  /* The C library's own (SIGSETXID), which no thread ever blocks and nobody here uses. */
  SIG_PARK = 33,
  SI_QUEUE = -1, SI_TIMER = -2, SI_TKILL = -6,
  SA_SIGINFO = 4, SA_RESTART = 0x10000000, SIG_SETMASK = 2,
  MAX_THREADS = 1024,
  /* A mailbox: how many signals were put in so far, how many places are taken, how many were taken out; and from byte 64 on
     a ring of siginfo_t, 32 words each. */
  PUT = 0, PLACES = 1, TAKEN = 2, RING_WORD = 16, RING_ENTRIES = 16, INFO_WORDS = 32,
  /* Words of siginfo_t. */
  INFO_CODE = 2, INFO_PID = 4, INFO_UID = 5, INFO_VALUE = 6,
  /* 8-byte words of struct ucontext: RCX and RIP among the registers, the mask to be restored. */
  UC_RCX = 19, UC_RIP = 21, UC_SIGMASK = 37
};

struct guest_thread { int tid; volatile uint *poll; volatile uint *mailbox; };

static struct guest_thread threads[MAX_THREADS];
static volatile int thread_count;
/* Signals to block until the thread has looked into its mailbox. */
static ulong all_signals;
/* See SYSCALL_WINDOW in syscall.ts. */
static ulong window_start, window_end, window_interrupted, window_not_begun;
/* The same around clone(2) in clone_process, below. */
#define HIDDEN __attribute__((visibility("hidden")))
extern const char fork_start[] HIDDEN, fork_end[] HIDDEN, fork_interrupted[] HIDDEN;

static long call4(long number, long a, long b, long c, long d) {
  long result;
  __asm__ volatile("mov %5, %%r10\n\tsyscall"
                   : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c), "r"(d) : "rcx", "r10", "r11", "memory");
  return result;
}

/* A signal marked so was passed on by a thread of the engine; the low 16 bits are what the kernel had said. */
#define FORWARDED 0xa5000000u

static struct guest_thread *thread_of(int tid) {
  int k;
  for (k = 0; k < thread_count; k++) if (threads[k].tid == tid) return &threads[k];
  return 0;
}

static int in_window(const ulong *context) {
  return context[UC_RIP] >= window_start && context[UC_RIP] < window_end;
}

/* Whether the kernel is about to repeat the call in the window: entering it has left in RCX where it returns to. */
static int is_repeated(const ulong *context) {
  return in_window(context) && context[UC_RCX] == window_end;
}

/*
 * Puts a signal into the mailbox of the thread that runs this and has its guest code stopped. The engine's signals are not
 * blocked meanwhile: one may come while another is put in, in a handler that ends first.
 */
static void note(struct guest_thread *thread, const uint *info, ulong *context) {
  volatile uint *mailbox = thread->mailbox;
  uint place = __sync_fetch_and_add(mailbox + PLACES, 1), n;
  volatile uint *entry = mailbox + RING_WORD + INFO_WORDS * (place % RING_ENTRIES);
  for (n = 0; n < INFO_WORDS; n++) entry[n] = info[n];
  /* The first of several tells of all. */
  if (place == mailbox[PUT]) {
    do mailbox[PUT] = n = mailbox[PLACES];
    while (mailbox[PLACES] != n);
  }
  *thread->poll = 1;
  context[UC_SIGMASK] |= all_signals;
  if (in_window(context)) context[UC_RIP] = is_repeated(context) ? window_interrupted : window_not_begun;
  if (context[UC_RIP] >= (ulong)fork_start && context[UC_RIP] < (ulong)fork_end) context[UC_RIP] = (ulong)fork_interrupted;
}

/* Whether an instance that the guest has not taken yet stands for this one. */
static int is_noted(struct guest_thread *thread, const uint *info) {
  volatile uint *mailbox = thread->mailbox;
  uint k;
  for (k = mailbox[TAKEN]; k != mailbox[PUT]; k++) {
    volatile uint *entry = mailbox + RING_WORD + INFO_WORDS * (k % RING_ENTRIES);
    if (entry[0] == info[0] && ((int)entry[INFO_CODE] == SI_TKILL) == ((int)info[INFO_CODE] == SI_TKILL)) return 1;
  }
  return 0;
}

EXPORT void on_signal(int signal, uint *info, ulong *context) {
  int code = (int)info[INFO_CODE];
  struct guest_thread *thread;
  if (code > 0 && code < 0x80 && (signal == SIGILL || signal == SIGTRAP || signal == SIGFPE)) {
    /* Our own machine code failed, not the guest's: die of it when the instruction is repeated. */
    ulong action[4] = {0, 0, 0, 0};
    call4(SYS_RT_SIGACTION, signal, (long)action, 0, 8);
    return;
  }
  thread = thread_of((int)call4(SYS_GETTID, 0, 0, 0, 0));
  if (thread) {
    if ((info[INFO_CODE] & 0xff000000u) == FORWARDED) info[INFO_CODE] &= 0xffff;
    /* One that is never blocked (ILL, TRAP, FPE, SYS) can come any number of times until the thread looks. */
    if (!(all_signals >> (signal - 1) & 1) && is_noted(thread, info)) return;
    note(thread, info, context);
    return;
  }
  /* A thread of the engine took it because every guest thread blocks it, or a new process before it is attached: never again,
     and back to the process with it. */
  context[UC_SIGMASK] |= all_signals;
  if (code >= 0) info[INFO_CODE] = FORWARDED | (code & 0xffff);
  call4(SYS_RT_SIGQUEUEINFO, call4(SYS_GETPID, 0, 0, 0, 0), signal, (long)info, 0);
}

/*
 * Signals of which the engine needs some instances: SEGV and BUS as faults of memory, PWR from its own threads, SIG_PARK (below).
 * What others send is the guest's. No thread can block them, so that their instances are kept apart here as the kernel would
 * do it for one that is pending, and any thread may take them.
 */

#define ENGINE_SIGNALS (1ul << (SIGSEGV - 1) | 1ul << (SIGBUS - 1) | 1ul << (SIGPWR - 1) | 1ul << (SIG_PARK - 1))

/* In place of si_value in a SIG_PARK that carries another signal: its number, code, pid, uid and value stand around it. */
static const uint carrier;
enum { CARRIED_SIGNAL = 4, CARRIED_CODE = 5, CARRIED_ID = 8, CARRIED_VALUE = 10 };

static void foreign(int signal, uint *info, ulong *context) {
  struct guest_thread *thread = thread_of((int)call4(SYS_GETTID, 0, 0, 0, 0));
  uint carried[INFO_WORDS];
  int k;
  if (thread) {
    /* SIG_PARK is one that queues; there is room for few. */
    if (signal == SIG_PARK ? thread->mailbox[PUT] - thread->mailbox[TAKEN] >= RING_ENTRIES / 2 : is_noted(thread, info)) return;
    note(thread, info, context);
    return;
  }
  /* Threads of the engine do not touch the guest's memory. PWR may have to stop them. */
  if (signal == SIGSEGV || signal == SIGBUS) context[UC_SIGMASK] |= 1ul << (signal - 1);
  for (k = 0; k < INFO_WORDS; k++) carried[k] = 0;
  carried[0] = SIG_PARK;
  carried[1] = info[1];
  carried[INFO_CODE] = (uint)SI_QUEUE;
  carried[CARRIED_SIGNAL] = (uint)signal;
  carried[CARRIED_CODE] = info[INFO_CODE];
  *(ulong *)(carried + INFO_VALUE) = (ulong)&carrier;
  *(ulong *)(carried + CARRIED_ID) = *(ulong *)(info + INFO_PID);
  *(ulong *)(carried + CARRIED_VALUE) = *(ulong *)(info + INFO_VALUE);
  for (k = 0; k < thread_count && threads[k].tid == 0;) k++;
  if (k < thread_count)
    call4(SYS_RT_TGSIGQUEUEINFO, call4(SYS_GETPID, 0, 0, 0, 0), threads[k].tid, SIG_PARK, (long)carried);
}

/* A SIG_PARK that does not park: what it carries, or itself, is the guest's. */
static void foreign_park(uint *info, ulong *context) {
  uint inner[INFO_WORDS];
  int k;
  if ((int)info[INFO_CODE] != SI_QUEUE || *(ulong *)(info + INFO_VALUE) != (ulong)&carrier) {
    foreign(SIG_PARK, info, context);
    return;
  }
  for (k = 0; k < INFO_WORDS; k++) inner[k] = 0;
  inner[0] = info[CARRIED_SIGNAL];
  inner[1] = info[1];
  inner[INFO_CODE] = info[CARRIED_CODE];
  *(ulong *)(inner + INFO_PID) = *(ulong *)(info + CARRIED_ID);
  *(ulong *)(inner + INFO_VALUE) = *(ulong *)(info + CARRIED_VALUE);
  foreign((int)inner[0], inner, context);
}

/* The engine's actions for SEGV, BUS and PWR: handler, flags, restorer, mask. */
static ulong engine_actions[SIGPWR + 1][4];

/* A fault of memory: the engine's handler finds everything as the kernel has left it. */
static void on_fault(int signal, uint *info, ulong *context) {
  if ((int)info[INFO_CODE] <= 0) foreign(signal, info, context);
  else ((void (*)(int, uint *, ulong *))engine_actions[signal][0])(signal, info, context);
}

/*
 * Threads that the engine has stopped: its handler waits (sigsuspend, only PWR let in) until PWR comes again. One from
 * others must not end that wait.
 */
static struct { volatile int tid; volatile int resumed; } stopped[64];

static void on_power(int signal, uint *info, ulong *context) {
  int tid = (int)call4(SYS_GETTID, 0, 0, 0, 0), k, own;
  void (*engine)(int, uint *, ulong *) = (void (*)(int, uint *, ulong *))engine_actions[SIGPWR][0];
  own = (int)info[INFO_CODE] == SI_TKILL && (int)info[INFO_PID] == (int)call4(SYS_GETPID, 0, 0, 0, 0);
  for (k = 0; k < 64 && stopped[k].tid != tid;) k++;
  if (own) {
    int inner = k < 64;
    if (inner) stopped[k].resumed = 1;
    else for (k = 0; k < 64 && !__sync_bool_compare_and_swap(&stopped[k].tid, 0, tid);) k++;
    engine(signal, info, context);
    if (!inner && k < 64) stopped[k].resumed = stopped[k].tid = 0;
    return;
  }
  foreign(signal, info, context);
  /* One for this very thread may have hidden the engine's: there is one of each kind in the kernel's queue. */
  if (k == 64 || (int)info[INFO_CODE] == SI_TKILL) return;
  while (!stopped[k].resumed) {
    ulong others = ~(1ul << (SIGPWR - 1) | 1ul << (SIG_PARK - 1));
    call4(SYS_RT_SIGSUSPEND, (long)&others, 8, 0, 0);
  }
}

/*
 * Puts these handlers before the engine's, whose flags and masks they keep; signals that our own noting needs to be alone for
 * are blocked too.
 */
EXPORT void share_with_engine(void) {
  static const int SHARED[] = {SIGSEGV, SIGBUS, SIGPWR};
  int n, k;
  for (n = 0; n < 3; n++) {
    ulong action[4];
    if (call4(SYS_RT_SIGACTION, SHARED[n], 0, (long)action, 8) < 0) continue;
    if (action[0] == (ulong)on_fault || action[0] == (ulong)on_power) continue;
    /* While there is none, it has been taken away: what was found first is what comes back. */
    for (k = 0; k < 4 && action[0] > 1; k++) engine_actions[SHARED[n]][k] = action[k];
    for (k = 0; k < 4; k++) action[k] = engine_actions[SHARED[n]][k];
    if (action[0] == 0) continue;
    action[0] = SHARED[n] == SIGPWR ? (ulong)on_power : (ulong)on_fault;
    action[1] |= SA_SIGINFO | SA_RESTART;
    action[3] |= all_signals;
    call4(SYS_RT_SIGACTION, SHARED[n], (long)action, 0, 8);
  }
}

EXPORT void configure(ulong start, ulong end, ulong interrupted, ulong not_begun, uint all_low, uint all_high) {
  window_start = start;
  window_end = end;
  window_interrupted = interrupted;
  window_not_begun = not_begun;
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

/*
 * Forking an emulator with all its threads. The engine's threads (compilers, garbage collector) may hold any lock at any
 * moment, and the child needs them: each is stopped in a handler on its own stack, and in the child a new thread with the
 * same thread pointer goes on from there. Neither side can tell that anything happened; a system call it was in has been
 * interrupted or is repeated.
 *
 * Most children are short, and need none of these threads: until then they stay frozen, being nothing but memory. Another
 * small thread thaws them when the child has used some CPU time, or has existed for a while: it may be waiting for them.
 */

enum {
  PR_SET_NAME = 15, PR_GET_NAME = 16, PR_GET_TID_ADDRESS = 40,
  FUTEX_WAIT_PRIVATE = 128, FUTEX_WAKE_PRIVATE = 129,
  O_CLOEXEC = 0x80000, O_DIRECTORY_CLOEXEC = 0x90000,
  ESRCH = 3, EAGAIN = 11, CLONE_SETTLS = 0x80000, CLOCK_PROCESS_CPUTIME_ID = 2,
  /* CLONE_VM, FS, FILES, SIGHAND, THREAD, SYSVSEM and SETTLS, as the C library makes threads; with a tid: PARENT_SETTID and
     CHILD_CLEARTID. */
  THREAD_FLAGS = 0x0d0f00, TID_FLAGS = 0x300000
};

struct parked_thread {
  /* Where `park` has left the registers a function must preserve. */
  ulong stack;
  ulong thread_pointer, tid_address, robust_list, robust_size;
  char name[16];
  /* 0: it has ended before it could be parked. */
  int tid;
};

enum { MAX_PARKED = 256, WATCH_STACK = 16384, LOOK_MS = 10, THAW_CPU_MS = 30, THAW_LOOKS = 20 };
static struct parked_thread parked[MAX_PARKED];
static volatile uint parked_count;
/* How many of them, at the beginning, this process has not made yet. Outside of thaw_all changed under the lock only. */
static volatile int frozen;
/* Held while threads are thawed or parked. */
static volatile uint thaw_lock;
/* The thread that thaws, until the kernel says that it has ended; and what wakes it early. */
static volatile int watch_tid;
static volatile uint watch_word;
static ulong watch_stack[WATCH_STACK / 8] __attribute__((aligned(16)));
/* Odd while threads are to be parked; then whether they end when the epoch does. */
static volatile uint park_words[2];
#define park_epoch park_words[0]
#define leaving park_words[1]

/* park(&stack, park_words, epoch, &parked_count): waits until the epoch is over; 0. In a thread made anew it returns 1. */
int park(ulong *stack, volatile uint *epoch_word, uint epoch, volatile uint *count);
/* clone(2) with `tid_address` twice; the new thread returns from the `park` that left its stack there. */
long clone_parked(ulong flags, ulong stack, ulong tid_address, ulong thread_pointer);
/*
 * clone(2) without a stack, with this mask of signals. One that comes before the process is made is noted, and has clone fail with
 * ERESTARTNOINTR: its handler is to run before, so that the child finds what it has done. One that comes later both get.
 */
long clone_process(ulong flags, void *told, ulong tid_address, const ulong *mask);
__asm__(
    ".globl park\n.hidden park\npark:\n"
    "push %rbx\n\tpush %rbp\n\tpush %r12\n\tpush %r13\n\tpush %r14\n\tpush %r15\n"
    "mov %rsp, (%rdi)\n"
    "mov %rsi, %rbx\n\tmov %edx, %ebp\n\tmov %rcx, %rdi\n"
    "lock incl (%rdi)\n"
    /* futex(&parked_count, FUTEX_WAKE_PRIVATE, 1) */
    "mov $129, %esi\n\tmov $1, %edx\n\tmov $202, %eax\n\tsyscall\n"
    "1: cmp %ebp, (%rbx)\n\tjne 2f\n"
    /* futex(&park_epoch, FUTEX_WAIT_PRIVATE, epoch, no timeout) */
    "mov %rbx, %rdi\n\tmov $128, %esi\n\tmov %ebp, %edx\n\txor %r10d, %r10d\n\tmov $202, %eax\n\tsyscall\n\tjmp 1b\n"
    "2: cmpl $0, 4(%rbx)\n\tjne 5f\n\txor %eax, %eax\n"
    "3: pop %r15\n\tpop %r14\n\tpop %r13\n\tpop %r12\n\tpop %rbp\n\tpop %rbx\n\tret\n"
    ".globl clone_parked\n.hidden clone_parked\nclone_parked:\n"
    "mov %rcx, %r8\n\tmov %rdx, %r10\n\tmov $56, %eax\n\tsyscall\n\ttest %rax, %rax\n\tjz 4f\n\tret\n"
    "4: mov $1, %eax\n\tjmp 3b\n"
    /* Without a trace, and without touching the stack: set_tid_address(none), set_robust_list(none, 24), exit(0) */
    "5: xor %edi, %edi\n\tmov $218, %eax\n\tsyscall\n"
    "xor %edi, %edi\n\tmov $24, %esi\n\tmov $273, %eax\n\tsyscall\n"
    "xor %edi, %edi\n\tmov $60, %eax\n\tsyscall\n"
    ".globl clone_process\n.hidden clone_process\nclone_process:\n"
    "push %rbx\n\tmov %rdi, %r9\n\tmov %rsi, %r8\n\tmov %rdx, %rbx\n"
    /* rt_sigprocmask(SIG_SETMASK, mask, none, 8) */
    "mov $2, %edi\n\tmov %rcx, %rsi\n\txor %edx, %edx\n\tmov $8, %r10d\n\tmov $14, %eax\n\tsyscall\n"
    ".globl fork_start\n.hidden fork_start\nfork_start:\n"
    "mov %r9, %rdi\n\txor %esi, %esi\n\tmov %r8, %rdx\n\tmov %rbx, %r10\n\txor %r8d, %r8d\n\tmov $56, %eax\n\tsyscall\n"
    ".globl fork_end\n.hidden fork_end\nfork_end:\n"
    "pop %rbx\n\tret\n"
    ".globl fork_interrupted\n.hidden fork_interrupted\nfork_interrupted:\n"
    "mov $-513, %rax\n\tpop %rbx\n\tret\n");

/* Its address is the value of the SIG_PARK that a timer sends while a call is begun though a signal waits: see alarm.ts. */
static const uint alarm_mark;

EXPORT const uint *alarm_value(void) {
  return &alarm_mark;
}

/* Signal SIG_PARK. */
EXPORT void on_park(int signal, uint *info, ulong *context) {
  uint epoch = park_epoch;
  struct parked_thread *t;
  (void)signal;
  if ((int)info[INFO_CODE] == SI_TIMER && *(ulong *)(info + INFO_VALUE) == (ulong)&alarm_mark) {
    /* A call that has not begun yet is interrupted the next time. */
    if (is_repeated(context)) context[UC_RIP] = window_interrupted;
    return;
  }
  if ((int)info[INFO_CODE] != SI_QUEUE || *(ulong *)(info + INFO_VALUE) != (ulong)&park_epoch) {
    foreign_park(info, context);
    return;
  }
  if (!(epoch & 1)) return;
  /* On this occasion: from now on this thread does not take what is for the guest (on_signal), and queues keep their order. */
  context[UC_SIGMASK] |= all_signals;
  t = &parked[info[INFO_UID]];
  __asm__("mov %%fs:0, %0" : "=r"(t->thread_pointer));
  call4(SYS_PRCTL, PR_GET_TID_ADDRESS, (long)&t->tid_address, 0, 0);
  call4(SYS_GET_ROBUST_LIST, 0, (long)&t->robust_list, (long)&t->robust_size, 0);
  call4(SYS_PRCTL, PR_GET_NAME, (long)t->name, 0, 0);
  if (park(&t->stack, park_words, epoch, &parked_count)) {
    call4(SYS_SET_ROBUST_LIST, t->robust_list, t->robust_size, 0, 0);
    call4(SYS_PRCTL, PR_SET_NAME, (long)t->name, 0, 0);
  }
}

static int number_at(const char **text) {
  int number = 0;
  while (**text >= '0' && **text <= '9') number = number * 10 + *(*text)++ - '0';
  return number;
}

/* Whether `proc` numbers processes as this one does: it may be of another namespace. */
static int numbers_like_us(int proc, int pid) {
  static const char self[] = "self";
  char link[16];
  const char *at = link;
  long length = call4(SYS_READLINKAT, proc, (long)self, (long)link, sizeof link - 1);
  link[length > 0 ? length : 0] = 0;
  return number_at(&at) == pid;
}

/* The number in our namespace of the thread `name` in /proc/self/task: the last one behind NSpid in its status; 0: it has ended. */
static int own_number(int directory, const char *name) {
  char path[32], status[2048];
  const char *at, *text = status;
  int file, tid = 0, k = 0;
  long length;
  for (; *name; name++) path[k++] = *name;
  for (at = "/status"; *at; at++) path[k++] = *at;
  path[k] = 0;
  file = (int)call4(SYS_OPENAT, directory, (long)path, O_CLOEXEC, 0);
  if (file < 0) return 0;
  length = call4(SYS_READ, file, (long)status, sizeof status - 1, 0);
  call4(SYS_CLOSE, file, 0, 0, 0);
  status[length > 0 ? length : 0] = 0;
  while (*text && !(text[0] == 'N' && text[1] == 'S' && text[2] == 'p' && text[3] == 'i')) text++;
  while (*text && *text != ':') text++;
  while (*text && *++text != '\n') {
    if (*text >= '0' && *text <= '9') tid = number_at(&text);
    if (*text == '\n') break;
  }
  return tid;
}

/* Sends the threads in /proc/self/task that have no place yet to theirs; how many there were, or -errno. */
static int park_more(int proc, int pid, int own, int *places) {
  static const char task[] = "self/task";
  char entries[2048];
  int found = 0, directory = (int)call4(SYS_OPENAT, proc, (long)task, O_DIRECTORY_CLOEXEC, 0);
  int translated = !numbers_like_us(proc, pid);
  if (directory < 0) return directory;
  for (;;) {
    long at, length = call4(SYS_GETDENTS64, directory, (long)entries, sizeof entries, 0);
    if (length <= 0) break;
    /* struct linux_dirent64: inode, offset, 16 bits of length, type, name. */
    for (at = 0; at < length; at += *(unsigned short *)(entries + at + 16)) {
      const char *name = entries + at + 19;
      uint info[INFO_WORDS];
      int tid, k;
      if (*name < '0' || *name > '9') continue;
      tid = translated ? own_number(directory, name) : number_at(&name);
      if (tid == 0 || tid == own || tid == watch_tid || *places == MAX_PARKED) continue;
      for (k = 0; k < *places && parked[k].tid != tid;) k++;
      if (k < *places) continue;
      for (k = 0; k < INFO_WORDS; k++) info[k] = 0;
      info[0] = SIG_PARK;
      info[INFO_CODE] = (uint)SI_QUEUE;
      info[INFO_PID] = (uint)pid;
      info[INFO_UID] = (uint)*places;
      *(ulong *)(info + INFO_VALUE) = (ulong)&park_epoch;
      parked[*places].stack = 0;
      parked[*places].tid = tid;
      if (call4(SYS_RT_TGSIGQUEUEINFO, pid, tid, SIG_PARK, (long)info) < 0) continue;
      ++*places;
      found++;
    }
  }
  call4(SYS_CLOSE, directory, 0, 0, 0);
  return found;
}

/* Waits until every thread that has a place is there. */
static void await_parked(int pid, int places) {
  const long millisecond[2] = {0, 1000000};
  for (;;) {
    uint count = parked_count, missing = 0;
    int k;
    for (k = 0; k < places; k++) {
      if (parked[k].tid == 0 || *(volatile ulong *)&parked[k].stack != 0) continue;
      if (call4(SYS_TGKILL, pid, parked[k].tid, 0, 0) == -ESRCH) parked[k].tid = 0;
      else missing++;
    }
    if (missing == 0) return;
    call4(SYS_FUTEX, (long)&parked_count, FUTEX_WAIT_PRIVATE, count, (long)millisecond);
  }
}

static void lock_thaw(void) {
  while (__sync_lock_test_and_set(&thaw_lock, 1)) call4(SYS_FUTEX, (long)&thaw_lock, FUTEX_WAIT_PRIVATE, 1, 0);
}

static void unlock_thaw(void) {
  __sync_lock_release(&thaw_lock);
  call4(SYS_FUTEX, (long)&thaw_lock, FUTEX_WAKE_PRIVATE, 1, 0);
}

/* Makes the frozen threads; those that the system refuses (limits of processes) stay frozen. With the lock held. */
static void thaw_all(void) {
  int k, left = 0, count = frozen;
  for (k = 0; k < count; k++) {
    struct parked_thread t = parked[k];
    if (clone_parked(THREAD_FLAGS | (t.tid_address ? TID_FLAGS : 0), t.stack, t.tid_address, t.thread_pointer) < 0)
      parked[left++] = t;
  }
  frozen = left;
}

/* The thread that thaws. It runs on a stack of its own and knows nothing of the C library. */
static void watch(void) {
  const long time[2] = {0, LOOK_MS * 1000000L};
  int looks = 0;
  for (;;) {
    long used[2] = {0, 0};
    int left;
    call4(SYS_FUTEX, (long)&watch_word, FUTEX_WAIT_PRIVATE, 0, (long)time);
    call4(SYS_CLOCK_GETTIME, CLOCK_PROCESS_CPUTIME_ID, (long)used, 0, 0);
    if (watch_word == 0 && ++looks < THAW_LOOKS && used[0] == 0 && used[1] < THAW_CPU_MS * 1000000L) continue;
    lock_thaw();
    thaw_all();
    left = frozen;
    unlock_thaw();
    if (left == 0) for (;;) call4(SYS_EXIT, 0, 0, 0, 0);
  }
}

/* Makes all threads that are frozen, now. Returns how many the system refuses. */
EXPORT int thaw(void) {
  if (frozen != 0) {
    lock_thaw();
    thaw_all();
    unlock_thaw();
    watch_word = 1;
    call4(SYS_FUTEX, (long)&watch_word, FUTEX_WAKE_PRIVATE, 1, 0);
  }
  return frozen;
}

/* All parked threads are frozen: they do not exist any more. Returns how many. */
static int freeze_all(int places) {
  int k, count = 0;
  for (k = 0; k < places; k++) {
    if (parked[k].tid == 0) continue;
    parked[count] = parked[k];
    /* No thread has this number: it is not taken for one that has its place. */
    parked[count++].tid = -1;
  }
  return frozen = count;
}

/* In a new child: all parked threads are frozen, and there is somebody who thaws them. */
static void freeze(int places) {
  /* As `park` leaves a stack: six registers and where to return to. */
  ulong *top = watch_stack + WATCH_STACK / 8 - 1;
  int count = freeze_all(places);
  thaw_lock = 0;
  watch_tid = 0;
  watch_word = 0;
  if (count == 0) return;
  *--top = (ulong)watch;
  top -= 6;
  if (clone_parked((THREAD_FLAGS & ~CLONE_SETTLS) | TID_FLAGS, (ulong)top, (ulong)&watch_tid, 0) < 0) thaw_all();
}

/* Parks all threads but the caller's, with the lock held from here on: those in places[0 .. *places - 1]. 0, or -errno. */
static int park_all(int proc, int pid, int own, int *places) {
  int more;
  lock_thaw();
  *places = frozen;
  parked_count = 0;
  park_epoch++;
  /* Threads that were not there yet are made by others that were not parked yet. */
  while ((more = park_more(proc, pid, own, places)) > 0) await_parked(pid, *places);
  return more;
}

/* The parked threads go on. */
static void release_all(void) {
  park_epoch++;
  call4(SYS_FUTEX, (long)&park_epoch, FUTEX_WAKE_PRIVATE, MAX_PARKED, 0);
}

/*
 * From now on the engine's threads take no signals of the guest's. One that has taken a signal can only send it again, and what
 * came in between then stands before it, or for it. Returns 0, or -errno when the threads cannot be listed.
 */
EXPORT int keep_signals(int proc) {
  int places, result;
  result = park_all(proc, (int)call4(SYS_GETPID, 0, 0, 0, 0), (int)call4(SYS_GETTID, 0, 0, 0, 0), &places);
  release_all();
  unlock_thaw();
  return result;
}

/*
 * clone(2) of the whole process, the calling thread being the child's first. Signals that have handlers must be blocked; the child
 * has all blocked, the parent goes on with `mask`. `proc` is a descriptor of /proc, `told` where the parent or CLONE_PIDFD wants a
 * number, `tid_address` where the C library keeps the calling thread's number, or 0. Returns what clone_process does, or -errno
 * when the threads cannot be listed.
 */
EXPORT long fork_all(int proc, ulong flags, void *told, ulong tid_address, const ulong *mask) {
  int pid = (int)call4(SYS_GETPID, 0, 0, 0, 0), own = (int)call4(SYS_GETTID, 0, 0, 0, 0), places, listed;
  ulong robust_list = 0, robust_size = 0, all = ~0ul;
  /* The child must be ready for signals that are never blocked, the engine's among them: they have to wait for it. */
  const ulong held = *mask | ~all_signals;
  long child;
  call4(SYS_GET_ROBUST_LIST, 0, (long)&robust_list, (long)&robust_size, 0);
  listed = park_all(proc, pid, own, &places);
  child = listed < 0 ? listed : clone_process(flags, told, tid_address, &held);
  if (child != 0) call4(SYS_RT_SIGPROCMASK, SIG_SETMASK, (long)mask, 0, 8);
  if (child != 0) {
    release_all();
    unlock_thaw();
    return child;
  }
  park_epoch++;
  /* Threads that are made here are not to take the guest's signals. */
  call4(SYS_RT_SIGPROCMASK, SIG_SETMASK, (long)&all, 0, 8);
  call4(SYS_SET_ROBUST_LIST, (long)robust_list, (long)robust_size, 0, 0);
  /* The parent's threads, by their numbers: this one is attached again. */
  thread_count = 0;
  freeze(places);
  return 0;
}

/* Waits until the kernel has nothing left of a thread that ends. */
static void await_end(int pid, int tid) {
  const long time[2] = {0, 50000};
  while (call4(SYS_TGKILL, pid, tid, 0, 0) != -ESRCH) call4(SYS_NANOSLEEP, (long)time, 0, 0, 0);
}

/*
 * A system call for which the process must have one thread: all others end, and are made anew after it. Signals that have
 * handlers must be blocked. Returns what the call does, or -errno when the threads cannot be listed or made.
 */
EXPORT long call_alone(int proc, long number, long a, long b) {
  int pid = (int)call4(SYS_GETPID, 0, 0, 0, 0), own = (int)call4(SYS_GETTID, 0, 0, 0, 0), places, listed, k;
  int watcher = watch_tid;
  long result;
  if (thaw() != 0) return -EAGAIN;
  if (watcher != 0) await_end(pid, watcher);
  result = listed = park_all(proc, pid, own, &places);
  leaving = listed == 0;
  release_all();
  if (listed == 0) {
    for (k = 0; k < places; k++) if (parked[k].tid != 0) await_end(pid, parked[k].tid);
    leaving = 0;
    result = call4(number, a, b, 0, 0);
    freeze_all(places);
    thaw_all();
  }
  unlock_thaw();
  return result;
}

/* Where the number of frozen threads stands. */
EXPORT volatile int *frozen_word(void) {
  return &frozen;
}
