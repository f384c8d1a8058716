// An executable page in this process: pieces of x86-64 code that oracles have the host CPU run on a record.

import { CFunction, dlopen, type Pointer, toArrayBuffer } from 'bun:ffi';

/** PROT_READ | PROT_WRITE | PROT_EXEC and MAP_PRIVATE | MAP_ANONYMOUS. */
const PROT_ALL = 7;
const MAP_ANONYMOUS_PRIVATE = 0x22;

/** Functions of one argument, the address of a record, which they get in rsi. Each is written once. */
export class HostStubs {
  private readonly base: number;
  private readonly page: Uint8Array;
  private readonly call: CallableFunction;
  private readonly stubs = new Map<string, number>();
  private used = 0;

  /** `bytes` is for all the code together; `wrap` makes a function around an instruction. */
  constructor(
    bytes: number,
    private readonly wrap: (instruction: ArrayLike<number>) => number[],
  ) {
    const libc = dlopen('libc.so.6', {
      mmap: { args: ['ptr', 'u64', 'i32', 'i32', 'i32', 'i64'], returns: 'ptr' },
    });
    const base = libc.symbols.mmap(null, bytes, PROT_ALL, MAP_ANONYMOUS_PRIVATE, -1, 0) as Pointer;
    this.base = base;
    this.page = new Uint8Array(toArrayBuffer(base, 0, bytes));
    const jump = this.write([0xff, 0xe7]); // jmp rdi
    this.call = CFunction({ ptr: jump as Pointer, args: ['ptr', 'ptr'], returns: 'void' });
  }

  private write(code: readonly number[]): number {
    const at = this.used;
    this.page.set(code, at);
    this.used += code.length;
    return this.base + at;
  }

  /** Runs an instruction on the record at an address. What it raises ends the process. */
  run(instruction: ArrayLike<number>, record: Pointer): void {
    const key = Array.prototype.join.call(instruction);
    let stub = this.stubs.get(key);
    if (stub === undefined) {
      stub = this.write(this.wrap(instruction));
      this.stubs.set(key, stub);
    }
    this.call(stub, record);
  }
}
