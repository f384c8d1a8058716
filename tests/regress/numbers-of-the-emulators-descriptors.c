/* poll and select of every number that may be open: those a program did not open are not. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <unistd.h>

int main(void) {
  static struct pollfd p[1024];
  struct rlimit l;
  getrlimit(RLIMIT_NOFILE, &l);
  int most = l.rlim_cur < 1024 ? l.rlim_cur : 1024, bad = 0, wrong = 0;
  /* A table of as many places, as the kernel looks at no others. */
  if (fcntl(0, F_DUPFD, most - 1) < 0 || close(most - 1)) return 1;
  for (int k = 0; k < most; k++) p[k] = (struct pollfd){k, POLLIN, 77};
  poll(p, most, 0);
  for (int k = 0; k < most; k++) {
    int open = fcntl(k, F_GETFD) >= 0;
    if (p[k].fd != k || (p[k].revents == POLLNVAL) == open) wrong++;
    if (!open) bad++;
    fd_set set;
    FD_ZERO(&set);
    FD_SET(k, &set);
    struct timeval t = {0, 0};
    int r = select(k + 1, k % 2 ? &set : 0, k % 2 ? 0 : &set, 0, &t);
    if ((r < 0 && errno == EBADF) == open) wrong++;
  }
  printf("%d of %d are not open, %d are wrong\n", bad, most, wrong);
  return 0;
}
