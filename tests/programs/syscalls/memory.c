// Memory calls: mremap, mincore, madvise, msync, locks, protections, and what a program sees of its mappings.
#include "show.h"
#include <sys/mman.h>

#define PAGE 4096

static char *at(int pages, int prot, int flags, int fd, int offset) {
  return (char *)SYS(SYS_mmap2, 0x60000000, pages * PAGE, prot, flags | MAP_FIXED, fd, offset);
}

int main(void) {
  int fd = open("f", O_RDWR | O_CREAT | O_TRUNC, 0644);
  for (int i = 0; i < 4; i++) {
    char page[PAGE];
    memset(page, 'a' + i, PAGE);
    if (write(fd, page, PAGE) != PAGE) return 1;
  }
  char *m = at(4, 3, MAP_SHARED, fd, 0);
  printf("%p %c %c\n", m, m[0], m[3 * PAGE]);
  m[PAGE] = 'X';
  C(SYS_msync, m, 4 * PAGE, MS_SYNC);
  C(SYS_msync, m, 4 * PAGE, MS_SYNC | MS_ASYNC);
  C(SYS_msync, m + 1, PAGE, MS_SYNC);
  C(SYS_msync, m, 16 * PAGE, MS_SYNC);
  char c = 0;
  C(SYS_pread64, fd, &c, 1, PAGE, 0);
  printf("  %c\n", c);
  unsigned char in[8] = {0};
  C(SYS_mincore, m, 4 * PAGE, in);
  C(SYS_mincore, m + 1, PAGE, in);
  C(SYS_mincore, m, 16 * PAGE, in);
  C(SYS_mincore, m, PAGE, BAD);
  printf("%lx\n", SYS(SYS_mremap, m, 4 * PAGE, 8 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, 0x61000000));
  m = (char *)0x61000000;
  printf("%c %c\n", m[0], m[3 * PAGE]);
  C(SYS_mincore, 0x60000000, PAGE, in);
  printf("%lx\n", SYS(SYS_mremap, m, 8 * PAGE, 2 * PAGE, 0));
  C(SYS_mincore, m + 2 * PAGE, PAGE, in);
  printf("%lx\n", SYS(SYS_mremap, m, 2 * PAGE, 3 * PAGE, 0));
  K(SYS_mmap2, m + 3 * PAGE, PAGE, 0, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  C(SYS_mremap, m, 3 * PAGE, 5 * PAGE, 0);
  K(SYS_mremap, m, 3 * PAGE, 5 * PAGE, MREMAP_MAYMOVE);
  C(SYS_mremap, 0x65000000, PAGE, 2 * PAGE, MREMAP_MAYMOVE);
  C(SYS_mremap, m + 1, PAGE, 2 * PAGE, MREMAP_MAYMOVE);
  C(SYS_mremap, m, PAGE, 0, MREMAP_MAYMOVE);
  C(SYS_mremap, m, PAGE, PAGE, 77);
  C(SYS_mremap, m, PAGE, PAGE, MREMAP_FIXED, 0x62000000);
  C(SYS_mremap, m, PAGE, 0xfffff000, MREMAP_MAYMOVE);
  C(SYS_mremap, m, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, 0xfffff000);
  char *a = at(4, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  memset(a, 7, 4 * PAGE);
  printf("%lx\n", SYS(SYS_mremap, a, 4 * PAGE, 4 * PAGE, MREMAP_MAYMOVE | MREMAP_DONTUNMAP | MREMAP_FIXED, 0x62000000));
  printf("%d %d\n", a[0], ((char *)0x62000000)[0]);
  C(SYS_mprotect, a + PAGE, PAGE, 0);
  C(SYS_mprotect, a + 1, PAGE, 1);
  C(SYS_mprotect, a, 16 * PAGE, 1);
  C(SYS_mprotect, a, PAGE, 0x77);
  C(SYS_mprotect, a, 0, 1);
  C(SYS_mprotect, a, 4 * PAGE, 3);
  memset(a, 9, 4 * PAGE);
  C(SYS_madvise, a, PAGE, MADV_DONTNEED);
  printf("  %d %d\n", a[0], a[PAGE]);
  C(SYS_madvise, a, 4 * PAGE, MADV_WILLNEED);
  C(SYS_madvise, a, 4 * PAGE, MADV_SEQUENTIAL);
  C(SYS_madvise, a, 4 * PAGE, 99);
  C(SYS_madvise, a + 1, PAGE, MADV_DONTNEED);
  C(SYS_madvise, a, 32 * PAGE, MADV_DONTNEED);
  C(SYS_madvise, a, PAGE, MADV_FREE);
  C(SYS_madvise, a, PAGE, MADV_DONTFORK);
  C(SYS_madvise, a, PAGE, MADV_DOFORK);
  C(SYS_madvise, a, PAGE, MADV_WIPEONFORK);
  a[0] = 5;
  CHILD(printf("  %d\n", a[0]));
  C(SYS_mlock, a, PAGE);
  C(SYS_mlock2, a, PAGE, 1);
  C(SYS_mlock2, a, PAGE, 9);
  C(SYS_munlock, a, PAGE);
  C(SYS_mlock, 0x65000000, PAGE);
  C(SYS_mlockall, 8);
  C(SYS_munlockall);
  C(SYS_munmap, a + 1, PAGE);
  C(SYS_munmap, a, 0);
  C(SYS_munmap, 0xfffff000, PAGE);
  C(SYS_munmap, a, 0x7fffffff);
  C(SYS_mmap2, 0, 0, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  C(SYS_mmap2, 0, PAGE, 3, MAP_ANONYMOUS, -1, 0);
  C(SYS_mmap2, 0, PAGE, 3, MAP_PRIVATE, 99, 0);
  C(SYS_mmap2, 0x60000001, PAGE, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  C(SYS_mmap2, 0xfffff000, PAGE, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  C(SYS_mmap2, 0, 0xfffff000, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  int ro = open("f", O_RDONLY), wo = open("f", O_WRONLY);
  C(SYS_mmap2, 0, PAGE, 3, MAP_SHARED, ro, 0);
  C(SYS_mmap2, 0, PAGE, 1, MAP_SHARED, wo, 0);
  K(SYS_mmap2, 0, PAGE, 3, MAP_PRIVATE, ro, 0);
  K(SYS_mmap2, 0x60000000, PAGE, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
  C(SYS_mmap2, 0x60000000, PAGE, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
  K(SYS_mmap2, 0, PAGE, 3, MAP_SHARED_VALIDATE | 0x8000000, fd, 0);
  struct { unsigned address, length; int prot, flags, fd; unsigned offset; } old = {0, PAGE, 3, MAP_PRIVATE, fd, 5};
  C(SYS_mmap, &old);
  old.offset = PAGE;
#ifndef WITHOUT_OLD_CALLS
  char *o = (char *)SYS(SYS_mmap, &old);
  printf("%c\n", o[1]);
#endif
  m = at(4, 3, MAP_SHARED, fd, 0);
  C(SYS_remap_file_pages, m, PAGE, 0, 3, 0);
  printf("  %c\n", m[0]);
  C(SYS_remap_file_pages, m, PAGE, 1, 3, 0);
  C(SYS_remap_file_pages, 0x68000000, PAGE, 0, 3, 0);
  int node = 9;
  unsigned mask = 0;
  struct { void *base; int length; } local = {&mask, 4}, remote = {&node, 4};
  C(SYS_process_vm_readv, getpid(), &local, 1, &remote, 1, 0);
  C(SYS_process_vm_writev, getpid(), &local, 1, &remote, 1, 0);
  C(SYS_process_vm_readv, getpid(), &local, 1, &remote, 1, 7);
  C(SYS_process_vm_readv, NO_PROCESS, &local, 1, &remote, 1, 0);
  remote.base = BAD;
  C(SYS_process_vm_readv, getpid(), &local, 1, &remote, 1, 0);
  return 0;
}
