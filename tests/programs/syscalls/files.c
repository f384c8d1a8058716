// Files beyond what the replay tests reach: statx, openat2, copying, splicing, holes, attributes, handles, file system ioctls.
#include "show.h"
#include <linux/openat2.h>
#include <linux/stat.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/xattr.h>
#include <linux/fs.h>

#ifndef SYS_cachestat
#define SYS_cachestat 451
#endif

int main(void) {
  umask(022);
  int fd = open("f", O_RDWR | O_CREAT | O_TRUNC, 0640), g = SYS(SYS_open, "g", O_RDWR | O_CREAT | O_TRUNC | KERNEL_LARGEFILE, 0600);
  int dir = open(".", O_RDONLY | O_DIRECTORY);
  char b[8192];
  memset(b, 'x', sizeof b);
  C(SYS_write, fd, b, 5000);
  struct statx s;
  memset(&s, 0x55, sizeof s);
  C(SYS_statx, fd, "", AT_EMPTY_PATH, 0x7ff, &s);
  printf("  %x %o %d %llu\n", s.stx_mask & 0x7ff, s.stx_mode, s.stx_nlink, s.stx_size);
  C(SYS_statx, AT_FDCWD, "f", 0x7777, 0x7ff, &s);
  C(SYS_statx, AT_FDCWD, "f", 0, 0x80000000, &s);
  C(SYS_statx, AT_FDCWD, "f", 0, 1, BAD);
  struct open_how how = {O_RDONLY, 0, RESOLVE_BENEATH};
  K(SYS_openat2, dir, "f", &how, 24);
  C(SYS_openat2, dir, "../x", &how, 24);
  C(SYS_openat2, dir, "/etc", &how, 24);
  how.resolve = RESOLVE_NO_SYMLINKS;
  if (symlink("f", "link")) return 1;
  C(SYS_openat2, dir, "link", &how, 24);
  how.resolve = RESOLVE_IN_ROOT;
  K(SYS_openat2, dir, "/f", &how, 24);
  how.resolve = 0x1000;
  C(SYS_openat2, dir, "f", &how, 24);
  how.resolve = 0;
  how.mode = 0777;
  C(SYS_openat2, dir, "f", &how, 24);
  how.mode = 0;
  how.flags = 1ull << 40;
  C(SYS_openat2, dir, "f", &how, 24);
  C(SYS_openat2, dir, "f", &how, 8);
  C(SYS_openat2, dir, "f", &how, 100000);
  C(SYS_openat2, dir, "f", BAD, 24);

  long long from = 100, to = 0x100000001;
  C(SYS_copy_file_range, fd, &from, g, &to, 50, 0);
  printf("  %llx %llx\n", from, to);
  C(SYS_copy_file_range, fd, &from, g, &to, 50, 7);
  C(SYS_copy_file_range, fd, &from, fd, &from, 50, 0);
  C(SYS_copy_file_range, fd, BAD, g, 0, 50, 0);
  from = -1;
  C(SYS_copy_file_range, fd, &from, g, 0, 50, 0);
  int p[2], q[2];
  if (pipe(p) || pipe(q)) return 1;
  from = 4990;
  C(SYS_splice, fd, &from, p[1], 0, 100, 0);
  printf("  %lld\n", from);
  C(SYS_tee, p[0], q[1], 5, 0);
  C(SYS_splice, p[0], &from, g, 0, 5, 0);
  to = 3;
  C(SYS_splice, p[0], 0, g, &to, 5, 0);
  printf("  %lld\n", to);
  C(SYS_splice, fd, 0, g, 0, 5, 0);
  struct iovec v[3] = {{"ab", 2}, {"cde", 3}, {BAD, 1}};
  C(SYS_vmsplice, q[1], v, 2, 0);
  C(SYS_vmsplice, q[1], v, 3, 0);
  C(SYS_vmsplice, q[1], v, 2000, 0);
  struct iovec w = {b, 4};
  C(SYS_vmsplice, q[0], &w, 1, 0);
  dump("read", b, 4);
  C(SYS_sync_file_range, fd, 0, 0, 100, 0, 7);
  C(SYS_sync_file_range, fd, 0, 0, -1, -1, 7);
  C(SYS_sync_file_range, fd, 0, 0, 0, 0, 77);
  C(SYS_readahead, fd, 0, 0, 100);
  C(SYS_readahead, p[0], 0, 0, 100);
  C(SYS_fallocate, fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 0, 4096, 0);
  C(SYS_fallocate, fd, 0, 0, 1, 4096, 0);
  C(SYS_fallocate, fd, FALLOC_FL_PUNCH_HOLE, 0, 0, 4096, 0);
  C(SYS_fallocate, fd, 0, -1, -1, 4096, 0);
  C(SYS_fallocate, p[0], 0, 0, 0, 4096, 0);
  long long at = 0;
  C(SYS__llseek, fd, 0, 0, &at, SEEK_DATA);
  C(SYS__llseek, fd, 1, 0, &at, SEEK_HOLE);
  C(SYS__llseek, fd, 2, 5, &at, SEEK_SET);
  printf("  %llx\n", at);
  C(SYS_lseek, fd, 0, SEEK_CUR);
  C(SYS_lseek, fd, 0, SEEK_END);
  C(SYS_open, "f", O_RDONLY);
  K(SYS_open, "f", O_RDONLY | KERNEL_LARGEFILE);
  unsigned char st[128];
  C(SYS_stat, "f", st);
  K(SYS_stat64, "f", st);
  C(SYS_ftruncate, fd, 5000);
  C(SYS_stat, "f", st);
  C(SYS_preadv2, fd, v, 0, 0, 0, 0);
  w.iov_len = 10;
  C(SYS_preadv2, fd, &w, 1, 4095, 0, 8 | 1);
  C(SYS_preadv2, fd, &w, 1, -1, -1, 0);
  C(SYS_preadv2, fd, &w, 1, 0, 0, 0x8000);
  C(SYS_pwritev2, fd, v, 2, 0, 0, 0x10);
  C(SYS_pwritev, fd, v, 3, 0, 0);
  C(SYS_pwritev, fd, v, 3, -1, -1);
  C(SYS_preadv, fd, &w, 1, 10, 0);

  C(SYS_fsetxattr, fd, "user.a", "value", 5, 0);
  C(SYS_fsetxattr, fd, "user.a", "value", 5, XATTR_CREATE);
  C(SYS_fsetxattr, fd, "user.b", "value", 5, XATTR_REPLACE);
  C(SYS_fsetxattr, fd, "bad", "value", 5, 0);
  C(SYS_fgetxattr, fd, "user.a", b, 3);
  C(SYS_fgetxattr, fd, "user.a", b, 100);
  C(SYS_fgetxattr, fd, "user.a", 0, 0);
  C(SYS_lgetxattr, "link", "user.a", b, 100);
  C(SYS_flistxattr, fd, b, 100);
  C(SYS_llistxattr, "link", b, 100);
  C(SYS_fremovexattr, fd, "user.a");
  C(SYS_fgetxattr, fd, "user.a", b, 100);
  struct { unsigned bytes; int type; unsigned char handle[128]; } h = {0};
  int mount = 0;
  C(SYS_name_to_handle_at, AT_FDCWD, "f", &h, &mount, 0);
  printf("  %d\n", h.bytes > 0);
  h.bytes = h.bytes > 128 ? 128 : h.bytes;
  C(SYS_name_to_handle_at, AT_FDCWD, "f", &h, &mount, 0);
  K(SYS_open_by_handle_at, dir, &h, O_RDONLY);
  h.bytes = 200;
  C(SYS_open_by_handle_at, dir, &h, O_RDONLY);
  C(SYS_name_to_handle_at, AT_FDCWD, "f", BAD, &mount, 0);

  int flags = 0;
  K(SYS_ioctl, fd, 0x80046601, &flags);
  flags |= 0x80;
  C(SYS_ioctl, fd, 0x40046602, &flags);
  flags = 0;
  C(SYS_ioctl, fd, 0x80046601, &flags);
  printf("  %x\n", flags & 0x80);
  K(SYS_ioctl, fd, 0x80047601, &flags);
  unsigned char fsx[28];
  C(SYS_ioctl, fd, FS_IOC_FSGETXATTR, fsx);
  C(SYS_ioctl, fd, FIGETBSZ, &flags);
  printf("  %d\n", flags);
  C(SYS_ioctl, g, FICLONE, fd);
  struct file_clone_range range = {fd, 0, 4096, 0};
  C(SYS_ioctl, g, FICLONERANGE, &range);
  struct { struct file_dedupe_range head; struct file_dedupe_range_info info; } same = {{0, 100, 1}, {g, 0}};
  show("FIDEDUPERANGE", SYS(SYS_ioctl, fd, FIDEDUPERANGE, &same));
  struct { unsigned long long start, length; unsigned flags, mapped, count, reserved; char extent[56]; } map = {0, -1, 1, 0, 1};
  C(SYS_ioctl, fd, 0xc020660b, &map);
  printf("  %u\n", map.mapped);
  dump("extent", map.extent, 8);
  long long size = 0;
  C(SYS_ioctl, fd, 0x5460, &size);
  printf("  %lld\n", size);
  C(SYS_ioctl, dir, 0x5460, &size);
  C(SYS_ioctl, fd, FIONCLEX);
  C(SYS_fcntl, fd, F_GETFD);
  C(SYS_ioctl, fd, FIOCLEX);
  C(SYS_fcntl, fd, F_GETFD);
  C(SYS_ioctl, dir, 0x8201720b, b);
  K(SYS_ioctl, fd, 0x81009431, b);
  unsigned uuid[5];
  K(SYS_ioctl, fd, 0x80111500, uuid);
  struct { unsigned long long offset, length; } where = {0, 8192};
  unsigned long long pages[5];
  show_ok("cachestat", SYS(SYS_cachestat, fd, &where, pages, 0));
  C(SYS_cachestat, fd, &where, pages, 7);
  int fs[32];
  show_ok("statfs64", SYS(SYS_statfs64, ".", 84, fs));
#ifndef WITHOUT_OLD_CALLS
  C(SYS_statfs64, ".", 88, fs);
#endif
  show_ok("fstatfs", SYS(SYS_fstatfs, fd, fs));
  C(SYS_fstatfs64, fd, 80, fs);
  C(SYS_renameat2, AT_FDCWD, "g", AT_FDCWD, "f", RENAME_NOREPLACE);
  C(SYS_renameat2, AT_FDCWD, "g", AT_FDCWD, "f", RENAME_EXCHANGE);
  C(SYS_linkat, fd, "", AT_FDCWD, "linked", AT_EMPTY_PATH);
  int t = SYS(SYS_openat, AT_FDCWD, ".", O_TMPFILE | O_RDWR, 0600);
  show_ok("tmpfile", t);
  C(SYS_mknod, "fifo", 010644, 0);
  C(SYS_mknodat, AT_FDCWD, "sock", 0140644, 0);
  C(SYS_getcwd, b, 1);
  C(SYS_fchmodat, AT_FDCWD, "f", 07777);
  C(452, AT_FDCWD, "link", 0600, AT_SYMLINK_NOFOLLOW);
  C(439, AT_FDCWD, "f", R_OK, AT_EACCESS);
  C(SYS_close_range, 50, 100, 0);
  C(SYS_close_range, 100, 50, 0);
  C(SYS_utimensat, AT_FDCWD, 0, 0, 0);
  C(SYS_quotactl, 0x80000700, "none", 0, b);
  C(SYS_uselib, "f");
  C(SYS_acct, "none");
  C(SYS_swapoff, "none");
  C(SYS_ustat, 0, b);
  K(SYS_sysfs, 3, 0, 0);
  return 0;
}
