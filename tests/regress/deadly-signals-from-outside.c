// Sleeps or computes until somebody ends it, without a word about signals.
#include <stdio.h>
#include <unistd.h>

int main(int argc, char **argv) {
  volatile unsigned n = 0;
  if (argc > 1) while (++n < 5000000);
  puts("ready");
  fflush(stdout);
  if (argc > 1) for (;;) n++;
  sleep(1000);
}
