/* Signals around the start of a call that waits with another mask: each is sent somewhere between the last instruction before the
   call and its sleep, and must end it. The part to run is the argument. */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ROUNDS = 600, SPINS = 3000, SECONDS = 300 };

static volatile int handled;
static void handler(int sig) { handled++; }

int main(int argc, char **argv) {
  const char *part = argv[1];
  int go[2], never[2], lost = 0, other = 0, early = 0;
  struct sigaction action = {.sa_handler = handler};
  sigset_t blocked, open_;
  pipe(go);
  pipe(never);
  sigaction(SIGUSR1, &action, 0);
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGUSR1);
  sigprocmask(SIG_BLOCK, &blocked, &open_);
  sigdelset(&open_, SIGUSR1);
  unsigned delay = 7;
  pid_t parent = getpid(), child = fork();
  if (child == 0) {
    unsigned seed = 1;
    char byte;
    close(go[1]);
    while (read(go[0], &byte, 1) == 1) {
      seed = seed * 1103515245 + 12345;
      for (volatile unsigned k = (seed >> 16) % SPINS; k > 0; k--) ;
      kill(parent, SIGUSR1);
    }
    _exit(0);
  }
  close(go[0]);
  int ep = epoll_create(1);
  struct epoll_event event = {EPOLLIN};
  epoll_ctl(ep, EPOLL_CTL_ADD, never[0], &event);
  for (int round = 0; round < ROUNDS; round++) {
    struct pollfd fd = {never[0], POLLIN};
    struct timespec time = {SECONDS, 0};
    fd_set set;
    FD_ZERO(&set);
    FD_SET(never[0], &set);
    handled = 0;
    write(go[1], "g", 1);
    /* The other process takes a while to wake up. */
    delay = delay * 1103515245 + 12345;
    for (volatile unsigned k = (delay >> 16) % (4 * SPINS); k > 0; k--) ;
    errno = 0;
    int result = !strcmp(part, "pselect") ? pselect(never[0] + 1, &set, 0, 0, &time, &open_)
                 : !strcmp(part, "ppoll") ? ppoll(&fd, 1, &time, &open_)
                 : !strcmp(part, "epoll_pwait") ? epoll_pwait(ep, &event, 1, SECONDS * 1000, &open_)
                                                : sigsuspend(&open_);
    int seen = handled;
    if (result == 0) lost++;
    else if (errno != EINTR) other++;
    else if (seen != 1) early++;
  }
  close(go[1]);
  waitpid(child, 0, 0);
  printf("%s: %d slept through, %d ended otherwise, %d returned before the handler\n", part, lost, other, early);
  return 0;
}
