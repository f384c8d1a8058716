/*
 * gettimeofday and select for vim, by LD_PRELOAD: a clock that goes on only while vim waits in select. Built without a C
 * library's headers. What vim starts is spared: it may be a program that cannot load this.
 *
 * vim reads the time twice in a row, takes the difference in whole milliseconds from how long it wants to wait, and takes what is
 * below 0 for "until a key comes". When it only wants to look (0 ms) and 1 ms has passed, it hangs until the next key, with what
 * it should show or do undone. Natively the moment is short; here it comes wherever another process gets the CPU.
 */
enum { SYS_GETTIMEOFDAY = 78, SYS_SELECT = 142 };

struct timeval {
  long seconds, microseconds;
};

extern int *__errno_location(void);

static struct timeval last = {1000000000, 0};

static long call(long number, long a, void *b, void *c, void *d, void *e) {
  long result;
  __asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e) : "memory");
  return result;
}

int gettimeofday(struct timeval *now, void *zone) {
  (void)zone;
  *now = last;
  return 0;
}

int select(int count, void *read, void *write, void *except, struct timeval *timeout) {
  long result = call(SYS_SELECT, count, read, write, except, timeout);
  call(SYS_GETTIMEOFDAY, (long)&last, 0, 0, 0, 0);
  if (result >= 0) return (int)result;
  *__errno_location() = (int)-result;
  return -1;
}

__attribute__((constructor)) static void forget_preload(int argc, char **argv, char **env) {
  static const char name[] = "LD_PRELOAD=";
  char **to = env;
  (void)argc;
  (void)argv;
  for (; *env != 0; env++) {
    int k = 0;
    while (name[k] != 0 && (*env)[k] == name[k]) k++;
    if (name[k] != 0) *to++ = *env;
  }
  *to = 0;
}
