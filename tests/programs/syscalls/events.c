// Things that are waited for: select, poll, epoll in every width of time; inotify, fanotify, signalfd, timerfd, eventfd, pidfd.
#include "show.h"
#include <poll.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/fanotify.h>
#include <sys/inotify.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <time.h>

static int p[2];

static void waits(void) {
  unsigned set[3] = {1u << p[0], 0, 0};
  int time[2] = {0, 0};
  long long time64[2] = {0, 0};
  C(SYS__newselect, p[0] + 1, set, 0, 0, time);
  dump("set", set, 4);
  time[1] = 5000;
  set[0] = 1u << p[0] | 1u << p[1];
  C(SYS__newselect, p[1] + 1, set, set + 1, 0, time);
  printf("  %d %d\n", time[0], time[1]);
  set[1] = 1u << p[1];
  C(SYS__newselect, p[1] + 1, 0, set + 1, 0, time);
  printf("  %x %d\n", set[1] == 1u << p[1], time[1] <= 5000);
  time[0] = 1000;
  time[1] = 1500000;
  set[1] = 1u << p[1];
  C(SYS__newselect, p[1] + 1, 0, set + 1, 0, time);
  printf("  %d %d\n", time[0] > 500 && time[0] <= 1001, time[1] < 1000000);
  time[0] = -1;
  C(SYS__newselect, p[1] + 1, 0, set + 1, 0, time);
  long arguments[5] = {p[1] + 1, 0, (long)(set + 1), 0, 0};
  set[1] = 1u << p[1];
  C(SYS_select, arguments);
  C(SYS_select, BAD);
  set[1] = 1 << 9;
  C(SYS__newselect, 10, 0, set + 1, 0, 0);
  C(SYS__newselect, -1, 0, 0, 0, 0);
  unsigned long long mask = 1 << (SIGUSR1 - 1);
  struct { void *set; int size; } with = {&mask, 8};
  time[0] = 0;
  time[1] = 1000000;
  C(SYS_pselect6, 0, 0, 0, 0, time, &with);
  printf("  %d %d\n", time[0], time[1]);
  with.size = 4;
  C(SYS_pselect6, 0, 0, 0, 0, time, &with);
  with.set = 0;
  C(SYS_pselect6, 0, 0, 0, 0, time, &with);
  time64[1] = 1000000;
  C(SYS_pselect6_time64, 0, 0, 0, 0, time64, 0);
  printf("  %lld %lld\n", time64[0], time64[1]);
  time64[1] = 1000000000;
  C(SYS_pselect6_time64, 0, 0, 0, 0, time64, 0);
  struct pollfd f[4] = {{p[0], POLLIN, -1}, {p[1], POLLOUT, -1}, {99, POLLIN, -1}, {-5, POLLIN, -1}};
  C(SYS_poll, f, 4, 0);
  printf("  %x %x %x %x\n", f[0].revents, f[1].revents, f[2].revents, f[3].revents);
  time[0] = time[1] = 0;
  C(SYS_ppoll, f, 1, time, &mask, 8);
  C(SYS_ppoll, f, 1, time, &mask, 12);
  C(SYS_ppoll_time64, f, 1, time64, &mask, 8);
  time64[1] = 100;
  C(SYS_ppoll_time64, f, 1, time64, 0, 0);
  C(SYS_poll, f, 100000000, 0);
  C(SYS_poll, BAD, 1, 0);

  int e = epoll_create1(0), e2 = epoll_create(1);
  C(SYS_epoll_create1, 5);
  C(SYS_epoll_create, 0);
  struct { unsigned events; unsigned long long data; } PACKED64 event = {EPOLLIN, 0x2222222211111111}, got[3];
  C(SYS_epoll_ctl, e, EPOLL_CTL_ADD, p[0], &event);
  event.events = EPOLLOUT | EPOLLONESHOT;
  C(SYS_epoll_ctl, e, EPOLL_CTL_ADD, p[1], &event);
  C(SYS_epoll_ctl, e, EPOLL_CTL_ADD, p[1], &event);
  C(SYS_epoll_ctl, e2, EPOLL_CTL_ADD, e, &event);
  C(SYS_epoll_ctl, e, EPOLL_CTL_ADD, e2, &event);
  C(SYS_epoll_ctl, e, EPOLL_CTL_ADD, e, &event);
  C(SYS_epoll_ctl, e, 77, p[0], &event);
  C(SYS_epoll_ctl, e, EPOLL_CTL_DEL, p[0], BAD);
  C(SYS_epoll_wait, e, got, 3, 0);
  printf("  %x %llx\n", got[0].events, got[0].data);
  C(SYS_epoll_wait, e, got, 3, 0);
  C(SYS_epoll_ctl, e, EPOLL_CTL_MOD, p[1], &event);
  C(SYS_epoll_pwait, e, got, 3, 0, &mask, 8);
  C(SYS_epoll_wait, e, got, 0, 0);
  C(SYS_epoll_wait, e, got, -1, 0);
  C(SYS_epoll_wait, p[0], got, 1, 0);
  C(SYS_epoll_ctl, e, EPOLL_CTL_MOD, p[1], &event);
  C(SYS_epoll_wait, e, BAD, 1, 0);
  time64[0] = time64[1] = 0;
  C(SYS_epoll_pwait2, e, got, 3, time64, &mask, 8);
  time64[1] = -1;
  C(SYS_epoll_pwait2, e, got, 3, time64, 0, 0);
  int file = open("f", O_RDWR | O_CREAT, 0644);
  C(SYS_epoll_ctl, e, EPOLL_CTL_ADD, file, &event);
}

