// Sleeps, computes or reads from a pipe until somebody ends it, without a word about signals.
#include <stdio.h>
#include <unistd.h>

int main(int argc, char **argv) {
  volatile unsigned n = 0;
  int reading = argc > 1 && *argv[1] == 'r', ends[2];
  char byte;
  if (reading) pipe(ends);
  else if (argc > 1) while (++n < 5000000);
  puts("ready");
  fflush(stdout);
  if (reading) read(ends[0], &byte, 1);
  if (argc > 1) for (;;) n++;
  sleep(1000);
}
