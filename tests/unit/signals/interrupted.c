/* Every kind of call that waits, interrupted by a handler with and without SA_RESTART, and by signals that run none: the result,
   and whether the handler ran. The part to run is the argument. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <mqueue.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

static volatile int handled;
static volatile int waker = -1; /* what the handler writes to at its third run, so that a restarted call ends */
static int fds[2];
static char buffer[1 << 20];

static void handler(int sig) {
  int saved = errno;
  /* Restarted calls would wait for ever: the third signal brings what they wait for. */
  if (++handled == 3 && waker >= 0) { if (write(waker, "x", 1) < 0) handled += 100; }
  errno = saved;
}

/* Waits until a process sleeps, and goes on sleeping for a while: a busy machine must not make a signal come too early. */
static void until_asleep(pid_t pid) {
  char name[40], text[400];
  sprintf(name, "/proc/%d/stat", pid);
  for (int asleep = 0; asleep < 4;) {
    struct timespec pause_ = {0, 10000000};
    nanosleep(&pause_, 0);
    int fd = open(name, O_RDONLY), n = read(fd, text, sizeof text - 1);
    close(fd);
    if (n <= 0) _exit(0);
    text[n] = 0;
    asleep = strrchr(text, ')')[2] == 'S' ? asleep + 1 : 0;
  }
}

/* Signals of a child, each of which finds the parent waiting again. */
static pid_t pester(int sig, int times) {
  pid_t parent = getpid(), pid;
  fflush(stdout);
  if ((pid = fork()) != 0) return pid;
  for (int i = 0; i < times; i++) {
    until_asleep(parent);
    kill(parent, sig);
  }
  _exit(0);
}

#define REPORT(name, call) do { \
    for (int restart = 0; restart < 2; restart++) { \
      struct sigaction action_ = {.sa_handler = handler, .sa_flags = restart ? SA_RESTART : 0}; \
      sigaction(SIGUSR1, &action_, 0); \
      handled = 0; \
      BEFORE; \
      pid_t child_ = pester(SIGUSR1, restart ? 3 : 1); \
      errno = 0; \
      long result_ = (long)(call); \
      int error_ = errno, count_ = handled; \
      while (waitpid(child_, 0, 0) < 0 && errno == EINTR) ; \
      printf("%s%s: %ld %s%s\n", name, restart ? " restarting" : "", result_, result_ < 0 ? strerrorname_np(error_) : "-", restart || count_ ? "" : ", not handled"); \
      AFTER; \
    } } while (0)

#define BEFORE
#define AFTER

static void files(void) {
  int p[2];
#undef BEFORE
#define BEFORE pipe(p); waker = p[1]
#undef AFTER
#define AFTER close(p[0]); close(p[1]); waker = -1
  REPORT("read pipe", read(p[0], buffer, 10));
  struct iovec v = {buffer, 10};
  REPORT("readv pipe", readv(p[0], &v, 1));
  REPORT("splice", ({ int q[2]; pipe(q); long r = splice(p[0], 0, q[1], 0, 10, 0); int e = errno; close(q[0]); close(q[1]); errno = e; r; }));
  struct pollfd pf = {0, POLLIN};
  REPORT("poll", (pf.fd = p[0], poll(&pf, 1, 20000)));
  REPORT("ppoll", ({ struct timespec t = {20, 0}; pf.fd = p[0]; ppoll(&pf, 1, &t, 0); }));
  REPORT("select", ({ struct timeval t = {20, 0}; fd_set s; FD_ZERO(&s); FD_SET(p[0], &s); select(p[0] + 1, &s, 0, 0, &t); }));
  REPORT("pselect", ({ struct timespec t = {20, 0}; fd_set s; FD_ZERO(&s); FD_SET(p[0], &s); pselect(p[0] + 1, &s, 0, 0, &t, 0); }));
  REPORT("epoll_wait", ({ struct epoll_event e = {EPOLLIN}, got; int ep = epoll_create(1); epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &e); long r = epoll_wait(ep, &got, 1, 20000); int s = errno; close(ep); errno = s; r; }));
