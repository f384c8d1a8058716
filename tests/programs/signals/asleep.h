// Waiting until another process waits.
/** The state of a process's first thread, and how often it has gone to sleep of its own will. */
static char state(pid_t pid, unsigned long *switches) {
  char name[64], text[4096], result = '?';
  snprintf(name, sizeof name, "/proc/%d/task/%d/status", pid, pid);
  int f = open(name, O_RDONLY);
  int length = f < 0 ? -1 : read(f, text, sizeof text - 1);
  close(f);
  if (length <= 0) return '?';
  text[length] = 0;
  char *at = strstr(text, "State:\t");
  if (at) result = at[7];
  at = strstr(text, "\nvoluntary_ctxt_switches:\t");
  *switches = at ? strtoul(at + 26, 0, 10) : 0;
  return result;
}

/** Waits until the process sleeps for some milliseconds on end; whether it does, or else `*done` was set. */
__attribute__((unused)) static int asleep(pid_t pid, volatile int *done) {
  unsigned long before = 0, now;
  for (int quiet = 0; quiet < 4;) {
    if (done && *done) return 0;
    char s = state(pid, &now);
    quiet = s == 'S' && now == before ? quiet + 1 : 0;
    before = now;
    usleep(1500);
  }
  return 1;
}
