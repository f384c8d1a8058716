// What the programs of this folder share: each call is printed with its result, the error's name and the bytes it left.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/** A system call by number without the C library between: the result as the kernel gave it. */
static long raw(int number, long a, long b, long c, long d, long e, long f) {
  long result;
  long args[2] = {number, f};
  __asm__ volatile("push %%ebp\n\tmov 4(%%eax),%%ebp\n\tmov (%%eax),%%eax\n\tint $0x80\n\tpop %%ebp"
                   : "=a"(result)
                   : "0"(args), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e)
                   : "memory");
  return result;
}

__attribute__((unused)) static long show(const char *what, long result) {
  if (result < 0 && result > -4096) printf("%s = %s\n", what, strerrorname_np(-result));
  else printf("%s = %ld\n", what, result);
  return result;
}

/** Only whether it worked: descriptors, addresses and process numbers differ from run to run. */
__attribute__((unused)) static long show_ok(const char *what, long result) {
  if (result < 0 && result > -4096) printf("%s = %s\n", what, strerrorname_np(-result));
  else printf("%s ok\n", what);
  return result;
}

#define NUM(a, b, c, d, e, f, g, ...) g
#define RAW0(n) raw(n, 0, 0, 0, 0, 0, 0)
#define RAW1(n, a) raw(n, (long)(a), 0, 0, 0, 0, 0)
#define RAW2(n, a, b) raw(n, (long)(a), (long)(b), 0, 0, 0, 0)
#define RAW3(n, a, b, c) raw(n, (long)(a), (long)(b), (long)(c), 0, 0, 0)
#define RAW4(n, a, b, c, d) raw(n, (long)(a), (long)(b), (long)(c), (long)(d), 0, 0)
#define RAW5(n, a, b, c, d, e) raw(n, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), 0)
#define RAW6(n, a, b, c, d, e, f) raw(n, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))
#define PICK(a, b, c, d, e, f, g, name, ...) name
#define SYS(...) PICK(__VA_ARGS__, RAW6, RAW5, RAW4, RAW3, RAW2, RAW1, RAW0)(__VA_ARGS__)
/** Prints the call as written, and its result. */
#define C(...) show(#__VA_ARGS__, SYS(__VA_ARGS__))
#define K(...) show_ok(#__VA_ARGS__, SYS(__VA_ARGS__))
/** The same for functions of the C library. */
#define L(call) ({ errno = 0; long r_ = (long)(call); show(#call, r_ == -1 && errno ? -errno : r_); r_; })
#define LK(call) ({ errno = 0; long r_ = (long)(call); show_ok(#call, r_ == -1 && errno ? -errno : r_); r_; })

__attribute__((unused)) static void dump(const char *what, const void *bytes, int length) {
  const unsigned char *p = bytes;
  printf("  %s:", what);
  for (int i = 0; i < length; i++) printf("%s%02x", i % 4 ? "" : " ", p[i]);
  printf("\n");
}

/** Runs the statements in a child and waits for it, so that locks and the like have another owner. */
#define CHILD(...) do { fflush(stdout); pid_t pid_ = fork(); if (pid_ == 0) { __VA_ARGS__; fflush(stdout); _exit(0); } \
  int status_; while (waitpid(pid_, &status_, 0) < 0 && errno == EINTR) ; if (status_) printf("child ended with %x\n", status_); } while (0)
#define BAD ((void *)0x30000001)
