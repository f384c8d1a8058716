// Pseudo-terminals and the ioctl family of terminals.
#include "show.h"
#include <poll.h>
#include <sys/ioctl.h>
#include <asm/termbits.h>

struct winsize32 { unsigned short row, col, x, y; };

static volatile int signals;
static void on_signal(int n) { signals++; }

/** The driver's work is done by another thread of the kernel: waits until there is something to read. */
static void settle(int fd) {
  struct pollfd p = {fd, POLLIN, 0};
  poll(&p, 1, -1);
}

/** The same for so many bytes. */
static void settle_bytes(int fd, int bytes) {
  for (int n = 0; n < bytes; usleep(1000)) ioctl(fd, FIONREAD, &n);
}

static void wait_for_signal(void) {
  while (!signals) usleep(1000);
  printf("signals %d\n", signals);
  signals = 0;
}

int main(void) {
  signal(SIGWINCH, on_signal);
  int master = open("/dev/ptmx", O_RDWR | O_NOCTTY);
  int unlock = 0, number = -1;
  char name[40];
  K(SYS_ioctl, master, TIOCGPTN, &number);
  C(SYS_ioctl, master, 0x80045439, &unlock);
  printf("  %d\n", unlock);
  unlock = 0;
  C(SYS_ioctl, master, TIOCSPTLCK, &unlock);
  sprintf(name, "/dev/pts/%d", number);
  int slave = open(name, O_RDWR | O_NOCTTY);
  struct termios t;
  struct termios2 t2;
  memset(&t, 0x55, sizeof t);
  C(SYS_ioctl, slave, TCGETS, &t);
  dump("termios", &t, 36);
  C(SYS_ioctl, slave, TCGETS2, &t2);
  dump("termios2", &t2, 44);
  short termio[9] = {0};
  C(SYS_ioctl, slave, TCGETA, termio);
  dump("termio", termio, 18);
  t2.c_cflag = (t2.c_cflag & ~CBAUD) | BOTHER;
  t2.c_ispeed = t2.c_ospeed = 12345;
  C(SYS_ioctl, slave, TCSETS2, &t2);
  C(SYS_ioctl, slave, TCGETS2, &t2);
  dump("termios2", &t2, 44);
  C(SYS_ioctl, slave, TCSETS, BAD);
  struct winsize32 w = {25, 80, 1, 2};
  C(SYS_ioctl, slave, TIOCSWINSZ, &w);
  memset(&w, 0, sizeof w);
  C(SYS_ioctl, master, TIOCGWINSZ, &w);
  dump("winsize", &w, 8);
  int n = -1;
  C(SYS_write, master, "abc\ndef", 7);
  settle(slave);
  C(SYS_ioctl, slave, FIONREAD, &n);
  printf("  %d\n", n);
  char buffer[100];
  C(SYS_read, slave, buffer, 100);
  dump("line", buffer, 4);
  C(SYS_ioctl, slave, TIOCOUTQ, &n);
  printf("  %d\n", n);
  settle_bytes(master, 8);
  C(SYS_write, slave, "out\n", 4);
  settle_bytes(master, 13);
  n = C(SYS_read, master, buffer, 100);
  dump("echo", buffer, n);
  n = 1;
  C(SYS_ioctl, master, TIOCPKT, &n);
  n = 0;
  C(SYS_ioctl, master, 0x80045438, &n);
  printf("  %d\n", n);
  C(SYS_ioctl, slave, TCFLSH, 2);
  n = C(SYS_read, master, buffer, 100);
  dump("packet", buffer, n);
  C(SYS_ioctl, slave, TCSBRK, 1);
  C(SYS_ioctl, slave, TCXONC, 77);
  C(SYS_ioctl, slave, TIOCGETD, &n);
  printf("  %d\n", n);
  C(SYS_ioctl, slave, TIOCGSID, &n);
  C(SYS_ioctl, slave, TIOCGPGRP, &n);
  C(SYS_ioctl, slave, TIOCEXCL);
  C(SYS_ioctl, slave, 0x80045440, &n);
  printf("  %d\n", n);
  C(SYS_ioctl, slave, TIOCNXCL);
  C(SYS_ioctl, slave, TIOCMGET, &n);
  C(SYS_ioctl, slave, 0x80045432, &n);
  C(SYS_ioctl, slave, TIOCSTI, "x");
  K(SYS_ioctl, master, 0x5441, O_RDWR | O_NOCTTY);
  n = 0;
  C(SYS_ioctl, master, TIOCSIG, SIGWINCH);
  C(SYS_ioctl, slave, FIONBIO, &n);
  C(SYS_ioctl, slave, FIOASYNC, &n);
  C(SYS_ioctl, slave, 0x12345678, &n);
  C(SYS_ioctl, 99, TCGETS, &t);
  int file = open("f", O_RDWR | O_CREAT, 0644);
  C(SYS_ioctl, file, TCGETS, &t);
  C(SYS_ioctl, file, FIONREAD, &n);
  n = 0;
  C(SYS_ioctl, master, TIOCPKT, &n);
  CHILD({
    C(SYS_ioctl, slave, TIOCSCTTY, 0);
    setsid();
    C(SYS_ioctl, slave, TIOCSCTTY, 0);
    C(SYS_ioctl, slave, TIOCGPGRP, &n);
    printf("  %d\n", n == getpgrp());
    C(SYS_ioctl, slave, TIOCGSID, &n);
    printf("  %d\n", n == getsid(0));
    int group = getpgrp();
    C(SYS_ioctl, slave, TIOCSPGRP, &group);
    group = NO_PROCESS;
    C(SYS_ioctl, slave, TIOCSPGRP, &group);
    int tty = open("/dev/tty", O_RDWR);
    printf("%d\n", tty >= 0);
    w.row = 30;
    C(SYS_ioctl, master, TIOCSWINSZ, &w);
    C(SYS_ioctl, tty, TIOCGWINSZ, &w);
    wait_for_signal();
    signal(SIGINT, on_signal);
    C(SYS_write, master, "\3", 1);
    wait_for_signal();
    signal(SIGHUP, SIG_IGN);
    C(SYS_ioctl, tty, TIOCNOTTY);
    printf("%d\n", open("/dev/tty", O_RDWR));
  });
  close(master);
  C(SYS_read, slave, buffer, 10);
  C(SYS_write, slave, buffer, 10);
  C(SYS_ioctl, slave, TCGETS, &t);
  struct pollfd p = {slave, POLLIN | POLLOUT, 0};
  C(SYS_poll, &p, 1, 0);
  printf("  %x\n", p.revents);
  return 0;
}
