// A timer of 1 ms whose signal is blocked for 20: one signal tells how often it has expired.
#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static volatile int count;
static int overruns[1000];

static void handler(int signal, siginfo_t *info, void *context) {
  if (count < 1000) overruns[count] = info->si_overrun;
  count++;
}

int main(void) {
  for (int signal = SIGUSR1; signal > 0; signal = signal == SIGUSR1 ? SIGRTMIN + 1 : 0) {
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
    struct sigevent event = {.sigev_signo = signal, .sigev_notify = SIGEV_SIGNAL};
    struct itimerspec time = {{0, 1000000}, {0, 1}};
    timer_t timer;
    sigset_t set;
    sigaction(signal, &action, 0);
    timer_create(CLOCK_MONOTONIC, &event, &timer);
    sigemptyset(&set);
    sigaddset(&set, signal);
    sigprocmask(SIG_BLOCK, &set, 0);
    timer_settime(timer, 0, &time, 0);
    usleep(20000);
    count = 0;
    sigprocmask(SIG_UNBLOCK, &set, 0);
    int seen, asked;
    do {
      seen = count;
      asked = timer_getoverrun(timer);
    } while (seen != count);
    printf("signal: %d, overrun of 20: %d, asked: %d\n", seen > 0, overruns[0] >= 15, asked == overruns[seen - 1]);
    timer_delete(timer);
  }
}
