// fcntl in all its forms: flags, owners, leases, seals, pipe sizes, and record locks with 32- and 64-bit offsets.
#include "show.h"
#include <sys/file.h>
#include <sys/mman.h>

/** struct flock and struct flock64 as the kernel has them. */
struct lock32 { short type, whence; int start, length, pid; };
struct lock64 { short type, whence; long long start, length; int pid; } PACKED64;

static void show32(struct lock32 *l) { printf("  %d %d %d %d %d\n", l->type, l->whence, l->start, l->length, l->pid != 0); }
static void show64(struct lock64 *l) { printf("  %d %d %lld %lld %d\n", l->type, l->whence, l->start, l->length, l->pid == -1 ? -1 : l->pid != 0); }

int main(void) {
  int fd = open("f", O_RDWR | O_CREAT | O_TRUNC, 0644), ro = open("f", O_RDONLY);
  if (write(fd, "0123456789", 10) != 10) return 1;
  struct lock32 a = {F_WRLCK, SEEK_SET, 2, 3, 77};
  C(SYS_fcntl, fd, 6, &a);
  struct lock64 b = {F_RDLCK, SEEK_SET, 0x500000000, 10, 0};
  C(SYS_fcntl64, fd, 13, &b);
  C(SYS_fcntl, fd, 13, &b);
  struct lock64 negative = {F_RDLCK, SEEK_END, -3, -2, 0};
  C(SYS_fcntl64, fd, 13, &negative);
  struct lock64 before = {F_RDLCK, SEEK_SET, -3, 2, 0};
  C(SYS_fcntl64, fd, 13, &before);
  struct lock64 wide = {F_RDLCK, SEEK_SET, 0x7fffffffffffffff, 2, 0};
  C(SYS_fcntl64, fd, 13, &wide);
  C(SYS_fcntl64, ro, 6, &a);
  C(SYS_fcntl64, fd, 6, BAD);
  C(SYS_fcntl64, fd, 13, BAD);
  CHILD({
    struct lock32 c = {F_WRLCK, SEEK_SET, 0, 0, 0};
    C(SYS_fcntl, fd, 5, &c);
    show32(&c);
    c = (struct lock32){F_WRLCK, SEEK_SET, 0, 0, 0};
    C(SYS_fcntl64, fd, 6, &c);
    c = (struct lock32){F_WRLCK, SEEK_SET, 100, 0, 0};
    C(SYS_fcntl, fd, 5, &c);
    show32(&c);
    struct lock64 d = {F_WRLCK, SEEK_SET, 100, 0, 0};
    C(SYS_fcntl64, fd, 12, &d);
    show64(&d);
    d = (struct lock64){F_RDLCK, SEEK_SET, 0x500000000, 4, 0};
    C(SYS_fcntl64, fd, 12, &d);
    show64(&d);
    d = (struct lock64){F_WRLCK, SEEK_SET, 0, 1, 0};
    C(SYS_fcntl64, fd, 36, &d);
    show64(&d);
    C(SYS_fcntl64, fd, 37, &d);
    d.pid = 5;
    C(SYS_fcntl64, fd, 37, &d);
  });
  struct lock64 ofd = {F_WRLCK, SEEK_SET, 20, 5, 0};
  C(SYS_fcntl64, fd, 37, &ofd);
  int other = open("f", O_RDWR);
  ofd = (struct lock64){F_WRLCK, SEEK_SET, 20, 5, 0};
  C(SYS_fcntl64, other, 37, &ofd);
  C(SYS_fcntl64, other, 36, &ofd);
  show64(&ofd);
  C(SYS_flock, fd, LOCK_EX | LOCK_NB);
  C(SYS_flock, other, LOCK_SH | LOCK_NB);
  C(SYS_flock, fd, LOCK_UN);
  C(SYS_flock, fd, 99);

  C(SYS_fcntl64, fd, F_GETFL);
  C(SYS_fcntl64, fd, F_SETFL, O_APPEND | O_NONBLOCK | O_TRUNC);
  C(SYS_fcntl64, fd, F_GETFL);
  C(SYS_fcntl64, other, F_GETFL);
  C(SYS_fcntl64, SYS(SYS_open, "f", O_PATH), F_GETFL);
  C(SYS_fcntl64, SYS(SYS_open, "f", O_RDWR | 0x8000), F_GETFL);
  C(SYS_fcntl, fd, F_GETFD);
  C(SYS_fcntl, fd, F_SETFD, 3);
  C(SYS_fcntl, fd, F_GETFD);
  C(SYS_fcntl64, fd, F_DUPFD, 100);
  C(SYS_fcntl64, fd, F_DUPFD_CLOEXEC, 100);
  C(SYS_fcntl64, 101, F_GETFD);
  C(SYS_fcntl64, fd, F_DUPFD, -1);
  C(SYS_fcntl64, fd, F_DUPFD, 99999999);
  C(SYS_fcntl64, fd, 9999, 0);
  C(SYS_fcntl64, 999, F_GETFL);

  int p[2];
  if (pipe(p)) return 1;
  C(SYS_fcntl64, p[0], F_SETSIG, SIGUSR1);
  C(SYS_fcntl64, p[0], F_GETSIG);
  C(SYS_fcntl64, p[0], F_SETSIG, 99);
  struct { int type, pid; } owner = {F_OWNER_PID, 0};
  C(SYS_fcntl64, p[0], F_GETOWN_EX, &owner);
  printf("  %d %d\n", owner.type, owner.pid);
  owner.pid = getpid();
  C(SYS_fcntl64, p[0], F_SETOWN_EX, &owner);
  owner.pid = 0;
  C(SYS_fcntl64, p[0], F_GETOWN_EX, &owner);
  printf("  %d %d\n", owner.type, owner.pid == getpid());
  owner.type = 9;
  C(SYS_fcntl64, p[0], F_SETOWN_EX, &owner);
  C(SYS_fcntl64, p[0], F_SETOWN, -getpgrp());
  printf("%d\n", fcntl(p[0], F_GETOWN) == -getpgrp());
  unsigned ids[2] = {9, 9};
  C(SYS_fcntl64, p[0], 17, ids);
  C(SYS_fcntl64, p[0], F_SETPIPE_SZ, 8192);
  C(SYS_fcntl64, p[0], F_GETPIPE_SZ);
  C(SYS_fcntl64, p[0], F_SETPIPE_SZ, -1);
  C(SYS_fcntl64, fd, F_GETPIPE_SZ);
  C(SYS_fcntl64, fd, F_SETLEASE, F_WRLCK);
  C(SYS_fcntl64, ro, F_SETLEASE, F_RDLCK);
  C(SYS_fcntl64, ro, F_GETLEASE);
  C(SYS_fcntl64, fd, F_GETLEASE);
  int dir = open(".", O_RDONLY);
  C(SYS_fcntl64, dir, F_NOTIFY, DN_CREATE | DN_MULTISHOT);
  C(SYS_fcntl64, fd, F_NOTIFY, DN_CREATE);
  unsigned long long hint = 3;
  C(SYS_fcntl64, fd, F_SET_RW_HINT, &hint);
  hint = 0;
  C(SYS_fcntl64, fd, F_GET_RW_HINT, &hint);
  printf("  %llu\n", hint);
  int m = memfd_create("m", MFD_ALLOW_SEALING);
  C(SYS_fcntl64, m, F_GET_SEALS);
  C(SYS_fcntl64, m, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK);
  C(SYS_ftruncate64, m, 100, 0);
  C(SYS_fcntl64, m, F_GET_SEALS);
  C(SYS_fcntl64, m, F_ADD_SEALS, 0x100);
  C(SYS_fcntl64, fd, F_GET_SEALS);
  return 0;
}
