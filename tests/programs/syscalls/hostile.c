// Lengths, counts and offsets no honest program would pass: vectors of gigabytes, addresses at the very end, nested and recursive structures.
#include "show.h"
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>

int main(void) {
  setvbuf(stdout, 0, _IOLBF, 4096);
  char *page = mmap((void *)0x60000000, 8192, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  munmap(page + 4096, 4096);
  int null = open("/dev/null", O_RDWR), zero = open("/dev/zero", O_RDWR), f = open("f", O_RDWR | O_CREAT, 0644), p[2];
  if (pipe2(p, O_NONBLOCK)) return 1;
  struct iovec big[3] = {{page, 0x7fffffff}, {page, 0x7fffffff}, {page, 0x7fffffff}};
  C(SYS_writev, null, big, 1);
  C(SYS_writev, null, big, 3);
  C(SYS_pwritev, null, big, 3, 0, 0);
  C(SYS_writev, f, big, 3);
  C(SYS_readv, f, big, 3);
  big[1].iov_len = 0x80000000;
  C(SYS_writev, null, big, 3);
  big[1] = (struct iovec){(void *)0xfffff000, 0x1000};
  C(SYS_writev, f, big + 1, 1);
  C(SYS_readv, zero, big + 1, 1);
  big[1] = (struct iovec){page + 4090, 100};
  C(SYS_writev, p[1], big + 1, 1);
  C(SYS_writev, p[1], big, -1);
  C(SYS_writev, p[1], big, 0x40000000);
  C(SYS_writev, p[1], page + 4092, 1);
  C(SYS_write, p[1], page + 4090, 100);
  C(SYS_write, p[1], page, 0xffffffff);
  C(SYS_write, null, page, 0x7fffffff);
  C(SYS_write, null, page, 0xffffffff);
  C(SYS_read, zero, page + 4090, 100);
  C(SYS_read, zero, 0xffffff00, 0x200);
  C(SYS_read, zero, page, -1);
  C(SYS_pread64, f, page, 10, -1, -1);
  C(SYS_pread64, f, page, 10, 0, 0x80000000);
  C(SYS__llseek, f, 0x7fffffff, 0xffffffff, page, SEEK_SET);
  C(SYS__llseek, f, 0x80000000, 0, page, SEEK_SET);
  C(SYS_ftruncate64, f, 0, 0x80000000);
  C(SYS_fallocate, f, 0, 0, 0x7fffffff, 0, 0x7fffffff);
  C(SYS_sendfile, p[1], f, BAD, 0x7fffffff);
  C(SYS_getdents64, f, page, -1);
  C(SYS_readlink, "/proc/self/cwd", page + 4095, 0x7fffffff);
  C(SYS_poll, page, 0x10000000, 0);
  C(SYS_poll, page + 4092, 1, 0);
  memset(page, 0xff, 4096);
  C(SYS_poll, page, 300, 0);
  struct msghdr m = {page, 0x7fffffff, big, 0x7fffffff, page, 0x7fffffff, 0};
  int s[2];
  if (socketpair(AF_UNIX, SOCK_DGRAM, 0, s)) return 1;
  C(SYS_sendmsg, s[0], &m, 0x40);
  C(SYS_recvmsg, s[1], &m, 0x40);
  m.msg_iovlen = 1;
  C(SYS_sendmsg, s[0], &m, 0x40);
  m.msg_namelen = -1;
  C(SYS_sendmsg, s[0], &m, 0x40);
  C(SYS_recvmsg, s[1], &m, 0x40);
  // Every control message claims to be as long as all of memory, or nothing.
  big[0] = (struct iovec){"x", 1};
  m = (struct msghdr){0, 0, big, 1, page, 4096, 0};
  C(SYS_sendmsg, s[0], &m, 0x40);
  memset(page, 0, 4096);
  C(SYS_sendmsg, s[0], &m, 0x40);
  struct cmsghdr *c = (void *)page;
  c->cmsg_len = 0x7fffffff;
  C(SYS_sendmsg, s[0], &m, 0x40);
  c->cmsg_len = 11;
  C(SYS_sendmsg, s[0], &m, 0x40);
  C(SYS_setsockopt, s[0], SOL_SOCKET, SO_RCVBUF, page, 0x7fffffff);
  C(SYS_setsockopt, s[0], SOL_SOCKET, SO_RCVBUF, page, -1);
  C(SYS_getsockopt, s[0], SOL_SOCKET, SO_RCVBUF, page, page + 4094);
  C(SYS_bind, s[0], page, 0x7fffffff);
  C(SYS_connect, s[0], page + 4094, 110);
  C(SYS_semtimedop_time64, 0, page, 0x7fffffff, 0);
  C(SYS_execve, page + 4094, 0, 0);
  if (symlink("a", "b") || symlink("b", "a") || symlink("self/self", "self")) return 1;
  C(SYS_open, "a", 0);
  C(SYS_open, "self", 0);
  C(SYS_execve, "a", 0, 0);
  struct stat st;
  char name[5000];
  memset(name, '/', 4999);
  name[4999] = 0;
  C(SYS_stat64, name, &st);
  name[4095] = 0;
  C(SYS_stat64, name, page + 4095);
  memset(page, 'a', 4096);
  C(SYS_open, page, 0);
  C(SYS_rt_sigaction, 10, page + 4092, 0, 8);
  C(SYS_rt_sigprocmask, 0, page + 4092, 0, 8);
  C(SYS_rt_sigprocmask, 0, page, 0, 0x7fffffff);
  C(SYS_mincore, page, 0x7ffff000, page);
  C(SYS_mmap2, page, 4096, 1, MAP_SHARED | MAP_FIXED, f, 0xffffffff);
  C(SYS_sysinfo, page + 4000);
  C(SYS_uname, 0xffffffff);
  C(SYS_getgroups32, 0x7fffffff, page);
  C(SYS_sched_setaffinity, 0, 0x7ffffff8, BAD);
  C(SYS_setxattr, "f", "user.x", page, 0x7fffffff, 0);
  C(SYS_getxattr, "f", "user.x", page, 0x7fffffff);
  C(SYS_listxattr, "f", page, 0x7fffffff);
  C(SYS_getrandom, page + 4090, 100, 0);
  C(SYS_epoll_wait, 0, page, 0x7fffffff, 0);
  C(SYS_set_thread_area, page + 4090);
  C(SYS_clock_gettime, 0, page + 4092);
  C(SYS_futex, 0xfffffffc, 1, 1);
  C(SYS_futex, page + 1, 1, 1);
  C(SYS_prctl, 16, page + 4090);
  C(SYS_name_to_handle_at, -100, "f", page, page, 0);
  C(SYS_keyctl, 2, 0, page, 0x7fffffff, 0);
  return 0;
}
