// Each call that waits, interrupted by a handler with and without SA_RESTART, and by SIGSTOP and SIGCONT without any handler.
#include "../syscalls/show.h"
#include "asleep.h"
#include <arpa/inet.h>
#include <linux/futex.h>
#include <mqueue.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <termios.h>
#include <time.h>
#include <sys/un.h>

/** What both processes see: handlers that ran, whether the call has returned, a futex word. */
static volatile struct { int handled, done, word; } *shared;
static char big[1 << 20];

static void on_signal(int n) { shared->handled++; }

static void wait_state(pid_t pid, char wanted) {
  unsigned long ignored;
  while (state(pid, &ignored) != wanted) usleep(1000);
}

enum { PLAIN, RESTART, STOPPED };
static const char *const WAYS[] = {"handler", "SA_RESTART", "stopped"};

typedef struct {
  const char *name;
  /** Makes what the call needs. */
  void (*prepare)(void);
  /** The call that waits: its result or -errno. */
  long (*wait)(void);
  /** Lets it end, in another process. */
  void (*release)(void);
} test;

static int fd[2], other[2];
static pid_t waiter;
/** How the call that is made is disturbed. */
static int disturbed;

/** Calls that go on are disturbed twice: the first time the process may have slept for another reason, before the call. */
static void helper(const test *t, int way) {
  for (int times = 0; (way == PLAIN || times < 2) && asleep(waiter, &shared->done); times++) {
    int before = shared->handled;
    if (way == STOPPED) {
      kill(waiter, SIGSTOP);
      wait_state(waiter, 'T');
      kill(waiter, SIGCONT);
    } else {
      kill(waiter, SIGUSR1);
      while (shared->handled == before) usleep(500);
    }
  }
  if (asleep(waiter, &shared->done)) t->release();
}

static void run(const test *t) {
  for (int way = PLAIN; way <= STOPPED; way++) {
    shared->handled = shared->done = shared->word = 0;
    struct sigaction a = {.sa_handler = on_signal, .sa_flags = way == RESTART ? SA_RESTART : 0};
    sigaction(SIGUSR1, &a, 0);
    fflush(stdout);
    /* The call is made by a process of its own: nothing is left behind. */
    pid_t pid = fork();
    if (pid == 0) {
      waiter = getpid();
      disturbed = way;
      t->prepare();
      pid_t child = fork();
      if (child == 0) {
        helper(t, way);
        _exit(0);
      }
      long result = t->wait();
      shared->done = 1;
      printf("%s, %s: ", t->name, WAYS[way]);
      if (result < 0) printf("%s", strerrorname_np(-result));
      else printf("%ld", result);
      printf("%s\n", (shared->handled > 0) == (way != STOPPED) ? "" : ", handler wrong");
      fflush(stdout);
      kill(child, SIGKILL);
      _exit(0);
    }
    int status;
    while (waitpid(pid, &status, 0) < 0);
    if (status) printf("%s, %s: ended with %x\n", t->name, WAYS[way], status);
  }
}

#define OR_ERROR(call) ({ long r_ = (long)(call); r_ == -1 ? -errno : r_; })
#define WAIT(name, ...) static long name(void) { __VA_ARGS__ }
#define DO(name, ...) static void name(void) { __VA_ARGS__ }

static char byte;
DO(make_nothing, )
DO(make_pipe, if (pipe(fd)) abort();)
DO(make_full_pipe, if (pipe(fd)) abort(); fcntl(fd[0], F_SETPIPE_SZ, 4096); if (write(fd[1], big, 4096) != 4096) abort();)
DO(make_small_pipe, if (pipe(fd)) abort(); fcntl(fd[0], F_SETPIPE_SZ, 4096);)
DO(write_pipe, if (write(fd[1], "abc", 3) != 3) abort();)
DO(drain_pipe, if (read(fd[0], big, 4096) < 0) abort();)
DO(drain_pipe_all, for (int n = 0; n < 10000;) { int r = read(fd[0], big, 4096); if (r <= 0) abort(); n += r; })
WAIT(wait_read, return OR_ERROR(read(fd[0], big, 10));)
WAIT(wait_write, return OR_ERROR(write(fd[1], big, 100));)
WAIT(wait_write_much, return OR_ERROR(write(fd[1], big, 10000));)
WAIT(wait_splice, return OR_ERROR(splice(fd[0], 0, open("spliced", O_WRONLY | O_CREAT, 0600), 0, 10, 0));)

