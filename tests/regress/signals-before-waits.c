/*
 * Waits only while a flag is not set that a handler sets, with the signal coming at about that moment. A timer that expires again
 * 300 ms later ends what would wait for ever; how often that was needed is printed for every call.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <mqueue.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/msg.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile int came;
static int ends[2], full[2], sockets[2], listener, full_listener, connecting, locked, epoll, queue, semaphores, posix_queue;
static sigset_t none, usr2;
static const struct timespec LONG = {1000, 0};
static pid_t child;

static void on_alarm(int signal) { (void)signal; came++; }

static long in_epoll(void) { struct epoll_event event; return epoll_wait(epoll, &event, 1, -1); }
static long in_poll(void) { struct pollfd fd = {ends[0], POLLIN, 0}; return poll(&fd, 1, -1); }
static long in_select(void) { fd_set set; FD_ZERO(&set); FD_SET(ends[0], &set); return select(ends[0] + 1, &set, 0, 0, 0); }
static long in_read(void) { char byte; return read(ends[0], &byte, 1); }
static long in_recv(void) { char byte; return recv(sockets[0], &byte, 1, 0); }
static long in_accept(void) { return accept(listener, 0, 0); }
static long in_wait(void) { return waitpid(child, 0, 0); }
static long in_waitid(void) { siginfo_t info; return waitid(P_PID, child, &info, WEXITED); }
static long in_futex(void) { static int word = 7; return syscall(SYS_futex, &word, FUTEX_WAIT, 7, 0, 0, 0); }
static long in_suspend(void) { return sigsuspend(&none); }
static long in_ppoll(void) { struct pollfd fd = {ends[0], POLLIN, 0}; return ppoll(&fd, 1, 0, &none); }
static long in_pselect(void) { fd_set set; FD_ZERO(&set); FD_SET(ends[0], &set); return pselect(ends[0] + 1, &set, 0, 0, 0, &none); }
static long in_epoll_pwait(void) { struct epoll_event event; return epoll_pwait(epoll, &event, 1, -1, &none); }
static long in_timedwait(void) { return sigtimedwait(&usr2, 0, &LONG); }
static long in_msgrcv(void) { char message[64]; return msgrcv(queue, message, 8, 0, 0); }
static long in_semop(void) { struct sembuf down = {0, -1, 0}; return semop(semaphores, &down, 1); }
static long in_mq_receive(void) { char message[64]; return syscall(SYS_mq_timedreceive, posix_queue, message, 64, 0, 0); }
static long in_fifo(void) { return open("fifo", O_RDONLY); }
static long in_fifo_to(void) { return open("fifo", O_WRONLY); }
static struct sockaddr_un to_full;
static socklen_t to_full_length = sizeof to_full;
static long in_connect(void) { return connect(connecting, (void *)&to_full, to_full_length); }
static long in_futex_waitv(void) {
  static int word = 7;
  struct { unsigned long long value, address; unsigned flags, reserved; } waiter = {7, (unsigned long)&word, 2, 0};
  return syscall(449, &waiter, 1, 0, 0, 0);
}
static long in_flock(void) { return flock(locked, LOCK_EX); }
static long in_setlkw(void) { struct flock lock = {F_WRLCK, SEEK_SET, 0, 1}; return fcntl(locked, F_SETLKW, &lock); }
static long in_write(void) { return write(full[1], "x", 1); }
static long in_splice(void) { return splice(ends[0], 0, full[1], 0, 1, 0); }
static long in_sleep(void) {
  struct timespec time = {1000, 0}, rest = {-1, -1};
  long result = nanosleep(&time, &rest);
  if (result == -1 && (rest.tv_sec < 500 || rest.tv_sec > 1000 || rest.tv_nsec < 0)) printf("left: %ld\n", (long)rest.tv_sec);
  return result;
}

static const struct { const char *name; long (*call)(void); } CALLS[] = {
  {"epoll_wait", in_epoll}, {"poll", in_poll}, {"select", in_select}, {"pause", (long (*)(void))pause}, {"read", in_read},
  {"recv", in_recv}, {"accept", in_accept}, {"waitpid", in_wait}, {"waitid", in_waitid}, {"futex", in_futex},
  {"nanosleep", in_sleep}, {"sigsuspend", in_suspend}, {"ppoll", in_ppoll}, {"pselect", in_pselect}, {"epoll_pwait", in_epoll_pwait},
  {"sigtimedwait", in_timedwait}, {"msgrcv", in_msgrcv}, {"semop", in_semop}, {"mq_receive", in_mq_receive},
  {"fifo", in_fifo}, {"fifo_to", in_fifo_to}, {"connect", in_connect}, {"futex_waitv", in_futex_waitv}, {"flock", in_flock},
  {"setlkw", in_setlkw}, {"write", in_write}, {"splice", in_splice},
};

int main(int argc, char **argv) {
  int rounds = argc > 1 ? atoi(argv[1]) : 500, k, n, ready[2];
  char byte;
  struct sigaction action = {.sa_handler = on_alarm};
  struct epoll_event event = {.events = EPOLLIN};
  const struct sockaddr anywhere = {.sa_family = AF_UNIX};
  const struct itimerval none = {{0, 0}, {0, 0}};
  struct { long flags, most, size, now, rest[4]; } attributes = {0, 1, 8};
  sigaction(SIGALRM, &action, 0);
  sigemptyset(&none);
  sigemptyset(&usr2);
  sigaddset(&usr2, SIGUSR2);
  queue = msgget(IPC_PRIVATE, 0600);
  semaphores = semget(IPC_PRIVATE, 1, 0600);
  posix_queue = syscall(SYS_mq_open, "wemu-signals-before-waits", 0102, 0600, &attributes);
  syscall(SYS_mq_unlink, "wemu-signals-before-waits");
  pipe(ends);
  socketpair(AF_UNIX, SOCK_STREAM, 0, sockets);
  listener = socket(AF_UNIX, SOCK_STREAM, 0);
  bind(listener, &anywhere, sizeof anywhere.sa_family);
  listen(listener, 1);
  full_listener = socket(AF_UNIX, SOCK_STREAM, 0);
  bind(full_listener, &anywhere, sizeof anywhere.sa_family);
  listen(full_listener, 0);
  epoll = epoll_create1(0);
  epoll_ctl(epoll, EPOLL_CTL_ADD, ends[0], &event);
  pipe(full);
  fcntl(full[1], F_SETFL, O_NONBLOCK);
  while (write(full[1], &to_full, 1) == 1);
  fcntl(full[1], F_SETFL, 0);
  mkfifo("fifo", 0600);
  /* One more than there is room for. */
  getsockname(full_listener, (void *)&to_full, &to_full_length);
  do {
    connecting = socket(AF_UNIX, SOCK_STREAM, 0);
    fcntl(connecting, F_SETFL, O_NONBLOCK);
  } while (connect(connecting, (void *)&to_full, to_full_length) == 0);
  fcntl(connecting, F_SETFL, 0);
  pipe(ready);
  child = fork();
  if (child == 0) {
    struct flock lock = {F_WRLCK, SEEK_SET, 0, 1};
    int file = open("locked", O_RDWR | O_CREAT, 0600);
    if (flock(file, LOCK_EX) || fcntl(file, F_SETLK, &lock)) abort();
    write(ready[1], "x", 1);
    for (;;) pause();
  }
  read(ready[0], &byte, 1);
  locked = open("locked", O_RDWR);
  srand(1);
  for (k = 0; k < (int)(sizeof CALLS / sizeof *CALLS); k++) {
    int late = 0, other = 0, waited = 0;
    for (n = 0; n < rounds; n++) {
      const struct itimerval soon = {{0, 300000}, {0, 1 + rand() % 40}};
      volatile int spin = rand() % 2000;
      came = 0;
      setitimer(ITIMER_REAL, &soon, 0);
      while (spin > 0) spin--;
      if (came == 0) {
        waited++;
        if (CALLS[k].call() != -1 || errno != EINTR) other++;
        if (came > 1) late++;
      }
      setitimer(ITIMER_REAL, &none, 0);
    }
    printf("%s: %d late of %d, %d not EINTR\n", CALLS[k].name, late, waited, other);
  }
  kill(child, SIGKILL);
  msgctl(queue, IPC_RMID, 0);
  semctl(semaphores, 0, IPC_RMID);
  return 0;
}
