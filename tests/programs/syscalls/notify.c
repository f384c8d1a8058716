// Filters that ask another process: what it is told of a call, what it can answer, signals meanwhile, exec, and nobody there.
#include "show.h"
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/uio.h>

#define ON(number, value) {BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, nr)}, {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, number}, \
  {BPF_RET | BPF_K, 0, 0, value}, {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW}
#define FILTER(flags, ...) ({ struct sock_filter f_[] = {__VA_ARGS__}; struct sock_fprog p_ = {sizeof f_ / sizeof *f_, f_}; SYS(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &p_); })

static int arch;
static const char *self;
static int listener;
static pid_t parent;
#define IOCTL(request, argument) SYS(SYS_ioctl, listener, request, argument)
static int replies;

/** Takes one notification and says what is in it, but for numbers that differ from run to run. */
static struct seccomp_notif take(pid_t child) {
  struct seccomp_notif n;
  memset(&n, 0, sizeof n);
  long r = IOCTL(SECCOMP_IOCTL_NOTIF_RECV, &n);
  printf("received %ld: from the child %d, flags %x, call %d, arch %d, pc %d, args", r, n.pid == child, n.flags, n.data.nr, (int)n.data.arch == arch, n.data.instruction_pointer != 0);
  for (int k = 0; k < 6; k++) {
    /* Addresses differ. */
    if (n.data.args[k] > 0xf0000000 && k == 0) printf(" address");
    else printf(" %llx", (unsigned long long)n.data.args[k]);
  }
  printf("\n");
  return n;
}

static void answer(struct seccomp_notif *n, long long value, int error, unsigned flags) {
  struct seccomp_notif_resp r = {.id = n->id, .val = value, .error = error, .flags = flags};
  replies++;
  show("send", IOCTL(SECCOMP_IOCTL_NOTIF_SEND, &r));
}

static void ended(pid_t child) {
  int s;
  waitpid(child, &s, 0);
  printf("ended %x\n", s);
}

/** In a child, with what it prints before what the parent goes on to print. */
static pid_t child_of(void (*run)(void)) {
  fflush(stdout);
  pid_t child = fork();
  if (child) return child;
  run();
  fflush(stdout);
  _exit(0);
}

static int out[2];
static void tell(long value) {
  char text[64];
  int length = snprintf(text, sizeof text, "child: %ld %d\n", value, value < 0 ? errno : 0);
  if (write(out[1], text, length) < 0) abort();
}

static void answers(void) {
  for (int k = 0; k < 6; k++) tell(syscall(SYS_getppid, 1, 2, 3, 0x80000000, 5, -6) + (k == 1 || k == 3 ? -parent : 0));
  char path[] = "/some/name";
  tell(syscall(SYS_getppid, path, strlen(path), 0, 0, 0, 0));
}

static volatile int caught;
static void handler(int n) { caught = n; }
static void interrupted(void) {
  struct sigaction a = {.sa_handler = handler};
  sigaction(SIGUSR1, &a, 0);
  tell(syscall(SYS_getppid, 7, 0, 0, 0, 0, 0));
  tell(caught);
  a.sa_flags = SA_RESTART;
  sigaction(SIGUSR1, &a, 0);
  caught = 0;
  tell(syscall(SYS_getppid, 8, 0, 0, 0, 0, 0));
  tell(caught);
}

static void executes(void) { execl(self, self, "inside", (char *)0); }