#undef BEFORE
#define BEFORE pipe(p); fcntl(p[1], F_SETFL, O_NONBLOCK); while (write(p[1], buffer, 4096) > 0) ; fcntl(p[1], F_SETFL, 0)
#undef AFTER
#define AFTER close(p[0]); close(p[1])
  /* A full pipe; the restarting one is emptied by a child. */
  REPORT("write pipe", ({ pid_t c = 0; if (restart && !(c = fork())) { struct timespec t = {0, 200000000}; nanosleep(&t, 0); fcntl(p[0], F_SETFL, O_NONBLOCK); while (read(p[0], buffer, 4096) > 0) ; _exit(0); } long r = write(p[1], buffer, 4096); int e = errno; if (c) { int st; while (waitpid(c, &st, 0) < 0) ; } errno = e; r; }));
  REPORT("write more than fits", ({ for (int i = 0; i < 2; i++) read(p[0], buffer, 4096); write(p[1], buffer, 20000); }));
#undef BEFORE
#define BEFORE
#undef AFTER
#define AFTER
  REPORT("eventfd", ({ int e = eventfd(0, 0); if (restart) { pid_t c = fork(); if (!c) { struct timespec t = {0, 200000000}; unsigned long long one = 1; nanosleep(&t, 0); write(e, &one, 8); _exit(0); } } long r = read(e, buffer, 8); int s = errno; close(e); errno = s; r; }));
  REPORT("timerfd", ({ int t = timerfd_create(CLOCK_MONOTONIC, 0); struct itimerspec when = {{0}, {restart ? 1 : 20, 0}}; timerfd_settime(t, 0, &when, 0); long r = read(t, buffer, 8); int s = errno; close(t); errno = s; r; }));
  REPORT("inotify", ({ int n = inotify_init(); inotify_add_watch(n, ".", IN_CREATE); if (restart) { pid_t c = fork(); if (!c) { struct timespec t = {0, 200000000}; nanosleep(&t, 0); close(creat("file", 0600)); _exit(0); } } long r = read(n, buffer, 4096) > 0; if (!r) r = -1; int s = errno; close(n); unlink("file"); errno = s; r; }));
  REPORT("open fifo", ({ mkfifo("fifo", 0600); if (restart) { pid_t c = fork(); if (!c) { struct timespec t = {0, 200000000}; nanosleep(&t, 0); open("fifo", O_WRONLY); _exit(0); } } long r = open("fifo", O_RDONLY); int s = errno; if (r >= 0) close(r), r = 0; unlink("fifo"); errno = s; r; }));
  int file = open("lock", O_RDWR | O_CREAT, 0600);
#define LOCKED(how, let) ({ pid_t c = fork(); if (!c) { int other = open("lock", O_RDWR); how; struct timespec t = {restart ? 0 : 20, 250000000}; write(fds[1], "l", 1); nanosleep(&t, 0); _exit(0); } read(fds[0], buffer, 1); long r = let; int s = errno, st; kill(c, SIGKILL); while (waitpid(c, &st, 0) < 0) ; errno = s; r; })
  pipe(fds);
  struct flock lock = {F_WRLCK, SEEK_SET, 0, 0};
  REPORT("flock", LOCKED(flock(other, LOCK_EX), flock(file, LOCK_EX)));
  flock(file, LOCK_UN);
  REPORT("fcntl SETLKW", LOCKED(fcntl(other, F_SETLKW, &lock), fcntl(file, F_SETLKW, &lock)));
  lock.l_type = F_UNLCK;
  fcntl(file, F_SETLK, &lock);
  lock.l_type = F_WRLCK;
  REPORT("fcntl OFD_SETLKW", LOCKED(fcntl(other, F_OFD_SETLKW, &lock), fcntl(file, F_OFD_SETLKW, &lock)));
  int master, slave;
  openpty(&master, &slave, 0, 0, 0);
  waker = master;
#undef AFTER
#define AFTER
  struct termios raw;
  tcgetattr(slave, &raw);
  cfmakeraw(&raw);
  tcsetattr(slave, TCSANOW, &raw);
  REPORT("read tty", read(slave, buffer, 10));
  raw.c_cc[VMIN] = 5;
  raw.c_cc[VTIME] = 20;
  tcsetattr(slave, TCSANOW, &raw);
  REPORT("read tty for a time", (write(master, "ab", 2), read(slave, buffer, 10)));
}

