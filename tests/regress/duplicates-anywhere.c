/* dup2 and dup3 to every number there may be, and what works afterwards. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static int own(int fd) {
  char text[32] = "";
  return pread(fd, text, sizeof text - 1, 0) == 6 && !strcmp(text, "mine.\n");
}

int main(int argc, char **argv) {
  setvbuf(stdout, malloc(1 << 14), _IOFBF, 1 << 14);
  if (argc > 1) {
    printf("executed, %d\n", own(atoi(argv[1])));
    return 0;
  }
  struct rlimit l;
  getrlimit(RLIMIT_NOFILE, &l);
  l.rlim_cur = l.rlim_max < 4096 ? l.rlim_max : 4096;
  setrlimit(RLIMIT_NOFILE, &l);
  int file = open("file", O_RDWR | O_CREAT, 0600), failed = 0, wrong = 0;
  if (write(file, "mine.\n", 6) != 6) return 1;
  for (int fd = 3; fd < 1024; fd++) {
    if (fd == file) continue;
    if ((fd % 2 ? dup2(file, fd) : dup3(file, fd, 0)) != fd) failed++;
  }
  for (int fd = 3; fd < 1024; fd++) wrong += !own(fd);
  printf("%d failed, %d are another file\n", failed, wrong);
  printf("%d\n", dup2(2000, 1010) < 0 ? errno : 0);
  fflush(stdout);
  /* Children, other programs, files of processes and timers still work. */
  int s;
  if (fork() == 0) {
    close(1000);
    _exit(own(1001) && !own(1000) ? 5 : 6);
  }
  wait(&s);
  printf("child %d\n", WEXITSTATUS(s));
  char line[64] = "";
  FILE *status = fopen("/proc/self/status", "r");
  if (!status || !fgets(line, sizeof line, status)) return 2;
  fclose(status);
  printf("%s", line);
  for (int fd = 3; fd < 1024; fd++) wrong += !own(fd);
  printf("%d are another file\n", wrong);
  fflush(stdout);
  if (vfork() == 0) {
    execl(argv[0], argv[0], "1011", (char *)0);
    _exit(1);
  }
  wait(&s);
  for (int fd = 3; fd < 1024; fd++) if (fd != file) close(fd);
  execl(argv[0], argv[0], "3", (char *)0);
  return 1;
}
