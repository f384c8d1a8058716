/* Locks held by processes that end: exit, exec, death by a signal; the next owner is told, and woken where it waits. */
#define _GNU_SOURCE
#include "show.h"
#include <linux/futex.h>
#include <pthread.h>
#include <sys/mman.h>

struct shared {
  pthread_mutex_t lock[6];
  volatile int step;
  unsigned other, words[4];
} *s;

static void child(int how, char *self) {
  fflush(stdout);
  if (fork() == 0) {
    int k;
    for (k = 0; k < 3; k++) pthread_mutex_lock(&s->lock[how + k]);
    pthread_mutex_unlock(&s->lock[how + 1]);
    s->step = 1;
    usleep(100000);
    if (how == 0) _exit(0);
    if (how == 1) kill(getpid(), SIGTERM);
    if (how == 2) execl("/proc/self/exe", self, "end", (char *)0);
    raise(SIGHUP);
  }
}

int main(int argc, char **argv) {
  pthread_mutexattr_t a;
  int how, k, status;
  if (argc > 1) return 0;
  s = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  pthread_mutexattr_init(&a);
  pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED);
  pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
  for (k = 0; k < 6; k++) pthread_mutex_init(&s->lock[k], &a);
  for (how = 0; how < 4; how++) {
    s->step = 0;
    child(how, argv[0]);
    while (!s->step) usleep(1000);
    /* The first is waited for, the others are found so. */
    for (k = 0; k < 3; k++) {
      int result = pthread_mutex_lock(&s->lock[how + k]);
      printf("%d: lock %d: %s\n", how, k, result ? strerrorname_np(result) : "0");
      if (result == EOWNERDEAD) pthread_mutex_consistent(&s->lock[how + k]);
      pthread_mutex_unlock(&s->lock[how + k]);
    }
    waitpid(-1, &status, 0);
  }

  /* A list made by hand: entries of others, a lock about to be taken, an address that is none, a circle. */
  if (fork() == 0) {
    static struct robust_list entries[5];
    static struct robust_list_head head;
    int self = getpid();
    head.list.next = &entries[0];
    entries[0].next = &entries[1];
    entries[1].next = &entries[2];
    entries[2].next = &entries[0];
    head.futex_offset = (char *)&s->words[0] - (char *)&entries[0];
    head.list_op_pending = (struct robust_list *)((char *)entries + 8);
    s->words[0] = self | FUTEX_WAITERS;
    s->words[1] = 1;
    s->words[2] = self;
    s->words[3] = self;
    C(SYS_set_robust_list, &head, 12);
    C(SYS_set_robust_list, &head, 11);
    fflush(stdout);
    _exit(0);
  }
  wait(0);
  for (k = 0; k < 4; k++) printf("%08x ", s->words[k] & ~FUTEX_TID_MASK);
  printf("\n");
  return 0;
}
