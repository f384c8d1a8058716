/*
 * Files beyond 2 GB, which a program has to ask for with O_LARGEFILE, positions near 2^63, and descriptor numbers beyond all
 * limits. The host of an emulator has none of these limits of 32-bit programs: each has to be kept by hand.
 */
#define _GNU_SOURCE
#include "show.h"
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* The C library's own open always asks for large files or checks by itself. */
static int open_small(const char *name, int flags) { return SYS(SYS_open, name, flags, 0600); }
static long long size_of(const char *name) {
  struct stat64 st;
  return stat64(name, &st) < 0 ? -1 : st.st_size;
}
static long pread_at(int fd, void *to, unsigned n, long long at) {
  return SYS(SYS_pread64, fd, to, n, (unsigned)at, (unsigned)(at >> 32));
}
static long pwrite_at(int fd, const void *from, unsigned n, long long at) {
  return SYS(SYS_pwrite64, fd, from, n, (unsigned)at, (unsigned)(at >> 32));
}
static void seek_to(int fd, long long at, int whence) {
  long long result = -7;
  int r = SYS(SYS__llseek, fd, (unsigned)(at >> 32), (unsigned)at, &result, whence);
  show("seek", r);
  printf("  at %lld\n", result);
}
#define SHOW_SIZE(name) printf("%s has %lld bytes\n", name, size_of(name))

int main(void) {
  static char bytes[4096];
  struct iovec v[2] = {{bytes, 10}, {bytes, 100}};
  struct timeval none = {0, 0};
  const long long edge = 0x7fffffff, end = 0x7fffffffffffffffLL;
  int fd, large, n;
  long page;

  large = open_small("big", O_RDWR | O_CREAT | O_LARGEFILE);
  show("ftruncate64 3 GB", ftruncate64(large, 3LL << 30) < 0 ? -errno : 0);
  show("open without O_LARGEFILE", open_small("big", O_RDONLY));
  show("to empty it", open_small("big", O_RDWR | O_TRUNC));
  show("to make it anew", open_small("big", O_RDWR | O_CREAT | O_EXCL));
  show("creat", SYS(SYS_creat, "big", 0600));
  SHOW_SIZE("big");
  show("O_PATH", open_small("big", O_PATH) >= 0);

  ftruncate64(large, edge - 20);
  fd = open_small("big", O_RDWR);
  show("open below the edge", fd >= 0);
  seek_to(fd, 0, SEEK_END);
  show("write 4", SYS(SYS_write, fd, bytes, 4));
  show("writev across", SYS(SYS_writev, fd, v, 2));
  show("write at the edge", SYS(SYS_write, fd, bytes, 1));
  show("writev at the edge", SYS(SYS_writev, fd, v, 2));
  show("write nothing", SYS(SYS_write, fd, bytes, 0));
  show("write from nowhere at the edge", SYS(SYS_write, fd, (void *)8, 10));
  SHOW_SIZE("big");
  show("pwrite across", pwrite_at(fd, bytes, 100, edge - 7));
  show("pwrite beyond", pwrite_at(fd, bytes, 100, edge));
  show("pwrite far beyond", pwrite_at(fd, bytes, 100, end - 5000));
  show("pwrite below 0", pwrite_at(fd, bytes, 100, -5));
  show("pwritev across", SYS(SYS_pwritev, fd, v, 2, (unsigned)(edge - 13), 0));
  show("pwritev beyond", SYS(SYS_pwritev, fd, v, 2, (unsigned)edge, 0));
  show("a duplicate", SYS(SYS_write, dup(fd), bytes, 1));
  show("the large one", pwrite_at(large, bytes, 100, edge + 50));
  show("read beyond", pread_at(fd, bytes, 100, edge + 60));
  SHOW_SIZE("big");
  ftruncate64(large, edge - 3);
  fd = open_small("big", O_WRONLY | O_APPEND);
  show("append", SYS(SYS_write, fd, bytes, 10));
  show("append more", SYS(SYS_write, fd, bytes, 10));
  ftruncate64(large, 0);
  fd = open_small("big", O_RDONLY);
  seek_to(fd, edge + 5, SEEK_SET);
  show("write to what is only read", SYS(SYS_write, fd, bytes, 1));
  fd = open_small("/dev/null", O_WRONLY);
  show("a device", pwrite_at(fd, bytes, 10, edge + 5));

  fd = SYS(SYS_memfd_create, "memory", 0);
  ftruncate64(fd, 1000);
  for (n = -4; n <= 1; n++) {
    show("read near 2^63", pread_at(fd, bytes, 3, (long long)((unsigned long long)end + n)));
    show("write near 2^63", pwrite_at(fd, bytes, 3, (long long)((unsigned long long)end + n)));
  }
  show("read at 2^62", pread_at(fd, bytes, 3, (1LL << 62) + 1));
  seek_to(fd, (1LL << 62) + 12345, SEEK_SET);
  seek_to(fd, 1, SEEK_CUR);
  seek_to(fd, -12346, SEEK_CUR);
  seek_to(fd, end, SEEK_SET);
  seek_to(fd, 1, SEEK_CUR);
  show("no negative size", ftruncate64(fd, (long long)(1ULL << 63)) < 0 ? -errno : 0);
  show("fallocate", SYS(SYS_fallocate, fd, 0, (unsigned)end, (unsigned)(end >> 32), 1, 0));

  page = (long)mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  munmap((void *)(page + 4096), 4096);
  for (n = 1024; n > 0; n = n < 0x40000000 ? n * 4 : n == 0x7fffffff ? -1 : 0x7fffffff) {
    /* Sets are looked at as far as descriptors can go: no further than a fd_set reaches. */
    memset((void *)(page + 4096 - 128), 0, 128);
    ((unsigned char *)page)[4096 - 128] = 1;
    dup2(large, 0);
    printf("%d: ", n);
    show("select", SYS(SYS__newselect, n, (void *)(page + 4096 - 128), 0, 0, &none));
    printf("  set %d\n", ((unsigned char *)page)[4096 - 128]);
  }
  show("select of less than none", SYS(SYS__newselect, -1, 0, 0, 0, &none));
  return 0;
}