DO(make_stream, if (socketpair(AF_UNIX, SOCK_STREAM, 0, fd)) abort();)
DO(make_timed, struct timeval t; make_stream(); t.tv_sec = 100; t.tv_usec = 0; setsockopt(fd[0], SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t);
   setsockopt(fd[1], SOL_SOCKET, SO_SNDTIMEO, &t, sizeof t);)
static void fill(int s) { while (send(s, big, 1000, MSG_DONTWAIT) > 0); }
DO(make_full_stream, make_stream(); fill(fd[1]);)
DO(make_full_timed, make_timed(); fill(fd[1]);)
DO(send_byte, if (send(fd[1], "x", 1, 0) != 1) abort();)
DO(drain_socket, shutdown(fd[0], SHUT_RD); while (recv(fd[0], big, sizeof big, MSG_DONTWAIT) > 0);)
DO(receive_some, while (recv(fd[0], big, sizeof big, 0) > 0 && !shared->done);)
WAIT(wait_recv, return OR_ERROR(recv(fd[0], big, 10, 0));)
WAIT(wait_recvfrom, struct sockaddr_un a; socklen_t n = sizeof a; return OR_ERROR(recvfrom(fd[0], big, 10, 0, (void *)&a, &n));)
WAIT(wait_recvmsg, struct iovec v; struct msghdr m; memset(&m, 0, sizeof m); v.iov_base = big; v.iov_len = 9; m.msg_iov = &v; m.msg_iovlen = 1;
     return OR_ERROR(recvmsg(fd[0], &m, 0));)
WAIT(wait_recvmmsg, struct iovec v; struct mmsghdr m; memset(&m, 0, sizeof m); v.iov_base = big; v.iov_len = 9; m.msg_hdr.msg_iov = &v;
     m.msg_hdr.msg_iovlen = 1; return OR_ERROR(recvmmsg(fd[0], &m, 1, 0, 0));)
WAIT(wait_recv_all, if (write(fd[1], "12345", 5) != 5) abort(); return OR_ERROR(recv(fd[0], big, 6, MSG_WAITALL));)
WAIT(wait_send, return OR_ERROR(send(fd[1], big, 1000, 0));)
WAIT(wait_sendmsg, struct iovec v; struct msghdr m; memset(&m, 0, sizeof m); v.iov_base = big; v.iov_len = 1000; m.msg_iov = &v; m.msg_iovlen = 1;
     return OR_ERROR(sendmsg(fd[1], &m, 0));)
static struct sockaddr_in at;
DO(make_listener, socklen_t n = sizeof at; fd[0] = socket(AF_INET, SOCK_STREAM, 0); at.sin_family = AF_INET;
   at.sin_addr.s_addr = htonl(INADDR_LOOPBACK); if (bind(fd[0], (void *)&at, n) || listen(fd[0], 1)) abort(); getsockname(fd[0], (void *)&at, &n);)
DO(connect_it, connect(socket(AF_INET, SOCK_STREAM, 0), (void *)&at, sizeof at);)
WAIT(wait_accept, return accept(fd[0], 0, 0) >= 0 ? 1 : -errno;)
WAIT(wait_accept4, return accept4(fd[0], 0, 0, SOCK_NONBLOCK) >= 0 ? 1 : -errno;)
/* A connection to a UNIX socket waits while the queue is full. */
static struct sockaddr_un un = {AF_UNIX, "listener"};
DO(make_full_listener, unlink("listener"); fd[0] = socket(AF_UNIX, SOCK_STREAM, 0); if (bind(fd[0], (void *)&un, sizeof un) || listen(fd[0], 0)) abort();
   connect(socket(AF_UNIX, SOCK_STREAM, 0), (void *)&un, sizeof un);)
DO(accept_one, accept(fd[0], 0, 0);)
WAIT(wait_connect, return OR_ERROR(connect(socket(AF_UNIX, SOCK_STREAM, 0), (void *)&un, sizeof un));)

static struct pollfd pf;
WAIT(wait_poll, pf.fd = fd[0]; pf.events = POLLIN; return OR_ERROR(poll(&pf, 1, 100000));)
WAIT(wait_poll_forever, pf.fd = fd[0]; pf.events = POLLIN; return OR_ERROR(poll(&pf, 1, -1));)
static int left(long long seconds) { return seconds >= 50 && seconds <= 100; }
WAIT(wait_ppoll, int t[2]; t[0] = 100; t[1] = 0; pf.fd = fd[0]; pf.events = POLLIN; long r = SYS(SYS_ppoll, &pf, 1, t, 0, 8);
     printf("(%d left) ", left(t[0])); return r;)
