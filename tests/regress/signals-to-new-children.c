/* See signals-to-new-children.test.ts: signals that come to a child as soon as there is one, each of a kind. */
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile int *got;

static void on_signal(int signal) { *got = signal; }

int main(void) {
  static const int SIGNALS[] = {SIGTRAP, SIGILL, SIGFPE, SIGSYS, SIGSEGV, SIGBUS, SIGPWR, SIGUSR1};
  int round, k;
  got = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  for (k = 0; k < 8; k++) signal(SIGNALS[k], on_signal);
  for (round = 0; round < 10; round++) for (k = 0; k < 8; k++) {
    int status;
    pid_t child;
    *got = 0;
    child = fork();
    if (child == 0) {
      while (*got == 0) usleep(1000);
      _exit(0);
    }
    kill(child, SIGNALS[k]);
    waitpid(child, &status, 0);
    if (status || *got != SIGNALS[k]) printf("%d: %x, handler of %d\n", SIGNALS[k], status, *got);
  }
  printf("done\n");
  return 0;
}
