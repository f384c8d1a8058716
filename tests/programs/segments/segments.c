/* Segments a program makes itself: what the CPU and a 64-bit kernel make of them. Prints the same natively and under wemu. */
#define _GNU_SOURCE
#include <asm/ldt.h>
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

typedef unsigned u32;
static unsigned char *code16, *data, *code32;
static sigjmp_buf env;
static u32 flat_ds;

#define SEL(index) ((index) * 8 + 7)
enum { CODE16 = 1, CODE32, EXEC_ONLY, DATA16, DATA, READ_ONLY, DOWN, DOWN16, ABSENT, LIMITED_CODE, STACK16, CONFORMING, BYTES };

static int put(int index, u32 base, u32 limit, int bits32, int contents, int read_exec_only, int pages, int absent) {
  struct user_desc d = {index, base, limit, bits32, contents, read_exec_only, pages, absent, 1};
  return syscall(SYS_modify_ldt, 0x11, &d, sizeof d);
}

/* Only what does not depend on where things are. */
static void on_signal(int sig, siginfo_t *info, void *context) {
  greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;
  __asm__ volatile("mov %0,%%ds; mov %0,%%es" : : "r"(flat_ds));
  printf("  signal %d code %d trap %d error %x cs %x ss %x", sig, info->si_code, r[REG_TRAPNO], r[REG_ERR], r[REG_CS] & 0xffff, r[REG_SS] & 0xffff);
  if ((r[REG_CS] & 0xffff) != 0x23) printf(" ip %x", r[REG_EIP]);
  if ((r[REG_SS] & 0xffff) != 0x2b) printf(" sp %x", r[REG_UESP] & 0xffff);
  printf("\n");
  static int count;
  if (++count > 100) _exit(99);
  siglongjmp(env, 1);
}

#define TRY(name, ...) do { printf("%s\n", name); if (!sigsetjmp(env, 1)) { __VA_ARGS__; } } while (0)

/* Calls a far pointer; eax in and out. */
static u32 far_call(u32 selector, u32 offset, u32 eax) {
  struct { u32 offset; unsigned short selector; } __attribute__((packed)) to = {offset, selector};
  __asm__ volatile("lcall *%1" : "+a"(eax) : "m"(to) : "ebx", "ecx", "edx", "memory", "cc");
  return eax;
}

static void far_jump(u32 selector, u32 offset) {
  struct { u32 offset; unsigned short selector; } __attribute__((packed)) to = {offset, selector};
  __asm__ volatile("ljmp *%0" : : "m"(to));
}

static void queries(void) {
  printf("LAR LSL VERR VERW\n");
  static const u32 some[] = {0, 3, 0x23, 0x2b, 0x28, 0x20, 0x33, 0x63, 0x6b, 0x73};
  for (int i = 0; i < 10 + 16; i++) {
    u32 s = i < 10 ? some[i] : SEL(i - 10), lar = 0xdead, lsl = 0xdead;
    unsigned char a, b, c, d;
    __asm__ volatile("lar %2,%0; setz %1" : "+r"(lar), "=q"(a) : "r"(s) : "cc");
    __asm__ volatile("lsl %2,%0; setz %1" : "+r"(lsl), "=q"(b) : "r"(s) : "cc");
    __asm__ volatile("verr %w1; setz %0" : "=q"(c) : "r"(s) : "cc");
    __asm__ volatile("verw %w1; setz %0" : "=q"(d) : "r"(s) : "cc");
    printf("  %x: %d %x %d %x %d %d\n", s, a, lar, b, lsl, c, d);
  }
}

static u32 load_ds(u32 selector, u32 offset) {
  u32 value;
  __asm__ volatile("mov %1,%%ds; mov (%2),%0; mov %3,%%ds" : "=&r"(value) : "r"(selector), "r"(offset), "r"(flat_ds) : "memory");
  return value;
}

static void store_ds(u32 selector, u32 offset, u32 value) {
  __asm__ volatile("mov %0,%%ds; mov %2,(%1); mov %3,%%ds" : : "r"(selector), "r"(offset), "r"(value), "r"(flat_ds) : "memory");
}