static void notify(void) {
  int n = inotify_init1(IN_NONBLOCK);
  C(SYS_inotify_init1, 1);
  C(SYS_inotify_add_watch, n, ".", IN_ALL_EVENTS);
  C(SYS_inotify_add_watch, n, "none", IN_ALL_EVENTS);
  C(SYS_inotify_add_watch, n, ".", 0);
  C(SYS_inotify_add_watch, n, "f", IN_ONLYDIR | IN_OPEN);
  close(open("new", O_RDWR | O_CREAT, 0644));
  rename("new", "other");
  unlink("other");
  mkdir("d", 0755);
  rmdir("d");
  int size = 0;
  C(SYS_ioctl, n, 0x541b, &size);
  printf("  %d\n", size);
  char b[4096];
  C(SYS_read, n, b, 5);
  int length = C(SYS_read, n, b, sizeof b);
  unsigned cookie = 0;
  for (int i = 0; i < length;) {
    struct inotify_event *v = (void *)(b + i);
    if (v->cookie && !cookie) cookie = v->cookie;
    printf("  %d %x %d %d %s\n", v->wd, v->mask, v->cookie != 0 && v->cookie == cookie, v->len, v->name);
    i += sizeof *v + v->len;
  }
  C(SYS_inotify_rm_watch, n, 1);
  C(SYS_inotify_rm_watch, n, 1);
  C(SYS_read, n, b, sizeof b);

  int a = fanotify_init(FAN_CLASS_NOTIF | FAN_NONBLOCK, O_RDONLY);
  printf("fanotify %d\n", a >= 0);
  if (a < 0) return;
  C(SYS_fanotify_init, 0x80000000, 0);
  C(SYS_fanotify_mark, a, FAN_MARK_ADD, FAN_OPEN | FAN_MODIFY | FAN_CLOSE_WRITE, 0, AT_FDCWD, "f");
  C(SYS_fanotify_mark, a, FAN_MARK_ADD, 0, 0x77, AT_FDCWD, "f");
  C(SYS_fanotify_mark, a, FAN_MARK_ADD, FAN_OPEN, 0, AT_FDCWD, "none");
  int f = open("f", O_RDWR);
  C(SYS_write, f, "x", 1);
  close(f);
  length = C(SYS_read, a, b, sizeof b);
  for (int i = 0; i < length;) {
    struct fanotify_event_metadata *m = (void *)(b + i);
    printf("  %d %d %d %llx fd %d pid %d\n", m->event_len, m->vers, m->metadata_len, m->mask, fcntl(m->fd, F_GETFL) & 3, m->pid == getpid());
    close(m->fd);
    i += m->event_len;
  }
  C(SYS_fanotify_mark, a, FAN_MARK_FLUSH, 0, 0, AT_FDCWD, 0);
  int perm = fanotify_init(FAN_CLASS_CONTENT | FAN_NONBLOCK, O_RDONLY);
  struct { int fd; unsigned response; } answer = {99, FAN_ALLOW};
  C(SYS_write, perm, &answer, 8);
}

