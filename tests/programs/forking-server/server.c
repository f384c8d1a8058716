// A TCP server that forks for every connection: commands by line, children reaped in a SIGCHLD handler, an end by SIGTERM.
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile sig_atomic_t started, reaped, failed, killed, ending;

static void on_child(int signal) {
  int saved = errno, status;
  while (waitpid(-1, &status, WNOHANG) > 0) {
    reaped++;
    if (WIFSIGNALED(status)) killed++;
    else if (WEXITSTATUS(status) != 0) failed++;
  }
  errno = saved;
}

static void on_term(int signal) { ending = 1; }

static void put(int fd, const char *data, size_t size) {
  while (size > 0) {
    ssize_t n = send(fd, data, size, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) _exit(9);
    data += n;
    size -= n;
  }
}

/** One connection: echo TEXT, count N (that many lines), sum N... , big N (bytes), who, exit N, crash, quit. */
static void serve(int fd, struct sockaddr_in *peer) {
  char line[4096];
  FILE *in = fdopen(dup(fd), "r");
  while (fgets(line, sizeof line, in)) {
    line[strcspn(line, "\r\n")] = 0;
    char reply[4200];
    if (strncmp(line, "echo ", 5) == 0) {
      put(fd, reply, snprintf(reply, sizeof reply, "%s\n", line + 5));
    } else if (strncmp(line, "count ", 6) == 0) {
      for (int i = 1; i <= atoi(line + 6); i++) put(fd, reply, snprintf(reply, sizeof reply, "%d\n", i));
    } else if (strncmp(line, "sum ", 4) == 0) {
      double sum = 0;
      for (char *word = strtok(line + 4, " "); word; word = strtok(NULL, " ")) sum += strtod(word, NULL);
      put(fd, reply, snprintf(reply, sizeof reply, "%.10g\n", sum));
    } else if (strncmp(line, "big ", 4) == 0) {
      size_t size = strtoul(line + 4, NULL, 10);
      char *data = malloc(size);
      for (size_t i = 0; i < size; i++) data[i] = 'a' + i % 26;
      put(fd, data, size);
      free(data);
    } else if (strcmp(line, "who") == 0) {
      put(fd, reply, snprintf(reply, sizeof reply, "%s\n", inet_ntoa(peer->sin_addr)));
    } else if (strncmp(line, "exit ", 5) == 0) {
      _exit(atoi(line + 5));
    } else if (strcmp(line, "crash") == 0) {
      raise(SIGKILL);
    } else if (strcmp(line, "quit") == 0) {
      break;
    } else {
      put(fd, "?\n", 2);
    }
  }
  shutdown(fd, SHUT_WR);
  _exit(0);
}

int main(void) {
  struct sigaction child = {.sa_handler = on_child, .sa_flags = SA_NOCLDSTOP | SA_RESTART};
  struct sigaction term = {.sa_handler = on_term};
  sigaction(SIGCHLD, &child, NULL);
  sigaction(SIGTERM, &term, NULL);
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof address;
  if (bind(listener, (struct sockaddr *)&address, length) < 0 || listen(listener, 64) < 0) return perror("listen"), 1;
  getsockname(listener, (struct sockaddr *)&address, &length);
  printf("port %d\n", ntohs(address.sin_port));
  fflush(stdout);
  // SIGTERM comes only while accept waits: no signal is missed between the test and the wait.
  sigset_t blocked, waiting;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGTERM);
  sigprocmask(SIG_BLOCK, &blocked, &waiting);
  while (!ending) {
    fd_set readable;
    FD_ZERO(&readable);
    FD_SET(listener, &readable);
    if (pselect(listener + 1, &readable, NULL, NULL, NULL, &waiting) < 0) {
      if (errno == EINTR) continue;
      return perror("pselect"), 1;
    }
    struct sockaddr_in peer;
    length = sizeof peer;
    int fd = accept(listener, (struct sockaddr *)&peer, &length);
    if (fd < 0) return perror("accept"), 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    pid_t pid = fork();
    if (pid < 0) return perror("fork"), 1;
    if (pid == 0) {
      close(listener);
      sigprocmask(SIG_SETMASK, &waiting, NULL);
      signal(SIGTERM, SIG_DFL);
      signal(SIGCHLD, SIG_DFL);
      serve(fd, &peer);
    }
    started++;
    close(fd);
  }
  close(listener);
  // Whoever is being served is served to the end.
  sigset_t chld;
  sigemptyset(&chld);
  sigaddset(&chld, SIGCHLD);
  sigprocmask(SIG_BLOCK, &chld, &waiting);
  while (reaped < started) sigsuspend(&waiting);
  printf("started %d, failed %d, killed %d\n", started, failed, killed);
  return 0;
}
