// Calls with 64-bit times, where 32-bit programs leave anything in the upper half of the nanoseconds.
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <errno.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

// Bytes of struct __kernel_timespec in this program's order.
struct time64 {
  long long seconds;
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
  unsigned above, nanoseconds;
#else
  unsigned nanoseconds, above;
#endif
};

static struct time64 of(long long seconds, unsigned nanoseconds) {
  struct time64 made;
  made.seconds = seconds;
  made.nanoseconds = nanoseconds;
  made.above = 0xdeadbeef;
  return made;
}

static void say(const char *what, long result) { printf("%s: %ld %s\n", what, result, result < 0 ? strerror(errno) : ""); }

int main(void) {
  struct time64 brief = of(0, 1000), bad = of(0, 1000000000), negative = of(0, -1);
  struct time64 interval[2] = {of(0, 0), of(100, 5)}, old[2];
  struct sigevent event = {.sigev_notify = SIGEV_NONE};
  unsigned long long set = 1 << (SIGUSR1 - 1);
  int timer, word = 0;
  say("clock_nanosleep", syscall(SYS_clock_nanosleep_time64, CLOCK_MONOTONIC, 0, &brief, 0));
  say("clock_nanosleep, too many", syscall(SYS_clock_nanosleep_time64, CLOCK_MONOTONIC, 0, &bad, 0));
  say("clock_nanosleep, negative", syscall(SYS_clock_nanosleep_time64, CLOCK_MONOTONIC, 0, &negative, 0));
  say("ppoll", syscall(SYS_ppoll_time64, 0, 0, &brief, 0, 8));
  brief = of(0, 1000);
  say("pselect6", syscall(SYS_pselect6_time64, 0, 0, 0, 0, &brief, 0));
  brief = of(0, 1000);
  say("futex", syscall(SYS_futex_time64, &word, FUTEX_WAIT, 0, &brief, 0, 0));
  sigprocmask(SIG_BLOCK, (sigset_t *)&set, 0);
  say("rt_sigtimedwait", syscall(SYS_rt_sigtimedwait_time64, &set, 0, &brief, 8));
  say("timer_create", syscall(SYS_timer_create, CLOCK_MONOTONIC, &event, &timer));
  say("timer_settime", syscall(SYS_timer_settime64, timer, 0, interval, 0));
  memset(old, 0xff, sizeof old);
  say("timer_gettime", syscall(SYS_timer_gettime64, timer, old));
  printf("above %x %x\n", old[0].above, old[1].above);
  struct time64 times[2] = {of(1000, 7), of(2000, (1 << 30) - 2)};
  close(open("file", O_CREAT | O_WRONLY, 0600));
  say("utimensat", syscall(SYS_utimensat_time64, AT_FDCWD, "file", times, 0));
  memset(&brief, 0xff, sizeof brief);
  say("clock_getres", syscall(SYS_clock_getres_time64, CLOCK_MONOTONIC, &brief));
  printf("%u %x\n", brief.nanoseconds, brief.above);
  return 0;
}
