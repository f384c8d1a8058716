/* Prints its own mappings. */
#include <fcntl.h>
#include <unistd.h>

static char zeroes[20000];
int initialised = 42;

int main(void) {
  char buffer[4096];
  int fd = open("/proc/self/maps", O_RDONLY), n;
  for (unsigned k = 0; k < sizeof zeroes; k++)
    if (zeroes[k]) return 1;
  while ((n = read(fd, buffer, sizeof buffer)) > 0) write(1, buffer, n);
  return 0;
}
