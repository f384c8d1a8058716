// Seccomp: strict mode, filters with every action and every instruction, what is refused, inheritance over fork and exec.
#include "show.h"
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/uio.h>

#define SET(...) ({ struct sock_filter f_[] = {__VA_ARGS__}; struct sock_fprog p_ = {sizeof f_ / sizeof *f_, f_}; SYS(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &p_); })
#define TRY(...) show("filter " #__VA_ARGS__, SET(__VA_ARGS__))
#define S BPF_STMT
#define J BPF_JUMP
#define NUMBER S(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr))
#define ARGUMENT(n) S(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args) + 8 * (n))
#define R(value) S(BPF_RET | BPF_K, value)
#define ALLOW R(SECCOMP_RET_ALLOW)
/** All calls of this number end with `value`. */
#define ON(number, value) NUMBER, J(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1), R(value), ALLOW

static void ended(pid_t child) {
  int s;
  while (waitpid(child, &s, 0) < 0 && errno == EINTR);
  if (WIFSIGNALED(s)) printf("killed by %d\n", WTERMSIG(s));
  else printf("exited %d\n", WEXITSTATUS(s));
}
/** In a child of which only the end is told by the parent. */
#define ENDS(...) do { fflush(stdout); pid_t pid_ = fork(); if (pid_ == 0) { __VA_ARGS__; fflush(stdout); _exit(7); } ended(pid_); } while (0)

static int arch;
static volatile int traps;
static void trap(int n, siginfo_t *i, void *context) {
  traps++;
  printf("  trap %d code %d errno %d call %d arch %d address %d\n", n, i->si_code, i->si_errno, i->si_syscall, i->si_arch == arch, i->si_call_addr != 0);
}

static void actions(void) {
  C(SYS_prctl, PR_GET_SECCOMP);
  CHILD(TRY(ON(SYS_getppid, SECCOMP_RET_ERRNO | 77)); C(SYS_getppid); C(SYS_prctl, PR_GET_SECCOMP); C(SYS_getppid);
        TRY(ON(SYS_getppid, SECCOMP_RET_ERRNO | 5)); C(SYS_getppid); TRY(ON(SYS_getppid, SECCOMP_RET_LOG)); C(SYS_getppid));
  CHILD(TRY(ON(SYS_getppid, SECCOMP_RET_ERRNO)); C(SYS_getppid));
  CHILD(TRY(ON(SYS_getppid, SECCOMP_RET_ERRNO | 0xffff)); printf("%ld\n", SYS(SYS_getppid)));
  CHILD(TRY(ON(SYS_getppid, SECCOMP_RET_TRACE | 3)); C(SYS_getppid));
  CHILD(TRY(ON(SYS_getppid, SECCOMP_RET_LOG)); K(SYS_getppid));
  ENDS(SET(ON(SYS_getppid, SECCOMP_RET_KILL_PROCESS)); SYS(SYS_getppid));
  ENDS(SET(ON(SYS_getppid, SECCOMP_RET_KILL_THREAD)); SYS(SYS_getppid));
  ENDS(SET(ON(SYS_getppid, 0x12340000)); SYS(SYS_getppid));
  ENDS(SET(ON(SYS_getppid, SECCOMP_RET_TRAP | 9)); SYS(SYS_getppid));
  ENDS(signal(SIGSYS, SIG_IGN); SET(ON(SYS_getppid, SECCOMP_RET_TRAP | 9)); SYS(SYS_getppid));
  ENDS(signal(SIGSYS, SIG_IGN); SET(ON(SYS_getppid, SECCOMP_RET_KILL_PROCESS)); SYS(SYS_getppid));
  struct sigaction a = {.sa_sigaction = trap, .sa_flags = SA_SIGINFO};
  sigaction(SIGSYS, &a, 0);
  CHILD(SET(ON(SYS_getppid, SECCOMP_RET_TRAP | 9)); SYS(SYS_getppid); printf("traps %d\n", traps); SYS(SYS_getppid); printf("traps %d\n", traps));
  ENDS({
    sigset_t s;
    sigemptyset(&s);
    sigaddset(&s, SIGSYS);
    sigprocmask(SIG_BLOCK, &s, 0);
    SET(ON(SYS_getppid, SECCOMP_RET_TRAP));
    SYS(SYS_getppid);
  });
  /* The handler is none for death. */
  ENDS(SET(ON(SYS_getppid, SECCOMP_RET_KILL_PROCESS)); SYS(SYS_getppid));
  signal(SIGSYS, SIG_DFL);
}

static void strict(void) {
  ENDS(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT); write(1, "strict\n", 7); SYS(SYS_exit, 5));
  ENDS(SYS(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 0, 0); SYS(SYS_getpid));
  ENDS(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT); SYS(SYS_exit_group, 5));
  C(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 1, 0);
  C(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 0, 1);
  CHILD(SET(ALLOW); C(SYS_prctl, PR_SET_SECCOMP, SECCOMP_MODE_STRICT));
}

