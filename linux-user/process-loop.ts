// Runs one guest thread: guest code until it traps, then the system call, the signal, or what has arrived meanwhile.

import { ERESTARTSYS } from '../src/host/errno.ts';
import type { GuestCpu } from './cpu.ts';
import { NO_RESULT } from './errno.ts';
import type { NextProgram, Process } from './process.ts';
import type { Signals } from './signals.ts';

/** The system calls of a process; see syscalls/dispatch.ts. */
export interface SystemCallRunner {
  /** Runs the call that the CPU state asks for and stores its result, unless it is unfinished: -512 to -600. */
  run(): number;
  nameOf(number: number): string | undefined;
}

/** Runs until the process ends, or is to become another program: which one. */
export function runProcess(p: Process, cpu: GuestCpu, calls: SystemCallRunner, signals: Signals): NextProgram {
  const { abi, stateView, stateEnv } = p;
  const { syscallVector } = abi.signals;
  const finish = (result: number): void => abi.setSyscallResult(stateView, stateEnv, result);
  for (;;) {
    const exit = cpu.run();
    if (exit.kind === 'poll') {
      signals.deliver(null, finish);
    } else if (exit.vector === syscallVector) {
      const result = calls.run();
      if (result <= -ERESTARTSYS && result > -NO_RESULT) {
        const name = calls.nameOf(abi.syscallNumber(stateView, stateEnv)) ?? '';
        signals.deliver({ name, error: -result }, finish);
      } else if (p.next !== null) {
        return p.next;
      }
    } else {
      signals.fault(exit);
    }
  }
}
