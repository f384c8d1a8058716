// Clocks, POSIX timers with every way of notifying, interval timers, sleeping.
#include "show.h"
#include <sys/time.h>
#include <sys/timex.h>
#include <time.h>

static volatile int count, value, code, overrun;
static void handler(int n, siginfo_t *info, void *context) {
  count++;
  value = info->si_value.sival_int;
  code = info->si_code;
  overrun += info->si_overrun;
}

int main(void) {
  struct sigaction a = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
  sigaction(SIGUSR1, &a, 0);
  sigaction(SIGALRM, &a, 0);
  sigaction(SIGVTALRM, &a, 0);
  struct { int value, signal, notify, tid, rest[12]; } event = {0x1234567, SIGUSR1, SIGEV_SIGNAL};
  int timer = -1;
  C(SYS_timer_create, CLOCK_MONOTONIC, &event, &timer);
  struct { int is, in, vs, vn; } t = {0, 0, 0, 1000000}, old = {7, 7, 7, 7};
  struct { long long is, in, vs, vn; } t64 = {0, 0, 0x100000000, 5}, old64;
  C(SYS_timer_gettime, timer, &old);
  dump("time", &old, 16);
  C(SYS_timer_settime, timer, 0, &t, &old);
  while (!count) usleep(1000);
  printf("%d %x %d %d\n", count, value, code, overrun);
  C(SYS_timer_settime64, timer, TIMER_ABSTIME, &t64, &old64);
  C(SYS_timer_gettime64, timer, &old64);
  printf("  %d\n", old64.vs > 0xf0000000);
  C(SYS_timer_gettime, timer, &old);
  t.vn = 1000000000;
  C(SYS_timer_settime, timer, 0, &t, &old);
  C(SYS_timer_settime, timer, 0, 0, &old);
  C(SYS_timer_settime, timer, 0, BAD, &old);
  sigset_t s;
  sigemptyset(&s);
  sigaddset(&s, SIGUSR1);
  sigprocmask(SIG_BLOCK, &s, 0);
  t = (typeof(t)){0, 1000000, 0, 1};
  C(SYS_timer_settime, timer, 0, &t, 0);
  usleep(20000);
  count = 0;
  sigprocmask(SIG_UNBLOCK, &s, 0);
  printf("%d %d\n", count > 0, overrun > 0);
  show_ok("overrun", SYS(SYS_timer_getoverrun, timer));
  C(SYS_timer_delete, timer);
  C(SYS_timer_delete, timer);
  event.notify = SIGEV_NONE;
  C(SYS_timer_create, CLOCK_REALTIME, &event, &timer);
  C(SYS_timer_delete, timer);
  event.notify = 4;
  event.tid = getpid();
  C(SYS_timer_create, CLOCK_PROCESS_CPUTIME_ID, &event, &timer);
  t = (typeof(t)){0, 0, 0, 1000000};
  count = 0;
  C(SYS_timer_settime, timer, 0, &t, 0);
  while (!count) getppid();
  printf("%d %x\n", count, value);
  C(SYS_timer_delete, timer);
  event.tid = 1;
  C(SYS_timer_create, CLOCK_REALTIME, &event, &timer);
  event.notify = 77;
  C(SYS_timer_create, CLOCK_REALTIME, &event, &timer);
  event.notify = SIGEV_SIGNAL;
  event.signal = 99;
  C(SYS_timer_create, CLOCK_REALTIME, &event, &timer);
  C(SYS_timer_create, 77, 0, &timer);
  C(SYS_timer_create, CLOCK_REALTIME, BAD, &timer);
  event.signal = SIGUSR1;
  C(SYS_timer_create, CLOCK_REALTIME, &event, BAD);
  // Without an event the value is the timer's number.
  count = 0;
  C(SYS_timer_create, CLOCK_REALTIME, 0, &timer);
  C(SYS_timer_settime, timer, 0, &t, 0);
  while (!count) usleep(1000);
  printf("%d %d\n", value == timer, code);

  struct { int is, iu, vs, vu; } i = {0, 0, 0, 1000}, iold = {1, 1, 1, 1};
  count = 0;
  C(SYS_setitimer, ITIMER_REAL, &i, &iold);
  while (!count) usleep(1000);
  C(SYS_getitimer, ITIMER_REAL, &iold);
  dump("timer", &iold, 16);
  i.vu = 1000000;
  C(SYS_setitimer, ITIMER_REAL, &i, 0);
  C(SYS_setitimer, ITIMER_REAL, 0, &iold);
  C(SYS_setitimer, 9, &i, 0);
  i.vu = 1000;
  count = 0;
  C(SYS_setitimer, ITIMER_VIRTUAL, &i, 0);
  for (volatile int k = 0; !count; k++) ;
  C(SYS_alarm, 100);
  C(SYS_alarm, 0);

  int now[2];
  long long now64[2];
  for (int c = -1; c < 14; c++) {
    printf("%d ", c);
    K(SYS_clock_gettime, c, now);
    K(SYS_clock_gettime64, c, now64);
    C(SYS_clock_getres, c, now);
    C(SYS_clock_getres_time64, c, now64);
  }
  C(SYS_clock_gettime, (~getpid() << 3) | 2, now);
  C(SYS_clock_gettime, CLOCK_REALTIME, 0);
  C(SYS_clock_getres, CLOCK_REALTIME, 0);
  C(SYS_clock_settime, CLOCK_MONOTONIC, now);
  now[0] = 0;
  now[1] = -5;
  C(SYS_clock_settime, CLOCK_REALTIME, now);
  C(SYS_nanosleep, now, 0);
  now[1] = 1000;
  C(SYS_nanosleep, now, 0);
  C(SYS_clock_nanosleep, CLOCK_MONOTONIC, TIMER_ABSTIME, now, 0);
  C(SYS_clock_nanosleep, CLOCK_THREAD_CPUTIME_ID, 0, now, 0);
  // Again and again: the first may come before the sleep has begun.
  i = (typeof(i)){0, 100000, 0, 100000};
  int left[2] = {-1, -1}, ten[2] = {10, 0};
  long long left64[2] = {-1, -1}, ten64[2] = {10, 0};
  C(SYS_setitimer, ITIMER_REAL, &i, 0);
  C(SYS_nanosleep, ten, left);
  printf("  %d %d\n", left[0], left[1] > 0);
  C(SYS_setitimer, ITIMER_REAL, &i, 0);
  C(SYS_clock_nanosleep_time64, CLOCK_REALTIME, 0, ten64, left64);
  printf("  %lld %d\n", left64[0], left64[1] > 0);
  C(SYS_setitimer, ITIMER_REAL, &i, 0);
  C(SYS_nanosleep, ten, BAD);
  i = (typeof(i)){0, 0, 0, 0};
  C(SYS_setitimer, ITIMER_REAL, &i, 0);
  struct timeval tv;
  C(SYS_gettimeofday, &tv, 0);
  C(SYS_gettimeofday, 0, BAD);
  C(SYS_settimeofday, BAD, 0);
  int adjust[32] = {0};
  K(SYS_adjtimex, adjust);
  printf("  %d\n", abs(adjust[9] - (int)time(0)) < 5);
  adjust[0] = 0x8000;
  C(SYS_clock_adjtime, 77, adjust);
  long long adjust64[26] = {0};
  K(SYS_clock_adjtime64, CLOCK_REALTIME, adjust64);
  printf("  %d\n", llabs(adjust64[9] - time(0)) < 5);
  int tms[4];
  K(SYS_times, tms);
  C(SYS_times, BAD);
  printf("%d\n", abs((int)SYS(SYS_time, 0) - (int)time(0)) < 3);
  return 0;
}