/** What the arguments say, by computing with them: the result of the call is what comes of it. */
static long computed(struct sock_filter *program, int length, long a, long b) {
  fflush(stdout);
  int p[2];
  long result = 0;
  if (pipe(p)) abort();
  pid_t child = fork();
  if (child == 0) {
    struct sock_fprog f = {length, program};
    long set = SYS(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &f);
    result = set < 0 ? set : SYS(SYS_getppid, a, b);
    if (write(p[1], &result, sizeof result) < 0) abort();
    _exit(0);
  }
  close(p[1]);
  if (read(p[0], &result, sizeof result) != sizeof result) result = -4095;
  close(p[0]);
  waitpid(child, 0, 0);
  return result;
}
/** A = argument 0, X = argument 1, then the statements; A's low bits are the errno. */
#define COMPUTE(a, b, ...) do { \
  struct sock_filter f_[] = {NUMBER, J(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 1, 0), ALLOW, ARGUMENT(1), S(BPF_MISC | BPF_TAX, 0), ARGUMENT(0), __VA_ARGS__, \
    S(BPF_ALU | BPF_AND | BPF_K, 0x7ff), S(BPF_ALU | BPF_OR | BPF_K, SECCOMP_RET_ERRNO), S(BPF_RET | BPF_A, 0)}; \
  printf("%s with %lx, %lx: %ld\n", #__VA_ARGS__, (long)(a), (long)(b), -computed(f_, sizeof f_ / sizeof *f_, a, b)); } while (0)
#define ALU(op) COMPUTE(0x89abcdef, 7, S(BPF_ALU | op | BPF_X, 0)); COMPUTE(0x12345, 0xfffffff3, S(BPF_ALU | op | BPF_X, 0)); \
  COMPUTE(0xffffffff, 33, S(BPF_ALU | op | BPF_X, 0)); COMPUTE(0x89abcdef, 0, S(BPF_ALU | op | BPF_K, 5)); COMPUTE(5, 0, S(BPF_ALU | op | BPF_X, 0))
#define JUMP(op) do { static const unsigned V[] = {0, 1, 5, 0x7fffffff, 0x80000000, 0xffffffff}; for (int k = 0; k < 6; k++) { \
  COMPUTE(V[k], 5, J(BPF_JMP | op | BPF_X, 0, 0, 1), S(BPF_LD | BPF_IMM, 100), S(BPF_ALU | BPF_ADD | BPF_K, 1)); \
  COMPUTE(V[k], 5, J(BPF_JMP | op | BPF_K, 0x80000000, 1, 0), S(BPF_LD | BPF_IMM, 100), S(BPF_ALU | BPF_ADD | BPF_K, 1)); } } while (0)

static void instructions(void) {
  ALU(BPF_ADD); ALU(BPF_SUB); ALU(BPF_MUL); ALU(BPF_DIV); ALU(BPF_AND); ALU(BPF_OR); ALU(BPF_XOR); ALU(BPF_LSH); ALU(BPF_RSH);
  COMPUTE(0x1234, 3, S(BPF_ALU | BPF_NEG, 0));
  JUMP(BPF_JEQ); JUMP(BPF_JGT); JUMP(BPF_JGE); JUMP(BPF_JSET);
  COMPUTE(3, 4, S(BPF_JMP | BPF_JA, 1), S(BPF_LD | BPF_IMM, 100), S(BPF_ALU | BPF_ADD | BPF_X, 1));
  COMPUTE(3, 4, S(BPF_ST, 0), S(BPF_STX, 15), S(BPF_LD | BPF_MEM, 15), S(BPF_LDX | BPF_MEM, 0), S(BPF_ALU | BPF_LSH | BPF_X, 0));
  COMPUTE(3, 4, S(BPF_LD | BPF_W | BPF_LEN, 0));
  COMPUTE(3, 4, S(BPF_LDX | BPF_W | BPF_LEN, 0), S(BPF_MISC | BPF_TXA, 0));
  COMPUTE(3, 4, S(BPF_LDX | BPF_IMM, 77), S(BPF_MISC | BPF_TXA, 0));
  /* High halves of arguments, and the architecture. */
  COMPUTE(-1, -1, S(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args) + 4));
  COMPUTE(-1, -1, S(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, instruction_pointer) + 4));
  COMPUTE(0, 0, S(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)), J(BPF_JMP | BPF_JEQ | BPF_K, arch, 0, 1), S(BPF_LD | BPF_IMM, 12));
}

