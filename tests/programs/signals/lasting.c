// Waits for a time, while signals come all the time that do nothing because they are ignored or blocked: no wait notices, nor lasts longer for it.
#include "../syscalls/show.h"
#include "asleep.h"
#include <linux/futex.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/msg.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

/** How long each wait is to last, and how many signals are sent before it is taken for one that never ends. */
enum { MILLISECONDS = 60, MOST_SIGNALS = 20000 };

static volatile struct { int sent, done; double lasted; } *shared;
static int ends[2], sockets[2], timed[2], listener, epoll, semaphores;
static sigset_t usr2;
/* As the kernel has it: the C library leaves its own signals out. */
static unsigned long long blocked;
static struct sockaddr_un name = {AF_UNIX, "listener"};
static const struct timespec TIME = {0, MILLISECONDS * 1000000};
static char big[1000];

#define OR_ERROR(call) ({ long r_ = (long)(call); r_ == -1 ? -errno : r_; })
#define WAIT(name, ...) static long name(void) { __VA_ARGS__ }

WAIT(in_nanosleep, return OR_ERROR(nanosleep(&TIME, 0));)
WAIT(in_clock_nanosleep, return OR_ERROR(syscall(SYS_clock_nanosleep, CLOCK_REALTIME, 0, &TIME, 0));)
WAIT(in_absolute, struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); t.tv_nsec += TIME.tv_nsec;
  if (t.tv_nsec >= 1000000000) t.tv_sec++, t.tv_nsec -= 1000000000; return -clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, 0);)
WAIT(in_poll, struct pollfd p; p.fd = ends[0]; p.events = POLLIN; return OR_ERROR(poll(&p, 1, MILLISECONDS));)
WAIT(in_ppoll, struct pollfd p; struct timespec t = TIME; long r; p.fd = ends[0]; p.events = POLLIN; r = OR_ERROR(syscall(SYS_ppoll, &p, 1, &t, 0, 8));
  printf("%ld.%ld left, ", t.tv_sec, t.tv_nsec); return r;)
WAIT(in_masked_ppoll, struct pollfd p; struct timespec t = TIME; p.fd = ends[0]; p.events = POLLIN; return OR_ERROR(syscall(SYS_ppoll, &p, 1, &t, &blocked, 8));)
WAIT(in_select, fd_set s; struct timeval t; long r; t.tv_sec = 0; t.tv_usec = MILLISECONDS * 1000; FD_ZERO(&s); FD_SET(ends[0], &s);
  r = OR_ERROR(select(ends[0] + 1, &s, 0, 0, &t)); printf("%ld.%ld left, ", t.tv_sec, t.tv_usec); return r;)
WAIT(in_pselect, fd_set s; struct timespec t = TIME; struct { void *set; long size; } m; m.set = &blocked; m.size = 8; FD_ZERO(&s);
  FD_SET(ends[0], &s); return OR_ERROR(syscall(SYS_pselect6, ends[0] + 1, &s, 0, 0, &t, &m));)
WAIT(in_epoll, struct epoll_event e; return OR_ERROR(epoll_wait(epoll, &e, 1, MILLISECONDS));)
WAIT(in_epoll_pwait, struct epoll_event e; return OR_ERROR(syscall(SYS_epoll_pwait, epoll, &e, 1, MILLISECONDS, &blocked, 8));)
WAIT(in_epoll_pwait2, struct epoll_event e; long long t[2]; t[0] = 0; t[1] = TIME.tv_nsec; return OR_ERROR(syscall(441, epoll, &e, 1, t, 0, 8));)
WAIT(in_futex, static int word; return OR_ERROR(syscall(SYS_futex, &word, FUTEX_WAIT, 0, &TIME, 0, 0));)
WAIT(in_futex_until, static int word; struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); t.tv_nsec += TIME.tv_nsec;
  if (t.tv_nsec >= 1000000000) t.tv_sec++, t.tv_nsec -= 1000000000; return OR_ERROR(syscall(SYS_futex, &word, FUTEX_WAIT_BITSET, 0, &t, 0, -1));)
WAIT(in_timedwait, return OR_ERROR(sigtimedwait(&usr2, 0, &TIME));)
WAIT(in_semtimedop, struct sembuf down; down.sem_num = 0; down.sem_op = -1; down.sem_flg = 0; return OR_ERROR(semtimedop(semaphores, &down, 1, &TIME));)
WAIT(in_recv, return OR_ERROR(recv(timed[0], big, 1, 0));)
WAIT(in_socket_read, return OR_ERROR(read(timed[0], big, 1));)
WAIT(in_send, while (send(timed[1], big, sizeof big, MSG_DONTWAIT) > 0); return OR_ERROR(send(timed[1], big, sizeof big, 0));)
WAIT(in_accept, return OR_ERROR(accept(listener, 0, 0));)

