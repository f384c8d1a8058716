/* /proc/self/mem: the program's memory by its own addresses, read and written as a debugger does. */
#include "../programs/syscalls/show.h"
#include <sys/mman.h>

static const char constant[8192] = "constant";
static char variable[16] = "variable";
static int at(const void *p, int fd) { return lseek64(fd, (unsigned)p, SEEK_SET) == (unsigned)p; }
#define AT(p) ((off64_t)(unsigned)(p))
/** A function that is changed while it is there: it returns a number. */
static unsigned char *code;
static int call(void) { return ((int (*)(void))code)(); }

int main(void) {
  char got[16] = "";
  int fd = open("/proc/self/mem", O_RDWR | O_LARGEFILE), reads = open("/proc/self/mem", O_RDONLY | O_LARGEFILE), writes = open("/proc/self/mem", O_WRONLY | O_LARGEFILE);
  L(pread64(fd, got, 9, AT(variable)));
  puts(got);
  L(pwrite64(fd, "VARI", 4, AT(variable)));
  puts(variable);
  L(pwrite64(fd, "CONST", 5, AT(constant)));
  puts(constant);
  L(at(variable, fd));
  L(read(fd, got, 4));
  L(write(fd, "ABLE", 4));
  puts(variable);
  printf("%d\n", (int)(lseek64(fd, 0, SEEK_CUR) - AT(variable)));
  L(pread64(fd, got, 4, 0));
  L(pwrite64(fd, got, 4, 0x1000));
  L(pread64(fd, got, 0, 0));
  L(pread64(fd, got, 4, -1));
  L(pread64(fd, got, 4, 0x100000000ll));
  L(pread64(writes, got, 4, AT(variable)));
  L(pwrite64(reads, got, 4, AT(variable)));
  L(pread64(reads, BAD, 4, AT(variable)));
  L(pwrite64(writes, BAD, 4, AT(variable)));
  int copy = dup(fd);
  L(pread64(copy, got, 8, AT(constant)));
  puts(got);
  L(lseek64(fd, 0, SEEK_END));
  /* Memory without access, shared memory, and what ends in the middle. */
  char *pages = mmap(0, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  memset(pages, 'p', 3 * 4096);
  mprotect(pages, 4096, PROT_NONE);
  munmap(pages + 8192, 4096);
  L(pread64(fd, got, 4, AT(pages)));
  L(pwrite64(fd, "x", 1, AT(pages)));
  static char many[3 * 4096];
  L(pread64(fd, many, 3 * 4096, AT(pages)));
  L(pwrite64(fd, many, 3 * 4096, AT(pages)));
  L(mprotect(pages, 4096, PROT_READ));
  printf("%c%c\n", pages[0], pages[1]);
  char *common = mmap(0, 4096, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  L(pread64(fd, got, 4, AT(common)));
  L(pwrite64(fd, "x", 1, AT(common)));
  /* Code that has run, in memory that cannot be written. */
#ifdef __i386__
  static const unsigned char RETURNS[] = {0xb8, 1, 0, 0, 0, 0xc3};
  code = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  memcpy(code, RETURNS, sizeof RETURNS);
  mprotect(code, 4096, PROT_READ | PROT_EXEC);
  int sum = 0;
  for (int k = 0; k < 20000; k++) sum += call();
  unsigned char next = 2;
  L(pwrite64(fd, &next, 1, AT(code + 1)));
  for (int k = 0; k < 20000; k++) sum += call();
  printf("%d\n", sum);
#endif
  close(fd);
  L(open("/dev/zero", O_RDONLY) == fd);
  L(pread64(fd, got, 4, AT(variable)));
  printf("%d\n", got[0]);
  return 0;
}
