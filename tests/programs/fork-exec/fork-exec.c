/* Processes: fork, vfork, posix_spawn, exec of itself, of scripts, and of what cannot be executed.
   Build: i686-linux-gnu-gcc -O1 -static -s -o fork-exec fork-exec.c; `expected` is its output on the host. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static int status_of(pid_t pid) {
  int status;
  if (waitpid(pid, &status, 0) != pid) return -errno;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static int again(int argc, char **argv) {
  char name[16];
  struct sigaction action;
  sigset_t mask;
  prctl(PR_GET_NAME, name);
  printf("again: %d words, argv0 %s, last %s, execfn %s, comm %s\n", argc, argv[0], argv[argc - 1],
         strrchr((char *)getauxval(AT_EXECFN), '/'), name);
  printf("environment:");
  for (char **e = environ; *e; e++) printf(" %s", *e);
  sigaction(SIGPIPE, 0, &action);
  printf("\nSIGPIPE %s,", action.sa_handler == SIG_IGN ? "ignored" : "default");
  sigaction(SIGUSR1, 0, &action);
  sigprocmask(SIG_BLOCK, 0, &mask);
  printf(" SIGUSR1 %s, SIGSEGV %s\n", action.sa_handler == SIG_DFL ? "default" : "kept",
         sigismember(&mask, SIGSEGV) ? "blocked" : "open");
  printf("descriptor 30 %s, 31 %s\n", fcntl(30, F_GETFD) < 0 ? "closed" : "open", fcntl(31, F_GETFD) < 0 ? "closed" : "open");
  return 9;
}

static void handler(int n) { (void)n; }

int main(int argc, char **argv) {
  volatile int shared = 1, sum = 0;
  char path[] = "/tmp/fork-exec-XXXXXX", script[64];
  pid_t pid, parent = getpid();
  if (argc > 1 && (!strcmp(argv[1], "again") || strstr(argv[1], "again"))) return again(argc, argv);
  setvbuf(stdout, 0, _IOLBF, 0);

  if (!(pid = fork())) _exit(getppid() == parent && getpid() != parent ? 7 : 1);
  printf("fork: %d\n", status_of(pid));
  if (!(pid = fork())) { raise(SIGTERM); _exit(1); }
  printf("killed: %d\n", status_of(pid));
  for (int n = 0; n < 30; n++) {
    if (!(pid = fork())) _exit(n);
    sum += status_of(pid);
  }
  printf("30 forks: %d\n", sum);
  if (!(pid = fork())) {
    double x = 1;
    for (int n = 1; n < 2000; n++) x += 1.0 / n;
    _exit((int)(x * 10));
  }
  printf("computing child: %d\n", status_of(pid));

  if (!(pid = vfork())) { shared = 2; _exit(5); }
  printf("vfork: %d, %d\n", status_of(pid), shared);
  char *nothing[] = {"nothing", 0};
  printf("posix_spawn: %s\n", strerror(posix_spawn(&pid, "/nonexistent/program", 0, 0, nothing, environ)));

  mkdtemp(path);
  sprintf(script, "%s/script", path);
  FILE *f = fopen(script, "w");
  fprintf(f, "#!/proc/self/exe again\n");
  fclose(f);
  char *none[] = {0};
  execve(script, nothing, none);
  printf("not executable: %s\n", strerror(errno));
  chmod(script, 0755);
  f = fopen(script, "w");
  fprintf(f, "no program");
  fclose(f);
  execve(script, nothing, none);
  printf("no program: %s\n", strerror(errno));
  execve(path, nothing, none);
  printf("directory: %s\n", strerror(errno));
  execve("/nonexistent/program", nothing, none);
  printf("missing: %s\n", strerror(errno));
  execve((char *)1, nothing, none);
  printf("bad name: %s\n", strerror(errno));
  execve("/proc/self/exe", (char **)1, none);
  printf("bad arguments: %s\n", strerror(errno));
  unlink(script);
  rmdir(path);

  sigset_t mask;
  sigemptyset(&mask);
  sigaddset(&mask, SIGSEGV);
  sigprocmask(SIG_BLOCK, &mask, 0);
  signal(SIGPIPE, SIG_IGN);
  signal(SIGUSR1, handler);
  dup2(1, 30);
  dup3(1, 31, O_CLOEXEC);
  char self[4096] = {0};
  readlink("/proc/self/exe", self, sizeof self - 1);
  char *words[] = {"other name", "again", "\xff last", 0}, *variables[] = {"A=1", "B=\xfe", 0};
  if (!(pid = fork())) { execve(self, words, variables); _exit(1); }
  printf("exec: %d\n", status_of(pid));
  int error = posix_spawn(&pid, self, 0, 0, words, variables);
  printf("spawned: %d\n", status_of(pid));
  printf("posix_spawn: %d\n", error);
  printf("no more children: %s\n", wait(0) < 0 ? strerror(errno) : "there are");
  return 0;
}