WAIT(wait_ppoll64, long long t[2]; t[0] = 100; t[1] = 0; pf.fd = fd[0]; pf.events = POLLIN; long r = SYS(SYS_ppoll_time64, &pf, 1, t, 0, 8);
     printf("(%d left) ", left(t[0])); return r;)
static unsigned set[32];
#define IN_SET set[fd[0] / 32] |= 1u << fd[0] % 32
WAIT(wait_select, int t[2]; t[0] = 100; t[1] = 0; IN_SET; long r = SYS(SYS__newselect, fd[0] + 1, set, 0, 0, t);
     printf("(%d left %x) ", left(t[0]), set[0]); return r;)
WAIT(wait_select_forever, IN_SET; long r = SYS(SYS__newselect, fd[0] + 1, set, 0, 0, 0); printf("(%x) ", set[0]); return r;)
WAIT(wait_pselect, int t[2]; t[0] = 100; t[1] = 0; IN_SET; long r = SYS(SYS_pselect6, fd[0] + 1, set, 0, 0, t, 0);
     printf("(%d left %x) ", left(t[0]), set[0]); return r;)
WAIT(wait_pselect64, long long t[2]; t[0] = 100; t[1] = 0; IN_SET; long r = SYS(SYS_pselect6_time64, fd[0] + 1, set, 0, 0, t, 0);
     printf("(%d left %x) ", left(t[0]), set[0]); return r;)
static struct epoll_event event;
DO(make_epoll, make_pipe(); event.events = EPOLLIN; other[0] = epoll_create1(0); epoll_ctl(other[0], EPOLL_CTL_ADD, fd[0], &event);)
WAIT(wait_epoll, return OR_ERROR(epoll_wait(other[0], &event, 1, -1));)
WAIT(wait_epoll_pwait, sigset_t none; sigemptyset(&none); return OR_ERROR(epoll_pwait(other[0], &event, 1, 100000, &none));)
WAIT(wait_epoll_pwait2, long long t[2]; t[0] = 100; t[1] = 0; return SYS(SYS_epoll_pwait2, other[0], &event, 1, t, 0, 8);)

/* These end by themselves where no handler ends them: nobody can let them end. */
static int duration(void) { return disturbed == STOPPED ? 1 : 1000; }
static long long remaining(struct timespec *t) { return t->tv_sec * 1000000000ll + t->tv_nsec; }
WAIT(wait_nanosleep, struct timespec t; struct timespec rest; t.tv_sec = duration(); t.tv_nsec = 0; rest.tv_sec = rest.tv_nsec = 77777; int a = SYS(SYS_nanosleep, &t, &rest);
     if (a) printf("(%d) ", rest.tv_nsec != 77777 && remaining(&rest) < duration() * 1000000000ll); return a;)
WAIT(wait_clock_nanosleep, int t[2]; int rest[2]; t[0] = duration(); t[1] = 0; rest[0] = rest[1] = 77777; int a = SYS(SYS_clock_nanosleep, CLOCK_REALTIME, 0, t, rest);
     if (a) printf("(%d) ", rest[1] != 77777 && rest[0] < duration()); return a;)
WAIT(wait_clock_nanosleep64, long long t[2]; long long rest[2]; t[0] = duration(); t[1] = 0; rest[0] = rest[1] = 77777;
     int a = SYS(SYS_clock_nanosleep_time64, CLOCK_MONOTONIC, 0, t, rest); if (a) printf("(%d) ", rest[1] != 77777 && rest[0] < duration()); return a;)
WAIT(wait_clock_nanosleep_abs, struct timespec t; int rest[2]; rest[0] = rest[1] = 77; clock_gettime(CLOCK_MONOTONIC, &t);
     t.tv_sec += duration();
     long long t64[2]; t64[0] = t.tv_sec; t64[1] = t.tv_nsec;
     int a = SYS(SYS_clock_nanosleep_time64, CLOCK_MONOTONIC, TIMER_ABSTIME, t64, rest); printf("(%d %d) ", rest[0], rest[1]); return a;)
WAIT(wait_pause, return OR_ERROR(pause());)
WAIT(wait_sigsuspend, sigset_t none; sigemptyset(&none); return OR_ERROR(sigsuspend(&none));)
static siginfo_t got;
WAIT(wait_sigtimedwait, sigset_t s; struct timespec t; t.tv_sec = 100; t.tv_nsec = 0; sigemptyset(&s); sigaddset(&s, SIGUSR2); sigprocmask(SIG_BLOCK, &s, 0);
     return OR_ERROR(sigtimedwait(&s, &got, &t));)
