/* See signals-around-execve.test.ts. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* A shell's way to start a program: signals blocked around the fork, and the parent kills it at some moment. */
static void killed_while_starting(int times) {
  int k, died = 0;
  for (k = 0; k < times; k++) {
    sigset_t term, old;
    struct timespec delay = {0, k * 100000L};
    int status;
    pid_t child;
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    sigprocmask(SIG_BLOCK, &term, &old);
    child = fork();
    sigprocmask(SIG_SETMASK, &old, 0);
    if (child == 0) {
      execl("/bin/sleep", "sleep", "1000", (char *)0);
      _exit(1);
    }
    nanosleep(&delay, 0);
    kill(child, SIGTERM);
    waitpid(child, &status, 0);
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM) died++;
  }
  printf("%d of %d died\n", died, times);
}

static void take(void) {
  struct timespec none = {0, 0};
  sigset_t all;
  siginfo_t info;
  int n;
  sigfillset(&all);
  while ((n = sigtimedwait(&all, &info, &none)) > 0) {
    printf("signal %d code %d value %d\n", n, info.si_code, info.si_code == SI_QUEUE ? info.si_value.sival_int : 0);
  }
}

int main(int argc, char **argv) {
  if (argc > 1 && strcmp(argv[1], "taker") == 0) {
    sigset_t set;
    int n;
    sigprocmask(SIG_BLOCK, 0, &set);
    printf("blocked:");
    for (n = 1; n < 32; n++) if (sigismember(&set, n)) printf(" %d", n);
    printf("\n");
    take();
    fflush(stdout);
    if (argc > 2) system(argv[2]);
    return 0;
  }
  killed_while_starting(40);
  fflush(stdout);
  /* A child with another signal at its end can only be executed by the kernel. */
  if (syscall(SYS_clone, SIGUSR2, 0, 0, 0, 0) == 0) {
    sigset_t set;
    union sigval value = {77};
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGPIPE);
    sigaddset(&set, SIGRTMIN);
    sigprocmask(SIG_BLOCK, &set, 0);
    signal(SIGUSR2, SIG_IGN);
    kill(getpid(), SIGPIPE);
    sigqueue(getpid(), SIGUSR1, value);
    for (value.sival_int = 1; value.sival_int < 4; value.sival_int++) sigqueue(getpid(), SIGRTMIN, value);
    kill(getpid(), SIGTERM);
    execl("missing", "missing", (char *)0);
    execl("/proc/self/exe", argv[0], "taker", argv[1], (char *)0);
    _exit(1);
  }
  waitpid(-1, 0, __WALL);
  return 0;
}
