// Runs one guest thread: guest code until it traps, then the system call, the signal, or what has arrived meanwhile.

import { ERESTARTSYS } from '../src/host/errno.ts';
import { NO_CALL } from './abi/interface.ts';
import type { GuestCpu, Trap } from './cpu.ts';
import { NO_RESULT } from './errno.ts';
import type { NextProgram, Process } from './process.ts';
import type { Signals } from './signals.ts';

/** The system calls of a process; see syscalls/dispatch.ts. */
export interface SystemCallRunner {
  /** Runs the call that the CPU state asks for and stores its result, unless it is unfinished: -512 to -600. */
  run(): number;
}

/** Loads the code for semihosting calls. */
export function loadSemihosting(): typeof import('./semihosting.ts') {
  return require('./semihosting.ts');
}

/** One semihosting call. */
function semihost(p: Process): void {
  const { Semihosting } = loadSemihosting();
  const hosting = (p.semihosting ??= new Semihosting(p));
  const { request, finish } = p.abi.semihosting!;
  const result = hosting.run(...request(p.stateView, p.stateEnv));
  finish(p.stateView, p.stateEnv, result);
}

/** Runs until the process ends, or is to become another program: which one. */
export function runProcess(p: Process, cpu: GuestCpu, calls: SystemCallRunner, signals: Signals): NextProgram {
  const { abi, stateView, stateEnv } = p;
  const { syscallVector } = abi.signals;
  const finish = (result: number): void => abi.setSyscallResult(stateView, stateEnv, result);
  let result = 0;
  const systemCall: Trap = {
    vector: syscallVector,
    handle: () => {
      result = calls.run();
      return (result > -ERESTARTSYS || result <= -NO_RESULT) && p.next === null;
    },
  };
  for (;;) {
    const exit = cpu.run(systemCall);
    if (exit.kind === 'poll') {
      signals.deliver(null, finish);
      continue;
    }
    if (exit.kind === 'exception') {
      if (exit.vector === abi.semihosting?.vector) {
        semihost(p);
        continue;
      }
      if (exit.vector !== syscallVector) {
        signals.fault(exit);
        continue;
      }
      if (systemCall.handle()) continue;
    }
    if (p.next !== null) return p.next;
    if (result === -NO_CALL) {
      signals.fault({ kind: 'exception', vector: syscallVector, errorCode: 0, address: 0 });
      continue;
    }
    signals.deliver({ error: -result }, finish);
  }
}
