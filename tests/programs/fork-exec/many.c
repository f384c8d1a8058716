/*
 * many EXECS LIVING MILLISECONDS: executes itself in that many children one after the other, then keeps up to eight
 * children at a time that compute for so long, LIVING in all. Says how many ended as they should, and whether any descriptor
 * or child is left over.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int descriptors(void) {
  DIR *directory = opendir("/proc/self/fd");
  int count = 0;
  while (directory && readdir(directory)) count++;
  if (directory) closedir(directory);
  return count;
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec * 1e-9;
}

/* Bitwise CRC of a counter: work that is worth compiling. */
static unsigned compute(unsigned x) {
  for (int n = 0; n < 100000; n++) x = x & 1 ? (x >> 1) ^ 0xedb88320 : x >> 1;
  return x;
}

static int reap(int expected) {
  int status;
  return wait(&status) > 0 && WIFEXITED(status) && WEXITSTATUS(status) == expected;
}

int main(int argc, char **argv) {
  if (argc == 2) return 7;
  if (argc != 4) return 1;
  int execs = atoi(argv[1]), living = atoi(argv[2]), good = 0, before = descriptors(), alive = 0;
  double seconds = atoi(argv[3]) / 1000.0;
  for (int n = 0; n < execs; n++) {
    if (fork() == 0) {
      execl("/proc/self/exe", argv[0], "x", (char *)0);
      _exit(1);
    }
    good += reap(7);
  }
  printf("executed %d\n", good);
  fflush(stdout);
  good = 0;
  for (int n = 0; n < living; n++) {
    if (fork() == 0) {
      double end = now() + seconds;
      unsigned x = n + 1;
      while (now() < end) x = compute(x);
      _exit(x == 0 ? 8 : 9);
    }
    if (++alive == 8) {
      good += reap(9);
      alive--;
    }
  }
  for (; alive > 0; alive--) good += reap(9);
  printf("lived %d\n", good);
  printf("left over: descriptors %d, children %d\n", descriptors() - before, wait(0) >= 0 || errno != ECHILD);
  return 0;
}
