// System calls about the system and the process as a whole: names, memory, random numbers, personality, prctl.

import { EFAULT, EINVAL, ENOMEM, ENOSYS } from '../../src/host/errno.ts';
import { SYS, sys1, sys5 } from '../../src/host/syscall.ts';
import { unimpOnce } from '../../src/log/log.ts';
import type { Process } from '../process.ts';
import { fieldOf, readField, writeField } from '../structs.ts';
import type { Handler, Row, Rows, Unfolded } from './row.ts';

const UTS_FIELDS = ['sysname', 'nodename', 'release', 'version', 'machine', 'domainname'] as const;
const UTS_LENGTH = 65;
const READ_IMPLIES_EXEC = 0x0400000;
const ASK_PERSONALITY = 0xffffffff;

/** Fills the structure `name` (one of the three forms of utsname) with the host's names and the guest's machine. */
function uname(name: string): Handler {
  return (p, pointer) => {
    const scratch = p.scratch(UTS_FIELDS.length * UTS_LENGTH);
    const result = sys1(SYS.uname, scratch.address);
    if (result < 0) return result;
    const layout = p.structs.layout(name);
    if (!p.memory.prepareWrite(pointer, layout.size)) return -EFAULT;
    for (const field of layout.fields) {
      const from = UTS_FIELDS.indexOf(field.name as (typeof UTS_FIELDS)[number]) * UTS_LENGTH;
      let text = Buffer.from(scratch.u8.subarray(from, from + UTS_LENGTH))
        .toString('latin1')
        .split('\0')[0]!;
      if (field.name === 'machine') text = machineName(p);
      else if (field.name === 'release' && p.release !== undefined) text = p.release;
      const to = (pointer >>> 0) + field.offset;
      p.memory.u8.fill(0, to, to + field.count);
      p.memory.u8.set(Buffer.from(text.slice(0, field.count - 1), 'latin1'), to);
    }
    return 0;
  };
}

/** What uname(2) says the machine is. */
function machineName({ abi, view, env }: Process): string {
  return typeof abi.machine === 'string' ? abi.machine : abi.machine(view, env);
}

/** Sizes in bytes of the fields that may not fit in a 32-bit long; they are then told in units of a page. */
const SIZE_FIELDS = ['totalram', 'freeram', 'sharedram', 'bufferram', 'totalswap', 'freeswap', 'totalhigh', 'freehigh'];
const PAGE = 4096;

function sysinfo(p: Process, pointer: number): number {
  const { view, address } = p.scratch(128);
  const result = sys1(SYS.sysinfo, address);
  if (result < 0) return result;
  const host = p.hostStructs.layout('sysinfo');
  const guest = p.structs.layout('sysinfo');
  if (!p.memory.prepareWrite(pointer, guest.size)) return -EFAULT;
  pointer >>>= 0;
  const value = (name: string) => readField(host, view, 0, fieldOf(host, name));
  const scale = p.abi.model.longSize === 4 && value('totalram') + value('totalswap') > 0xffffffff;
  for (const field of guest.fields) {
    const from = fieldOf(host, field.name);
    for (let i = 0; i < field.count; i++) {
      let n = i < from.count ? readField(host, view, 0, from, i) : 0;
      if (scale && SIZE_FIELDS.includes(field.name)) n = Math.floor(n / PAGE);
      if (scale && field.name === 'mem_unit') n *= PAGE;
      writeField(guest, p.view, pointer, field, n, i);
    }
  }
  return 0;
}

function personality(p: Process, persona: number): number {
  const old = sys1(SYS.personality, persona >>> 0);
  if (old >= 0 && persona >>> 0 !== ASK_PERSONALITY) p.memory.readImpliesExec = (persona & READ_IMPLIES_EXEC) !== 0;
  return old;
}

