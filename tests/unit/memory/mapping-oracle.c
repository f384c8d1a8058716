/* Carries out mapping calls read from standard input on the real kernel, as a 32-bit process, and prints the results. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <fcntl.h>
#include <errno.h>
#include <sys/syscall.h>

/* Lines: name and up to six numbers. Names: mmap2 munmap mprotect mremap brk maps. Descriptor 3 is a file (argv[1]),
   descriptor 4 the same file for reading only. The list of mappings leaves out what lies outside the two windows. */
int main(int argc, char **argv) {
  char line[256], name[32];
  unsigned long a[6];
  if (open(argv[1], O_RDWR) != 3 || open(argv[1], O_RDONLY) != 4) return 2;
  setvbuf(stdout, malloc(1 << 16), _IOFBF, 1 << 16);
  while (fgets(line, sizeof line, stdin)) {
    memset(a, 0, sizeof a);
    sscanf(line, "%31s %lx %lx %lx %lx %lx %lx", name, a, a + 1, a + 2, a + 3, a + 4, a + 5);
    long nr = !strcmp(name, "mmap2") ? SYS_mmap2 : !strcmp(name, "munmap") ? SYS_munmap : !strcmp(name, "mprotect") ? SYS_mprotect
      : !strcmp(name, "mremap") ? SYS_mremap : !strcmp(name, "brk") ? SYS_brk : !strcmp(name, "madvise") ? SYS_madvise : -1;
    if (nr >= 0) {
      long r = syscall(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
      printf("%lx\n", r == -1 ? (unsigned long)-errno : (unsigned long)r);
    } else {
      static char buffer[1 << 16];
      int fd = open("/proc/self/maps", O_RDONLY), n, length = 0;
      while ((n = read(fd, buffer + length, sizeof buffer - 1 - length)) > 0) length += n;
      buffer[length] = 0;
      close(fd);
      for (char *p = strtok(buffer, "\n"); p; p = strtok(0, "\n")) {
        unsigned long start, end, offset, inode; char perm[8];
        sscanf(p, "%lx-%lx %7s %lx %*s %lu", &start, &end, perm, &offset, &inode);
        if ((start >= a[0] && start < a[1]) || (start >= a[2] && start < a[3])) printf("%lx-%lx %s %lx %d\n", start, end, perm, inode ? offset : 0, inode != 0);
      }
      printf(".\n");
    }
  }
  fflush(stdout);
  return 0;
}
