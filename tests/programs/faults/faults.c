/*
 * Guest program that raises exceptions on purpose and prints what its SIGSEGV, SIGBUS, SIGFPE, SIGILL and SIGTRAP
 * handlers see: the signal, the faulting instruction, the registers half-way. A handler then makes the page accessible,
 * skips the instruction or changes registers, and the instruction goes on. The host CPU's output stands in `expected`.
 *
 * Build: i686-linux-gnu-gcc -Os -static -nostdlib -ffreestanding -fno-pie -no-pie -fno-stack-protector
 *   -fno-asynchronous-unwind-tables -march=i686 -Wl,--build-id=none,-z,norelro,-z,noseparate-code -s -o faults faults.c
 */

typedef unsigned char byte;

#define PAGE 4096u
/* Pages of the playground: read-write, none, read-write, read-only, none, of a file past its end, none. */
#define AREA 0x50000000u
#define NONE (AREA + PAGE)
#define AFTER (AREA + 2 * PAGE)
#define READ_ONLY (AREA + 3 * PAGE)
#define PAST_FILE (AREA + 5 * PAGE)
/* A page that holds code and may not be executed. */
#define NO_EXECUTE (AREA + 7 * PAGE)
/* For signals without an alternate stack: room for the largest signal frame. */
#define PLAIN_STACK 0x51000000u
#define PLAIN_STACK_BYTES (8 * PAGE)