WAIT(wait_sigwaitinfo, sigset_t s; sigemptyset(&s); sigaddset(&s, SIGUSR2); sigprocmask(SIG_BLOCK, &s, 0); return OR_ERROR(sigwaitinfo(&s, &got));)
DO(send_usr2, kill(waiter, SIGUSR2);)
DO(end_pause, kill(waiter, SIGALRM);)
DO(make_pause, struct sigaction a; memset(&a, 0, sizeof a); a.sa_handler = on_signal; sigaction(SIGALRM, &a, 0);)

/* A child that waits until a byte comes, and is waited for. */
static pid_t child;
DO(make_child, make_pipe(); child = fork(); if (child == 0) { if (read(fd[0], &byte, 1)) _exit(7); _exit(0); })
WAIT(wait_wait4, int s; s = 0; long r = OR_ERROR(wait4(child, &s, 0, 0)); printf("(%x) ", s); kill(child, SIGKILL); return r > 0 ? 1 : r;)
#ifndef WITHOUT_OLD_CALLS
WAIT(wait_waitpid_all, int s; s = 0; long r = SYS(SYS_waitpid, child, &s, 0); printf("(%x) ", s); kill(child, SIGKILL); return r > 0 ? 1 : r;)
#endif
WAIT(wait_waitid, memset(&got, 0, sizeof got); long r = OR_ERROR(waitid(P_PID, child, &got, WEXITED)); printf("(%d %d) ", got.si_code, got.si_status);
     kill(child, SIGKILL); return r;)

WAIT(wait_futex, int t[2]; t[0] = 100; t[1] = 0; return SYS(SYS_futex, &shared->word, FUTEX_WAIT, 0, t, 0, 0);)
WAIT(wait_futex_forever, return SYS(SYS_futex, &shared->word, FUTEX_WAIT, 0, 0, 0, 0);)
WAIT(wait_futex_bitset, return SYS(SYS_futex, &shared->word, FUTEX_WAIT_BITSET, 0, 0, 0, 1);)
WAIT(wait_futex64, long long t[2]; t[0] = 100; t[1] = 0; return SYS(SYS_futex_time64, &shared->word, FUTEX_WAIT, 0, t, 0, 0);)
DO(wake_futex, SYS(SYS_futex, &shared->word, FUTEX_WAKE, 10, 0, 0, 0);)

static int queue;
static struct { long type; char text[64]; } message = {1, "hello"};
DO(make_queue, queue = msgget(IPC_PRIVATE, 0600);)
DO(make_full_queue, make_queue(); while (!msgsnd(queue, &message, 64, IPC_NOWAIT));)
DO(send_message, msgsnd(queue, &message, 5, 0);)
DO(receive_message, msgrcv(queue, &message, 64, 0, 0); if (!shared->done) msgrcv(queue, &message, 64, 0, IPC_NOWAIT);)
WAIT(wait_msgrcv, long r = OR_ERROR(msgrcv(queue, &message, 64, 0, 0)); msgctl(queue, IPC_RMID, 0); return r;)
WAIT(wait_msgsnd, long r = OR_ERROR(msgsnd(queue, &message, 64, 0)); msgctl(queue, IPC_RMID, 0); return r;)
static struct sembuf down = {0, -1, 0}, up = {0, 1, 0};
DO(make_semaphore, queue = semget(IPC_PRIVATE, 1, 0600);)
DO(raise_semaphore, semop(queue, &up, 1);)
WAIT(wait_semop, long r = OR_ERROR(semop(queue, &down, 1)); semctl(queue, 0, IPC_RMID); return r;)
WAIT(wait_semtimedop, struct timespec t; t.tv_sec = 100; t.tv_nsec = 0; long r = OR_ERROR(semtimedop(queue, &down, 1, &t)); semctl(queue, 0, IPC_RMID); return r;)
static mqd_t mq;
DO(make_mq, struct mq_attr a; char name[40]; memset(&a, 0, sizeof a); a.mq_maxmsg = 1; a.mq_msgsize = 8; sprintf(name, "/wemu-interrupted-%d", getpid());
   mq = mq_open(name, O_RDWR | O_CREAT, 0600, &a); mq_unlink(name); if (mq < 0) abort();)
