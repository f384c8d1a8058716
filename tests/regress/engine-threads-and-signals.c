// Does what the argument says, tells that it is done, and waits for the end of its input.
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

static void handler(int signal) {}

int main(int argc, char **argv) {
  const struct timespec no_time = {0, 0};
  timer_t timer;
  sigset_t set;
  char byte;
  sigemptyset(&set);
  sigaddset(&set, SIGRTMIN + 1);
  if (!strcmp(argv[1], "timer")) timer_create(CLOCK_MONOTONIC, 0, &timer);
  if (!strcmp(argv[1], "handler")) signal(SIGRTMIN + 1, handler);
  if (!strcmp(argv[1], "wait")) sigtimedwait(&set, 0, &no_time);
  if (!strcmp(argv[1], "descriptor")) signalfd(-1, &set, 0);
  if (write(1, "done\n", 5) != 5) return 1;
  return read(0, &byte, 1) != 0;
}
