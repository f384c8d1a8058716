// Replays system calls in a 32-bit process and prints each result with a checksum of its data window: the oracle for rows.
// Input on descriptor 200: lines "call NR A B C D E F", "vcall ..." (results in memory differ by nature and are cleared), "zero OFFSET LENGTH", "put OFFSET HEXBYTES", "ret OFFSET" (stores the last result at OFFSET), "dump OFFSET LENGTH".
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define WINDOW 0x20000000u
#define PAGE 4096u
#define PAGES 16u
#define READ_ONLY 8u
#define NO_ACCESS 9u

static long raw(long nr, const long *a) {
  long result;
  // The sixth argument goes into ebp, which the compiler may be using.
  __asm__ volatile("push %%ebp\n\tmov 20(%%esi), %%ebp\n\tmov 12(%%esi), %%edi\n\txchg %%esi, %%edi\n\t"
                   "mov 16(%%edi), %%edi\n\tint $0x80\n\tpop %%ebp"
                   : "=a"(result)
                   : "a"(nr), "b"(a[0]), "c"(a[1]), "d"(a[2]), "S"(a)
                   : "edi", "memory", "cc");
  return result;
}

static uint32_t checksum(void) {
  uint32_t hash = 2166136261u;
  for (unsigned page = 0; page < PAGES; page++) {
    if (page == NO_ACCESS) continue;
    const uint32_t *word = (const uint32_t *)(WINDOW + page * PAGE);
    for (unsigned i = 0; i < PAGE / 4; i++) hash = (hash ^ word[i]) * 16777619u;
  }
  return hash;
}

int main(void) {
  static char line[20000];
  mmap((void *)WINDOW, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  mprotect((void *)(WINDOW + READ_ONLY * PAGE), PAGE, PROT_READ);
  mprotect((void *)(WINDOW + NO_ACCESS * PAGE), PAGE, PROT_NONE);
  FILE *in = fdopen(200, "r");
  FILE *out = fdopen(201, "w");
  long result = 0;
  while (fgets(line, sizeof line, in)) {
    unsigned long at, length;
    if (line[0] == 'c' || line[0] == 'v') {
      long nr, a[6];
      char *p = strchr(line, ' ') + 1;
      nr = strtoll(p, &p, 0);
      for (int i = 0; i < 6; i++) a[i] = strtoll(p, &p, 0);
      result = raw(nr, a);
      // What the kernel stored before it met the end of the memory is nobody's business.
      if (result == -14) memset((void *)(WINDOW + PAGES * PAGE - 256), 0, 256);
      if (line[0] == 'v') memset((void *)(WINDOW + 2 * PAGE), 0, 6 * PAGE);
      fprintf(out, "%ld %08x\n", result, checksum());
    } else if (line[0] == 'z') {
      sscanf(line + 5, "%lu %lu", &at, &length);
      memset((void *)(WINDOW + at), 0, length);
    } else if (line[0] == 'p') {
      char *p = line + 4;
      at = strtoul(p, &p, 10);
      p++;
      for (; p[0] > ' '; p += 2, at++) {
        char hex[3] = {p[0], p[1], 0};
        *(uint8_t *)(WINDOW + at) = strtoul(hex, 0, 16);
      }
    } else if (line[0] == 'r') {
      at = strtoul(line + 4, 0, 10);
      *(long *)(WINDOW + at) = result;
    } else if (line[0] == 'd') {
      sscanf(line + 5, "%lu %lu", &at, &length);
      for (; length; at++, length--) fprintf(out, "%02x", *(uint8_t *)(WINDOW + at));
      fprintf(out, "\n");
    }
    fflush(out);
  }
  return 0;
}
