/* Prints what the auxiliary vector says of the processor: AT_PLATFORM, AT_HWCAP, AT_HWCAP2. Runs from ARMv4 on. */

static long call(long number, long a, long b, long c) {
  register long r0 __asm__("r0") = a, r1 __asm__("r1") = b, r2 __asm__("r2") = c, r7 __asm__("r7") = number;
  __asm__ volatile("svc 0" : "+r"(r0) : "r"(r1), "r"(r2), "r"(r7) : "memory");
  return r0;
}

static void text(const char *s) {
  long n = 0;
  while (s[n]) n++;
  call(4, 1, (long)s, n);
}

static void hex(unsigned long value) {
  char digits[10];
  for (int k = 0; k < 8; k++) digits[k] = "0123456789abcdef"[value >> (28 - 4 * k) & 15];
  digits[8] = '\n';
  digits[9] = 0;
  text(digits);
}

__attribute__((used)) void begin(unsigned long *stack) {
  unsigned long *p = stack + 1 + *stack + 1;
  while (*p) p++;
  unsigned long platform = 0, hwcap = 0, hwcap2 = 0;
  for (p++; p[0]; p += 2) {
    if (p[0] == 15) platform = p[1];
    if (p[0] == 16) hwcap = p[1];
    if (p[0] == 26) hwcap2 = p[1];
  }
  text((const char *)platform);
  text("\n");
  hex(hwcap);
  hex(hwcap2);
  call(1, 0, 0, 0);
}

__asm__(".globl _start\n_start:\n\tmov r0, sp\n\tb begin\n");
