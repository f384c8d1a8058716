/*
 * Guest program that changes its own code in every way a program can, and prints what the changed code computes. No C
 * library. The host CPU's output stands in `expected`.
 *
 * Build: i686-linux-gnu-gcc -Os -static -nostdlib -ffreestanding -fno-pie -no-pie -fno-stack-protector
 *   -fno-asynchronous-unwind-tables -march=i686 -Wl,--build-id=none,-z,norelro,-z,noseparate-code -s -o smc smc.c
 */

typedef unsigned char byte;

#define PAGE 4096
#define PROT_RW 3
#define PROT_RX 5
#define PROT_RWX 7
#define MAP_SHARED 1
#define MAP_PRIVATE_ANONYMOUS 0x22
#define MAP_FIXED 0x10
#define NO_FILE -1

enum {
  SYS_exit = 1,
  SYS_read = 3,
  SYS_write = 4,
  SYS_pipe = 42,
  SYS_munmap = 91,
  SYS_ftruncate = 93,
  SYS_mprotect = 125,
  SYS_mremap = 163,
  SYS_rt_sigreturn = 173,
  SYS_rt_sigaction = 174,
  SYS_mmap2 = 192,
  SYS_memfd_create = 356,
};

static int call6(int number, unsigned a, unsigned b, unsigned c, unsigned d, unsigned e, unsigned f) {
  int result;
  unsigned last[2] = {f, (unsigned)number};
  __asm__ volatile(
      "push %%ebp\n\tmov (%%eax), %%ebp\n\tmov 4(%%eax), %%eax\n\tint $0x80\n\tpop %%ebp"
      : "=a"(result)
      : "a"(last), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e)
      : "memory");
  return result;
}

#define call3(number, a, b, c) call6(number, (unsigned)(a), (unsigned)(b), (unsigned)(c), 0, 0, 0)

static void __attribute__((noreturn)) leave(int status) {
  for (;;) call3(SYS_exit, status, 0, 0);
}

static void print(const char *text) {
  unsigned length = 0;
  while (text[length]) length++;
  call3(SYS_write, 1, text, length);
}

static void print_number(unsigned value) {
  char digits[11];
  char *at = digits + sizeof digits;
  *--at = 0;
  do *--at = '0' + value % 10;
  while (value /= 10);
  print(at);
}

/* Stops the program with a message when a system call the tests need fails. */
static int need(int result, const char *what) {
  if (result < 0 && result > -PAGE) {
    print(what);
    print(" failed\n");
    leave(1);
  }
  return result;
}

/* Where the generated code stands: eight pages that may be read, written and executed. */
static byte code[8 * PAGE] __attribute__((aligned(PAGE)));

static void copy(byte *to, const byte *from, unsigned length) {
  for (unsigned i = 0; i < length; i++) ((volatile byte *)to)[i] = from[i];
}

static void put32(byte *at, unsigned value) { *(volatile unsigned *)at = value; }

/* Calls code with ECX = argument and ESI, EDI as given; returns EAX. */
static unsigned run3(const byte *at, unsigned argument, const void *source, const void *destination) {
  unsigned result;
  __asm__ volatile(
      "call *%%eax"
      : "=a"(result), "+c"(argument), "+S"(source), "+D"(destination)
      : "a"(at)
      : "edx", "memory", "cc");
  return result;
}

static unsigned run(const byte *at, unsigned argument) { return run3(at, argument, 0, 0); }

/* Appends bytes; `$` in the tests below stands for the address the bytes go to. */
#define EMIT(at, ...) \
  do { \
    const byte bytes_[] = {__VA_ARGS__}; \
    copy(at, bytes_, sizeof bytes_); \
    at += sizeof bytes_; \
  } while (0)
#define LE32(value) \
  BYTE_OF(value, 0), BYTE_OF(value, 8), BYTE_OF(value, 16), BYTE_OF(value, 24)
#define BYTE_OF(value, place) (byte)((unsigned)(value) >> (place))

/* mov eax,value; ret */
static void put_constant(byte *at, unsigned value) { EMIT(at, 0xb8, LE32(value), 0xc3); }

static unsigned patched_immediate(void) {
  unsigned sum = 0;
  put_constant(code, 0);
  for (unsigned i = 0; i < 2000; i++) {
    put32(code + 1, i * 3);
    sum += run(code, 0);
  }
  return sum;
}