int main(int argc, char **argv) {
  setvbuf(stdout, malloc(1 << 16), _IOFBF, 1 << 16);
  self = argv[0];
  parent = getpid();
#ifdef __arm__
  arch = AUDIT_ARCH_ARM;
#else
  arch = AUDIT_ARCH_I386;
#endif
  if (argc > 1) {
    C(SYS_getppid, 11, 0, 0, 0, 0, 0);
    return 0;
  }
  unsigned short sizes[3];
  C(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, sizes);
  printf("%d %d %d\n", sizes[0], sizes[1], sizes[2]);
  C(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 1, sizes);
  C(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, BAD);
  unsigned action = SECCOMP_RET_USER_NOTIF;
  C(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action);
  show("both want the result", FILTER(SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_TSYNC, ON(SYS_getppid, SECCOMP_RET_USER_NOTIF)));
  /* Nobody listens to this one. */
  show("without listener", FILTER(0, ON(SYS_getuid32, SECCOMP_RET_USER_NOTIF)) );
  C(SYS_getuid32);
  int wait = SECCOMP_FILTER_FLAG_NEW_LISTENER;
  listener = FILTER(wait, ON(SYS_getppid, SECCOMP_RET_USER_NOTIF));
  printf("listener %d, closed on exec %d\n", listener >= 0, fcntl(listener, F_GETFD));
  show("another", FILTER(wait, ON(SYS_getuid32, SECCOMP_RET_USER_NOTIF)));
  if (pipe(out)) abort();

  struct pollfd ready = {.fd = listener, .events = POLLIN | POLLOUT};
  printf("poll %d %x\n", poll(&ready, 1, 0), ready.revents);
  pid_t child = child_of(answers);
  printf("poll %d ", poll(&ready, 1, -1));
  printf("%x\n", ready.revents);
  struct seccomp_notif n;
  memset(&n, 1, sizeof n);
  show("not cleared", IOCTL(SECCOMP_IOCTL_NOTIF_RECV, &n));
  show("receive to nowhere", IOCTL(SECCOMP_IOCTL_NOTIF_RECV, BAD));
  n = take(child);
  answer(&n, 123, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE);
  answer(&n, 0, 5, SECCOMP_USER_NOTIF_FLAG_CONTINUE);
  answer(&n, 0, 0, 2);
  show("valid", IOCTL(SECCOMP_IOCTL_NOTIF_ID_VALID, &n.id));
  answer(&n, 123, 0, 0);
  show("valid", IOCTL(SECCOMP_IOCTL_NOTIF_ID_VALID, &n.id));
  n = take(child);
  answer(&n, 0, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE);
  n = take(child);
  answer(&n, 0, -13, 0);
  n = take(child);
  answer(&n, 0, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE);
  n = take(child);
  answer(&n, -1, 0, 0);
  n = take(child);
  /* A descriptor for the child, whose number is the result. */
  struct seccomp_notif_addfd add = {.id = n.id, .srcfd = out[1], .newfd = 100, .flags = SECCOMP_ADDFD_FLAG_SETFD};
  printf("add %ld\n", (long) IOCTL(SECCOMP_IOCTL_NOTIF_ADDFD, &add));
  add.flags = 8;
  show("add", IOCTL(SECCOMP_IOCTL_NOTIF_ADDFD, &add));
  answer(&n, 0x7fffffff, 0, 0);
  n = take(child);
  char path[32] = "";
  struct iovec local = {path, sizeof path - 1}, remote = {(void *)(uintptr_t)n.data.args[0], (size_t)n.data.args[1]};
  printf("%zd of the child's memory: %s\n", process_vm_readv(child, &local, 1, &remote, 1, 0), path);
  answer(&n, 0, 0, 0);
  ended(child);

  child = child_of(interrupted);
  n = take(child);
  kill(child, SIGUSR1);
  /* The call is over, or begins again with another id. */
  while (IOCTL(SECCOMP_IOCTL_NOTIF_ID_VALID, &n.id) == 0) usleep(1000);
  answer(&n, 1, 0, 0);
  n = take(child);
  unsigned long long first = n.id;
  kill(child, SIGUSR1);
  while (IOCTL(SECCOMP_IOCTL_NOTIF_ID_VALID, &n.id) == 0) usleep(1000);
  n = take(child);
  printf("another one: %d\n", n.id != first);
  answer(&n, 77, 0, 0);
  ended(child);

  child = child_of(executes);
  n = take(child);
  answer(&n, 66, 0, 0);
  ended(child);
  /* With another signal at its end, another emulator executes the program. */
  fflush(stdout);
  child = SYS(SYS_clone, 0, 0, 0, 0, 0);
  if (child == 0) {
    executes();
    _exit(1);
  }
  n = take(child);
  answer(&n, 67, 0, 0);
  int s;
  waitpid(child, &s, __WALL);
  printf("ended %x\n", s);

  close(listener);
  C(SYS_getppid);
  close(out[1]);
  char text[4096];
  int length = read(out[0], text, sizeof text - 1);
  text[length > 0 ? length : 0] = 0;
  printf("%s%d replies\n", text, replies);
  return 0;
}
