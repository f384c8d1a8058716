// Freestanding program for bFLT: pointers in text and data that have to be relocated, arguments on the stack.
static long sys(long n, long a, long b, long c) {
  register long r7 __asm__("r7") = n;
  register long r0 __asm__("r0") = a;
  register long r1 __asm__("r1") = b;
  register long r2 __asm__("r2") = c;
  __asm__ volatile("svc 0" : "+r"(r0) : "r"(r7), "r"(r1), "r"(r2) : "memory");
  return r0;
}
static void put(const char *s) { int n = 0; while (s[n]) n++; sys(4, 1, (long)s, n); }
static void one(void) { put("one\n"); }
static void two(void) { put("two\n"); }
static void (*const volatile calls[])(void) = {one, two};
static const char *volatile names[] = {"first\n", "second\n"};
static int zero[100];
int counter = 7;
void run(long *sp) {
  char **argv = (char **)sp[1], **envp = (char **)sp[2];
  for (int n = 0; n < 2; n++) { put(names[n]); calls[n](); }
  for (int n = 1; n < sp[0]; n++) { put(argv[n]); put("\n"); }
  put(argv[sp[0]] == 0 && envp[0] != 0 ? "ok\n" : "wrong\n");
  int sum = counter;
  for (int n = 0; n < 100; n++) sum += zero[n];
  sys(1, sum, 0, 0);
}
__attribute__((naked)) void _start(void) { __asm__ volatile("mov r0, sp\n b run"); }
