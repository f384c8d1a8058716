/** A process without a program: guest memory, rows and a way to call them, for tests of system calls. */

import { I386_ABI } from '../../../linux-user/abi/i386.ts';
import { Process, type ProcessOptions } from '../../../linux-user/process.ts';
import { SystemCalls } from '../../../linux-user/syscalls/dispatch.ts';
import { GuestMemory } from '../../../src/memory/guest-memory.ts';
import { STATE_BASE } from '../../../src/memory/guest-pages.ts';

/** Start of the memory `Harness` hands out. */
const DATA = 0x10000;
const DATA_SIZE = 0x40000;

export class Harness {
  readonly memory = new GuestMemory();
  readonly process: Process;
  readonly calls: SystemCalls;
  private next = DATA;

  constructor(options: Partial<ProcessOptions> = {}) {
    this.memory.map(DATA, DATA_SIZE, 3, 0x32, -1, 0);
    const env = STATE_BASE;
    const pollWord = this.memory.base + env + 4;
    this.process = new Process({ memory: this.memory, abi: I386_ABI, env, pollWord, ...options });
    this.calls = new SystemCalls(this.process);
  }

  /** Calls by the ABI's name (or number); the result as a signed number. */
  call(name: string | number, ...args: number[]): number {
    const { abi } = this.process;
    const number = typeof name === 'number' ? name : abi.syscallNames().indexOf(name);
    if (number < 0) throw new Error(`${abi.name} has no call ${name}`);
    const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = args;
    return this.calls.call(number, a | 0, b | 0, c | 0, d | 0, e | 0, f | 0);
  }

  /** Gives memory out again from here on. */
  mark(): number {
    return this.next;
  }

  reset(mark: number): void {
    this.next = mark;
  }

  /** Address of `size` fresh bytes of zeros. */
  room(size: number): number {
    const at = this.next;
    this.next = Math.ceil((at + size) / 16) * 16;
    if (this.next > DATA + DATA_SIZE) throw new Error('the test uses too much guest memory');
    return at;
  }

  /** Address of a string with its zero byte. */
  string(text: string): number {
    const bytes = Buffer.from(`${text}\0`, 'latin1');
    const at = this.room(bytes.length);
    this.memory.u8.set(bytes, at);
    return at;
  }

  /** Address of 32-bit words in the guest's order. */
  words(...values: number[]): number {
    const at = this.room(values.length * 4);
    values.forEach((value, i) => {
      this.memory.view.setInt32(at + i * 4, value | 0, this.process.little);
    });
    return at;
  }

  u32(at: number): number {
    return this.memory.view.getUint32(at, this.process.little);
  }

  text(at: number, length: number): string {
    return Buffer.from(this.memory.u8.subarray(at, at + length)).toString('latin1');
  }
}
