// Freestanding program for semihosting: files, console, command line, heap, exit; as programs for bare ARM processors use it.
static long call(long op, void *arg) {
  register long r0 __asm__("r0") = op;
  register void *r1 __asm__("r1") = arg;
#ifdef __thumb__
  __asm__ volatile("svc 0xab" : "+r"(r0) : "r"(r1) : "memory");
#else
  __asm__ volatile("svc 0x123456" : "+r"(r0) : "r"(r1) : "memory");
#endif
  return r0;
}
static int len(const char *s) { int n = 0; while (s[n]) n++; return n; }
static int out;
static void put(const char *s) { long a[3] = {out, (long)s, len(s)}; call(5, a); }
static void hex(unsigned v) {
  char b[10];
  for (int i = 0; i < 8; i++) b[i] = "0123456789abcdef"[(v >> (28 - 4 * i)) & 15];
  b[8] = '\n'; b[9] = 0;
  put(b);
}
static long openf(const char *n, int mode) { long a[3] = {(long)n, mode, len(n)}; return call(1, a); }
void _start(void) {
  out = openf(":tt", 4);
  put("console\n");
  long one[1] = {out};
  long w = openf("made.txt", 4);
  hex(w > 0);
  long wr[3] = {w, (long)"some text\n", 10};
  hex(call(5, wr));
  long cl[1] = {w};
  hex(call(2, cl));
  long r = openf("made.txt", 0);
  long fl[1] = {r};
  hex(call(12, fl));
  long sk[2] = {r, 5};
  hex(call(10, sk));
  char b[16] = {0};
  long rd[3] = {r, (long)b, 15};
  hex(call(6, rd));
  put(b);
  hex(call(2, fl));
  hex(openf("not/there", 0));
  hex(call(0x13, 0));
  long rn[4] = {(long)"made.txt", 8, (long)"other.txt", 9};
  hex(call(15, rn));
  long rm[2] = {(long)"other.txt", 9};
  hex(call(14, rm));
  hex(call(14, rm));
  char line[256];
  long cm[2] = {(long)line, 256};
  hex(call(0x15, cm));
  for (int n = len(line); n > 0; n--)
    if (line[n - 1] == '/') { put(line + n); break; }
  put("\n");
  hex(call(0x11, 0) > 1600000000);
  hex(call(0x10, 0) < 3000);
  long heap[4];
  long *hp[1] = {heap};
  hex(call(0x16, hp));
  hex(heap[1] > heap[0]);
  *(volatile int *)(heap[0] + 0x10000) = 5;
  (void)one;
  call(0x18, (void *)0x20026);
}
