// The rows most programs never use, gathered so that they can be loaded together on first use.

import { IOCTL_ROWS } from './ioctl.ts';
import { IPC_FRONT_ROWS, IPC_ROWS } from './ipc.ts';
import { POLL_ROWS } from './poll.ts';
import { REFUSED_ROWS } from './refused.ts';
import type { Rows } from './row.ts';
import { SECCOMP_ROWS } from './seccomp.ts';
import { SOCKET_ROWS, SOCKETCALL_ROWS } from './sockets.ts';
import { SYSTEM_ROWS } from './system.ts';

export const RARE_ROWS: readonly Rows[] = [
  IOCTL_ROWS,
  POLL_ROWS,
  SOCKET_ROWS,
  SOCKETCALL_ROWS,
  IPC_ROWS,
  IPC_FRONT_ROWS,
  SYSTEM_ROWS,
  SECCOMP_ROWS,
  REFUSED_ROWS,
];
