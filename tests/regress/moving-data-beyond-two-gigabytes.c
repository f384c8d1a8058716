/* Data moved inside the kernel to and from places around 2 and 4 GB, into files opened with and without O_LARGEFILE. */
#include "../programs/syscalls/show.h"
#include <sys/sendfile.h>

static int in, large, out, pipefd[2];

static void fill(void) {
  if (write(pipefd[1], "0123456789abcdef0123456789abcdef", 32) != 32) abort();
}
static void drain(void) {
  char junk[64];
  while (read(pipefd[0], junk, sizeof junk) > 0);
}

static void to(long long place) {
  long offset = 4;
  long long wide = 4, from = 0, position = place;
  lseek64(out, place, SEEK_SET);
  lseek64(in, 0, SEEK_SET);
  C(SYS_sendfile, out, in, 0, 32);
  lseek64(out, place, SEEK_SET);
  C(SYS_sendfile, out, in, &offset, 32);
  lseek64(out, place, SEEK_SET);
  C(SYS_sendfile64, out, in, &wide, 32);
  printf("%ld %lld\n", offset, wide);
  C(SYS_copy_file_range, in, &from, out, &position, 32, 0);
  printf("%lld %lld\n", from, position - place);
  lseek64(out, place, SEEK_SET);
  lseek64(in, 0, SEEK_SET);
  C(SYS_copy_file_range, in, 0, out, 0, 32, 0);
  fill();
  position = place;
  C(SYS_splice, pipefd[0], 0, out, &position, 32, 0);
  drain();
  fill();
  lseek64(out, place, SEEK_SET);
  C(SYS_splice, pipefd[0], 0, out, 0, 32, 0);
  drain();
}

static void from(long long place) {
  long offset = place > 0xffffffffll ? 0 : (long)place;
  long long wide = place, position = 0;
  lseek64(in, place, SEEK_SET);
  C(SYS_sendfile, large, in, 0, 20);
  C(SYS_sendfile, large, in, &offset, 20);
  printf("%lx\n", offset);
  C(SYS_sendfile64, large, in, &wide, 20);
  printf("%llx\n", wide);
  wide = place;
  C(SYS_copy_file_range, in, &wide, large, &position, 20, 0);
  wide = place;
  C(SYS_splice, in, &wide, pipefd[1], 0, 20, 0);
  drain();
}

int main(void) {
  static const long long PLACES[] = {0, 0x7ffffff0ll, 0x7ffffffell, 0x7fffffffll, 0x80000000ll, 0xfffffff0ll};
  int small = open("small", O_RDWR | O_CREAT, 0600);
  large = open("large", O_RDWR | O_CREAT | O_LARGEFILE, 0600);
  in = open("in", O_RDWR | O_CREAT | O_LARGEFILE, 0600);
  L(write(in, "0123456789abcdef", 16));
  L(ftruncate64(in, 5000000000ll));
  if (pipe(pipefd) || fcntl(pipefd[0], F_SETFL, O_NONBLOCK)) return 1;
  for (int k = 0; k < 2; k++) {
    out = k ? large : small;
    for (int n = 0; n < 6; n++) {
      printf("%s at %llx\n", k ? "large" : "small", PLACES[n]);
      to(PLACES[n]);
      from(PLACES[n]);
    }
  }
  unlink("small");
  unlink("large");
  unlink("in");
  return 0;
}
