// System calls that wemu does not make on purpose: each answers as a kernel built without the option would, and is named once.

import { ENOSYS, EOPNOTSUPP } from '../../src/host/errno.ts';
import { unimpOnce } from '../../src/log/log.ts';
import type { Row, Rows } from './row.ts';

/** @param because what a kernel without the call lacks, or why it cannot be had here */
function refused(name: string, args: string, because: string, error: number = ENOSYS): Row {
  return {
    args,
    run: () => {
      unimpOnce(`system call ${name} (${because})`);
      return -error;
    },
  };
}

const AIO = 'as without CONFIG_AIO: the rings are shared with the kernel in the host layout';
const NUMA = 'as without CONFIG_NUMA: guest pages are placed by the host';
const PCI = 'as without CONFIG_PCI_SYSCALL';
const URING = 'as without CONFIG_IO_URING: the rings are shared with the kernel in the host layout';

/** Declared like all rows, so that `-strace` shows their arguments. */
export const REFUSED_ROWS = {
  ptrace: refused(
    'ptrace',
    'int request, pid pid, addr addr, addr data',
    'a guest cannot trace: the host shows the emulator',
  ),
  io_setup: refused('io_setup', 'uint nr_events, addr ctxp', AIO),
  io_destroy: refused('io_destroy', 'ulong ctx', AIO),
  io_getevents: refused('io_getevents', 'ulong ctx, long min_nr, long nr, addr events, in timespec timeout', AIO),
  io_pgetevents: refused(
    'io_pgetevents',
    'ulong ctx, long min_nr, long nr, addr events, in timespec timeout, in sigset_and_size usig',
    AIO,
  ),
  io_pgetevents_time64: refused(
    'io_pgetevents_time64',
    'ulong ctx, long min_nr, long nr, addr events, in timespec64 timeout, in sigset_and_size usig',
    AIO,
  ),
  io_submit: refused('io_submit', 'ulong ctx, long nr, addr iocbpp', AIO),
  io_cancel: refused('io_cancel', 'ulong ctx, addr iocb, addr result', AIO),
  io_uring_setup: refused('io_uring_setup', 'uint entries, addr params', URING),
  io_uring_enter: refused('io_uring_enter', 'fd fd, uint to_submit, uint min_complete, hex flags, addr sig', URING),
  io_uring_register: refused('io_uring_register', 'fd fd, uint opcode, addr arg, uint nr_args', URING),
  mbind: refused('mbind', 'addr start, size len, int mode, addr nodemask, ulong maxnode, hex flags', NUMA),
  get_mempolicy: refused('get_mempolicy', 'addr policy, addr nodemask, ulong maxnode, addr addr, hex flags', NUMA),
  set_mempolicy: refused('set_mempolicy', 'int mode, addr nodemask, ulong maxnode', NUMA),
  set_mempolicy_home_node: refused('set_mempolicy_home_node', 'addr start, size len, ulong home_node, hex flags', NUMA),
  migrate_pages: refused('migrate_pages', 'pid pid, ulong maxnode, addr old_nodes, addr new_nodes', NUMA),
  move_pages: refused('move_pages', 'pid pid, ulong count, addr pages, addr nodes, addr status, hex flags', NUMA),
  kexec_load: refused(
    'kexec_load',
    'addr entry, ulong nr_segments, addr segments, hex flags',
    'as without CONFIG_KEXEC',
  ),
  kexec_file_load: refused(
    'kexec_file_load',
    'fd kernel_fd, fd initrd_fd, ulong cmdline_len, str cmdline, hex flags',
    'as without CONFIG_KEXEC_FILE',
  ),
  pciconfig_iobase: refused('pciconfig_iobase', 'int which, ulong bus, ulong devfn', PCI),
  pciconfig_read: refused('pciconfig_read', 'ulong bus, ulong dfn, ulong off, size len, addr buf', PCI),
  pciconfig_write: refused('pciconfig_write', 'ulong bus, ulong dfn, ulong off, size len, addr buf', PCI),
  breakpoint: refused('breakpoint', '', 'a trap of old debuggers of ARM'),
  usr26: refused('usr26', '', 'as on ARM processors since version 4'),
  usr32: refused('usr32', '', 'as on ARM processors since version 4'),
  perf_event_open: refused(
    'perf_event_open',
    'addr attr, pid pid, int cpu, fd group_fd, hex flags',
    'as without CONFIG_PERF_EVENTS: the host would count the emulator',
  ),
  bpf: refused('bpf', 'int cmd, addr attr, uint size', 'as without CONFIG_BPF_SYSCALL'),
  userfaultfd: refused('userfaultfd', 'hex flags', 'as without CONFIG_USERFAULTFD: the emulator needs faults itself'),
  process_madvise: refused(
    'process_madvise',
    'fd pidfd, addr vec, size vlen, int advice, hex flags',
    'as without CONFIG_ADVISE_SYSCALLS: addresses of other emulators are not those of their guests',
  ),
  map_shadow_stack: refused(
    'map_shadow_stack',
    'addr addr, size size, hex flags',
    'as on a CPU without shadow stacks',
    EOPNOTSUPP,
  ),
  mseal: refused('mseal', 'addr start, size len, hex flags', 'as on a kernel of 32 bits'),
} satisfies Rows;
