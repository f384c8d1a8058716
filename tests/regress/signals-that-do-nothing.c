/*
 * Waits during which signals come that do nothing: ignored ones, those whose default is nothing, and a stop that ends. They were
 * blocked before and are not any more, or are blocked but for the wait. No call is to notice.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/msg.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int ends[2], epoll, queue, semaphores;
static sigset_t none, usr2;

static void nothing(int signal) { (void)signal; }

static long in_epoll(void) { struct epoll_event event; return epoll_wait(epoll, &event, 1, -1); }
static long in_poll(void) { struct pollfd fd = {ends[0], POLLIN, 0}; return poll(&fd, 1, -1); }
static long in_ppoll(void) { struct pollfd fd = {ends[0], POLLIN, 0}; return ppoll(&fd, 1, 0, &none); }
static long in_select(void) { fd_set set; FD_ZERO(&set); FD_SET(ends[0], &set); return select(ends[0] + 1, &set, 0, 0, 0); }
static long in_read(void) { char byte; return read(ends[0], &byte, 1); }
static long in_sleep(void) { struct timespec time = {0, 20000000}; return nanosleep(&time, 0); }
static long in_suspend(void) { return sigsuspend(&none); }
static long in_msgrcv(void) { char message[64]; return msgrcv(queue, message, 8, 0, 0); }
static long in_semop(void) { struct sembuf down = {0, -1, 0}; return semop(semaphores, &down, 1); }
static long in_timedwait(void) { struct timespec time = {1000, 0}; return sigtimedwait(&usr2, 0, &time); }

/* `masks`: the signal stays blocked but for the call. `stops`: the call does not notice that the process was stopped either. */
static const struct { const char *name; long (*call)(void); int masks, stops; } CALLS[] = {
  {"epoll_wait", in_epoll}, {"poll", in_poll, 0, 1}, {"ppoll", in_ppoll, 1, 1}, {"select", in_select, 0, 1}, {"read", in_read, 0, 1},
  {"nanosleep", in_sleep, 0, 1}, {"sigsuspend", in_suspend, 1, 1}, {"msgrcv", in_msgrcv, 0, 1}, {"semop", in_semop},
  {"sigtimedwait", in_timedwait},
};

int main(void) {
  static const int SIGNALS[] = {SIGCHLD, SIGWINCH, SIGURG, SIGHUP, SIGTSTP};
  const pid_t parent = getpid();
  struct epoll_event event = {.events = EPOLLIN};
  int s, k;
  sigemptyset(&none);
  sigemptyset(&usr2);
  sigaddset(&usr2, SIGUSR2);
  sigprocmask(SIG_BLOCK, &usr2, 0);
  signal(SIGHUP, SIG_IGN);
  signal(SIGUSR1, nothing);
  pipe(ends);
  epoll = epoll_create1(0);
  epoll_ctl(epoll, EPOLL_CTL_ADD, ends[0], &event);
  queue = msgget(IPC_PRIVATE, 0600);
  semaphores = semget(IPC_PRIVATE, 1, 0600);
  for (s = 0; s < 5; s++) for (k = 0; k < (int)(sizeof CALLS / sizeof *CALLS); k++) {
    long (*call)(void) = CALLS[k].call;
    sigset_t set, old;
    long result;
    pid_t child;
    int error;
    char byte;
    if (SIGNALS[s] == SIGTSTP && !CALLS[k].stops) continue;
    sigemptyset(&set);
    sigaddset(&set, SIGNALS[s]);
    if (call == in_suspend) sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, &old);
    if (!CALLS[k].masks) sigprocmask(SIG_SETMASK, &old, 0);
    child = fork();
    if (child == 0) {
      struct { long type; char text[8]; } message = {1, "x"};
      struct sembuf up = {0, 1, 0};
      signal(SIGTSTP, SIG_IGN);
      usleep(5000);
      kill(parent, SIGNALS[s]);
      usleep(5000);
      if (SIGNALS[s] == SIGTSTP) kill(parent, SIGCONT);
      usleep(2000);
      if (call == in_suspend) kill(parent, SIGUSR1);
      else if (call == in_timedwait) kill(parent, SIGUSR2);
      else if (call == in_msgrcv) msgsnd(queue, &message, 1, 0);
      else if (call == in_semop) semop(semaphores, &up, 1);
      else if (call != in_sleep) write(ends[1], "x", 1);
      _exit(0);
    }
    result = call();
    error = errno;
    printf("%s in %s: %ld %s\n", strsignal(SIGNALS[s]), CALLS[k].name, result, result < 0 ? strerror(error) : "");
    fflush(stdout);
    sigprocmask(SIG_SETMASK, &old, 0);
    waitpid(child, 0, 0);
    /* Where the call was interrupted all the same. */
    if (poll(&(struct pollfd){ends[0], POLLIN, 0}, 1, 0) == 1) read(ends[0], &byte, 1);
    sigtimedwait(&usr2, 0, &(struct timespec){0, 0});
  }
  msgctl(queue, IPC_RMID, 0);
  semctl(semaphores, 0, IPC_RMID);
  return 0;
}