DO(make_full_mq, make_mq(); mq_send(mq, "12", 2, 0);)
DO(mq_put, mq_send(mq, "abc", 3, 1);)
DO(mq_take, mq_receive(mq, big, 8, 0);)
static struct timespec far = {0x7fffff00, 0};
WAIT(wait_mq_receive, return OR_ERROR(mq_receive(mq, big, 8, 0));)
WAIT(wait_mq_timedreceive, return OR_ERROR(mq_timedreceive(mq, big, 8, 0, &far));)
WAIT(wait_mq_timedsend, return OR_ERROR(mq_timedsend(mq, "xy", 2, 0, &far));)

/* A child holds the lock until a byte comes. */
static void hold(int way) {
  if (pipe(fd) || pipe(other)) abort();
  unlink("locked");
  int f = open("locked", O_RDWR | O_CREAT, 0600);
  if (fork() == 0) {
    struct flock l = {.l_type = F_WRLCK};
    close(fd[1]);
    f = open("locked", O_RDWR);
    if (way == 0 ? flock(f, LOCK_EX) : fcntl(f, way == 1 ? F_SETLK : F_OFD_SETLK, &l)) abort();
    if (write(other[1], "r", 1) != 1 || read(fd[0], &byte, 1) < 0) abort();
    _exit(0);
  }
  if (read(other[0], &byte, 1) != 1) abort();
}
DO(make_flock, hold(0);)
DO(make_record, hold(1);)
DO(make_ofd, hold(2);)
WAIT(wait_flock, return OR_ERROR(flock(open("locked", O_RDWR), LOCK_EX));)
WAIT(wait_setlkw, struct flock l; memset(&l, 0, sizeof l); l.l_type = F_WRLCK; return SYS(SYS_fcntl, open("locked", O_RDWR), 7, &l);)
WAIT(wait_setlkw64, struct flock64 l; memset(&l, 0, sizeof l); l.l_type = F_WRLCK; return SYS(SYS_fcntl64, open("locked", O_RDWR), 14, &l);)
WAIT(wait_ofd_setlkw, struct flock64 l; memset(&l, 0, sizeof l); l.l_type = F_WRLCK; return SYS(SYS_fcntl64, open("locked", O_RDWR), F_OFD_SETLKW, &l);)
WAIT(wait_lockf, return OR_ERROR(lockf(open("locked", O_RDWR), F_LOCK, 10));)

DO(make_fifo, unlink("fifo"); if (mkfifo("fifo", 0600)) abort();)
WAIT(wait_open_read, return open("fifo", O_RDONLY) >= 0 ? 1 : -errno;)
WAIT(wait_open_write, return open("fifo", O_WRONLY) >= 0 ? 1 : -errno;)
DO(open_both, open("fifo", O_RDWR); while (!shared->done) usleep(1000);)
DO(make_tty, struct termios t; fd[1] = posix_openpt(O_RDWR | O_NOCTTY); grantpt(fd[1]); unlockpt(fd[1]); fd[0] = open(ptsname(fd[1]), O_RDWR | O_NOCTTY);
   tcgetattr(fd[0], &t); t.c_lflag &= ~ECHO; tcsetattr(fd[0], TCSANOW, &t);)
DO(type_line, if (write(fd[1], "line\n", 5) != 5) abort();)
DO(make_event, fd[0] = eventfd(0, 0);)
DO(add_event, unsigned long long one; one = 1; if (write(fd[0], &one, 8) != 8) abort();)
DO(make_timer, struct itimerspec t; memset(&t, 0, sizeof t); t.it_value.tv_sec = 100; fd[0] = timerfd_create(CLOCK_MONOTONIC, 0); timerfd_settime(fd[0], 0, &t, 0);)
DO(set_timer, struct itimerspec t; memset(&t, 0, sizeof t); t.it_value.tv_nsec = 1; timerfd_settime(fd[0], 0, &t, 0);)
DO(make_inotify, fd[0] = inotify_init1(0); inotify_add_watch(fd[0], ".", IN_CREATE | IN_DELETE);)
DO(make_file, close(open("made", O_RDWR | O_CREAT, 0600)); unlink("made");)
WAIT(wait_read_block, long r = OR_ERROR(read(fd[0], big, 4096)); return r > 0 ? 1 : r;)