static void sockets(void) {
  int s[2];
#undef BEFORE
#define BEFORE socketpair(AF_UNIX, SOCK_STREAM, 0, s); waker = s[1]
#undef AFTER
#define AFTER close(s[0]); close(s[1]); waker = -1
  REPORT("recv", recv(s[0], buffer, 10, 0));
  REPORT("recvfrom", recvfrom(s[0], buffer, 10, 0, 0, 0));
  struct iovec v = {buffer, 10};
  struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};
  REPORT("recvmsg", recvmsg(s[0], &m, 0));
  struct mmsghdr mm = {{.msg_iov = &v, .msg_iovlen = 1}};
  REPORT("recvmmsg", recvmmsg(s[0], &mm, 1, 0, 0));
  REPORT("recv all", ({ write(s[1], "abc", 3); recv(s[0], buffer, 4, MSG_WAITALL); }));
  struct timeval late = {20, 0};
  REPORT("recv with a time limit", (setsockopt(s[0], SOL_SOCKET, SO_RCVTIMEO, &late, sizeof late), recv(s[0], buffer, 10, 0)));
#undef BEFORE
#define BEFORE socketpair(AF_UNIX, SOCK_STREAM, 0, s); while (send(s[0], buffer, 4096, MSG_DONTWAIT) > 0) ; setsockopt(s[0], SOL_SOCKET, SO_SNDTIMEO, &late, sizeof late)
  REPORT("send with a time limit", send(s[0], buffer, 4096, 0));
#undef BEFORE
#define BEFORE socketpair(AF_UNIX, SOCK_STREAM, 0, s); while (send(s[0], buffer, 4096, MSG_DONTWAIT) > 0) ;
#define DRAINED(let) ({ pid_t c = 0; if (restart && !(c = fork())) { struct timespec t = {0, 200000000}; nanosleep(&t, 0); for (int i = 0; i < 300; i++) recv(s[1], buffer, 4096, MSG_DONTWAIT); _exit(0); } long r = let; int e = errno, st; if (c) while (waitpid(c, &st, 0) < 0) ; errno = e; r; })
  REPORT("send", DRAINED(send(s[0], buffer, 4096, 0)));
  v.iov_len = 4096;
  REPORT("sendmsg", DRAINED(sendmsg(s[0], &m, 0)));
#undef BEFORE
#define BEFORE
#undef AFTER
#define AFTER
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t n = sizeof a;
  int listener = socket(AF_INET, SOCK_STREAM, 0);
  bind(listener, (void *)&a, n);
  listen(listener, 1);
  getsockname(listener, (void *)&a, &n);
#define CONNECTED(let) ({ if (restart) { pid_t c = fork(); if (!c) { struct timespec t = {0, 200000000}; nanosleep(&t, 0); int o = socket(AF_INET, SOCK_STREAM, 0); connect(o, (void *)&a, n); _exit(0); } } long r = let; if (r > 0) close(r), r = 0; r; })
  REPORT("accept", CONNECTED(accept(listener, 0, 0)));
  REPORT("accept4", CONNECTED(accept4(listener, 0, 0, SOCK_CLOEXEC)));
  struct sockaddr_un u = {AF_UNIX, "socket"};
  unlink("socket");
  int queue = socket(AF_UNIX, SOCK_STREAM, 0), filler = socket(AF_UNIX, SOCK_STREAM, 0);
  bind(queue, (void *)&u, sizeof u);
  listen(queue, 0);
  connect(filler, (void *)&u, sizeof u);
  REPORT("connect", ({ int o = socket(AF_UNIX, SOCK_STREAM, 0); if (restart) { pid_t c = fork(); if (!c) { struct timespec t = {0, 200000000}; nanosleep(&t, 0); accept(queue, 0, 0); _exit(0); } } connect(o, (void *)&u, sizeof u); }));
}

