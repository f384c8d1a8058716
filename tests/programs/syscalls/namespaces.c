// Namespaces entered from within: those of users, which the kernel lets only processes without threads enter, and others with them.
#include "show.h"
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>

static int put(const char *file, const char *text) {
  int f = open(file, O_WRONLY);
  int n = f < 0 ? -1 : (int)write(f, text, strlen(text));
  if (f >= 0) close(f);
  return n;
}

/** Whoever is made root of a new namespace: its first user and group. */
static void become_root(uid_t user, gid_t group) {
  char text[64];
  LK(put("/proc/self/setgroups", "deny"));
  sprintf(text, "0 %d 1", user);
  LK(put("/proc/self/uid_map", text));
  sprintf(text, "0 %d 1", group);
  LK(put("/proc/self/gid_map", text));
}

static void who(void) { printf("user %d %d group %d %d\n", getuid(), geteuid(), getgid(), getegid()); }

/** Enough that code is compiled by other threads. */
static unsigned work(void) {
  unsigned x = 1;
  for (int k = 0; k < 3000000; k++) x = x * 1664525 + (x >> 7);
  return x;
}

static void alone(void) {
  uid_t user = getuid();
  gid_t group = getgid();
  printf("work %u\n", work());
  L(unshare(CLONE_NEWUSER));
  who();
  become_root(user, group);
  who();
  printf("work %u\n", work());
  L(unshare(CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET));
  L(sethostname("inside", 6));
  char name[65] = "";
  gethostname(name, sizeof name);
  printf("host %s\n", name);
  L(mount("none", "/", 0, MS_REC | MS_PRIVATE, 0));
  L(mount("none", "/tmp", "tmpfs", 0, 0));
  LK(open("/tmp/x", O_CREAT | O_RDWR, 0600));
  L(access("/tmp/x", F_OK));
  CHILD(who(); printf("child work %u\n", work()); L(unshare(CLONE_NEWUSER)); who(); CHILD(who()));
  /* Again, in a namespace of its own. */
  L(unshare(CLONE_NEWUSER | CLONE_NEWNS));
  who();
}

static void processes(void) {
  uid_t user = getuid();
  gid_t group = getgid();
  L(unshare(CLONE_NEWUSER | CLONE_NEWPID));
  become_root(user, group);
  who();
  CHILD({
    printf("number %d parent %d\n", getpid(), getppid());
    /* Other threads may have taken numbers. */
    CHILD(printf("number %d parent %d\n", getpid() > 1, getppid()); CHILD(printf("number %d work %u\n", getpid() > 2, work())));
    printf("work %u\n", work());
    fflush(stdout);
    if (fork() == 0) { kill(getppid(), SIGTERM); _exit(raise(SIGKILL)); }
    int s;
    LK(wait(&s));
    printf("status %x\n", s);
  });
  /* Its first process has ended. */
  LK(fork());
}

static void joining(void) {
  int up[2], down[2], s;
  char c, name[64];
  if (pipe(up) || pipe(down)) abort();
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    unshare(CLONE_NEWUSER | CLONE_NEWUTS);
    become_root(0, 0);
    L(sethostname("joined", 6));
    fflush(stdout);
    if (write(up[1], "r", 1) != 1 || read(down[0], &c, 1) != 1) abort();
    _exit(0);
  }
  if (read(up[0], &c, 1) != 1) abort();
  sprintf(name, "/proc/%d/ns/user", child);
  int user = open(name, O_RDONLY);
  sprintf(name, "/proc/%d/ns/uts", child);
  int uts = open(name, O_RDONLY);
  L(setns(user, CLONE_NEWUTS));
  L(setns(user, CLONE_NEWUSER));
  who();
  L(setns(uts, 0));
  gethostname(name, sizeof name);
  printf("host %s\n", name);
  L(setns(user, 0));
  L(setns(-1, 0));
  L(setns(up[0], 0));
  printf("work %u\n", work());
  if (write(down[1], "g", 1) != 1) abort();
  waitpid(child, &s, 0);
}

int main(void) {
  setvbuf(stdout, malloc(1 << 16), _IOFBF, 1 << 16);
  printf("%d\n", getuid());
  CHILD(alone());
  CHILD(processes());
  CHILD(joining());
  L(unshare(1));
  L(unshare(0));
  /* Nothing that a process with one thread shares. */
  L(unshare(CLONE_THREAD));
  L(unshare(CLONE_SIGHAND));
  L(unshare(CLONE_VM));
  L(unshare(CLONE_FS | CLONE_FILES | CLONE_SYSVSEM));
  alone();
  return 0;
}
