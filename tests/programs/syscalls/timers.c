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

/** Whether it is a time between `before` and now; clocks that are read in other ways may be a second ahead. */
static int since(time_t before, long long seconds) { return seconds >= before && seconds <= time(0) + 1; }

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
  long rest = SYS(SYS_alarm, 0);
  show("rest", rest > 0 && rest < 100 ? 100 : rest);

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
  int left[2] = {-1, -1}, thousand[2] = {1000, 0};
  long long left64[2] = {-1, -1}, thousand64[2] = {1000, 0};
  C(SYS_setitimer, ITIMER_REAL, &i, 0);
  C(SYS_nanosleep, thousand, left);
  printf("  %d %d\n", left[0] >= 0 && left[0] < 1000, left[1] > 0);
  C(SYS_setitimer, ITIMER_REAL, &i, 0);
  C(SYS_clock_nanosleep_time64, CLOCK_REALTIME, 0, thousand64, left64);
  printf("  %d %d\n", left64[0] >= 0 && left64[0] < 1000, left64[1] > 0);
  C(SYS_setitimer, ITIMER_REAL, &i, 0);
  C(SYS_nanosleep, thousand, BAD);
  i = (typeof(i)){0, 0, 0, 0};
  C(SYS_setitimer, ITIMER_REAL, &i, 0);
  struct timeval tv;
  C(SYS_gettimeofday, &tv, 0);
  C(SYS_gettimeofday, 0, BAD);
  C(SYS_settimeofday, BAD, 0);
  int adjust[32] = {0};
  time_t before = time(0);
  K(SYS_adjtimex, adjust);
  printf("  %d\n", since(before, adjust[9]));
  adjust[0] = 0x8000;
  C(SYS_clock_adjtime, 77, adjust);
  long long adjust64[26] = {0};
  before = time(0);
  K(SYS_clock_adjtime64, CLOCK_REALTIME, adjust64);
  printf("  %d\n", since(before, adjust64[9]));
  int tms[4];
  K(SYS_times, tms);
  C(SYS_times, BAD);
  before = time(0);
  long now_ = SYS(SYS_time, 0);
  show("time", since(before, now_) ? 1 : now_);
  return 0;
}