/* The store is followed at once by the instruction it changes. */
static unsigned next_instruction(void) {
  unsigned sum = 0;
  byte *at = code;
  EMIT(at, 0x88, 0x0d, LE32(code + 7)); /* mov [the immediate],cl */
  EMIT(at, 0xb0, 0x00);                 /* mov al,0 */
  EMIT(at, 0x0f, 0xb6, 0xc0, 0xc3);     /* movzx eax,al; ret */
  for (unsigned i = 0; i < 300; i++) sum = sum * 3 + run(code, i);
  return sum;
}

/* A few instructions later in the same block, the length of the instruction changing, too. */
static unsigned ahead_in_block(void) {
  unsigned sum = 0;
  for (unsigned i = 0; i < 4; i++) {
    byte *at = code + 64 * i;
    EMIT(at, 0x31, 0xc0, 0x89, 0xca); /* xor eax,eax; mov edx,ecx */
    /* mov dword [+17],"nop; add eax,5+i" */
    EMIT(at, 0xc7, 0x05, LE32(code + 64 * i + 17), 0x90, 0x83, 0xc0, (byte)(5 + i));
    EMIT(at, 0x01, 0xd0, 0x40);             /* add eax,edx; inc eax */
    EMIT(at, 0x40, 0x40, 0x40, 0x40, 0xc3); /* +17: inc eax, four times; ret */
    sum = sum * 100 + run(code + 64 * i, 10);
  }
  return sum;
}

/* A loop that adds 7 to the immediate of the instruction before the store. */
static unsigned behind_in_loop(void) {
  byte *at = code + 0x100;
  EMIT(at, 0xb8, LE32(0));                           /* mov eax,0 */
  EMIT(at, 0x83, 0x05, LE32(code + 0x101), 0x07);    /* add dword [the immediate],7 */
  EMIT(at, 0x49, 0x75, 0xf1, 0xc3);                  /* dec ecx; jnz; ret */
  return run(code + 0x100, 1000);
}

/* A loop that turns INC into DEC and back in every round. */
static unsigned toggled_opcode(void) {
  byte *at = code + 0x200;
  EMIT(at, 0x31, 0xc0);                               /* xor eax,eax */
  EMIT(at, 0x80, 0x35, LE32(code + 0x209), 0x08);     /* +2: xor byte [+9],8 */
  EMIT(at, 0x48);                                     /* +9: dec eax, inc eax in turns */
  EMIT(at, 0x8d, 0x04, 0x40);                         /* lea eax,[eax+eax*2] */
  EMIT(at, 0x49, 0x75, 0xf2, 0xc3);                   /* dec ecx; jnz +2; ret */
  return run(code + 0x200, 501);
}

/* The block runs from one page into the next and changes the next. */
static unsigned next_page(void) {
  unsigned sum = 0;
  byte *at = code + PAGE - 6;
  EMIT(at, 0x89, 0x0d, LE32(code + PAGE + 1)); /* mov [the immediate],ecx */
  EMIT(at, 0xb8, LE32(0), 0xc3);               /* first on its page: mov eax,0; ret */
  for (unsigned i = 0; i < 100; i++) sum = sum * 5 + run(code + PAGE - 6, i * i);
  return sum;
}

/* An instruction on two pages; now its first half is changed, now its second. */
static unsigned straddling_instruction(void) {
  unsigned sum = 0;
  byte *at = code + 2 * PAGE - 3;
  EMIT(at, 0xb8, LE32(0x01020304), 0xc3);
  for (unsigned i = 0; i < 200; i++) {
    if (i & 1) code[2 * PAGE + 1] = (byte)i; /* the third and fourth byte of the immediate are on the second page */
    else code[2 * PAGE - 2] = (byte)i;
    __asm__ volatile("" ::: "memory");
    sum = sum * 7 + run(code + 2 * PAGE - 3, 0);
  }
  return sum;
}

/* One store changes the end of a page of code and the beginning of the next. */
static unsigned straddling_store(void) {
  unsigned sum = 0;
  byte *at = code + 3 * PAGE - 2;
  EMIT(at, 0xb0, 0x00, 0xb4, 0x00, 0x0f, 0xb7, 0xc0, 0xc3); /* mov al,x | mov ah,y; movzx eax,ax; ret */
  for (unsigned i = 0; i < 200; i++) {
    put32(code + 3 * PAGE - 2, 0x00b400b0 | (i << 8) | ((255 - i) << 24));
    sum = sum * 11 + run(code + 3 * PAGE - 2, 0);
  }
  return sum;
}