static void times(void) {
#define LEFT(t) ((t).tv_sec < 20 && (t).tv_sec + (t).tv_nsec > 0 ? "some left" : "none left")
  struct timespec left;
  REPORT("nanosleep", ({ struct timespec t = {20, 0}; left = (struct timespec){0}; long r = nanosleep(&t, &left); int e = errno; printf("%s ", LEFT(left)); errno = e; r; }));
  REPORT("clock_nanosleep", ({ struct timespec t = {20, 0}; left = (struct timespec){0}; long r = clock_nanosleep(CLOCK_MONOTONIC, 0, &t, &left); printf("%s ", LEFT(left)); r; }));
  REPORT("clock_nanosleep until", ({ struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); t.tv_sec += 20; left = (struct timespec){0}; clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, &left); }));
  REPORT("pause", pause());
  sigset_t none, two;
  sigemptyset(&none);
  sigemptyset(&two);
  sigaddset(&two, SIGUSR2);
  REPORT("sigsuspend", sigsuspend(&none));
  struct timespec t = {20, 0};
  REPORT("sigtimedwait", sigtimedwait(&two, 0, &t));
  REPORT("sigwaitinfo", ({ sigset_t old; sigprocmask(SIG_BLOCK, &two, &old); if (restart) kill(getpid(), SIGUSR2); long r = sigwaitinfo(&two, 0); int e = errno; sigprocmask(SIG_SETMASK, &old, 0); errno = e; r; }));
  REPORT("signalfd", ({ sigset_t old; sigprocmask(SIG_BLOCK, &two, &old); int f = signalfd(-1, &two, 0); if (restart) { pid_t p = getpid(), c = fork(); if (!c) { struct timespec w = {0, 200000000}; nanosleep(&w, 0); kill(p, SIGUSR2); _exit(0); } } long r = read(f, buffer, 128); int e = errno; close(f); sigprocmask(SIG_SETMASK, &old, 0); errno = e; r; }));
  int word = 7;
  REPORT("futex", ({ struct timespec w = {20, 0}; syscall(SYS_futex, &word, FUTEX_WAIT, 7, &w, 0, 0); }));
  REPORT("futex until", ({ struct timespec w; clock_gettime(CLOCK_MONOTONIC, &w); w.tv_sec += 20; syscall(SYS_futex, &word, FUTEX_WAIT_BITSET, 7, &w, 0, -1); }));
#define CHILD_OF(let) ({ pid_t c = fork(); if (!c) { struct timespec w = {restart ? 0 : 20, 250000000}; nanosleep(&w, 0); _exit(3); } long r = let; int e = errno, st; if (r == c) r = 0; kill(c, SIGKILL); while (waitpid(c, &st, 0) < 0 && errno == EINTR) ; errno = e; r; })
  siginfo_t info;
  REPORT("waitpid", CHILD_OF(waitpid(c, 0, 0)));
  REPORT("wait4", CHILD_OF(wait4(c, 0, 0, 0)));
  REPORT("waitid", CHILD_OF(waitid(P_PID, c, &info, WEXITED)));
}