int main(void) {
  setvbuf(stdout, 0, _IONBF, 0);
  __asm__ volatile("mov %%ds,%0" : "=r"(flat_ds));
  code16 = mmap((void *)0x30000000, 0x20000, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  data = mmap((void *)0x31000000, 0x20000, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  code32 = code16 + 0x10000;
  stack_t alt = {.ss_sp = mmap(0, 0x10000, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), .ss_size = 0x10000};
  sigaltstack(&alt, 0);
  struct sigaction action = {.sa_flags = SA_SIGINFO | SA_ONSTACK};
  action.sa_sigaction = on_signal;
  for (int s = 1; s < 32; s++) if (s == SIGSEGV || s == SIGBUS || s == SIGILL || s == SIGTRAP || s == SIGFPE) sigaction(s, &action, 0);

  printf("modify_ldt %d %d %d %d\n", put(CODE16, 0x30000000, 0xffff, 0, 2, 0, 0, 0), put(CODE32, 0x30010000, 0xffff, 1, 2, 0, 0, 0),
         put(EXEC_ONLY, 0x30010000, 0xffff, 1, 2, 1, 0, 0), put(DATA16, 0x31000000, 0xffff, 0, 0, 0, 0, 0));
  printf("modify_ldt %d %d %d %d %d\n", put(DATA, 0x31000000, 0xfffff, 1, 0, 0, 1, 0), put(READ_ONLY, 0x31000000, 0xff, 1, 0, 1, 0, 0),
         put(DOWN, 0x31000000, 0xff, 1, 1, 0, 0, 0), put(DOWN16, 0x31000000, 0xff, 0, 1, 0, 0, 0), put(ABSENT, 0x31000000, 0xfff, 1, 0, 0, 0, 1));
  printf("modify_ldt %d %d %d %d\n", put(LIMITED_CODE, 0x30010000, 0x1f, 1, 2, 0, 0, 0), put(STACK16, 0x31000000, 0xffff, 0, 0, 0, 0, 0),
         put(CONFORMING, 0x30010000, 0xffff, 1, 3, 0, 0, 0), put(BYTES, 0x31000000, 0x10, 1, 0, 0, 0, 0));
  printf("wrong ones: %d %d\n", put(8192, 0, 0, 1, 0, 0, 0, 0), errno);
  queries();

  for (u32 i = 0; i < 0x1000; i += 4) *(u32 *)(data + i) = i * 0x01010101;
  TRY("data", printf("  %x %x %x\n", load_ds(SEL(DATA), 0x10), load_ds(SEL(DATA16), 0x20), load_ds(SEL(READ_ONLY), 0xfc)));
  store_ds(SEL(DATA), 0x40, 0x12345678);
  printf("stored %x\n", *(u32 *)(data + 0x40));
  TRY("read beyond the limit", load_ds(SEL(READ_ONLY), 0xfd));
  TRY("write to read-only", store_ds(SEL(READ_ONLY), 0, 1));
  TRY("expand-down: below", load_ds(SEL(DOWN), 0xfc));
  TRY("expand-down: at the border", load_ds(SEL(DOWN), 0xff));
  TRY("expand-down: above", printf("  %x\n", load_ds(SEL(DOWN), 0x100)));
  TRY("expand-down, 16 bits: last", printf("  %x\n", load_ds(SEL(DOWN16), 0xfffc)));
  TRY("expand-down, 16 bits: beyond", load_ds(SEL(DOWN16), 0xfffd));
  TRY("last byte", printf("  %x\n", load_ds(SEL(BYTES), 0xd)));
  TRY("behind the last byte", load_ds(SEL(BYTES), 0xe));
  TRY("code as data", printf("  %x\n", load_ds(SEL(CODE32), 0) == *(u32 *)code32));
  TRY("execute-only as data", load_ds(SEL(EXEC_ONLY), 0));
  TRY("not present", load_ds(SEL(ABSENT), 0));
  TRY("no such descriptor", load_ds(SEL(100), 0));
  TRY("null", load_ds(0, 0));
  TRY("kernel's", load_ds(0x18, 0));

  /* 32-bit code with a base: mov $7,%ecx; 1: add %ecx,%eax; loop 1b; call f; lret; f: imul $3,%eax; ret */
  static const unsigned char c32[] = {0xb9, 7, 0, 0, 0, 0x01, 0xc8, 0xe2, 0xfc, 0xe8, 1, 0, 0, 0, 0xcb, 0x6b, 0xc0, 3, 0xc3};
  memcpy(code32, c32, sizeof c32);
  TRY("32-bit code", printf("  %x\n", far_call(SEL(CODE32), 0, 5)));
  TRY("execute-only", printf("  %x\n", far_call(SEL(EXEC_ONLY), 0, 6)));
  TRY("conforming code is refused", far_call(SEL(CONFORMING), 0, 8));
  TRY("beyond the limit of code", far_call(SEL(LIMITED_CODE), 0x20, 0));
  memset(code32, 0x90, 0x20);
  TRY("running over the limit", far_call(SEL(LIMITED_CODE), 0x1e, 0));
  TRY("instruction across the limit", code32[0x1e] = 0xb8; far_call(SEL(LIMITED_CODE), 0x1e, 0));
  TRY("jump to data", far_jump(SEL(DATA), 0));
  TRY("jump to null", far_jump(0, 0));
  TRY("jump to nothing", far_jump(SEL(77), 0));
  TRY("jump to the kernel", far_jump(0x10, 0));
  TRY("jump to an absent segment", put(14, 0x30010000, 0xffff, 1, 2, 0, 0, 1); far_jump(SEL(14), 0));
  TRY("call through data", far_call(0x2b, 0, 0));

  /* 16-bit code: mov $0x1234,%ax; mov $5,%cx; 1: add %cx,%ax; loop 1b; call f; lretl; f: rol $4,%ax; push %ax; pop %dx; ret */
  static const unsigned char c16[] = {0xb8, 0x34, 0x12, 0xb9, 5, 0, 0x01, 0xc8, 0xe2, 0xfc, 0xe8, 2, 0, 0x66, 0xcb, 0xc1, 0xc0, 4, 0x50, 0x5a, 0xc3};
  memcpy(code16, c16, sizeof c16);
  TRY("16-bit code", printf("  %x\n", far_call(SEL(CODE16), 0, 0xabcd0000)));
  /* 16-bit addresses: mov $0x10,%bx; mov %cs:(%bx,...)... lea 5(%bx),%eax; lretl */
  static const unsigned char lea16[] = {0xbb, 0xfe, 0xff, 0x66, 0x8d, 0x47, 5, 0x66, 0xcb};
  memcpy(code16 + 0x100, lea16, sizeof lea16);
  TRY("16-bit addresses", printf("  %x\n", far_call(SEL(CODE16), 0x100, 0)));
  /* a jump that wraps: at 0xfff0 jmp +0x20 leads to 0x12, where there is mov $0x77,%al; lretl */
  static const unsigned char wraps[] = {0xeb, 0x20}, there[] = {0xb0, 0x77, 0x66, 0xcb};
  memcpy(code16 + 0xfff0, wraps, sizeof wraps);
  memcpy(code16 + 0x12, there, sizeof there);
  TRY("a 16-bit jump that wraps", printf("  %x\n", far_call(SEL(CODE16), 0xfff0, 0)));
  code16[0x200] = 0xcc;
  TRY("int3 in 16-bit code", far_call(SEL(CODE16), 0x200, 0));
  static const unsigned char ud[] = {0x0f, 0x0b};
  memcpy(code16 + 0x210, ud, 2);
  TRY("ud2 in 16-bit code", far_call(SEL(CODE16), 0x210, 0));
  /* mov $20,%eax; int $0x80; lretl */
  static const unsigned char sys[] = {0x66, 0xb8, 20, 0, 0, 0, 0xcd, 0x80, 0x66, 0xcb};
  memcpy(code16 + 0x220, sys, sizeof sys);
  TRY("a system call from 16-bit code", printf("  %d\n", far_call(SEL(CODE16), 0x220, 0) == (u32)getpid()));

  /* A 16-bit stack: pushes use SP alone, the upper half of ESP stays. */
  u32 sp = 0, top = 0;
  __asm__ volatile("mov %%esp,%%esi; mov %%ss,%%edi; mov %2,%%ss; mov $0x5678fffe,%%esp; push %%ax; pushl $0x11223344; mov %%esp,%0; popl %1; mov %%edi,%%ss; mov %%esi,%%esp"
                   : "=&r"(sp), "=&r"(top) : "r"(SEL(STACK16)), "a"(0x99) : "esi", "edi", "memory");
  printf("16-bit stack: sp %x top %x memory %x\n", sp, top, *(unsigned short *)(data + 0xfffc));
  __asm__ volatile("mov %%esp,%%esi; mov %%ss,%%edi; mov %2,%%ss; mov $0x56780002,%%esp; push %%ax; push %%ax; mov %%esp,%0; mov %%edi,%%ss; mov %%esi,%%esp"
                   : "=&r"(sp) , "=&r"(top): "r"(SEL(STACK16)), "a"(0x77) : "esi", "edi", "memory");
  printf("16-bit stack that wraps: sp %x memory %x\n", sp, *(unsigned short *)(data + 0xfffe));
  TRY("fault on a 16-bit stack", __asm__ volatile("mov %0,%%ss; mov $0x100,%%esp; ud2" : : "r"(SEL(STACK16)) : "memory"));
  TRY("ss of a read-only segment", __asm__ volatile("mov %0,%%ss" : : "r"(SEL(READ_ONLY))));
  TRY("ss of an absent segment", __asm__ volatile("mov %0,%%ss" : : "r"(SEL(ABSENT))));
  TRY("ss null", __asm__ volatile("mov %0,%%ss" : : "r"(3)));
  TRY("expand-down stack", __asm__ volatile("mov %%esp,%%esi; mov %%ss,%%edi; mov %0,%%ss; mov $0x102,%%esp; push %%ax; push %%ax; mov %%edi,%%ss; mov %%esi,%%esp" : : "r"(SEL(DOWN)) : "esi", "edi", "memory"));

  errno = 0;
  printf("vm86 %ld", syscall(SYS_vm86, 1, 0));
  printf(" %d vm86old %ld\n", errno, syscall(SYS_vm86old, 0));
  struct user_desc area = {-1, 0x31000000, 0xff, 1, 0, 0, 0, 0, 1};
  printf("set_thread_area %ld entry %d\n", syscall(SYS_set_thread_area, &area), area.entry_number);
  u32 value = 0;
  __asm__ volatile("mov %%gs,%%esi; mov %1,%%gs; mov %%gs:0xfc,%0; mov %%esi,%%gs" : "=&r"(value) : "r"(area.entry_number * 8 + 3) : "esi");
  printf("gs %x\n", value);
  unsigned char table[14 * 8];
  int n = syscall(SYS_modify_ldt, 0, table, sizeof table);
  printf("table %d:", n);
  for (int i = 8; i < n; i++) printf(" %02x", table[i]);
  printf("\n");
  return 0;
}
