// What a process is and may: personality, prctl, capabilities, limits, scheduling, namespaces, keys, and calls that are refused.
#include "show.h"
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/utsname.h>

int main(void) {
  C(SYS_personality, 0xffffffff);
  C(SYS_personality, 0x0040000);
  C(SYS_personality, 0xffffffff);
  C(SYS_personality, 0);
  char b[256];
  int n = -1;
  for (int option = 1; option < 75; option++) {
    // Those that would change the rest of the run, or tell what differs between machines.
    if (option == 15 || option == 22 || option == 35 || option == 40 || option == 26 || option == 24 || option == 30) continue;
    memset(b, 0, sizeof b);
    printf("%d ", option);
    C(SYS_prctl, option, b, 0, 0, 0);
  }
  C(SYS_prctl, PR_SET_NAME, "a-name-longer-than-16");
  C(SYS_prctl, PR_GET_NAME, b);
  printf("  %s\n", b);
  C(SYS_prctl, PR_SET_PDEATHSIG, SIGUSR1);
  C(SYS_prctl, PR_GET_PDEATHSIG, &n);
  printf("  %d\n", n);
  C(SYS_prctl, PR_SET_PDEATHSIG, 99);
  C(SYS_prctl, PR_SET_CHILD_SUBREAPER, 1);
  C(SYS_prctl, PR_GET_CHILD_SUBREAPER, &n);
  printf("  %d\n", n);
  C(SYS_prctl, PR_SET_SECCOMP, 9, 0, 0, 0);
  C(SYS_prctl, PR_SET_TSC, 9);
  C(SYS_prctl, 0x53564d41, 0, 0, 0, 0);
  C(SYS_prctl, 0x59616d61, 0, 0, 0, 0);
  C(SYS_prctl, PR_CAPBSET_READ, 99);
  C(SYS_prctl, PR_SET_TIMERSLACK, 12345);
  C(SYS_prctl, PR_GET_TIMERSLACK);

  struct { unsigned version; int pid; } head = {0, 0};
  unsigned caps[6] = {0};
  C(SYS_capget, &head, caps);
  printf("  %x\n", head.version);
  C(SYS_capget, &head, caps);
  C(SYS_capset, &head, caps + 0);
  C(SYS_capget, &head, BAD);
  head.pid = NO_PROCESS;
  C(SYS_capget, &head, caps);
  head.version = 5;
  C(SYS_capget, &head, 0);

  unsigned limit[2];
  unsigned long long limit64[2], wide[2] = {0x200000000, 0x300000000};
  for (int i = 0; i < 17; i++) {
    if (i == 6 || i == 11 || i == 7) continue;
    printf("%d ", i);
    C(SYS_prlimit64, 0, i, 0, limit64);
    printf("  %llx %llx ", limit64[0], limit64[1]);
    C(SYS_ugetrlimit, i, limit);
    printf("  %x %x ", limit[0], limit[1]);
    C(SYS_getrlimit, i, limit);
    printf("  %x %x\n", limit[0], limit[1]);
  }
  C(SYS_prlimit64, 0, RLIMIT_FSIZE, wide, 0);
  C(SYS_ugetrlimit, RLIMIT_FSIZE, limit);
  printf("  %x %x\n", limit[0], limit[1]);
  limit[0] = 5;
  limit[1] = 3;
  C(SYS_setrlimit, RLIMIT_CORE, limit);
  limit[1] = 7;
  C(SYS_setrlimit, RLIMIT_CORE, limit);
  C(SYS_setrlimit, 99, limit);
  C(SYS_prlimit64, getppid(), RLIMIT_CORE, 0, limit64);
  C(SYS_prlimit64, NO_PROCESS, RLIMIT_CORE, 0, limit64);
  struct rusage use;
  C(SYS_getrusage, RUSAGE_SELF, &use);
  C(SYS_getrusage, RUSAGE_CHILDREN, &use);
  C(SYS_getrusage, 1, &use);
  C(SYS_getrusage, 99, &use);

  C(SYS_getpriority, PRIO_PROCESS, 0);
  C(SYS_setpriority, PRIO_PROCESS, 0, 3);
  C(SYS_getpriority, PRIO_PROCESS, 0);
  C(SYS_nice, 2);
  C(SYS_getpriority, PRIO_PROCESS, 0);
  C(SYS_setpriority, 9, 0, 3);
  struct sched_param param = {5};
  C(SYS_sched_setscheduler, 0, SCHED_BATCH, &param);
  param.sched_priority = 0;
  C(SYS_sched_setscheduler, 0, SCHED_BATCH, &param);
  C(SYS_sched_getscheduler, 0);
  C(SYS_sched_setscheduler, 0, 77, &param);
  C(SYS_sched_getparam, 0, &param);
  int interval[2];
  long long interval64[2];
  C(SYS_sched_rr_get_interval, 0, interval);
  C(SYS_sched_rr_get_interval_time64, 0, interval64);
  struct { unsigned size, policy; unsigned long long flags; int nice; unsigned priority; unsigned long long times[3]; unsigned util[2]; } attr = {56};
  C(SYS_sched_getattr, 0, &attr, 56, 0);
  printf("  %u %u %d\n", attr.size, attr.policy, attr.nice);
  attr.size = 48;
  attr.policy = 0;
  C(SYS_sched_setattr, 0, &attr, 0);
  attr.size = 7;
  C(SYS_sched_setattr, 0, &attr, 0);
  attr.size = 100000;
  C(SYS_sched_setattr, 0, &attr, 0);
  C(SYS_sched_getattr, 0, &attr, 47, 0);
  unsigned long mask[32] = {0};
  n = SYS(SYS_sched_getaffinity, 0, sizeof mask, mask);
  printf("%d\n", n > 0 && n % 4 == 0);
  C(SYS_sched_setaffinity, 0, n, mask);
  memset(mask, 0, sizeof mask);
  C(SYS_sched_setaffinity, 0, n, mask);
  C(SYS_sched_getaffinity, 0, 1, mask);
  C(SYS_ioprio_set, 1, 0, 2 << 13 | 5);
  C(SYS_ioprio_get, 1, 0);
  C(SYS_ioprio_set, 1, 0, 7 << 13);
  C(SYS_kcmp, getpid(), getpid(), 0, 1, 1);
  C(SYS_kcmp, getpid(), getpid(), 77, 0, 1);
  C(SYS_kcmp, getpid(), NO_PROCESS, 0, 0, 1);
  struct { unsigned char r[16]; } random;
  C(SYS_getrandom, &random, 16, 0);
  C(SYS_getrandom, &random, 16, 77);
  C(SYS_membarrier, 0, 77, 0);
  C(SYS_membarrier, 8, 0, 0);
  C(SYS_membarrier, 99, 0, 0);
  unsigned cpu = 999;
  C(SYS_getcpu, &cpu, 0, 0);
  C(SYS_getgroups32, -1, b);
  C(SYS_setgroups32, 70000, b);
  C(SYS_setresuid32, -1, -1, -1);
  C(SYS_setuid, 0xffff);
  C(SYS_setfsuid32, -1);

  CHILD({
    struct utsname u;
    C(SYS_unshare, CLONE_NEWUTS);
    C(SYS_sethostname, "wemu-test", 9);
    C(SYS_sethostname, "wemu-test", 99);
    C(SYS_setdomainname, "domain", 6);
    C(SYS_uname, &u);
    printf("  %s %s %s\n", u.sysname, u.nodename, u.domainname);
    char old[325] = "";
    C(SYS_olduname, old);
    printf("  %s %s\n", old, old + 65);
    char first[45] = "";
    C(SYS_oldolduname, first);
    printf("  %s %s\n", first, first + 9);
    C(SYS_unshare, CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWNS);
    C(SYS_unshare, 0x1234);
    C(SYS_getuid32);
    int ns = open("/proc/self/ns/uts", O_RDONLY);
    printf("%x\n", (int)SYS(SYS_ioctl, ns, 0xb703));
    K(SYS_ioctl, ns, 0xb701);
    C(SYS_setns, ns, CLONE_NEWUTS);
    C(SYS_setns, ns, CLONE_NEWNET);
    C(SYS_setns, 99, 0);
  });

  C(SYS_modify_ldt, 99, 0, 0);
  C(SYS_afs_syscall);
  C(SYS_bdflush, 0, 0);
  C(SYS_nfsservctl, 0, 0, 0);
  C(SYS_vm86, 0, 0);
  C(SYS_lookup_dcookie, 0, 0, 0, 0);
  C(17);
  C(222);
  C(999);
#ifndef WITHOUT_OLD_CALLS
  /* On ARM a number so far from all others is an instruction that is not there. */
  C(-1);
#endif
  K(SYS_add_key, "user", "wemu", "payload", 7, -1);
  C(SYS_add_key, "none", "wemu", "payload", 7, -1);
  C(SYS_keyctl, 99, 0, 0, 0, 0);
  C(SYS_init_module, BAD, 5, "");
  C(SYS_delete_module, "none", 0);
  C(SYS_reboot, 0, 0, 0, 0);
  C(SYS_syslog, 99, 0, 0);
  C(SYS_vserver);
  unsigned attributes = 0;
  show_ok("lsm_list_modules", SYS(461, 0, &attributes, 0));
  printf("  %d\n", attributes > 0);
  C(457, BAD, b, 256, 0);
  C(458, BAD, b, 32, 0);
  struct { unsigned size, spare; unsigned long long mount, mask; } mount = {24, 0, -1ull, 0};
  show_ok("listmount", SYS(458, &mount, b, 32, 0));
  C(SYS_landlock_create_ruleset, 0, 0, 1);
  return 0;
}
