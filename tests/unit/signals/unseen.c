/* Signals that run no handler (ignored ones, stop and continue) are not seen by a call that waits, but where the kernel says so. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char buffer[100];

/* Waits until a process has been found in a state several times. */
static void until(pid_t pid, char state, int times) {
  char name[40], text[400];
  sprintf(name, "/proc/%d/stat", pid);
  for (int found = 0; found < times;) {
    struct timespec pause_ = {0, 10000000};
    nanosleep(&pause_, 0);
    int fd = open(name, O_RDONLY), n = read(fd, text, sizeof text - 1);
    close(fd);
    if (n <= 0) _exit(0);
    text[n] = 0;
    found = strrchr(text, ')')[2] == state ? found + 1 : 0;
  }
}

/* Sends both signals to a process that sleeps; twice, as the first time it may sleep for another reason, before the call. */
static void disturb(pid_t pid, int first, int second) {
  for (int k = 0; k < 2; k++) {
    until(pid, 'S', 4);
    kill(pid, first);
    until(pid, first == SIGSTOP ? 'T' : 'S', 2);
    kill(pid, second);
    until(pid, 'S', 2);
  }
}

int main(void) {
  struct sigaction children = {.sa_handler = SIG_DFL};
  sigaction(SIGCHLD, &children, 0);
  int p[2];
  struct sigaction ignore = {.sa_handler = SIG_IGN};
  pipe(p);
  struct pollfd pf = {p[0], POLLIN};
  struct epoll_event e = {EPOLLIN};
  int ep = epoll_create(1), word = 7;
  epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &e);
#define SILENT(name, sig1, sig2, call) do { pid_t parent = getpid(), c; fflush(stdout); if (!(c = fork())) { disturb(parent, sig1, sig2); write(p[1], "x", 1); _exit(0); } \
    errno = 0; long r = call; int e_ = errno; while (waitpid(c, 0, 0) < 0) ; printf("%s: %ld %s\n", name, r, r < 0 ? strerrorname_np(e_) : "-"); fcntl(p[0], F_SETFL, O_NONBLOCK); read(p[0], buffer, 100); fcntl(p[0], F_SETFL, 0); } while (0)
  for (int way = 0; way < 2; way++) {
    int one = way ? SIGSTOP : SIGUSR2, two = way ? SIGCONT : SIGWINCH;
    sigaction(SIGUSR2, &ignore, 0);
    printf("%s\n", way ? "stopped and continued" : "ignored");
    struct timespec t = {0, 400000000}, late = {way ? 1000 : 1, 0};
    SILENT("read", one, two, read(p[0], buffer, 10));
    SILENT("poll", one, two, poll(&pf, 1, 1000000));
    SILENT("epoll_wait", one, two, epoll_wait(ep, &e, 1, 1000000));
    SILENT("nanosleep", one, two, nanosleep(&t, 0));
    SILENT("futex", one, two, ({ struct timespec w = {0, 400000000}; syscall(SYS_futex, &word, FUTEX_WAIT, 7, &w, 0, 0); }));
    sigset_t usr1;
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    SILENT("sigtimedwait", one, two, sigtimedwait(&usr1, 0, &late));
    SILENT("select", one, two, ({ struct timeval w = {1000, 0}; fd_set s; FD_ZERO(&s); FD_SET(p[0], &s); select(p[0] + 1, &s, 0, 0, &w); }));
  }
  return 0;
}