static void refused(void) {
  static struct sock_filter many[4097];
  for (int k = 0; k < 4097; k++) many[k] = (struct sock_filter)ALLOW;
  struct sock_fprog p = {4096, many};
  CHILD(C(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &p); for (int k = 0; k < 6; k++) SYS(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &p); C(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &p));
  p.len = 4097;
  C(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &p);
  p.len = 0;
  C(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &p);
  p.len = 1;
  p.filter = BAD;
  C(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &p);
  C(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, BAD);
  C(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, 0);
  C(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0x1000, &p);
  C(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, &p);
  C(SYS_seccomp, 9, 0, 0);
  C(SYS_prctl, PR_SET_SECCOMP, 0, 0);
  C(SYS_prctl, PR_SET_SECCOMP, 3, 0);
  TRY(S(BPF_LD | BPF_IMM, 0));
  TRY(S(BPF_LD | BPF_W | BPF_ABS, 64), ALLOW);
  TRY(S(BPF_LD | BPF_W | BPF_ABS, 2), ALLOW);
  TRY(S(BPF_LD | BPF_H | BPF_ABS, 0), ALLOW);
  TRY(S(BPF_LD | BPF_B | BPF_ABS, 0), ALLOW);
  TRY(S(BPF_LD | BPF_W | BPF_IND, 0), ALLOW);
  TRY(S(BPF_LDX | BPF_B | BPF_MSH, 0), ALLOW);
  TRY(S(BPF_ALU | BPF_DIV | BPF_K, 0), ALLOW);
  TRY(S(BPF_ALU | BPF_MOD | BPF_K, 3), ALLOW);
  TRY(S(BPF_ALU | BPF_LSH | BPF_K, 32), ALLOW);
  TRY(S(BPF_ST, 16), ALLOW);
  TRY(S(BPF_LD | BPF_MEM, 0), ALLOW);
  TRY(J(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1), S(BPF_ST, 3), S(BPF_LD | BPF_MEM, 3), ALLOW);
  TRY(S(BPF_JMP | BPF_JA, 1), ALLOW);
  TRY(S(BPF_JMP | BPF_JA, -1), ALLOW);
  TRY(J(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0), ALLOW);
  TRY(S(BPF_RET | BPF_X, 0));
  TRY(S(0xffff, 0), ALLOW);
  static const unsigned ACTIONS[] = {SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_KILL_THREAD, SECCOMP_RET_TRAP, SECCOMP_RET_ERRNO, SECCOMP_RET_TRACE, SECCOMP_RET_LOG, SECCOMP_RET_ALLOW, 1, 0x12340000};
  for (unsigned k = 0; k < sizeof ACTIONS / sizeof *ACTIONS; k++) C(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &ACTIONS[k]);
  C(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 1, ACTIONS);
  C(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, BAD);
  p.filter = many;
  CHILD(C(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_LOG | SECCOMP_FILTER_FLAG_SPEC_ALLOW, &p));
  p.filter = BAD;
  /* Without rights a promise is asked for. */
  CHILD({
    L(setresuid(1000, 1000, 1000));
    TRY(ALLOW);
    C(SYS_prctl, PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &p);
    L(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    TRY(ON(SYS_getppid, SECCOMP_RET_ERRNO | 6));
    C(SYS_getppid);
  });
}

static void status_lines(void) {
  char text[8192];
  int f = open("/proc/self/status", O_RDONLY), n = read(f, text, sizeof text - 1);
  close(f);
  text[n > 0 ? n : 0] = 0;
  for (char *line = strtok(text, "\n"); line; line = strtok(0, "\n")) {
    if (!strncmp(line, "Seccomp", 7) || !strncmp(line, "NoNewPrivs", 10)) printf("  %s\n", line);
  }
}

static void inherited(const char *program) {
  CHILD(TRY(ON(SYS_getppid, SECCOMP_RET_ERRNO | 8)); CHILD(C(SYS_getppid); TRY(ON(SYS_getuid32, SECCOMP_RET_ERRNO | 9)); C(SYS_getuid32)); C(SYS_getuid32);
        status_lines(); fflush(stdout); execl(program, program, "inside", (char *)0));
  /* With another signal at its end, another emulator executes the program. */
  fflush(stdout);
  int s;
  pid_t child = SYS(SYS_clone, 0, 0, 0, 0, 0);
  if (child == 0) {
    SET(ON(SYS_getppid, SECCOMP_RET_ERRNO | 8));
    SET(ON(SYS_getuid32, SECCOMP_RET_ERRNO | 9));
    execl(program, program, "inside", (char *)0);
    _exit(1);
  }
  waitpid(child, &s, __WALL);
  printf("ended %x\n", s);
  /* exec itself refused, and all that was inherited together. */
  CHILD(SET(ON(SYS_execve, SECCOMP_RET_ERRNO | 13)); L(execl(program, program, "inside", (char *)0)));
}

int main(int argc, char **argv) {
  setvbuf(stdout, malloc(1 << 17), _IOFBF, 1 << 17);
  setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
#ifdef __arm__
  arch = AUDIT_ARCH_ARM;
#else
  arch = AUDIT_ARCH_I386;
#endif
  if (argc > 1) {
    C(SYS_getppid);
    C(SYS_getuid32);
    C(SYS_prctl, PR_GET_SECCOMP);
    status_lines();
    return 0;
  }
  actions();
  strict();
  instructions();
  refused();
  inherited(argv[0]);
  return 0;
}