static void descriptors(void) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR2);
  sigaddset(&set, SIGRTMIN + 3);
  sigprocmask(SIG_BLOCK, &set, 0);
  int s = signalfd(-1, &set, SFD_NONBLOCK);
  unsigned char b[256];
  C(SYS_read, s, b, 128);
  kill(getpid(), SIGUSR2);
  union sigval v = {.sival_int = 0x12345678};
  sigqueue(getpid(), SIGRTMIN + 3, v);
  C(SYS_read, s, b, 100);
  C(SYS_read, s, b, 256);
  for (int i = 0; i < 256; i += 128) {
    struct signalfd_siginfo *g = (void *)(b + i);
    printf("  %d %d %d %d %u %x %llx\n", g->ssi_signo, g->ssi_errno, g->ssi_code, g->ssi_pid == getpid(), g->ssi_uid, g->ssi_int, (long long)g->ssi_ptr);
  }
  unsigned long long mask = 1ull << (SIGUSR1 - 1);
  C(SYS_signalfd4, s, &mask, 8, 0);
  C(SYS_signalfd4, s, &mask, 4, 0);
  C(SYS_signalfd4, p[0], &mask, 8, 0);
  C(SYS_signalfd4, -1, &mask, 8, 77);
  C(SYS_signalfd, 99, &mask, 8);

  int t = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
  struct { int is, in, vs, vn; } timer = {0, 0, 1000, 0}, old = {9, 9, 9, 9};
  struct { long long is, in, vs, vn; } timer64 = {5, 6, 0x100000000, 7}, old64;
  C(SYS_timerfd_settime, t, 0, &timer, &old);
  dump("old", &old, 16);
  C(SYS_timerfd_gettime, t, &old);
  printf("  %d\n", old.vs > 0 && old.vs < 1000);
  C(SYS_timerfd_settime64, t, TFD_TIMER_ABSTIME, &timer64, &old64);
  C(SYS_timerfd_gettime64, t, &old64);
  printf("  %lld %lld %d\n", old64.is, old64.in, old64.vs > 0xf0000000);
  C(SYS_timerfd_gettime, t, &old);
  timer = (typeof(timer)){0, 1000000, 0, 1};
  C(SYS_timerfd_settime, t, 0, &timer, 0);
  usleep(10000);
  unsigned long long ticks = 0;
  C(SYS_read, t, &ticks, 4);
  C(SYS_read, t, &ticks, 8);
  printf("  %d\n", ticks > 3);
  timer.vn = 1000000000;
  C(SYS_timerfd_settime, t, 0, &timer, 0);
  timer.vn = timer.in = 0;
  C(SYS_timerfd_settime, t, 0, &timer, 0);
  C(SYS_timerfd_settime, t, 77, &timer, 0);
  C(SYS_timerfd_settime, p[0], 0, &timer, 0);
  C(SYS_timerfd_create, 77, 0);
  C(SYS_read, t, &ticks, 8);

  int e = eventfd(3, EFD_SEMAPHORE | EFD_NONBLOCK);
  C(SYS_read, e, &ticks, 8);
  printf("  %llu\n", ticks);
  ticks = -1;
  C(SYS_write, e, &ticks, 8);
  ticks = -2;
  C(SYS_write, e, &ticks, 8);
  C(SYS_read, e, &ticks, 4);
  C(SYS_eventfd2, 1, 77);

  int pid = fork();
  if (pid == 0) {
    pause();
    _exit(0);
  }
  int d = SYS(SYS_pidfd_open, pid, 0);
  printf("%d\n", d >= 0);
  C(SYS_pidfd_open, pid, 77);
  C(SYS_pidfd_open, NO_PROCESS, 0);
  C(SYS_pidfd_send_signal, d, 0, 0, 0);
  C(SYS_pidfd_send_signal, d, 99, 0, 0);
  siginfo_t info = {0};
  info.si_signo = SIGUSR1;
  info.si_code = -1;
  C(SYS_pidfd_send_signal, d, SIGUSR2, &info, 0);
  C(SYS_pidfd_send_signal, d, SIGUSR1, &info, 0);
  struct pollfd f = {d, POLLIN, 0};
  C(SYS_poll, &f, 1, -1);
  printf("  %x\n", f.revents);
  memset(&info, 0, sizeof info);
  C(SYS_waitid, 3, d, &info, WEXITED, 0);
  printf("  %d %d %d %d\n", info.si_signo, info.si_code, info.si_status, info.si_pid == pid);
  C(SYS_pidfd_send_signal, d, 0, 0, 0);
  C(SYS_pidfd_getfd, d, 0, 0);
  int me = SYS(SYS_pidfd_open, getpid(), 0);
  K(SYS_pidfd_getfd, me, 1, 0);
  C(SYS_pidfd_getfd, me, 99, 0);
  C(SYS_pidfd_getfd, me, 1, 5);
}

int main(void) {
  setbuf(stdout, malloc(1 << 16));
  if (pipe(p)) return 1;
  waits();
  notify();
  descriptors();
  return 0;
}