/** prctl's options: number, and how the arguments behind it are declared. Missing ones are not for the host to do. */
const PRCTL: Readonly<Record<number, string>> = {
  1: 'signal sig', // PR_SET_PDEATHSIG
  2: 'out int sig', // PR_GET_PDEATHSIG
  3: '', // PR_GET_DUMPABLE
  4: 'ulong dumpable', // PR_SET_DUMPABLE
  7: '', // PR_GET_KEEPCAPS
  8: 'ulong state', // PR_SET_KEEPCAPS
  13: '', // PR_GET_TIMING
  14: 'ulong timing', // PR_SET_TIMING
  15: 'str name', // PR_SET_NAME
  16: 'out bytes[16] name', // PR_GET_NAME
  23: 'ulong cap', // PR_CAPBSET_READ
  24: 'ulong cap', // PR_CAPBSET_DROP
  25: 'out int state', // PR_GET_TSC
  31: '', // PR_TASK_PERF_EVENTS_DISABLE
  32: '', // PR_TASK_PERF_EVENTS_ENABLE
  27: '', // PR_GET_SECUREBITS
  28: 'ulong bits', // PR_SET_SECUREBITS
  29: 'ulong ns', // PR_SET_TIMERSLACK
  30: '', // PR_GET_TIMERSLACK
  33: 'ulong op, ulong policy, ulong a4, ulong a5', // PR_MCE_KILL
  34: 'ulong a2, ulong a3, ulong a4, ulong a5', // PR_MCE_KILL_GET
  36: 'ulong reaper', // PR_SET_CHILD_SUBREAPER
  37: 'out int reaper', // PR_GET_CHILD_SUBREAPER
  38: 'ulong on, ulong a3, ulong a4, ulong a5', // PR_SET_NO_NEW_PRIVS
  39: 'ulong a2, ulong a3, ulong a4, ulong a5', // PR_GET_NO_NEW_PRIVS
  41: 'ulong on, ulong a3, ulong a4, ulong a5', // PR_SET_THP_DISABLE
  42: 'ulong a2, ulong a3, ulong a4, ulong a5', // PR_GET_THP_DISABLE
  47: 'ulong op, ulong cap, ulong a4, ulong a5', // PR_CAP_AMBIENT
  52: 'ulong which, ulong a3, ulong a4, ulong a5', // PR_GET_SPECULATION_CTRL
  53: 'ulong which, ulong how, ulong a4, ulong a5', // PR_SET_SPECULATION_CTRL
  57: 'ulong state, ulong a3, ulong a4, ulong a5', // PR_SET_IO_FLUSHER
  58: 'ulong a2, ulong a3, ulong a4, ulong a5', // PR_GET_IO_FLUSHER
  67: 'ulong on, ulong a3, ulong a4, ulong a5', // PR_SET_MEMORY_MERGE
  68: 'ulong a2, ulong a3, ulong a4, ulong a5', // PR_GET_MEMORY_MERGE
};
const PR_GET_SECCOMP = 21;
const PR_SET_SECCOMP = 22;
const PR_GET_TID_ADDRESS = 40;
const PR_SET_TSC = 26;
const PR_TSC_ENABLE = 1;
const PR_SET_VMA = 0x53564d41;

const prctlRows = new Map<number, Row>();

function prctlRow(option: number): Row | undefined {
  let row = prctlRows.get(option);
  if (!row) {
    if (!Object.hasOwn(PRCTL, option)) return undefined;
    const more = PRCTL[option]!;
    row = { args: `enum:prctl option${more === '' ? '' : `, ${more}`}`, run: 'prctl' };
    prctlRows.set(option, row);
  }
  return row;
}

function unfoldPrctl(_: Process, args: number[]): Unfolded | null {
  const row = prctlRow(args[0]!);
  return row ? { name: 'prctl', row, args } : null;
}

/** PR_SET_VMA: a name for anonymous memory, which /proc shows. */
function nameMemory(p: Process, operation: number, start: number, length: number, name: number): number {
  const from = start >>> 0;
  const size = length >>> 0;
  if (from + size > p.memory.taskSize) return -ENOMEM;
  return sys5(SYS.prctl, PR_SET_VMA, operation >>> 0, p.base + from, size, p.in(name));
}

