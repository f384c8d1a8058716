/*
 * What a process finds out about itself: its descriptors, its one thread, and what execve looks at first. An emulator has
 * descriptors and threads that are nobody else's business.
 */
#define _GNU_SOURCE
#include "show.h"
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static void list(const char *name) {
  DIR *dir = opendir(name);
  struct dirent *entry;
  printf("%s:", name);
  while (dir && (entry = readdir(dir))) {
    /* The one number that differs from run to run. */
    int tid = atoi(entry->d_name);
    if (tid == getpid()) printf(" own");
    else printf(" %s", entry->d_name);
  }
  printf("\n");
  if (dir) closedir(dir);
}

/* The older calls, which libraries do not use any more, with little room. */
static void list_old(const char *name, unsigned room) {
  int fd = open(name, O_RDONLY | O_DIRECTORY), n, count = 0;
  static char buffer[4096];
  while ((n = SYS(SYS_getdents, fd, buffer, room)) > 0) {
    int at;
    for (at = 0; at < n; at += *(unsigned short *)(buffer + at + 8), count++) {
      if (strcmp(buffer + at + 10, "992") == 0) printf("992!\n");
    }
  }
  show(name, n);
  printf("  %d entries\n", count);
#if defined SYS_readdir && !defined WITHOUT_OLD_CALLS
  lseek(fd, 0, SEEK_SET);
  for (count = 0; (n = SYS(SYS_readdir, fd, buffer, 1)) > 0;) count++;
  show("old readdir", n);
  printf("  %d entries\n", count);
#endif
  close(fd);
}

static void probe(void) {
  char name[64], target[256];
  struct stat64 st;
  int fd, flags = 0, links = 0, stats = 0, opens = 0, dups = 0, files = 0, infos = 0, stated = 0, paths = 0;
  for (fd = 3; fd < 1030; fd++) {
    int other;
    flags += fcntl(fd, F_GETFD) >= 0;
    files += fcntl(fd, F_GETFL) >= 0;
    stated += fstat64(fd, &st) == 0;
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    links += readlink(name, target, sizeof target) >= 0;
    stats += stat64(name, &st) == 0;
    paths += lstat64(name, &st) == 0;
    if ((other = open(name, O_PATH)) >= 0) opens++, close(other);
    if ((other = dup(fd)) >= 0) dups++, close(other);
    snprintf(name, sizeof name, "/proc/%d/fdinfo/%d", getpid(), fd);
    infos += access(name, R_OK) == 0;
  }
  printf("open: flags %d %d stat %d links %d stats %d %d opens %d dups %d infos %d\n", flags, files, stated, links, stats,
         paths, opens, dups, infos);
}

static void exec(const char *what, const char *name, void *argv, void *envp) {
  show(what, SYS(SYS_execve, name, argv, envp));
}

int main(void) {
  char *none[] = {0}, *wild[] = {"x", (char *)8, 0};
  int fd;
  probe();
  list("/proc/self/fd");
  list("/proc/self/fdinfo");
  list("/proc/thread-self/fd");
  list("/proc/self/task");
  {
    char text[4096];
    int n, at;
    setenv("LATER", "is not seen", 1);
    fd = open("/proc/self/environ", O_RDONLY);
    n = read(fd, text, sizeof text);
    for (at = 0; at < n; at += strlen(text + at) + 1) printf("  %s\n", text + at);
    close(fd);
  }
  fd = open("/dev/null", O_RDWR);
  show("a higher number", SYS(SYS_dup2, fd, 700));
  probe();
  list("/proc/self/fd");
  list_old("/proc/self/fd", 4096);
  list_old("/proc/self/fd", 24);
  list_old("/proc/self/task", 4096);
  {
    int epoll = epoll_create1(0);
    struct epoll_event event = {EPOLLIN, {0}};
    for (fd = 980; fd < 1024; fd++) {
      if (SYS(SYS_epoll_ctl, epoll, EPOLL_CTL_ADD, fd, &event) == 0) printf("%d may be waited for\n", fd);
      if (SYS(SYS_lseek, fd, 0, SEEK_CUR) >= 0) printf("%d has a position\n", fd);
      if (SYS(SYS_fchdir, fd) == 0) printf("%d is a directory\n", fd);
    }
  }

  /* execve: the file is opened, then the vectors are looked at, then what is in the file. */
  close(open("plain", O_CREAT | O_WRONLY, 0600));
  fd = open("script", O_CREAT | O_WRONLY, 0700);
  write(fd, "#!/nowhere/at/all\n", 18);
  close(fd);
  fd = open("noise", O_CREAT | O_WRONLY, 0700);
  write(fd, "noise of no kind", 16);
  close(fd);
  exec("exec of a plain file", "plain", none, none);
  exec("exec of a plain file, bad argv", "plain", (void *)8, none);
  exec("exec of a plain file, bad string", "plain", wild, none);
  exec("exec of a plain file, bad envp", "plain", none, (void *)8);
  exec("exec of a directory, bad argv", ".", (void *)8, none);
  exec("exec of nothing, bad argv", "missing", (void *)8, none);
  exec("exec of no name, bad argv", "", (void *)8, none);
  exec("exec of a bad name", (char *)8, (void *)8, none);
  exec("exec of a script, bad argv", "script", (void *)8, none);
  exec("exec of a script, bad string", "script", wild, none);
  exec("exec of a script, bad string in envp", "script", none, wild);
  exec("exec of a script", "script", none, none);
  exec("exec of noise, bad argv", "noise", (void *)8, none);
  exec("exec of noise", "noise", none, none);
  probe();
  return 0;
}
