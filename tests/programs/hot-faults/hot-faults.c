/*
 * Guest program whose hot loops run into a page they may not touch, at every distance from what is stored of the registers
 * now and then. The handler takes all registers and flags of the place into a sum, makes the page accessible and lets the loop
 * go on. One line for each loop.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <ucontext.h>

#define PAGES ((uint8_t *)0x50000000)
#define GUARD (PAGES + 0x20000)
#define OTHER ((uint8_t *)0x51000000)
#define WARM 40000
#define BEHIND 100
#define LENGTHS 70

static uint32_t sum;
static unsigned faults;

static void mix(uint32_t value) { sum = (sum ^ value) * 16777619u; }

static void fault(int number, siginfo_t *info, void *context) {
  mcontext_t *m = &((ucontext_t *)context)->uc_mcontext;
  faults++;
  mix((uint32_t)(uintptr_t)info->si_addr);
  mix(info->si_code);
#ifdef __arm__
  const uint32_t *r = (const uint32_t *)&m->arm_r0;
  for (int n = 0; n < 13; n++) mix(r[n]);
  mix(m->arm_pc);
  mix(m->arm_cpsr & 0xf0000020);
#else
  static const int wanted[] = {REG_EAX, REG_EBX, REG_ECX, REG_EDX, REG_ESI, REG_EDI, REG_EIP};
  for (unsigned n = 0; n < sizeof wanted / sizeof *wanted; n++) mix(m->gregs[wanted[n]]);
  mix(m->gregs[REG_EFL] & 0x8d5);
#endif
  mprotect(GUARD, 4096, PROT_READ | PROT_WRITE);
}

/* Each goes from p to e; q is one word or another buffer. */
typedef uint32_t loop(uint8_t *p, uint8_t *e, uint8_t *q, uint32_t s);

#ifdef __arm__
#define BODY(text) \
  uint32_t t = 1, u = 2; \
  __asm__ volatile(".syntax unified\n1:\n" text \
                   : [p] "+r"(p), [q] "+r"(q), [s] "+r"(s), [t] "+r"(t), [u] "+r"(u) \
                   : [e] "r"(e) : "cc", "memory"); \
  return s + t + u
#define LOADS "ldrb %[t], [%[p]], #1\n adds %[s], %[s], %[t], lsl #3\n eors %[u], %[u], %[s]\n cmp %[p], %[e]\n bne 1b\n"
#define STORES "strb %[t], [%[p]], #1\n adds %[t], %[t], #3\n adds %[s], %[s], %[s]\n cmp %[p], %[e]\n bne 1b\n"
#define COUNTS \
  "ldr %[t], [%[q]]\n adds %[t], %[t], #1\n str %[t], [%[q]]\n ldrb %[u], [%[p]], #1\n adcs %[s], %[s], %[u]\n" \
  "cmp %[p], %[e]\n bne 1b\n"
#define CHOOSES \
  "ldrb %[t], [%[p]], #1\n cmp %[t], #128\n it hi\n addhi %[s], %[s], %[t]\n strb %[s], [%[q]]\n cmp %[p], %[e]\n bne 1b\n"
#define COPIES "ldrb %[t], [%[q]], #1\n movs %[u], %[p]\n strb %[t], [%[p]], #1\n cmp %[p], %[e]\n bne 1b\n"
#define NESTS \
  "movs %[u], #5\n 2: ldrb %[t], [%[q], %[u]]\n add %[s], %[s], %[t]\n subs %[u], %[u], #1\n bne 2b\n" \
  "ldrb %[t], [%[p]], #1\n eor %[s], %[s], %[t], ror #7\n cmp %[p], %[e]\n bne 1b\n"
#define CARRIES \
  "cmp %[s], %[t]\n strb %[t], [%[q]]\n it hi\n addhi %[u], %[u], #1\n adds %[t], %[t], %[u]\n ldrb %[s], [%[p]], #1\n" \
  "cmp %[p], %[e]\n bne 1b\n"
