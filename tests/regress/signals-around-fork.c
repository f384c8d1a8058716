/* A signal to a process group whose leader forks again and again: a child that is there afterwards has had it, or its parent had
   before the fork. The argument says how often. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* What all processes see: the turn of the sender, and that of the others. */
static volatile struct { int asked, sent; } *shared;
/* How often this process or, before it was made, its parents had the signal. */
static volatile int handled;
static void handler(int n) { handled++; }

int main(int argc, char **argv) {
  int rounds = atoi(argv[1]), lost = 0;
  shared = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  setpgid(0, 0);
  pid_t group = getpid(), sender = fork();
  if (sender == 0) {
    setpgid(0, 0);
    unsigned seed = 1;
    for (int round = 1; round <= rounds; round++) {
      while (shared->asked < round) getppid();
      seed = seed * 1103515245 + 12345;
      for (volatile unsigned k = (seed >> 16) % 30000; k > 0; k--) ;
      kill(-group, SIGUSR1);
      shared->sent = round;
    }
    _exit(0);
  }
  signal(SIGUSR1, handler);
  for (int round = 1; round <= rounds; round++) {
    pid_t children[3];
    handled = 0;
    shared->asked = round;
    for (int k = 0; k < 3; k++) {
      if ((children[k] = fork()) != 0) continue;
      while (shared->sent < round) getppid();
      getppid();
      _exit(handled != 1);
    }
    while (shared->sent < round) getppid();
    for (int k = 0; k < 3; k++) {
      int status = -1;
      waitpid(children[k], &status, 0);
      if (status) lost++;
    }
    if (handled != 1) lost++;
  }
  waitpid(sender, 0, 0);
  printf("%d lost or doubled\n", lost);
  return 0;
}
