// Kernel structures whose declaration is the same on every ABI (their layout need not be). A pure table; see StructTable.

import type { StructTable } from './abi/interface.ts';

export const COMMON_STRUCTS: StructTable = {
  // Times. The names without 64 hold longs, and the kernel drops the bits that do not fit; those with 64 are what the
  // *_time64 calls take.
  timespec: 'long tv_sec, long tv_nsec',
  timespec64: 's64 tv_sec, nsec64 tv_nsec',
  timeval: 'long tv_sec, long tv_usec',
  timezone: 'int tz_minuteswest, int tz_dsttime',
  itimerval: 'timeval it_interval, timeval it_value',
  itimerspec: 'timespec it_interval, timespec it_value',
  itimerspec64: 'timespec64 it_interval, timespec64 it_value',
  utimbuf: 'long actime, long modtime',
  tms: 'long tms_utime, long tms_stime, long tms_cutime, long tms_cstime',
  timex:
    'uint modes=hex, long offset, long freq, long maxerror, long esterror, int status=hex, long constant, ' +
    'long precision, long tolerance, timeval time, long tick, long ppsfreq, long jitter, int shift, long stabil, ' +
    'long jitcnt, long calcnt, long errcnt, long stbcnt, int tai, u32 reserved[11]',
  timex64:
    'uint modes=hex, u32 pad1, s64 offset, s64 freq, s64 maxerror, s64 esterror, int status=hex, u32 pad2, ' +
    's64 constant, s64 precision, s64 tolerance, s64 time_sec, s64 time_usec, s64 tick, s64 ppsfreq, s64 jitter, ' +
    'int shift, u32 pad3, s64 stabil, s64 jitcnt, s64 calcnt, s64 errcnt, s64 stbcnt, int tai, u32 reserved[11]',

  // Files
  iovec: 'ptr iov_base=hex, ulong iov_len',
  flock: 's16 l_type=enum:flock_type, s16 l_whence=enum:whence, long l_start!, long l_len!, int l_pid',
  flock64: 's16 l_type=enum:flock_type, s16 l_whence=enum:whence, s64 l_start, s64 l_len, int l_pid',
  f_owner_ex: 'int type, int pid',
  statx_timestamp: 's64 tv_sec, u32 tv_nsec, s32 reserved',
  statx:
    'u32 stx_mask=hex, u32 stx_blksize, u64 stx_attributes=hex, u32 stx_nlink, u32 stx_uid, u32 stx_gid, ' +
    'u16 stx_mode=mode, u16 spare0, u64 stx_ino, u64 stx_size, u64 stx_blocks, u64 stx_attributes_mask=hex, ' +
    'statx_timestamp stx_atime, statx_timestamp stx_btime, statx_timestamp stx_ctime, statx_timestamp stx_mtime, ' +
    'u32 stx_rdev_major, u32 stx_rdev_minor, u32 stx_dev_major, u32 stx_dev_minor, u64 stx_mnt_id, ' +
    'u32 stx_dio_mem_align, u32 stx_dio_offset_align, u64 spare3[12]',
  statfs:
    'long f_type=hex, long f_bsize!, ulong f_blocks!, ulong f_bfree!, ulong f_bavail!, ulong f_files!, ulong f_ffree!, ' +
    'int f_fsid[2]=hex, long f_namelen!, long f_frsize!, long f_flags=hex, long f_spare[4]',
  // Linux packs this one on 32-bit ABIs as if 64-bit members needed 4-byte alignment, also on those where they need 8.
  statfs64:
    'packed u32 f_type=hex, u32 f_bsize, u64 f_blocks, u64 f_bfree, u64 f_bavail, u64 f_files, u64 f_ffree, ' +
    'int f_fsid[2]=hex, u32 f_namelen, u32 f_frsize, u32 f_flags=hex, u32 f_spare[4]',
  /** Quota of a user or group (linux/quota.h), and of a file system. */
  dqblk:
    'u64 dqb_bhardlimit, u64 dqb_bsoftlimit, u64 dqb_curspace, u64 dqb_ihardlimit, u64 dqb_isoftlimit, u64 dqb_curinodes, ' +
    'u64 dqb_btime, u64 dqb_itime, u32 dqb_valid=hex',
  nextdqblk:
    'u64 dqb_bhardlimit, u64 dqb_bsoftlimit, u64 dqb_curspace, u64 dqb_ihardlimit, u64 dqb_isoftlimit, u64 dqb_curinodes, ' +
    'u64 dqb_btime, u64 dqb_itime, u32 dqb_valid=hex, u32 dqb_id',
  dqinfo: 'u64 dqi_bgrace, u64 dqi_igrace, u32 dqi_flags=hex, u32 dqi_valid=hex',
  in6_rtmsg:
    'u8 rtmsg_dst[16]=none, u8 rtmsg_src[16]=none, u8 rtmsg_gateway[16]=none, u32 rtmsg_type, u16 rtmsg_dst_len, ' +
    'u16 rtmsg_src_len, u32 rtmsg_metric, ulong rtmsg_info, u32 rtmsg_flags=hex, int rtmsg_ifindex',
  arpreq: 'u8 arp_pa[16]=none, u8 arp_ha[16]=none, int arp_flags=hex, u8 arp_netmask[16]=none, char arp_dev[16]=str',
  vlan_args: 'int cmd, char device1[24]=str, int value, u8 rest[20]=none, s16 vlan_qos',
  loop_info64:
    'u64 lo_device=hex, u64 lo_inode, u64 lo_rdevice=hex, u64 lo_offset, u64 lo_sizelimit, u32 lo_number, u32 lo_encrypt_type, ' +
    'u32 lo_encrypt_key_size, u32 lo_flags=hex, char lo_file_name[64]=str, char lo_crypt_name[64]=str, ' +
    'u8 lo_encrypt_key[32]=none, u64 lo_init[2]=none',
  loop_config: 'u32 fd, u32 block_size, loop_info64 info, u64 reserved[8]=none',
  fsxattr:
    'u32 fsx_xflags=hex, u32 fsx_extsize, u32 fsx_nextents, u32 fsx_projid, u32 fsx_cowextsize, u8 fsx_pad[8]=none',
  fiemap: 'u64 fm_start, u64 fm_length, u32 fm_flags=hex, u32 fm_mapped_extents, u32 fm_extent_count, u32 reserved',
  fiemap_extent:
    'u64 fe_logical, u64 fe_physical, u64 fe_length, u64 reserved64[2]=none, u32 fe_flags=hex, u32 reserved[3]=none',
  dedupe_range: 'u64 src_offset, u64 src_length, u16 dest_count, u16 reserved1, u32 reserved2',
  dedupe_info: 's64 dest_fd, u64 dest_offset, u64 bytes_deduped, s32 status, u32 reserved',
  serial_struct:
    'int type, int line, uint port=hex, int irq, int flags=hex, int xmit_fifo_size, int custom_divisor, int baud_base, ' +
    'u16 close_delay, u8 io_type, u8 reserved_char, int hub6, u16 closing_wait, u16 closing_wait2, ptr iomem_base=hex, ' +
    'u16 iomem_reg_shift, uint port_high, ulong iomap_base=hex',
  kbentry: 'u8 kb_table, u8 kb_index, u16 kb_value=hex',
  vt_mode: 'u8 mode, u8 waitv, s16 relsig, s16 acqsig, s16 frsig',
  hd_geometry: 'u8 heads, u8 sectors, u16 cylinders, ulong start',
  ustat: 'int f_tfree, ulong f_tinode, char f_fname[6]=str, char f_fpack[6]=str',
  open_how: 'u64 flags=flags:open, u64 mode=mode, u64 resolve=flags:resolve',
  file_handle: 'uint handle_bytes, int handle_type',
  cachestat_range: 'u64 off, u64 len',
  cachestat: 'u64 nr_cache, u64 nr_dirty, u64 nr_writeback, u64 nr_evicted, u64 nr_recently_evicted',
  mount_attr: 'u64 attr_set=hex, u64 attr_clr=hex, u64 propagation=hex, u64 userns_fd',
  xattr_args: 'u64 value=hex, u32 size, u32 flags=flags:xattr',
  file_attr: 'u64 fa_xflags=hex, u32 fa_extsize, u32 fa_nextents, u32 fa_projid, u32 fa_cowextsize',

  // Polling
  pollfd: 'int fd, s16 events=flags:poll, s16 revents=flags:poll',
  epoll_event: 'u32 events=flags:epoll, u64 data=hex',
  sigset_and_size: 'ptr sigmask=hex, ulong size',

  fd_set: 'u32 fds_bits[32]=hex',

  // Terminals
  termios:
    'u32 c_iflag=flags:iflag, u32 c_oflag=flags:oflag, u32 c_cflag=flags:cflag, u32 c_lflag=flags:lflag, u8 c_line, u8 c_cc[19]',
  termios2:
    'u32 c_iflag=flags:iflag, u32 c_oflag=flags:oflag, u32 c_cflag=flags:cflag, u32 c_lflag=flags:lflag, u8 c_line, ' +
    'u8 c_cc[19], u32 c_ispeed, u32 c_ospeed',
  termio: 'u16 c_iflag=hex, u16 c_oflag=hex, u16 c_cflag=hex, u16 c_lflag=hex, u8 c_line, u8 c_cc[8]',
  winsize: 'u16 ws_row, u16 ws_col, u16 ws_xpixel, u16 ws_ypixel',

  // Processes
  rlimit: 'ulong rlim_cur=rlim, ulong rlim_max=rlim',
  rlimit64: 'u64 rlim_cur=rlim, u64 rlim_max=rlim',
  rusage:
    'timeval ru_utime, timeval ru_stime, long ru_maxrss, long ru_ixrss, long ru_idrss, long ru_isrss, long ru_minflt, ' +
    'long ru_majflt, long ru_nswap, long ru_inblock, long ru_oublock, long ru_msgsnd, long ru_msgrcv, ' +
    'long ru_nsignals, long ru_nvcsw, long ru_nivcsw',
  sched_param: 'int sched_priority',
  sched_attr:
    'u32 size, u32 sched_policy=enum:sched, u64 sched_flags=hex, s32 sched_nice, u32 sched_priority, ' +
    'u64 sched_runtime, u64 sched_deadline, u64 sched_period, u32 sched_util_min, u32 sched_util_max',
  clone_args:
    'u64 flags=flags:clone, u64 pidfd=hex, u64 child_tid=hex, u64 parent_tid=hex, u64 exit_signal=signal, u64 stack=hex, ' +
    'u64 stack_size=hex, u64 tls=hex, u64 set_tid=hex, u64 set_tid_size, u64 cgroup',
  cap_header: 'u32 version=hex, int pid',
  cap_data: 'u32 effective=hex, u32 permitted=hex, u32 inheritable=hex',
  robust_list_head: 'ptr next=hex, long futex_offset, ptr list_op_pending=hex',
  futex_waitv: 'u64 val, u64 uaddr=hex, u32 flags=hex, u32 reserved',

  // System
  utsname:
    'char sysname[65]=str, char nodename[65]=str, char release[65]=str, char version[65]=str, char machine[65]=str, ' +
    'char domainname[65]=str',
  oldutsname:
    'char sysname[65]=str, char nodename[65]=str, char release[65]=str, char version[65]=str, char machine[65]=str',
  oldold_utsname:
    'char sysname[9]=str, char nodename[9]=str, char release[9]=str, char version[9]=str, char machine[9]=str',
  sysinfo:
    'long uptime, ulong loads[3], ulong totalram, ulong freeram, ulong sharedram, ulong bufferram, ulong totalswap, ' +
    'ulong freeswap, u16 procs, u16 pad, ulong totalhigh, ulong freehigh, uint mem_unit, char f[16-2*long]=none',

  // Signals
  sigaction: 'ptr sa_handler=sighandler, ulong sa_flags=flags:sigaction, ptr sa_restorer=hex, u64 sa_mask=sigset',
  old_sigaction: 'ptr sa_handler=sighandler, ulong sa_mask=sigset, ulong sa_flags=flags:sigaction, ptr sa_restorer=hex',
  sigaltstack: 'ptr ss_sp=hex, int ss_flags=flags:altstack, ulong ss_size',
  siginfo: 'int si_signo=signal, int si_errno, int si_code, int rest[29]=none',
  sigset: 'u64 bits=sigset',
  sigevent:
    'ptr sigev_value=hex, int sigev_signo=signal, int sigev_notify=enum:sigev, int sigev_tid, u8 pad[52-1*long]=none',
  signalfd_siginfo: 'u32 ssi_signo=signal, s32 ssi_errno, s32 ssi_code, u32 ssi_pid, u32 ssi_uid, u8 rest[108]=none',

  // Sockets
  /** Only the family is common; the length is an argument of every call. */
  sockaddr: 'u16 sa_family, u8 sa_data[14]',
  msghdr:
    'ptr msg_name=hex, int msg_namelen, ptr msg_iov=hex, ulong msg_iovlen, ptr msg_control=hex, ulong msg_controllen, ' +
    'uint msg_flags=flags:msg',
  mmsghdr: 'msghdr msg_hdr, uint msg_len',
  cmsghdr: 'ulong cmsg_len, int cmsg_level=enum:sol, int cmsg_type',
  // The union behind the name is as large as its largest member, which holds a pointer (struct ifmap: 2 longs, 2 words).
  ifreq: 'char ifr_name[16]=str, u8 data[8+2*long]=none',
  ifmap:
    'char ifr_name[16]=str, ulong mem_start=hex, ulong mem_end=hex, u16 base_addr, u8 irq, u8 dma, u8 port, u8 rest[3]',
  rtentry:
    'ulong pad1, u8 rt_dst[16]=none, u8 rt_gateway[16]=none, u8 rt_genmask[16]=none, u16 rt_flags=hex, s16 pad2, ulong pad3, ' +
    'ptr pad4, s16 rt_metric, ptr rt_dev=hex, ulong rt_mtu, ulong rt_window, u16 rt_irtt',
  linger: 'int l_onoff, int l_linger',
  ucred: 'int pid, uint uid, uint gid',

  // System V IPC and message queues
  ipc_perm:
    's32 key=hex, u32 uid, u32 gid, u32 cuid, u32 cgid, u16 mode=mode, u16 pad1, u16 seq, u16 pad2, ulong unused1, ulong unused2',
  shminfo: 'ulong shmmax, ulong shmmin, ulong shmmni, ulong shmseg, ulong shmall, ulong unused[4]',
  shm_info: 'int used_ids, ulong shm_tot, ulong shm_rss, ulong shm_swp, ulong swap_attempts, ulong swap_successes',
  sembuf: 'u16 sem_num, s16 sem_op, s16 sem_flg=hex',
  mq_attr: 'long mq_flags=hex, long mq_maxmsg, long mq_msgsize, long mq_curmsgs, long reserved[4]=none',
};

/** The declarations that differ on the host itself (x86-64), for conversions to and from it. */
export const HOST_STRUCTS: StructTable = {
  // Times have 64 bits everywhere: both names mean the same.
  epoll_event: 'packed u32 events, u64 data',
  stat:
    'ulong st_dev, ulong st_ino, ulong st_nlink, uint st_mode, uint st_uid, uint st_gid, uint padding, ulong st_rdev, ' +
    'long st_size, long st_blksize, long st_blocks, ulong st_atime, ulong st_atime_nsec, ulong st_mtime, ' +
    'ulong st_mtime_nsec, ulong st_ctime, ulong st_ctime_nsec, long unused[3]',
};
