/*
 * The example guest: greets, lists its arguments, and computes something worth emulating. No C library, so that the
 * binary is small; it uses the system calls write and exit of Linux on i386 and nothing else.
 *
 * Build: i686-linux-gnu-gcc -Os -static -nostdlib -ffreestanding -fno-pie -no-pie -fno-stack-protector
 *   -fno-asynchronous-unwind-tables -march=i686 -Wl,--build-id=none,-z,norelro,-z,noseparate-code -s -o hello hello.c
 */

static int sys_write(int fd, const void *data, unsigned length) {
  int result;
  __asm__ volatile("int $0x80" : "=a"(result) : "a"(4), "b"(fd), "c"(data), "d"(length) : "memory");
  return result;
}

static void __attribute__((noreturn)) sys_exit(int status) {
  for (;;) __asm__ volatile("int $0x80" : : "a"(1), "b"(status));
}

static void print(const char *text) {
  unsigned length = 0;
  while (text[length]) length++;
  sys_write(1, text, length);
}

static void print_number(unsigned value) {
  char digits[11];
  char *at = digits + sizeof digits;
  *--at = 0;
  do *--at = '0' + value % 10;
  while (value /= 10);
  print(at);
}

/* Counts the primes below `limit` (at most 100000) by the sieve of Eratosthenes. */
static unsigned count_primes(unsigned limit) {
  static unsigned char composite[100000];
  unsigned count = 0;
  for (unsigned n = 2; n < limit; n++) {
    if (composite[n]) continue;
    count++;
    for (unsigned multiple = 2 * n; multiple < limit; multiple += n) composite[multiple] = 1;
  }
  return count;
}

/* Called by _start with the stack as the kernel left it: argc, argv[0], …, 0. */
__attribute__((noreturn, used)) static void begin(const unsigned *stack) {
  unsigned argc = stack[0];
  char *const *argv = (char *const *)(stack + 1);
  print("Hello from an i386 program.\n");
  for (unsigned i = 0; i < argc; i++) {
    print("argument ");
    print_number(i);
    print(": ");
    print(argv[i]);
    print("\n");
  }
  print("There are ");
  print_number(count_primes(100000));
  print(" primes below 100000.\n");
  sys_exit(0);
}

__asm__(".globl _start\n_start:\n\tmovl %esp, %eax\n\tandl $-16, %esp\n\tsubl $12, %esp\n\tpushl %eax\n\tcall begin\n");
