/* Exercises memory system calls as programs use them and prints only what must be the same on every machine. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static sigjmp_buf back;
static void jump(int sig) { siglongjmp(back, sig); }
#define FAULTS(statement) (sigsetjmp(back, 1) ? 1 : ((statement), 0))

static void say(const char *what, long result) {
  int error = errno;
  printf("%s: %ld%s%s\n", what, result < -1 ? 1 : result, result == -1 ? " " : "", result == -1 ? strerror(error) : "");
}

static char name[] = "/tmp/memory-calls-XXXXXX";

static int file_with(int pages) {
  strcpy(name, "/tmp/memory-calls-XXXXXX");
  int fd = mkstemp(name);
  unlink(name);
  char page[4096];
  for (int k = 0; k < pages; k++) {
    memset(page, 'a' + k, sizeof page);
    if (write(fd, page, sizeof page) != sizeof page) abort();
  }
  return fd;
}

static void files(void) {
  int fd = file_with(3);
  char *shared = mmap(0, 3 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  char *private = mmap(0, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
  char *second = mmap(0, 4096, PROT_READ, MAP_SHARED, fd, 4096);
  printf("contents %c%c%c %c\n", shared[0], shared[4096], shared[8192], second[0]);
  private[4096] = 'P';
  shared[4097] = 'S';
  char c[4] = "";
  say("pread", pread(fd, c, 2, 4096));
  printf("file %s second %c%c private %c%c\n", c, second[0], second[1], private[4096], private[4097]);
  say("pwrite", pwrite(fd, "ww", 2, 8192));
  printf("shared sees %c, private sees %c\n", shared[8192], private[8193]);
  say("msync", msync(shared, 3 * 4096, MS_SYNC));
  say("msync odd", msync(shared + 1, 4096, MS_SYNC));
  say("msync both", msync(shared, 4096, MS_SYNC | MS_ASYNC));
  say("read into a mapping", pread(fd, private, 4096, 8192));
  printf("private now %c\n", private[0]);
  say("truncate", ftruncate(fd, 5000));
  signal(SIGBUS, jump);
  printf("within %d, rest of the last page %d, beyond %d\n", FAULTS((void)*(volatile char *)(shared + 4999)),
         FAULTS((void)*(volatile char *)(shared + 8191)), FAULTS((void)*(volatile char *)(shared + 8192)));
  say("write from beyond the end", write(fd, shared + 8192, 10));
  say("open by a name beyond the end", open(shared + 8192, O_RDONLY));
  int pipes[2];
  if (pipe(pipes)) abort();
  struct iovec parts[2] = {{shared + 4096, 100}, {shared + 8192, 100}};
  say("writev half beyond the end", writev(pipes[1], parts, 2));
  say("read into the page behind", pread(fd, shared + 8192, 10, 0));
  int readonly = open("/proc/self/exe", O_RDONLY);
  say("shared writable of a read-only file", (long)mmap(0, 4096, PROT_WRITE, MAP_SHARED, readonly, 0));
  char *r = mmap(0, 4096, PROT_READ, MAP_SHARED, readonly, 0);
  say("and made writable later", mprotect(r, 4096, PROT_READ | PROT_WRITE));
  say("a directory", (long)mmap(0, 4096, PROT_READ, MAP_PRIVATE, open("/", O_RDONLY), 0));
  say("offset beyond the end", mmap(0, 4096, PROT_READ, MAP_PRIVATE, fd, 0x100000) != MAP_FAILED);
  say("offset odd", syscall(SYS_mmap, (long[]){0, 4096, PROT_READ, MAP_PRIVATE, fd, 1}));
  say("old mmap", syscall(SYS_mmap, (long[]){0, 4096, PROT_READ, MAP_PRIVATE, fd, 4096}) != -1);
  int zero = open("/dev/zero", O_RDWR);
  char *z = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE, zero, 0);
  z[5000] = 1;
  printf("zero %d %d\n", z[4999], z[5000]);
}

static void moves(void) {
  char *p = mmap(0, 4 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  for (int k = 0; k < 4; k++) p[k * 4096] = '0' + k;
  char *q = mremap(p, 4 * 4096, 400 * 4096, MREMAP_MAYMOVE);
  printf("grown %c%c%c%c %d\n", q[0], q[4096], q[8192], q[12288], q[399 * 4096]);
  q = mremap(q, 400 * 4096, 2 * 4096, 0);
  signal(SIGSEGV, jump);
  printf("shrunk %c%c, behind %d\n", q[0], q[4096], FAULTS((void)*(volatile char *)(q + 8192)));
  char *block = mmap(0, 64 * 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  char *to = block + 32 * 4096;
  q = mremap(q, 2 * 4096, 4 * 4096, MREMAP_MAYMOVE | MREMAP_FIXED, to);
  printf("fixed %d %c%c\n", q == to, q[0], q[4096]);
  q[3 * 4096] = 'x';
  char *old = q;
  q = mremap(q, 4 * 4096, 4 * 4096, MREMAP_MAYMOVE | 4);
  printf("not unmapped %d %c old %d\n", q != old && q != MAP_FAILED, q[0], old[0]);
  int fd = file_with(4);
  char *s = mmap(0, 2 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  s = mremap(s, 2 * 4096, 4 * 4096, MREMAP_MAYMOVE);
  printf("file grown %c%c%c%c\n", s[0], s[4096], s[8192], s[12288]);
  char *twin = mremap(s, 0, 2 * 4096, MREMAP_MAYMOVE);
  twin[1] = 'T';
  printf("twin %c%c\n", s[0], s[1]);
  say("bad flags", (long)mremap(s, 4096, 4096, 16));
  say("nothing there", (long)mremap((void *)0x100000, 4096, 8192, MREMAP_MAYMOVE));
  char *h = sbrk(0);
  say("sbrk", sbrk(10000) == h);
  memset(h, 7, 10000);
  say("shrink", sbrk(-8000) == h + 10000);
  printf("heap %d\n", h[1999]);
  h = malloc(50 << 20);
  memset(h, 1, 50 << 20);
  h = realloc(h, 120 << 20);
  printf("realloc %d %d\n", h[(50 << 20) - 1], h[(120 << 20) - 1]);
  free(h);
}

static void advice(void) {
  char *p = mmap(0, 8 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  memset(p, 1, 8 * 4096);
  say("dontneed", madvise(p, 4096, MADV_DONTNEED));
  printf("bytes %d %d\n", p[0], p[4096]);
  say("willneed", madvise(p, 4096, MADV_WILLNEED));
  say("bad", madvise(p, 4096, 12345));
  say("odd", madvise(p + 1, 4096, MADV_DONTNEED));
  munmap(p + 4096, 4096);
  say("gap", madvise(p, 4 * 4096, MADV_DONTNEED));
  printf("before and behind the gap %d %d\n", p[0], p[2 * 4096]);
  unsigned char resident[8];
  say("mincore", mincore(p + 2 * 4096, 4 * 4096, resident));
  say("mincore gap", mincore(p, 4 * 4096, resident));
  say("mlock", mlock(p, 4096));
  say("mlock gap", mlock(p, 3 * 4096));
  say("munlock", munlock(p, 4096));
  say("mprotect gap", mprotect(p, 3 * 4096, PROT_READ));
  say("mprotect odd", mprotect(p + 1, 10, PROT_READ));
  say("mprotect nothing", mprotect(p, 0, PROT_READ));
  say("munmap odd", munmap(p + 1, 4096));
  say("munmap nothing", munmap(p, 0));
  say("munmap a hole", munmap(p + 4096, 4096));
}

static void code(void) {
  /* mov $imm, %eax; ret: changed in place, over and over */
  unsigned char *p = mmap(0, 2 * 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  int sum = 0;
  for (int k = 0; k < 100; k++) {
    memcpy(p + 4090, (unsigned char[]){0xb8, k, 0, 0, 0, 0xc3}, 6);
    sum += ((int (*)(void))(p + 4090))();
  }
  printf("rewritten %d\n", sum);
  mprotect(p, 4096, PROT_READ | PROT_WRITE);
  p[4091] = 77;
  mprotect(p, 4096, PROT_READ | PROT_EXEC);
  printf("by mprotect %d\n", ((int (*)(void))(p + 4090))());
  unsigned char again[] = {0xb8, 5, 1, 0, 0, 0xc3};
  int pipes[2];
  if (pipe(pipes) || write(pipes[1], again, 6) != 6) abort();
  mprotect(p, 4096, PROT_READ | PROT_WRITE | PROT_EXEC);
  say("read over code", read(pipes[0], p + 4090, 6));
  printf("by read %d\n", ((int (*)(void))(p + 4090))());
  unsigned char *q = mmap(0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  memcpy(q, (unsigned char[]){0xb8, 9, 0, 0, 0, 0xc3}, 6);
  printf("one %d\n", ((int (*)(void))q)());
  munmap(q, 4096);
  unsigned char *r = mmap(q, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  memcpy(r, (unsigned char[]){0xb8, 10, 0, 0, 0, 0xc3}, 6);
  printf("another in its place %d\n", ((int (*)(void))r)());
  char *moved = mremap(r, 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, p);
  printf("moved %d %d\n", moved == (char *)p, ((int (*)(void))moved)());
  madvise(p, 4096, MADV_DONTNEED);
  signal(SIGSEGV, jump);
  printf("gone %d\n", FAULTS(((int (*)(void))p)()));
}

static void code_mapped_twice(void) {
  int fd = syscall(SYS_memfd_create, "code", 0);
  if (ftruncate(fd, 4 * 4096)) abort();
  unsigned char *x = mmap(0, 4 * 4096, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
  unsigned char *w = mmap(0, 2 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 4096);
  int (*f)(void) = (int (*)(void))(x + 2 * 4096 - 3);
  unsigned char bytes[] = {0xb8, 1, 0, 0, 0, 0xc3};
  int sum = 0;
  for (int k = 0; k < 20; k++) {
    bytes[1] = k;
    memcpy(w + 4096 - 3, bytes, 6);
    sum += f();
  }
  printf("through a second mapping %d\n", sum);
  munmap(w, 2 * 4096);
  for (int k = 0; k < 5; k++) {
    w = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 4096);
    w[4096 - 2] = 50 + k;
    munmap(w, 4096);
    printf("through one made for it %d\n", f());
  }
  w = mmap(0, 4096, PROT_READ, MAP_SHARED, fd, 4096);
  printf("run %d\n", f());
  mprotect(w, 4096, PROT_READ | PROT_WRITE);
  w[4096 - 2] = 99;
  printf("made writable later %d\n", f());
  bytes[1] = 44;
  pwrite(fd, bytes, 6, 2 * 4096 - 3);
  w[0] = 1;
}

static void segments(void) {
  int id = shmget(IPC_PRIVATE, 10000, IPC_CREAT | 0600);
  say("shmget", id >= 0);
  char *a = shmat(id, 0, 0), *b = shmat(id, 0, SHM_RDONLY);
  say("attached", a != (char *)-1 && b != (char *)-1 && a != b);
  strcpy(a + 9000, "shared");
  printf("%s\n", b + 9000);
  signal(SIGSEGV, jump);
  printf("read-only %d, behind %d\n", FAULTS(b[0] = 1), FAULTS((void)*(volatile char *)(a + 12288)));
  say("odd address", (long)shmat(id, (void *)0x20000001, 0));
  char *at = shmat(id, (void *)0x20000123, SHM_RND);
  printf("rounded %p %s\n", at, at + 9000);
  say("occupied", (long)shmat(id, at, 0));
  struct shmid_ds ds;
  shmctl(id, IPC_STAT, &ds);
  printf("attached %lu size %u\n", (unsigned long)ds.shm_nattch, (unsigned)ds.shm_segsz);
  say("shmdt", shmdt(b));
  say("shmdt again", shmdt(b));
  say("shmdt inside", shmdt(a + 4096));
  shmctl(id, IPC_STAT, &ds);
  printf("attached %lu\n", (unsigned long)ds.shm_nattch);
  say("remove", shmctl(id, IPC_RMID, 0));
  printf("still %s\n", a + 9000);
  say("shmdt last", shmdt(a));
  say("bad id", (long)shmat(-1, 0, 0));
}

static void growth(void) {
  char *p = mmap((void *)0x30000000, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN | MAP_FIXED, -1, 0);
  p[-4096] = 1;
  p[-40000] = 2;
  printf("grown %d %d\n", p[-4096], p[-40000]);
  int fd = open("/proc/self/maps", O_RDONLY);
  char text[20000], *line;
  int n = read(fd, text, sizeof text - 1);
  text[n] = 0;
  line = strstr(text, "-30001000");
  printf("from %.8s\n", line - 8);
  signal(SIGSEGV, jump);
  stack_t s = {.ss_sp = malloc(65536), .ss_size = 65536};
  sigaltstack(&s, 0);
  printf("too far %d\n", FAULTS(p[-100 << 20] = 1));
}

int main(int argc, char **argv) {
  setvbuf(stdout, 0, _IOLBF, 0);
  files();
  moves();
  advice();
  code();
  code_mapped_twice();
  segments();
  growth();
  return 0;
}