/* REP MOVSB over the code that follows it in the same block. */
static unsigned rep_movs(void) {
  static const byte first[] = {0xb8, 11, 0, 0, 0, 0xc3, 0x90, 0x90};
  static const byte second[] = {0x31, 0xc0, 0x04, 22, 0xc3, 0x90, 0x90, 0x90};
  byte *start = code + 3 * PAGE + 0x40;
  byte *at = start;
  unsigned sum = 0;
  EMIT(at, 0xf3, 0xa4); /* rep movsb */
  for (unsigned i = 0; i < 8; i++) EMIT(at, 0xcc);
  for (unsigned i = 0; i < 20; i++) sum = sum * 3 + run3(start, 8, i & 1 ? second : first, start + 2);
  return sum;
}

/* REP STOSD turns a run of INC EAX into other instructions, from before it. */
static unsigned rep_stos(void) {
  byte *start = code + 3 * PAGE + 0x80;
  byte *at = start;
  unsigned sum = 0;
  EMIT(at, 0xb8, LE32(0x40404040)); /* mov eax,pattern */
  EMIT(at, 0xb9, LE32(4));          /* mov ecx,4 */
  EMIT(at, 0xf3, 0xab, 0x31, 0xc0); /* rep stosd; xor eax,eax */
  byte *target = at;
  for (unsigned i = 0; i < 16; i++) EMIT(at, 0x90);
  EMIT(at, 0xc3);
  for (unsigned i = 0; i < 10; i++) {
    put32(start + 1, i % 3 == 0 ? 0x40404040 : i % 3 == 1 ? 0x40489040 : 0x48909090);
    sum = sum * 17 + run3(start, 0, 0, target) + 100;
  }
  return sum;
}

/* The kernel writes into a page of code. */
static unsigned system_call(void) {
  int ends[2];
  unsigned sum = 0;
  byte *start = code + 4 * PAGE;
  put_constant(start, 1);
  need(call3(SYS_pipe, ends, 0, 0), "pipe");
  for (unsigned i = 0; i < 50; i++) {
    unsigned value = i * 1000 + 7;
    sum += run(start, 0);
    call3(SYS_write, ends[1], &value, 4);
    need(call3(SYS_read, ends[0], start + 1, 4), "read");
    sum = sum * 3 + run(start, 0);
  }
  return sum;
}

/* PUSH writes into code: the stack pointer stands in the page that runs. */
static unsigned pushed_code(void) {
  byte *start = code + 4 * PAGE + 0x200;
  byte *target = start + 0x100;
  byte *at = start;
  EMIT(at, 0x89, 0xe2);                   /* mov edx,esp */
  EMIT(at, 0xbc, LE32(target + 8));       /* mov esp,target+8 */
  EMIT(at, 0x68, 0x00, 0xc3, 0x90, 0x90); /* push the last four bytes: the end of the immediate, ret */
  EMIT(at, 0x51);                         /* push ecx: mov eax,.. */
  EMIT(at, 0x89, 0xd4);                   /* mov esp,edx */
  EMIT(at, 0xe9, LE32(target - (at + 5))); /* jmp target */
  unsigned sum = 0;
  for (unsigned i = 0; i < 100; i++) sum = sum * 3 + run(start, 0x000000b8 | (i << 8));
  return sum;
}

/* The same memory at two addresses. CPUID serialises: nothing else makes the change visible at the other address. */
static unsigned second_mapping(void) {
  int file = need(call3(SYS_memfd_create, "code", 0, 0), "memfd_create");
  need(call3(SYS_ftruncate, file, PAGE, 0), "ftruncate");
  byte *writable = (byte *)need(call6(SYS_mmap2, 0, PAGE, PROT_RW, MAP_SHARED, file, 0), "mmap");
  byte *executable = (byte *)need(call6(SYS_mmap2, 0, PAGE, PROT_RX, MAP_SHARED, file, 0), "mmap");
  unsigned sum = 0;
  put_constant(writable, 0);
  for (unsigned i = 0; i < 100; i++) {
    unsigned leaf = 0;
    put32(writable + 1, i * 3 + 1);
    __asm__ volatile("cpuid" : "+a"(leaf) : : "ebx", "ecx", "edx", "memory");
    sum = sum * 3 + run(executable, 0);
  }
  return sum;
}

