/* Backtraces through signal handlers, and the vDSO as programs see it; prints the same natively and under wemu. */
#define _GNU_SOURCE
#include <execinfo.h>
#include <link.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(void);
void plain_handler(int), info_handler(int, siginfo_t *, void *), fault_handler(int, siginfo_t *, void *);
void inner(int), outer(int), faulting(volatile int *), last(void);

static const struct { const char *name; const void *start; } functions[] = {
  {"plain_handler", plain_handler}, {"info_handler", info_handler}, {"fault_handler", fault_handler},
  {"inner", inner}, {"outer", outer}, {"faulting", faulting}, {"main", main},
};

static int in_vdso(const void *at) { return ((unsigned)at & ~0xfffu) == getauxval(AT_SYSINFO_EHDR); }

static void show(const char *what) {
  void *at[32];
  int n = backtrace(at, 32);
  printf("%s:", what);
  for (int i = 0; i < n; i++) {
    if (in_vdso(at[i])) { printf(" vdso"); continue; }
    for (unsigned k = 0; k < sizeof functions / sizeof *functions; k++)
      if (at[i] >= functions[k].start && (char *)at[i] < (char *)functions[k].start + 64) { printf(" %s", functions[k].name); break; }
  }
  printf("\n");
}

#define SECTION(n) __attribute__((noinline, aligned(64), section(".text.unwind" #n)))
static sigjmp_buf env;
SECTION(1) void plain_handler(int s) { show("plain handler"); }
SECTION(2) void info_handler(int s, siginfo_t *i, void *c) { show("siginfo handler"); }
SECTION(3) void fault_handler(int s, siginfo_t *i, void *c) { show("fault"); siglongjmp(env, 1); }
SECTION(4) void inner(int s) { syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), s); __asm__ volatile(""); }
SECTION(5) void outer(int s) { inner(s); __asm__ volatile(""); }
SECTION(6) void faulting(volatile int *p) { *p = 1; }

static int module(struct dl_phdr_info *info, size_t size, void *count) {
  if (info->dlpi_addr == getauxval(AT_SYSINFO_EHDR)) ++*(int *)count;
  return 0;
}

/* Installs a handler without a restorer: the kernel's code returns from it. */
static void install(void *handler, unsigned long flags) {
  struct { void *handler; unsigned long flags; void *restorer; unsigned mask[2]; } action = {handler, flags, 0, {0, 0}};
  if (syscall(SYS_rt_sigaction, SIGUSR1, &action, 0, 8)) printf("rt_sigaction failed\n");
}

int main(void) {
  void *warm[2];
  backtrace(warm, 2);
  struct sigaction action = {0};
  action.sa_sigaction = fault_handler;
  action.sa_flags = SA_SIGINFO;
  sigaction(SIGSEGV, &action, 0);
  install(plain_handler, 0);
  outer(SIGUSR1);
  install(info_handler, SA_SIGINFO);
  outer(SIGUSR1);
  action.sa_sigaction = info_handler;
  sigaction(SIGUSR2, &action, 0);
  outer(SIGUSR2);
  if (!sigsetjmp(env, 1)) faulting(0);
  int count = 0;
  dl_iterate_phdr(module, &count);
  printf("vDSO: %d module, ELF %d\n", count, !memcmp((void *)getauxval(AT_SYSINFO_EHDR), "\177ELF", 4));
  int pid;
  __asm__ volatile("call *%1" : "=a"(pid) : "r"(getauxval(AT_SYSINFO)), "0"(SYS_getpid) : "memory");
  printf("AT_SYSINFO: %d, in the vDSO %d\n", pid == getpid(), in_vdso((void *)getauxval(AT_SYSINFO)));
  char line[512];
  int shown = 0;
  FILE *maps = fopen("/proc/self/maps", "r");
  while (maps && fgets(line, sizeof line, maps)) {
    unsigned start;
    if (strstr(line, "[vdso]") && sscanf(line, "%x", &start) == 1) shown += in_vdso((void *)start);
  }
  printf("maps: %d\n", shown);
  return 0;
}
