// seccomp(2) and what prctl(2) knows of it: setting a mode, adding filters, asking what there is.

import { EACCES, EFAULT, EINVAL, ENOMEM, EOPNOTSUPP } from '../../src/host/errno.ts';
import { SYS, sys5 } from '../../src/host/syscall.ts';
import { hasEffectiveCapability } from '../exec-in-place.ts';
import type { Process } from '../process.ts';
import {
  type Filter,
  INSTRUCTION_SIZE,
  isValidFilter,
  MAX_INSTRUCTIONS,
  RET_ALLOW,
  RET_ERRNO,
  RET_KILL_PROCESS,
  RET_KILL_THREAD,
  RET_LOG,
  RET_TRACE,
  RET_TRAP,
  RET_USER_NOTIF,
  readInstructions,
  SECCOMP_MODE_FILTER,
  SECCOMP_MODE_STRICT,
  Seccomp,
} from '../seccomp.ts';
import { listen } from '../seccomp-notify.ts';
import type { Rows } from './row.ts';

const SET_MODE_STRICT = 0;
const SET_MODE_FILTER = 1;
const GET_ACTION_AVAIL = 2;
const GET_NOTIF_SIZES = 3;

const FLAG_TSYNC = 1;
const FLAG_LOG = 2;
const FLAG_SPEC_ALLOW = 4;
const FLAG_NEW_LISTENER = 8;
const FLAG_TSYNC_ESRCH = 16;
const FLAG_WAIT_KILLABLE_RECV = 32;

const PR_GET_SECCOMP = 21;
const PR_GET_NO_NEW_PRIVS = 39;
const CAP_SYS_ADMIN = 21;

/** What GET_ACTION_AVAIL knows. */
const ACTIONS: readonly number[] = [
  ...[RET_KILL_PROCESS, RET_KILL_THREAD, RET_TRAP, RET_ERRNO, RET_USER_NOTIF, RET_TRACE, RET_LOG, RET_ALLOW],
];
/** struct seccomp_notif_sizes: those of struct seccomp_notif, seccomp_notif_resp and seccomp_data. */
const NOTIF_SIZES: readonly number[] = [80, 24, 64];

/** The mode can only be left by the end of the process. */
function mayAssign(p: Process, mode: number): boolean {
  return p.seccomp === null || p.seccomp.currentMode === mode;
}

function setStrict(p: Process): number {
  if (!mayAssign(p, SECCOMP_MODE_STRICT)) return -EINVAL;
  p.seccomp ??= new Seccomp(SECCOMP_MODE_STRICT);
  return 0;
}

/** The filter that a struct sock_fprog at `address` tells of, or -errno. */
function readFilter(p: Process, address: number): Filter | number {
  const word = p.abi.model.longSize;
  if (!p.memory.checkRead(address, 2 * word)) return -EFAULT;
  const length = p.view.getUint16(address >>> 0, p.little);
  if (length === 0 || length > MAX_INSTRUCTIONS) return -EINVAL;
  const noNewRights = sys5(SYS.prctl, PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) === 1;
  if (!noNewRights && !hasEffectiveCapability(CAP_SYS_ADMIN)) return -EACCES;
  const from = p.readWord((address >>> 0) + word)!;
  if (!p.memory.checkRead(from, length * INSTRUCTION_SIZE)) return -EFAULT;
  const filter = readInstructions(p.view, from, length, p.little);
  return isValidFilter(filter) ? filter : -EINVAL;
}

function setFilter(p: Process, flags: number, address: number): number {
  const known =
    FLAG_TSYNC | FLAG_LOG | FLAG_SPEC_ALLOW | FLAG_NEW_LISTENER | FLAG_TSYNC_ESRCH | FLAG_WAIT_KILLABLE_RECV;
  if (flags & ~known) return -EINVAL;
  // Both want the result.
  if (flags & FLAG_TSYNC && flags & FLAG_NEW_LISTENER && !(flags & FLAG_TSYNC_ESRCH)) return -EINVAL;
  if (flags & FLAG_WAIT_KILLABLE_RECV && !(flags & FLAG_NEW_LISTENER)) return -EINVAL;
  const filter = readFilter(p, address);
  if (typeof filter === 'number') return filter;
  if (!mayAssign(p, SECCOMP_MODE_FILTER)) return -EINVAL;
  const seccomp = (p.seccomp as Seccomp | null) ?? new Seccomp(SECCOMP_MODE_FILTER);
  if (!seccomp.hasRoom(filter.length)) return -ENOMEM;
  // The host knows whether there is one already.
  const listener = flags & FLAG_NEW_LISTENER ? listen(flags & ~(FLAG_TSYNC | FLAG_TSYNC_ESRCH)) : 0;
  if (listener < 0) return listener;
  seccomp.add(filter, (flags & FLAG_NEW_LISTENER) !== 0);
  p.seccomp = seccomp;
  return listener;
}

function seccomp(p: Process, operation: number, flags: number, address: number): number {
  switch (operation) {
    case SET_MODE_STRICT:
      return flags !== 0 || address !== 0 ? -EINVAL : setStrict(p);
    case SET_MODE_FILTER:
      return setFilter(p, flags, address);
    case GET_ACTION_AVAIL: {
      if (flags !== 0) return -EINVAL;
      const action = p.readU32(address);
      if (action === undefined) return -EFAULT;
      return ACTIONS.includes(action | 0) ? 0 : -EOPNOTSUPP;
    }
    case GET_NOTIF_SIZES:
      if (flags !== 0) return -EINVAL;
      if (!p.memory.prepareWrite(address, 6)) return -EFAULT;
      NOTIF_SIZES.forEach((size, n) => {
        p.view.setUint16((address >>> 0) + 2 * n, size, p.little);
      });
      return 0;
    default:
      return -EINVAL;
  }
}

/** prctl(PR_SET_SECCOMP). */
export function prctlSetSeccomp(p: Process, mode: number, address: number): number {
  if (mode === SECCOMP_MODE_STRICT) return setStrict(p);
  return mode === SECCOMP_MODE_FILTER ? setFilter(p, 0, address) : -EINVAL;
}

/** prctl(PR_GET_SECCOMP): what the emulator itself is confined to counts where the guest has set nothing. */
export function prctlGetSeccomp(p: Process): number {
  return p.seccomp?.currentMode ?? sys5(SYS.prctl, PR_GET_SECCOMP, 0, 0, 0, 0);
}

export const SECCOMP_ROWS = {
  seccomp: { args: 'uint operation, hex flags, addr args', run: seccomp },
} satisfies Rows;