/* Code is replaced without any store: by munmap, mmap and mremap at its address. */
static unsigned mapping_changes(void) {
  byte *place = (byte *)need(call6(SYS_mmap2, 0, 2 * PAGE, PROT_RWX, MAP_PRIVATE_ANONYMOUS, NO_FILE, 0), "mmap");
  unsigned sum = 0;
  for (unsigned i = 0; i < 20; i++) {
    put_constant(place, i + 1);
    sum = sum * 3 + run(place, 0);
    if (i & 1) need(call3(SYS_munmap, place, PAGE, 0), "munmap");
    need(call6(SYS_mmap2, (unsigned)place, PAGE, PROT_RWX, MAP_PRIVATE_ANONYMOUS | MAP_FIXED, NO_FILE, 0), "mmap");
  }
  for (unsigned i = 0; i < 20; i++) {
    put_constant(place, 500);
    sum = sum * 3 + run(place, 0);
    put_constant(place + PAGE, i + 600);
    /* MREMAP_MAYMOVE | MREMAP_FIXED: the second page moves over the first */
    need(call6(SYS_mremap, (unsigned)place + PAGE, PAGE, PAGE, 3, (unsigned)place, 0), "mremap");
    sum = sum * 5 + run(place, 0);
    const unsigned flags = MAP_PRIVATE_ANONYMOUS | MAP_FIXED;
    need(call6(SYS_mmap2, (unsigned)place + PAGE, PAGE, PROT_RWX, flags, NO_FILE, 0), "mmap");
  }
  return sum;
}

/* As a careful just-in-time compiler does it: never writable and executable at once. */
static unsigned write_xor_execute(void) {
  byte *place = (byte *)need(call6(SYS_mmap2, 0, PAGE, PROT_RW, MAP_PRIVATE_ANONYMOUS, NO_FILE, 0), "mmap");
  unsigned sum = 0;
  for (unsigned i = 0; i < 100; i++) {
    need(call3(SYS_mprotect, place, PAGE, PROT_RW), "mprotect");
    put_constant(place + (i & 3), i + 9);
    need(call3(SYS_mprotect, place, PAGE, PROT_RX), "mprotect");
    sum = sum * 3 + run(place + (i & 3), 0);
  }
  return sum;
}

/* Trampolines on the stack, at different depths. */
static unsigned on_stack(unsigned depth) {
  byte trampoline[16];
  unsigned page = (unsigned)trampoline & ~(PAGE - 1u);
  need(call3(SYS_mprotect, page, (unsigned)trampoline + sizeof trampoline - page, PROT_RWX), "mprotect");
  put_constant(trampoline, depth * depth);
  unsigned value = run(trampoline, 0);
  return depth == 0 ? value : value + 3 * on_stack(depth - 1);
}

static unsigned stack_code(void) {
  unsigned sum = 0;
  for (unsigned i = 1; i < 8; i++) sum = sum * 3 + on_stack(i);
  return sum;
}

/* Read-modify-write instructions, locked ones, and stores of eight and more bytes. */
static unsigned other_stores(void) {
  byte *start = code + 5 * PAGE + 1;
  unsigned sum = 0;
  put_constant(start, 5);
  unsigned *immediate = (unsigned *)(start + 1);
  for (unsigned i = 0; i < 30; i++) {
    sum = sum * 3 + run(start, 0);
    __asm__ volatile("lock addl $13, %0" : "+m"(*immediate) : : "memory", "cc");
    sum = sum * 3 + run(start, 0);
    unsigned other = i * 31;
    __asm__ volatile("xchgl %0, %1" : "+r"(other), "+m"(*immediate) : : "memory");
    sum = sum * 3 + run(start, 0) + other;
    unsigned old = *immediate;
    __asm__ volatile("lock cmpxchgl %2, %1" : "+a"(old), "+m"(*immediate) : "r"(i * 37 + 1) : "memory", "cc");
    sum = sum * 3 + run(start, 0);
    unsigned long long *whole = (unsigned long long *)start;
    unsigned long long code8 = 0x9090c300000000b8ull | ((unsigned long long)(i * 41) << 8);
    unsigned low = *(unsigned *)start;
    unsigned high = ((unsigned *)start)[1];
    __asm__ volatile("lock cmpxchg8b %0"
                     : "+m"(*whole), "+a"(low), "+d"(high)
                     : "b"((unsigned)code8), "c"((unsigned)(code8 >> 32))
                     : "memory", "cc");
    sum = sum * 3 + run(start, 0);
    code8 ^= 0x5500;
    __asm__ volatile("fildll %1\n\tfistpll %0" : "=m"(*whole) : "m"(code8) : "memory");
    sum = sum * 3 + run(start, 0);
  }
  return sum;
}

/* Data written next to code that runs again and again: slow when each write throws the code away, but right. */
static unsigned data_beside_code(void) {
  byte *start = code + 5 * PAGE + 0x800;
  volatile unsigned *data = (volatile unsigned *)(start + 0x40);
  byte *at = start;
  EMIT(at, 0x01, 0x0d, LE32(data)); /* add [data],ecx */
  EMIT(at, 0xa1, LE32(data), 0xc3); /* mov eax,[data]; ret */
  *data = 0;
  unsigned sum = 0;
  for (unsigned i = 0; i < 3000; i++) {
    sum += run(start, i);
    data[1] = sum;
  }
  return sum + data[1];
}