static void queues(void) {
  int id = msgget(IPC_PRIVATE, 0600), sem = semget(IPC_PRIVATE, 1, 0600);
  struct { long type; char text[8000]; } m = {1};
  struct sembuf down = {0, -1, 0};
  struct timespec t = {20, 0};
  REPORT("msgrcv", ({ if (restart) { pid_t c = fork(); if (!c) { struct timespec w = {0, 200000000}; nanosleep(&w, 0); msgsnd(id, &m, 5, 0); _exit(0); } } msgrcv(id, &m, 8000, 0, 0); }));
  while (msgrcv(id, &m, 8000, 0, IPC_NOWAIT) >= 0) ;
  m.type = 1;
  while (msgsnd(id, &m, 8000, IPC_NOWAIT) == 0) ;
  REPORT("msgsnd", msgsnd(id, &m, 8000, 0));
  REPORT("semop", semop(sem, &down, 1));
  REPORT("semtimedop", semtimedop(sem, &down, 1, &t));
  msgctl(id, IPC_RMID, 0);
  semctl(sem, 0, IPC_RMID);
  struct mq_attr attr = {.mq_maxmsg = 1, .mq_msgsize = 8};
  mq_unlink("/wemu-interrupted");
  mqd_t q = mq_open("/wemu-interrupted", O_RDWR | O_CREAT, 0600, &attr);
  if (q == (mqd_t)-1) { printf("mq_open: %s\n", strerrorname_np(errno)); return; }
#define SOON ({ struct timespec w; clock_gettime(CLOCK_REALTIME, &w); if (!restart) w.tv_sec += 20; w.tv_nsec += 300000000; if (w.tv_nsec >= 1000000000) w.tv_sec++, w.tv_nsec -= 1000000000; w; })
  REPORT("mq_receive", ({ if (restart) { pid_t c = fork(); if (!c) { struct timespec w = {0, 200000000}; nanosleep(&w, 0); mq_send(q, "m", 1, 0); _exit(0); } } mq_receive(q, buffer, 8, 0); }));
  REPORT("mq_timedreceive", ({ struct timespec w = SOON; mq_timedreceive(q, buffer, 8, 0, &w); }));
  mq_send(q, "m", 1, 0);
  REPORT("mq_send", ({ if (restart) { pid_t c = fork(); if (!c) { struct timespec w = {0, 200000000}; nanosleep(&w, 0); mq_receive(q, buffer, 8, 0); _exit(0); } } mq_send(q, "n", 1, 0); }));
  REPORT("mq_timedsend", ({ struct timespec w = SOON; mq_timedsend(q, "n", 1, 0, &w); }));
  mq_unlink("/wemu-interrupted");
}

/* Signals that run no handler (ignored, stop and continue) must not be seen by what waits, but where the kernel says so. */
static void silent(void) {
  int p[2];
  struct sigaction ignore = {.sa_handler = SIG_IGN};
  pipe(p);
  struct pollfd pf = {p[0], POLLIN};
  struct epoll_event e = {EPOLLIN};
  int ep = epoll_create(1), word = 7;
  epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &e);
#define SILENT(name, sig1, sig2, call) do { pid_t parent = getpid(), c; fflush(stdout); if (!(c = fork())) { struct timespec w = {0, 60000000}; until_asleep(parent); kill(parent, sig1); nanosleep(&w, 0); if (sig2) kill(parent, sig2); nanosleep(&w, 0); write(p[1], "x", 1); _exit(0); } \
    errno = 0; long r = call; int e_ = errno; while (waitpid(c, 0, 0) < 0) ; printf("%s: %ld %s\n", name, r, r < 0 ? strerrorname_np(e_) : "-"); fcntl(p[0], F_SETFL, O_NONBLOCK); read(p[0], buffer, 100); fcntl(p[0], F_SETFL, 0); } while (0)
  for (int way = 0; way < 2; way++) {
    int one = way ? SIGSTOP : SIGUSR2, two = way ? SIGCONT : SIGWINCH;
    sigaction(SIGUSR2, &ignore, 0);
    printf("%s\n", way ? "stopped and continued" : "ignored");
    struct timespec t = {0, 400000000}, late = {way ? 20 : 1, 0};
    SILENT("read", one, two, read(p[0], buffer, 10));
    SILENT("poll", one, two, poll(&pf, 1, 20000));
    SILENT("epoll_wait", one, two, epoll_wait(ep, &e, 1, 20000));
    SILENT("nanosleep", one, two, nanosleep(&t, 0));
    SILENT("futex", one, two, ({ struct timespec w = {0, 400000000}; syscall(SYS_futex, &word, FUTEX_WAIT, 7, &w, 0, 0); }));
    sigset_t usr1;
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    SILENT("sigtimedwait", one, two, sigtimedwait(&usr1, 0, &late));
    SILENT("select", one, two, ({ struct timeval w = {20, 0}; fd_set s; FD_ZERO(&s); FD_SET(p[0], &s); select(p[0] + 1, &s, 0, 0, &w); }));
  }
}

int main(int argc, char **argv) {
  const char *part = argv[1];
  struct sigaction children = {.sa_handler = SIG_DFL};
  sigaction(SIGCHLD, &children, 0);
  if (!strcmp(part, "files")) files();
  else if (!strcmp(part, "sockets")) sockets();
  else if (!strcmp(part, "times")) times();
  else if (!strcmp(part, "queues")) queues();
  else if (!strcmp(part, "silent")) silent();
  return 0;
}