static const test TESTS[] = {
  {"read of a pipe", make_pipe, wait_read, write_pipe},
  {"write to a pipe", make_full_pipe, wait_write, drain_pipe},
  {"long write to a pipe", make_small_pipe, wait_write_much, drain_pipe_all},
  {"splice", make_pipe, wait_splice, write_pipe},
  {"read of a terminal", make_tty, wait_read, type_line},
  {"read of an eventfd", make_event, wait_read, add_event},
  {"read of a timerfd", make_timer, wait_read, set_timer},
  {"read of inotify", make_inotify, wait_read_block, make_file},
  {"read of a socket", make_stream, wait_read, send_byte},
  {"recv", make_stream, wait_recv, send_byte},
  {"recvfrom", make_stream, wait_recvfrom, send_byte},
  {"recvmsg", make_stream, wait_recvmsg, send_byte},
  {"recvmmsg", make_stream, wait_recvmmsg, send_byte},
  {"recv of all", make_stream, wait_recv_all, send_byte},
  {"recv with a time", make_timed, wait_recv, send_byte},
  {"send", make_full_stream, wait_send, receive_some},
  {"sendmsg", make_full_stream, wait_sendmsg, receive_some},
  {"send with a time", make_full_timed, wait_send, receive_some},
  {"accept", make_listener, wait_accept, connect_it},
  {"accept4", make_listener, wait_accept4, connect_it},
  {"connect", make_full_listener, wait_connect, accept_one},
  {"poll", make_pipe, wait_poll, write_pipe},
  {"poll forever", make_pipe, wait_poll_forever, write_pipe},
  {"ppoll", make_pipe, wait_ppoll, write_pipe},
  {"ppoll_time64", make_pipe, wait_ppoll64, write_pipe},
  {"select", make_pipe, wait_select, write_pipe},
  {"select forever", make_pipe, wait_select_forever, write_pipe},
  {"pselect6", make_pipe, wait_pselect, write_pipe},
  {"pselect6_time64", make_pipe, wait_pselect64, write_pipe},
  {"epoll_wait", make_epoll, wait_epoll, write_pipe},
  {"epoll_pwait", make_epoll, wait_epoll_pwait, write_pipe},
  {"epoll_pwait2", make_epoll, wait_epoll_pwait2, write_pipe},
  {"nanosleep", make_nothing, wait_nanosleep, make_nothing},
  {"clock_nanosleep", make_nothing, wait_clock_nanosleep, make_nothing},
  {"clock_nanosleep_time64", make_nothing, wait_clock_nanosleep64, make_nothing},
  {"clock_nanosleep to a time", make_nothing, wait_clock_nanosleep_abs, make_nothing},
  {"pause", make_pause, wait_pause, end_pause},
  {"sigsuspend", make_pause, wait_sigsuspend, end_pause},
  {"sigtimedwait", make_nothing, wait_sigtimedwait, send_usr2},
  {"sigwaitinfo", make_nothing, wait_sigwaitinfo, send_usr2},
  {"wait4", make_child, wait_wait4, write_pipe},
#ifndef WITHOUT_OLD_CALLS
  {"waitpid", make_child, wait_waitpid_all, write_pipe},
#endif
  {"waitid", make_child, wait_waitid, write_pipe},
  {"futex", make_nothing, wait_futex, wake_futex},
  {"futex forever", make_nothing, wait_futex_forever, wake_futex},
  {"futex with bits", make_nothing, wait_futex_bitset, wake_futex},
  {"futex_time64", make_nothing, wait_futex64, wake_futex},
  {"msgrcv", make_queue, wait_msgrcv, send_message},
  {"msgsnd", make_full_queue, wait_msgsnd, receive_message},
  {"semop", make_semaphore, wait_semop, raise_semaphore},
  {"semtimedop", make_semaphore, wait_semtimedop, raise_semaphore},
  {"mq_receive", make_mq, wait_mq_receive, mq_put},
  {"mq_timedreceive", make_mq, wait_mq_timedreceive, mq_put},
  {"mq_timedsend", make_full_mq, wait_mq_timedsend, mq_take},
  {"flock", make_flock, wait_flock, write_pipe},
  {"F_SETLKW", make_record, wait_setlkw, write_pipe},
  {"F_SETLKW64", make_record, wait_setlkw64, write_pipe},
  {"F_OFD_SETLKW", make_ofd, wait_ofd_setlkw, write_pipe},
  {"lockf", make_record, wait_lockf, write_pipe},
  {"open of a FIFO to read", make_fifo, wait_open_read, open_both},
  {"open of a FIFO to write", make_fifo, wait_open_write, open_both},
};

int main(int argc, char **argv) {
  shared = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  for (unsigned k = 0; k < sizeof TESTS / sizeof *TESTS; k++)
    if (argc < 2 || strstr(TESTS[k].name, argv[1])) run(TESTS + k);
  return 0;
}
