/* See signals-while-they-are-being-blocked.test.ts: each signal has run its handler, or signalfd has it. */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ROUNDS = 3000 };

static volatile struct { int round, handled; } *shared;

static void on_signal(int signal) { (void)signal; shared->handled = shared->round; }

int main(void) {
  pid_t parent = getpid(), child;
  sigset_t set;
  int fd, round;
  shared = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  signal(SIGUSR1, on_signal);
  fd = signalfd(-1, &set, 0);
  child = fork();
  if (child == 0) {
    for (round = 1; round <= ROUNDS; round++) {
      volatile int spin = rand() % 3000;
      while (shared->round != round);
      while (spin > 0) spin--;
      kill(parent, SIGUSR1);
    }
    _exit(0);
  }
  for (round = 1; round <= ROUNDS; round++) {
    volatile int spin = rand() % 2000;
    shared->round = round;
    while (spin > 0) spin--;
    sigprocmask(SIG_BLOCK, &set, 0);
    if (shared->handled != round) {
      struct signalfd_siginfo info;
      if (read(fd, &info, sizeof info) != sizeof info) printf("nothing read\n");
    }
    sigprocmask(SIG_UNBLOCK, &set, 0);
  }
  waitpid(child, 0, 0);
  printf("done\n");
  return 0;
}
