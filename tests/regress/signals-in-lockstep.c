/* Computes until so many signals of a timer have come. */
#include <signal.h>
#include <stdio.h>
#include <sys/time.h>

static volatile int came;

static void on_alarm(int signal) { (void)signal; came++; }

int main(void) {
  const struct itimerval time = {{0, 1000}, {0, 1000}};
  signal(SIGALRM, on_alarm);
  setitimer(ITIMER_REAL, &time, 0);
  while (came < 100);
  puts("100 came");
  return 0;
}