enum {
  SYS_exit = 1,
  SYS_write = 4,
  SYS_ftruncate = 93,
  SYS_mprotect = 125,
  SYS_rt_sigreturn = 173,
  SYS_rt_sigaction = 174,
  SYS_sigaltstack = 186,
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

static void print(const char *text) {
  unsigned length = 0;
  while (text[length]) length++;
  call3(SYS_write, 1, text, length);
}

static void __attribute__((noreturn)) leave(int status) {
  for (;;) call3(SYS_exit, status, 0, 0);
}

static void print_hex(const char *label, unsigned value) {
  char digits[10];
  for (int i = 0; i < 8; i++) digits[i] = "0123456789abcdef"[value >> (28 - 4 * i) & 15];
  digits[8] = 0;
  print(label);
  print(digits);
}

static void print_decimal(const char *label, unsigned value) {
  char digits[11];
  char *at = digits + sizeof digits;
  *--at = 0;
  do *--at = '0' + value % 10;
  while (value /= 10);
  print(label);
  print(at);
}

static void need(int result, const char *what) {
  if (result < 0 && result > -(int)PAGE) {
    print(what);
    print(" failed\n");
    leave(1);
  }
}

/* The registers a test starts with, and ends with. Order of PUSHA read from memory upwards. */
struct registers {
  unsigned edi, esi, ebp, esp, ebx, edx, ecx, eax, eflags;
};

/*
 * run_code(code, registers): loads the registers, jumps to the code, and stores the registers when it jumps to run_end
 * (whose address is in the word at run_back, so that code anywhere can get there by jmp *run_back).
 */
void run_code(const void *code, struct registers *registers);
extern const byte run_end[];
const byte *const run_back = run_end;
__asm__(
    ".section .bss\n"
    ".balign 4\n"
    "run_esp: .skip 4\n"
    "run_registers: .skip 4\n"
    "run_target: .skip 4\n"
    ".text\n"
    ".globl run_code\n"
    "run_code:\n"
    "  pusha\n"
    "  mov 36(%esp), %eax\n"
    "  mov %eax, run_target\n"
    "  mov 40(%esp), %eax\n"
    "  mov %eax, run_registers\n"
    "  mov %esp, run_esp\n"
    "  mov %eax, %esp\n"
    "  push 32(%esp)\n" /* over the word before the registers */
    "  popf\n"
    "  popa\n" /* skips ESP */
    "  mov run_registers, %esp\n"
    "  mov 12(%esp), %esp\n"
    "  jmp *run_target\n"
    ".globl run_end\n"
    "run_end:\n"
    "  mov %esp, run_target\n"
    "  mov run_registers, %esp\n"
    "  lea 36(%esp), %esp\n"
    "  pushf\n"
    "  pusha\n"
    "  mov run_target, %eax\n"
    "  mov %eax, 12(%esp)\n"
    "  mov run_esp, %esp\n"
    "  cld\n"
    "  popa\n"
    "  ret\n");

/* The code of the tests: each ends in a jump to run_end. */
#define CODE(name, text) \
  extern const byte name[]; \
  __asm__(".globl " #name "\n" #name ":\n" text "\n  jmp run_end\n");

CODE(rep_movsb, "rep movsb")
CODE(rep_movsw, "rep movsw")
CODE(rep_movsl, "rep movsl")
CODE(rep_stosb, "rep stosb")
CODE(rep_stosl, "rep stosl")
CODE(rep_lodsl, "rep lodsl")
CODE(repe_cmpsb, "repe cmpsb")
CODE(repe_cmpsl, "repe cmpsl")
CODE(repne_scasb, "repne scasb")
CODE(repe_scasl, "repe scasl")
CODE(movsl_once, "movsl")
CODE(store, "inc %eax\n mov %eax, (%ebx)\n inc %eax")
CODE(store_word, "mov %ax, (%ebx)")
CODE(load, "inc %edx\n add (%ebx), %edx\n inc %edx")
CODE(read_modify_write, "adc %eax, (%ebx)")
CODE(exchange, "xchg %eax, (%ebx)")
CODE(exchange_add, "lock xadd %eax, (%ebx)")
CODE(compare_exchange, "cmpxchg %ecx, (%ebx)")
CODE(compare_exchange_wide, "lock cmpxchg8b (%edi)")
CODE(bit_set, "bts %eax, (%ebx)")
CODE(shift, "rcll %cl, (%ebx)")
CODE(push, "push %eax\n inc %eax")
CODE(push_memory, "pushl (%ebx)")
CODE(pop, "pop %eax")
CODE(pop_memory, "popl 4(%esp)")
CODE(push_all, "pusha")
CODE(pop_all, "popa")
CODE(call_near, "call 1f\n 1: pop %eax\n xor %eax, %eax")
CODE(enter_frame, "enter $16, $2")
CODE(leave_frame, "leave")
CODE(store_x87, "fld1\n fstpt (%ebx)")
CODE(load_x87, "fldpi\n faddl (%ebx)\n fistpll (%esi)")
CODE(translate, "xlat")
CODE(conditional_move, "cmovo (%ebx), %eax")
CODE(jump, "jmp *%ebx")
CODE(undefined, "mov $1, %eax\n ud2\n inc %eax")
CODE(breakpoint, "int3\n inc %eax")
CODE(halt, "hlt\n inc %eax")
CODE(overflow, "into\n inc %eax")
CODE(out_of_bounds, "bound %eax, (%ebx)\n inc %eax")
CODE(divide, "divl %ecx\n inc %ebx")
CODE(divide_signed, "idivb %cl\n inc %ebx")
CODE(interrupt, "int $0x42\n inc %eax")
CODE(single_step,
     "pushf\n orl $0x100, (%esp)\n popf\n inc %eax\n add %ecx, %edx\n rep stosb\n"
     "pushf\n andl $~0x100, (%esp)\n popf")

/* What the handler does before the program goes on. */
enum repair {
  OPEN,      /* make the page of si_addr accessible */
  SKIP,      /* go on `skip` bytes further */
  NEXT,      /* just go on */
  STOP_REP,  /* ECX = 1 and the page accessible: one more element */
  NEW_FLAGS, /* as SKIP, and EFLAGS and EDX from the handler */
};

static const byte *test_code;
static enum repair test_repair;
static unsigned test_skip;
static unsigned test_signals;
static int test_on_stack;

struct context {
  unsigned flags, link, stack[3];
  unsigned gs, fs, es, ds, edi, esi, ebp, esp, ebx, edx, ecx, eax, trapno, err, eip, cs, eflags, esp_at_signal, ss;
  unsigned *fpstate;
  unsigned oldmask, cr2;
};

static const char *signal_name(int number) {
  switch (number) {
    case 4: return "SIGILL";
    case 5: return "SIGTRAP";
    case 7: return "SIGBUS";
    case 8: return "SIGFPE";
    case 11: return "SIGSEGV";
    default: return "signal";
  }
}

static unsigned alternate_stack[4096];

/* Prints an address in the code of the test as an offset. */
static void print_address(const char *label, unsigned address) {
  unsigned offset = address - (unsigned)test_code;
  if (offset >= 256) {
    print_hex(label, address);
    return;
  }
  print(label);
  print_decimal("+", offset);
}

static void handler(int number, const int *info, struct context *context) {
  int local;
  print("    ");
  print(signal_name(number));
  print_decimal(" si_code ", (unsigned)info[2]);
  print_address(" si_addr ", (unsigned)info[3]);
  print_address(" eip ", context->eip);
  print_decimal(" trapno ", context->trapno);
  if (context->trapno >= 10) print_hex(" err ", context->err);
  if (context->trapno == 14) print_hex(" cr2 ", context->cr2);
  unsigned page = (unsigned)info[3] & ~(PAGE - 1);
  /* A store that faults on its second page must not have changed the first. */
  if (page == NONE || page == READ_ONLY) print_hex(" before the border ", *(volatile unsigned *)(page - 4));
  print("\n     ");
  print_hex(" eax ", context->eax);
  print_hex(" ecx ", context->ecx);
  print_hex(" edx ", context->edx);
  print_hex(" esp ", context->esp);
  print_hex(" esi ", context->esi);
  print_hex(" edi ", context->edi);
  print_hex(" eflags ", context->eflags);
  print("\n");
  int alternate = (unsigned)&local - (unsigned)alternate_stack < sizeof alternate_stack;
  if (alternate != test_on_stack) print("    on the wrong stack\n");
  if (context->esp != context->esp_at_signal) print("    esp_at_signal is not esp\n");
  if (++test_signals > 12) {
    print("    too many signals\n");
    leave(1);
  }
  /* Use the x87 here: the program must not notice. */
  __asm__ volatile("fninit\n fldz\n fld1\n fldl2e");
  switch (test_repair) {
    case STOP_REP:
      context->ecx = 1; /* fall through */
    case OPEN:
      need(call3(SYS_mprotect, page, PAGE, page == NO_EXECUTE ? 5 : 3), "mprotect");
      break;
    case NEW_FLAGS:
      context->eflags ^= 0x8d5;
      context->edx = 0x5555aaaa; /* fall through */
    case SKIP:
      context->eip += test_skip;
      break;
    case NEXT:
      break;
  }
}

struct action {
  void *handler;
  unsigned flags;
  void *restorer;
  unsigned mask[2];
};

__asm__("restore: mov $173, %eax\n\tint $0x80");
extern const byte restore[];

#define SA_SIGINFO 4u
#define SA_RESTORER 0x04000000u
#define SA_ONSTACK 0x08000000u

static void install(unsigned flags) {
  static const int numbers[] = {4, 5, 7, 8, 11};
  struct action action = {handler, SA_SIGINFO | SA_RESTORER | flags, (void *)restore, {0, 0}};
  for (unsigned i = 0; i < 5; i++) {
    need(call6(SYS_rt_sigaction, (unsigned)numbers[i], (unsigned)&action, 0, 8, 0, 0), "rt_sigaction");
  }
  test_on_stack = (flags & SA_ONSTACK) != 0;
}

/* Brings the playground back to its first state. */
static void prepare_area(void) {
  need(call3(SYS_mprotect, AREA, 5 * PAGE, 3), "mprotect");
  for (unsigned i = 0; i < 4 * PAGE; i += 4) *(volatile unsigned *)(AREA + i) = i * 0x01010101u + 0x89abcdefu;
  need(call3(SYS_mprotect, NONE, PAGE, 0), "mprotect");
  need(call3(SYS_mprotect, READ_ONLY, PAGE, 1), "mprotect");
  need(call3(SYS_mprotect, AREA + 4 * PAGE, PAGE, 0), "mprotect");
  need(call3(SYS_mprotect, NO_EXECUTE, PAGE, 3), "mprotect");
}

/* A number that changes when a byte of the playground does. Opens its pages. */
static unsigned checksum(void) {
  unsigned sum = 0;
  need(call3(SYS_mprotect, AREA, 5 * PAGE, 3), "mprotect");
  for (unsigned i = 0; i < 5 * PAGE; i++) sum = sum * 31 + *(volatile byte *)(AREA + i);
  return sum;
}

#define DOWN 0x400u
#define CARRY 1u
#define OVERFLOW 0x800u

static struct {
  unsigned room;
  struct registers registers;
} slot;

static void test(const char *name, const byte *code, enum repair repair, unsigned skip, const struct registers *start) {
  prepare_area();
  slot.registers = *start;
  if (!slot.registers.esp) slot.registers.esp = AREA + 0x800;
  slot.registers.eflags |= 2;
  test_code = code;
  test_repair = repair;
  test_skip = skip;
  test_signals = 0;
  print(name);
  print("\n");
  run_code(code, &slot.registers);
  const struct registers *end = &slot.registers;
  print_decimal("  after ", test_signals);
  print_hex(" signals: eax ", end->eax);
  print_hex(" ecx ", end->ecx);
  print_hex(" edx ", end->edx);
  print_hex(" ebx ", end->ebx);
  print_hex(" esp ", end->esp);
  print_hex(" ebp ", end->ebp);
  print_hex(" esi ", end->esi);
  print_hex(" edi ", end->edi);
  print_hex(" eflags ", end->eflags);
  print_hex(" memory ", checksum());
  print("\n");
}

#define TEST(name, code, repair, skip, ...) \
  do { \
    const struct registers start_ = {__VA_ARGS__}; \
    test(name, code, repair, skip, &start_); \
  } while (0)

static void strings(void) {
  TEST("rep movsl: reads into a closed page", rep_movsl, OPEN, 0, .ecx = 16, .esi = NONE - 20, .edi = AREA + 0x100);
  TEST("rep movsl: reads, unaligned", rep_movsl, OPEN, 0, .ecx = 16, .esi = NONE - 18, .edi = AREA + 0x101);
  TEST("rep movsl: writes into a closed page", rep_movsl, OPEN, 0, .ecx = 16, .esi = AREA + 0x100, .edi = NONE - 20);
  TEST("rep movsl: writes, unaligned", rep_movsl, OPEN, 0, .ecx = 16, .esi = AREA + 0x103, .edi = NONE - 17);
  TEST("rep movsl: both, overlapping", rep_movsl, OPEN, 0, .ecx = 16, .esi = NONE - 24, .edi = NONE - 16);
  TEST("rep movsl: downwards", rep_movsl, OPEN, 0, .ecx = 16, .esi = AREA + 0x200, .edi = AFTER + 16, .eflags = DOWN);
  TEST("rep movsl: reads downwards", rep_movsl, OPEN, 0, .ecx = 9, .esi = AFTER + 6, .edi = AREA + 0x80,
       .eflags = DOWN);
  TEST("rep movsl: into a read-only page", rep_movsl, OPEN, 0, .ecx = 16, .esi = AREA, .edi = READ_ONLY - 12);
  TEST("rep movsl: stopped by the handler", rep_movsl, STOP_REP, 0, .ecx = 16, .esi = NONE - 20, .edi = AREA + 0x100);
  TEST("rep movsl: a whole page", rep_movsl, OPEN, 0, .ecx = 1500, .esi = AREA + 0x100, .edi = AFTER - 0x800);
  TEST("rep movsw: from the middle of a word", rep_movsw, OPEN, 0, .ecx = 7, .esi = NONE - 5, .edi = AREA + 9);
  TEST("rep movsb: reads", rep_movsb, OPEN, 0, .ecx = 40, .esi = NONE - 13, .edi = AREA + 0x100);
  TEST("rep movsb: writes", rep_movsb, OPEN, 0, .ecx = 40, .esi = AREA + 0x101, .edi = NONE - 11);
  TEST("rep stosl: upwards", rep_stosl, OPEN, 0, .eax = 0x11223344, .ecx = 20, .edi = NONE - 30);
  TEST("rep stosl: downwards", rep_stosl, OPEN, 0, .eax = 0x11223344, .ecx = 20, .edi = AFTER + 30, .eflags = DOWN);
  TEST("rep stosl: over two closed pages", rep_stosl, OPEN, 0, .eax = 7, .ecx = 3100, .edi = NONE - 0x10);
  TEST("rep stosb: to the end", rep_stosb, OPEN, 0, .eax = 0x5a, .ecx = 50, .edi = AREA + 4 * PAGE - 30);
  TEST("rep lodsl", rep_lodsl, OPEN, 0, .ecx = 9, .esi = NONE - 14);
  TEST("repe cmpsb: equal up to the border", repe_cmpsb, OPEN, 0, .ecx = 60, .esi = NONE - 7, .edi = NONE - 7);
  TEST("repe cmpsl: second operand", repe_cmpsl, OPEN, 0, .ecx = 9, .esi = AREA + PAGE - 24, .edi = NONE - 24);
  TEST("repne scasb", repne_scasb, OPEN, 0, .eax = 0x100, .ecx = 60, .edi = NONE - 3, .eflags = CARRY);
  TEST("repe scasl", repe_scasl, OPEN, 0, .eax = 0, .ecx = 5, .edi = NONE - 2, .eflags = OVERFLOW | 0x40);
  TEST("movsl: source and destination closed", movsl_once, OPEN, 0, .esi = NONE + 8, .edi = READ_ONLY + 8);
}

static void accesses(void) {
  for (unsigned i = 1; i < 4; i++) {
    TEST("store across the border", store, OPEN, 0, .eax = 0xa1b2c3d4, .ebx = NONE - i);
    TEST("store across the border, second page open", store, OPEN, 0, .eax = 0xa1b2c3d4, .ebx = AFTER - i);
    TEST("load across the border", load, OPEN, 0, .edx = 3, .ebx = NONE - i);
    TEST("adc across the border", read_modify_write, OPEN, 0, .eax = 9, .ebx = NONE - i, .eflags = CARRY);
  }
  TEST("store of a word across the border", store_word, OPEN, 0, .eax = 0x1234, .ebx = NONE - 1);
  TEST("store into a read-only page", store, OPEN, 0, .eax = 5, .ebx = READ_ONLY + 4);
  TEST("store across into a read-only page", store, OPEN, 0, .eax = 5, .ebx = READ_ONLY - 2);
  TEST("store across out of a read-only page into a closed one", store, OPEN, 0, .eax = 5, .ebx = READ_ONLY + PAGE - 2);
  TEST("adc on a read-only page", read_modify_write, OPEN, 0, .eax = ~0u, .ebx = READ_ONLY + 4, .eflags = CARRY);
  TEST("xchg on a closed page", exchange, OPEN, 0, .eax = 77, .ebx = NONE + 4);
  TEST("lock xadd on a read-only page", exchange_add, OPEN, 0, .eax = 77, .ebx = READ_ONLY + 4);
  TEST("cmpxchg that fails on a read-only page", compare_exchange, OPEN, 0, .eax = 1, .ecx = 2, .ebx = READ_ONLY + 4);
  TEST("lock cmpxchg8b on a closed page", compare_exchange_wide, OPEN, 0, .eax = 1, .edx = 2, .edi = NONE + 8);
  TEST("bts far away", bit_set, OPEN, 0, .eax = 0x1000 * 8 + 5, .ebx = AREA + 0x20);
  TEST("rcl on a read-only page", shift, OPEN, 0, .ecx = 1, .ebx = READ_ONLY + 8, .eflags = CARRY);
  TEST("xlat", translate, OPEN, 0, .eax = 0x1ff, .ebx = NONE - 0x80);
  TEST("cmov that does not move", conditional_move, OPEN, 0, .eax = 1, .ebx = NONE);
  TEST("fstpt across the border", store_x87, OPEN, 0, .ebx = NONE - 4);
  TEST("fadd from a closed page", load_x87, OPEN, 0, .ebx = NONE, .esi = AREA + 8);
  TEST("load past the end of a file", load, SKIP, 2, .ebx = PAST_FILE + 8);
  TEST("store past the end of a file", store, SKIP, 2, .ebx = PAST_FILE + PAGE - 4);
  TEST("load from the null page", load, SKIP, 2, .ebx = 8);
  TEST("load from the kernel's addresses", load, SKIP, 2, .ebx = 0xfffff000);
}

static void stacks(void) {
  TEST("push at the top of a closed page", push, OPEN, 0, .eax = 5, .esp = AFTER);
  TEST("push across the border", push, OPEN, 0, .eax = 5, .esp = AFTER + 2);
  TEST("push of a closed operand to a closed page", push_memory, OPEN, 0, .ebx = READ_ONLY + PAGE + 4, .esp = AFTER);
  TEST("pop at the end", pop, OPEN, 0, .esp = NONE);
  TEST("pop across the border", pop, OPEN, 0, .esp = NONE - 1);
  TEST("pop into a closed page", pop_memory, OPEN, 0, .esp = NONE - 8);
  TEST("call with a closed stack", call_near, OPEN, 0, .esp = AFTER);
  TEST("pusha to a closed page", push_all, OPEN, 0, .eax = 1, .ecx = 2, .edx = 3, .ebx = 4, .ebp = 5, .esi = 6,
       .edi = 7, .esp = AFTER);
  TEST("popa from a closed page", pop_all, OPEN, 0, .esp = NONE);
  TEST("enter to a closed page", enter_frame, OPEN, 0, .ebp = AREA + 0x700, .esp = AFTER);
  TEST("leave to a closed page", leave_frame, OPEN, 0, .ebp = NONE + 4, .esp = AREA + 0x700);
}

static void instructions(void) {
  TEST("ud2, skipped", undefined, SKIP, 2, .ecx = 1);
  TEST("ud2, with other flags and EDX", undefined, NEW_FLAGS, 2, .eflags = CARRY);
  TEST("int3", breakpoint, NEXT, 0, .eax = 10);
  TEST("hlt, skipped", halt, SKIP, 1, .eax = 10);
  TEST("into without overflow", overflow, NEXT, 0, .eax = 10);
  TEST("into with overflow", overflow, NEXT, 0, .eax = 10, .eflags = OVERFLOW);
  TEST("bound, skipped", out_of_bounds, SKIP, 2, .eax = 0x80000000, .ebx = AREA + 0x10);
  TEST("div by zero, skipped", divide, SKIP, 2, .eax = 10, .edx = 1, .eflags = CARRY | OVERFLOW);
  TEST("idiv with a quotient too large, skipped", divide_signed, SKIP, 2, .eax = 0x8000, .ecx = 0xff);
  TEST("int 42h, skipped", interrupt, SKIP, 2, .eax = 1);
  TEST("single steps", single_step, NEXT, 0, .eax = 1, .ecx = 2, .edi = AREA + 0x100);
  byte *place = (byte *)NO_EXECUTE;
  need(call3(SYS_mprotect, NO_EXECUTE, PAGE, 3), "mprotect");
  /* inc %eax; jmp *run_back */
  const unsigned back = (unsigned)&run_back;
  const byte code[] = {0x40, 0xff, 0x25, (byte)back, (byte)(back >> 8), (byte)(back >> 16), (byte)(back >> 24)};
  for (unsigned i = 0; i < sizeof code; i++) ((volatile byte *)place)[0x10 + i] = code[i];
  TEST("jump to a page without permission to execute", jump, OPEN, 0, .eax = 3, .ebx = NO_EXECUTE + 0x10);
}

__attribute__((noreturn, used)) static void begin(void) {
  const unsigned stack[3] = {(unsigned)alternate_stack, 0, sizeof alternate_stack};
  need(call3(SYS_sigaltstack, stack, 0, 0), "sigaltstack");
  need(call6(SYS_mmap2, AREA, 8 * PAGE, 3, 0x32, (unsigned)-1, 0), "mmap");
  int file = call3(SYS_memfd_create, "short", 0, 0);
  need(file, "memfd_create");
  need(call6(SYS_mmap2, PAST_FILE, PAGE, 3, 0x11, (unsigned)file, 0), "mmap"); /* MAP_SHARED | MAP_FIXED, empty file */
  need(call3(SYS_mprotect, AREA + 6 * PAGE, PAGE, 0), "mprotect");
  install(SA_ONSTACK);
  strings();
  accesses();
  stacks();
  instructions();
  print("without an alternate stack\n");
  install(0);
  need(call6(SYS_mmap2, PLAIN_STACK, PLAIN_STACK_BYTES, 3, 0x32, (unsigned)-1, 0), "mmap");
  const unsigned stack_top = PLAIN_STACK + PLAIN_STACK_BYTES;
  TEST("rep movsl: writes into a closed page", rep_movsl, OPEN, 0, .ecx = 16, .esi = AREA + 0x100, .edi = NONE - 20,
       .esp = stack_top);
  TEST("ud2, with other flags and EDX", undefined, NEW_FLAGS, 2, .eflags = CARRY, .esp = stack_top - 3);
  TEST("single steps", single_step, NEXT, 0, .eax = 1, .ecx = 2, .edi = AREA + 0x100, .esp = stack_top);
  leave(0);
}

__asm__(".globl _start\n_start: and $-16, %esp\n\tcall begin");