/* The displacements of a call and of a jump are changed. */
static unsigned branch_targets(void) {
  byte *start = code + 6 * PAGE;
  byte *at = start;
  unsigned sum = 0;
  EMIT(at, 0xe8, LE32(0), 0xc3); /* call x; ret */
  for (unsigned i = 0; i < 16; i++) put_constant(start + 0x40 + 16 * i, i * i);
  for (unsigned i = 0; i < 200; i++) {
    put32(start + 1, 0x40 + 16 * (i * 5 % 16) - 5);
    sum = sum * 3 + run(start, 0);
  }
  at = start + 0x200;
  EMIT(at, 0x31, 0xc0, 0xeb, 0x00); /* xor eax,eax; jmp short x */
  for (unsigned i = 0; i < 32; i++) EMIT(at, 0x40);
  EMIT(at, 0xc3);
  for (unsigned i = 0; i < 33; i++) {
    start[0x203] = (byte)i;
    __asm__ volatile("" ::: "memory");
    sum = sum * 3 + run(start + 0x200, 0);
  }
  return sum;
}

/* Many small functions, all written again and again. */
static unsigned many_functions(void) {
  byte *start = code + 6 * PAGE + 0x400;
  unsigned sum = 0;
  for (unsigned round = 0; round < 10; round++) {
    for (unsigned i = 0; i < 200; i++) put_constant(start + 16 * i, i * round);
    for (unsigned i = 0; i < 200; i++) sum = sum * 3 + run(start + 16 * i, 0);
  }
  return sum;
}

struct action {
  void *handler;
  unsigned flags;
  void *restorer;
  unsigned mask[2];
};

__asm__("restore: mov $173, %eax\n\tint $0x80");
extern const byte restore[];

static unsigned repairs;

/* Replaces UD2 by MOV AL,n and lets the program go on there. */
static void repair(int number, const unsigned *info) {
  (void)number;
  byte *at = (byte *)info[3]; /* si_addr */
  at[1] = (byte)++repairs;
  at[0] = 0xb0;
}

/* A SIGILL handler writes over the instruction that raised the signal. */
static unsigned patched_by_handler(void) {
  struct action action = {repair, 0x04000004, (void *)restore, {0, 0}}; /* SA_RESTORER | SA_SIGINFO */
  need(call6(SYS_rt_sigaction, 4, (unsigned)&action, 0, 8, 0, 0), "rt_sigaction");
  byte *start = code + 7 * PAGE + 0x200;
  unsigned sum = 0;
  for (unsigned i = 0; i < 20; i++) {
    byte *at = start;
    EMIT(at, 0x31, 0xc0, 0x0f, 0x0b, 0xb4, 0x01, 0xc3); /* xor eax,eax; ud2; mov ah,1; ret */
    sum = sum * 3 + run(start, 0);
    sum = sum * 3 + run(start, 0);
  }
  return sum;
}

static const struct {
  const char *name;
  unsigned (*test)(void);
} tests[] = {
    {"patched immediate", patched_immediate},
    {"next instruction", next_instruction},
    {"ahead in the same block", ahead_in_block},
    {"behind in the same loop", behind_in_loop},
    {"toggled opcode", toggled_opcode},
    {"next page", next_page},
    {"instruction on two pages", straddling_instruction},
    {"store on two pages", straddling_store},
    {"rep movsb ahead", rep_movs},
    {"rep stosd ahead", rep_stos},
    {"read system call", system_call},
    {"push", pushed_code},
    {"second mapping", second_mapping},
    {"mmap, munmap, mremap", mapping_changes},
    {"mprotect write, then execute", write_xor_execute},
    {"code on the stack", stack_code},
    {"locked and wide stores", other_stores},
    {"data beside code", data_beside_code},
    {"branch targets", branch_targets},
    {"many functions", many_functions},
    {"signal handler", patched_by_handler},
};

__attribute__((noreturn, used)) static void begin(void) {
  need(call3(SYS_mprotect, code, sizeof code, PROT_RWX), "mprotect");
  for (unsigned i = 0; i < sizeof tests / sizeof *tests; i++) {
    print(tests[i].name);
    print(": ");
    print_number(tests[i].test());
    print("\n");
  }
  leave(0);
}

__asm__(".globl _start\n_start: and $-16, %esp\n\tcall begin");