static void on_alarm(int signal) { (void)signal; }

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

/* What is left says how long it has slept, from the very beginning. */
WAIT(in_cut_short, struct timespec t; double start = now(); long r; t.tv_sec = 1000; t.tv_nsec = 0; r = OR_ERROR(nanosleep(&t, &t));
  double slept = 1000 - t.tv_sec - t.tv_nsec / 1e9;
  printf("%s, ", slept > now() - start ? "too little left" : slept < shared->lasted ? "too much left" : "the rest left"); return r;)

static const struct { const char *name; long (*call)(void); } CALLS[] = {
  {"nanosleep", in_nanosleep}, {"clock_nanosleep", in_clock_nanosleep}, {"clock_nanosleep until", in_absolute}, {"poll", in_poll},
  {"ppoll", in_ppoll}, {"ppoll with a mask", in_masked_ppoll}, {"select", in_select}, {"pselect", in_pselect}, {"epoll_wait", in_epoll},
  {"epoll_pwait", in_epoll_pwait}, {"epoll_pwait2", in_epoll_pwait2}, {"futex", in_futex}, {"futex until", in_futex_until},
  {"sigtimedwait", in_timedwait}, {"semtimedop", in_semtimedop}, {"recv", in_recv}, {"read", in_socket_read}, {"send", in_send},
  {"accept", in_accept}, {"nanosleep that is cut short", in_cut_short},
};

int main(void) {
  /* 33 is the C library's; it takes part by its number. */
  static const int SIGNALS[] = {SIGPWR, SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGFPE, SIGSYS, SIGUSR1, 33, 40, SIGHUP, SIGCHLD, SIGWINCH, SIGURG};
  struct timeval limit = {0, MILLISECONDS * 1000};
  struct epoll_event event = {.events = EPOLLIN};
  pid_t parent = getpid();
  unsigned long long bits;
  shared = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  sigemptyset(&usr2);
  sigaddset(&usr2, SIGUSR2);
  blocked = 1ull << (SIGUSR2 - 1);
  for (int i = 0; i < 10; i++) blocked |= 1ull << (SIGNALS[i] - 1);
  syscall(SYS_rt_sigprocmask, SIG_BLOCK, &blocked, 0, 8);
  signal(SIGHUP, SIG_IGN);
  signal(SIGALRM, on_alarm);
  /* These were blocked once. */
  bits = 1ull << (SIGHUP - 1) | 1ull << (SIGCHLD - 1) | 1ull << (SIGWINCH - 1);
  syscall(SYS_rt_sigprocmask, SIG_BLOCK, &bits, 0, 8);
  syscall(SYS_rt_sigprocmask, SIG_UNBLOCK, &bits, 0, 8);
  pipe(ends);
  socketpair(AF_UNIX, SOCK_STREAM, 0, timed);
  listener = socket(AF_UNIX, SOCK_STREAM, 0);
  bind(listener, (void *)&name, sizeof name);
  listen(listener, 5);
  setsockopt(timed[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  setsockopt(timed[1], SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  setsockopt(listener, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  epoll = epoll_create1(0);
  epoll_ctl(epoll, EPOLL_CTL_ADD, ends[0], &event);
  semaphores = semget(IPC_PRIVATE, 1, 0600);
  for (int i = 0; i < (int)(sizeof CALLS / sizeof *CALLS); i++) {
    shared->done = shared->sent = 0;
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
      double start = 0;
      if (CALLS[i].call == in_cut_short) {
        shared->sent = 1;
        asleep(parent, 0);
        start = now();
      }
      while (!shared->done && shared->sent < MOST_SIGNALS) {
        syscall(SYS_kill, parent, SIGNALS[shared->sent++ % (sizeof SIGNALS / sizeof *SIGNALS)]);
        usleep(1000);
        if (CALLS[i].call != in_cut_short || shared->sent < 60) continue;
        shared->lasted = now() - start;
        kill(parent, SIGALRM);
        break;
      }
      if (shared->sent == MOST_SIGNALS) {
        printf("%s never ends\n", CALLS[i].name);
        fflush(stdout);
        kill(parent, SIGKILL);
      }
      _exit(0);
    }
    while (shared->sent == 0) usleep(100);
    double start = now();
    long result = CALLS[i].call();
    double time = now() - start;
    shared->done = 1;
    printf("%s: %s%s\n", CALLS[i].name, result < 0 ? strerrorname_np(-result) : "0", time < MILLISECONDS / 1e3 ? ", too early" : "");
    waitpid(child, 0, 0);
  }
  semctl(semaphores, 0, IPC_RMID);
  return 0;
}
