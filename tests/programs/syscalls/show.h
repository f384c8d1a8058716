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

#ifdef WITHOUT_OLD_CALLS
/** What newer ABIs have not: there these programs are built without it, on both sides of the comparison. */
#define NOT_THERE 0x7fff
#undef SYS_select
#define SYS_select NOT_THERE
#undef SYS_alarm
#define SYS_alarm NOT_THERE
#undef SYS_time
#define SYS_time NOT_THERE
#undef SYS_ipc
#define SYS_ipc NOT_THERE
#undef SYS_mmap
#define SYS_mmap NOT_THERE
#undef SYS_sync_file_range
#define SYS_sync_file_range NOT_THERE
#undef SYS_afs_syscall
#define SYS_afs_syscall NOT_THERE
#undef SYS_getrlimit
#define SYS_getrlimit NOT_THERE
#undef SYS_modify_ldt
#define SYS_modify_ldt NOT_THERE
#undef SYS_oldolduname
#define SYS_oldolduname NOT_THERE
#undef SYS_olduname
#define SYS_olduname NOT_THERE
#undef SYS_vm86
#define SYS_vm86 NOT_THERE
#undef SYS_set_thread_area
#define SYS_set_thread_area NOT_THERE
#undef SYS_socketcall
#define SYS_socketcall NOT_THERE
#endif

#ifdef __arm__
/** Structures with 64-bit members: packed where those are aligned to 4 bytes. */
#define PACKED64
/** O_LARGEFILE, which the C library has as 0. */
#define KERNEL_LARGEFILE 0x20000
/** A system call by number without the C library between; 64-bit arguments are in pairs of registers that begin evenly. */
static long raw(int number, long a, long b, long c, long d, long e, long f) {
  if (number == SYS_pread64 || number == SYS_pwrite64) f = e, e = d, d = 0;
  if (number == SYS_truncate64 || number == SYS_ftruncate64 || number == SYS_readahead) e = d, d = c, c = b, b = 0;
  register long r7 __asm__("r7") = number;
  register long r0 __asm__("r0") = a, r1 __asm__("r1") = b, r2 __asm__("r2") = c;
  register long r3 __asm__("r3") = d, r4 __asm__("r4") = e, r5 __asm__("r5") = f;
  __asm__ volatile("svc 0" : "+r"(r0) : "r"(r1), "r"(r2), "r"(r3), "r"(r4), "r"(r5), "r"(r7) : "memory");
  return r0;
}
#else
#define PACKED64 __attribute__((packed))
#define KERNEL_LARGEFILE 0x8000
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
#endif

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
/** A number that no process has: the kernel gives none above 4194304. */
#define NO_PROCESS 99999999