/** Loads what only programs with seccomp need. */
function loadSeccomp(): typeof import('./seccomp.ts') {
  return require('./seccomp.ts');
}

/** Options that have no row: some are answered here, the rest fail as an option the kernel was built without. */
function prctl(p: Process, option: number, pointer: number, start: number, length: number, name: number): number {
  if (option === PR_GET_TID_ADDRESS) return p.writeU32(pointer, p.clearTid) ? 0 : -EFAULT;
  if (option === PR_GET_SECCOMP) return loadSeccomp().prctlGetSeccomp(p);
  if (option === PR_SET_SECCOMP) return loadSeccomp().prctlSetSeccomp(p, pointer, start);
  if (option === PR_SET_VMA) return nameMemory(p, pointer, start, length, name);
  // The guest's counter can always be read.
  if (option === PR_SET_TSC && pointer === PR_TSC_ENABLE) return 0;
  unimpOnce(`prctl option ${option}`);
  return -EINVAL;
}

/** Calls that Linux itself has only as a number. */
const gone: Row = { args: '', run: () => -ENOSYS };

export const INFO_ROWS = {
  uname: { args: 'out utsname buf', run: uname('utsname') },
  olduname: { args: 'out oldutsname buf', run: uname('oldutsname') },
  oldolduname: { args: 'out oldold_utsname buf', run: uname('oldold_utsname') },
  sethostname: { args: 'in bytes[len] name, int len', run: 'sethostname' },
  setdomainname: { args: 'in bytes[len] name, int len', run: 'setdomainname' },
  sysinfo: { args: 'out sysinfo info', run: sysinfo },
  getrandom: {
    args: 'out bytes[buflen:result] buf, size buflen, flags:getrandom flags',
    run: 'getrandom',
    blocks: true,
  },
  personality: { args: 'hex persona', run: personality, result: 'hex' },
  prctl: {
    args: 'enum:prctl option, ulong arg2, ulong arg3, ulong arg4, ulong arg5',
    run: prctl,
    unfold: unfoldPrctl,
  },
  getcpu: {
    args: 'out u32 cpu, out u32 node, addr tcache',
    run: (p, cpu, node) => sys5(SYS.getcpu, p.out(cpu, 4), p.out(node, 4), 0, 0, 0),
  },
  syslog: { args: 'int type, out bytes[len:result] buf, int len', run: 'syslog', blocks: true },
  membarrier: { args: 'int cmd, uint flags, int cpu_id', run: 'membarrier' },
  sysfs: { args: 'int option, addr arg1, addr arg2', run: sysfs },

  break: gone,
  stty: gone,
  gtty: gone,
  ftime: gone,
  prof: gone,
  profil: gone,
  lock: gone,
  mpx: gone,
  ulimit: gone,
  idle: gone,
  create_module: gone,
  get_kernel_syms: gone,
  query_module: gone,
  nfsservctl: gone,
  bdflush: gone,
  getpmsg: gone,
  putpmsg: gone,
  afs_syscall: gone,
  vserver: gone,
  _sysctl: gone,
  lookup_dcookie: gone,
  uselib: gone,
  vm86: gone,
  vm86old: gone,
  /** Restartable sequences need the kernel to know the guest's PC; without them C libraries ask for the CPU number. */
  rseq: { args: 'addr rseq, uint rseq_len, int flags, hex sig', run: () => -ENOSYS },
} satisfies Rows;

/** sysfs(2): file system types by number or name. */
function sysfs(p: Process, option: number, a: number, b: number): number {
  if (option === 1) return sys5(SYS.sysfs, option, p.in(a), 0, 0, 0);
  if (option === 2) return sys5(SYS.sysfs, option, a >>> 0, p.out(b, 64), 0, 0);
  return sys5(SYS.sysfs, option, 0, 0, 0, 0);
}