#else
#define BODY(text) \
  uint32_t t = 1, u = 2; \
  __asm__ volatile("1:\n" text \
                   : [p] "+S"(p), [q] "+D"(q), [s] "+b"(s), [t] "+a"(t), [u] "+c"(u) : [e] "d"(e) : "cc", "memory"); \
  return s + t + u
#define LOADS "movzbl (%[p]), %[t]\n add %[t], %[s]\n inc %[p]\n add %[s], %[u]\n cmp %[e], %[p]\n jne 1b\n"
#define STORES "movb %%al, (%[p])\n add $3, %[t]\n inc %[p]\n add %[s], %[s]\n cmp %[e], %[p]\n jne 1b\n"
#define COUNTS \
  "mov (%[q]), %[t]\n add $1, %[t]\n mov %[t], (%[q])\n movzbl (%[p]), %[u]\n adc %[u], %[s]\n inc %[p]\n" \
  "cmp %[e], %[p]\n jne 1b\n"
#define CHOOSES \
  "movzbl (%[p]), %[t]\n cmp $128, %[t]\n jbe 2f\n add %[t], %[s]\n 2: movb %%bl, (%[q])\n inc %[p]\n cmp %[e], %[p]\n" \
  "jne 1b\n"
#define COPIES "movb (%[q]), %%al\n inc %[q]\n sub %[p], %[u]\n movb %%al, (%[p])\n inc %[p]\n cmp %[e], %[p]\n jne 1b\n"
#define NESTS \
  "mov $5, %[u]\n 2: movzbl (%[q],%[u]), %[t]\n add %[t], %[s]\n dec %[u]\n jne 2b\n" \
  "movzbl (%[p]), %[t]\n add %[t], %[s]\n inc %[p]\n cmp %[e], %[p]\n jne 1b\n"
#define CARRIES \
  "cmp %[t], %[s]\n movb %%al, (%[q])\n adc $5, %[u]\n add %[u], %[t]\n movzbl (%[p]), %[s]\n inc %[p]\n cmp %[e], %[p]\n" \
  "jne 1b\n"
#endif

#define LOOP(name, text) \
  static uint32_t __attribute__((noinline)) name(uint8_t *p, uint8_t *e, uint8_t *q, uint32_t s) { BODY(text); }
LOOP(loads, LOADS)
LOOP(stores, STORES)
LOOP(counts, COUNTS)
LOOP(chooses, CHOOSES)
LOOP(copies, COPIES)
LOOP(nests, NESTS)
LOOP(carries, CARRIES)

int main(void) {
  static const struct { const char *name; loop *run; } all[] = {
    {"loads", loads}, {"stores", stores}, {"counts", counts}, {"chooses", chooses}, {"copies", copies}, {"nests", nests},
    {"carries", carries},
  };
  const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
  mmap(PAGES, 0x21000, PROT_READ | PROT_WRITE, flags, -1, 0);
  mmap(OTHER, 0x21000, PROT_READ | PROT_WRITE, flags, -1, 0);
  struct sigaction action = {.sa_sigaction = fault, .sa_flags = SA_SIGINFO};
  sigaction(SIGSEGV, &action, 0);
  for (unsigned k = 0; k < sizeof all / sizeof *all; k++) {
    sum = 2166136261u;
    for (unsigned n = 0; n < 0x21000; n++) PAGES[n] = OTHER[n] = n * 2654435761u >> 13;
    for (unsigned n = 0; n < LENGTHS; n++) {
      unsigned length = (n == 0 ? WARM : 1000) + n;
      mprotect(GUARD, 4096, PROT_NONE);
      mix(all[k].run(GUARD - length, GUARD + BEHIND, OTHER, n));
    }
    printf("%s: %u faults, %08x\n", all[k].name, faults, sum);
  }
  return 0;
}
