/* ppoll and its like with a signal pending that only their mask lets through: descriptors that are ready, none, wrong ones. */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <unistd.h>

static volatile int handled;
static void handler(int n) { handled++; }
static int fd[2];

static void show(const char *what, int result, int more) {
  sigset_t pending;
  int error = errno;
  sigpending(&pending);
  printf("%s: %d %s, %d, handled %d, pending %d\n", what, result, result < 0 ? strerrorname_np(error) : "", more, handled, sigismember(&pending, SIGUSR1));
}

static void all(const char *when, struct timespec *time) {
  sigset_t none;
  sigemptyset(&none);
  printf("%s\n", when);
  handled = 0;
  struct pollfd p = {fd[0], POLLIN, 0};
  raise(SIGUSR1);
  int r = ppoll(&p, 1, time, &none);
  show("ppoll", r, p.revents);
  raise(SIGUSR1);
  fd_set set;
  FD_ZERO(&set);
  FD_SET(fd[0], &set);
  r = pselect(fd[0] + 1, &set, 0, 0, time, &none);
  show("pselect", r, FD_ISSET(fd[0], &set));
  int e = epoll_create1(0);
  struct epoll_event event = {EPOLLIN, {.u32 = 5}};
  epoll_ctl(e, EPOLL_CTL_ADD, fd[0], &event);
  memset(&event, 0, sizeof event);
  raise(SIGUSR1);
  r = epoll_pwait(e, &event, 1, time ? time->tv_sec * 1000 : -1, &none);
  show("epoll_pwait", r, event.events);
  close(e);
  raise(SIGUSR1);
  r = epoll_pwait(999, &event, 1, -1, &none);
  show("epoll_pwait of nothing", r, 0);
  raise(SIGUSR1);
  FD_ZERO(&set);
  FD_SET(40, &set);
  r = pselect(41, &set, 0, 0, time, &none);
  show("pselect of a closed one", r, 0);
  p.fd = 99;
  raise(SIGUSR1);
  r = ppoll(&p, 1, time, &none);
  show("ppoll of a closed one", r, p.revents);
  raise(SIGUSR1);
  r = ppoll((void *)1, 1, time, &none);
  show("ppoll of no memory", r, 0);
  /* What is left is delivered. */
  sigset_t old;
  sigprocmask(SIG_SETMASK, &none, &old);
  sigprocmask(SIG_SETMASK, &old, 0);
  show("then", 0, 0);
}

int main(void) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  signal(SIGUSR1, handler);
  sigprocmask(SIG_BLOCK, &set, 0);
  if (pipe(fd)) return 1;
  struct timespec now = {0, 0}, later = {5, 0};
  all("nothing to read", &later);
  all("nothing to read, no time", &now);
  if (write(fd[1], "x", 1) != 1) return 1;
  all("something to read", 0);
  all("something to read, for a time", &later);
  return 0;
}
