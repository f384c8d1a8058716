// A CPU that runs everything twice, interpreted and as generated code, and stops at the first difference.
import { HEADER } from '../../targets/state-layout.ts';
import { GuestException } from '../../targets/target.ts';
import { AccessError, type InterpreterPort, interpretBlock } from '../../tcg/interp/interp.ts';
import type { Block } from '../../tcg/ir/block.ts';
import { Exit } from '../../tcg/ir/types.ts';
import { optimize } from '../../tcg/opt/pipeline.ts';
import { Tier } from './code-cache.ts';
import { Cpu, type CpuExit } from './cpu.ts';

/** Thrown when the two engines disagree; the message is the report. */
export class LockstepDifference extends Error {}

/** Bytes before and after one write. */
interface Write {
  readonly address: number;
  readonly before: Uint8Array;
  after: Uint8Array;
}

/** CPU state after so many blocks of the reference run. */
interface Step {
  readonly pc: number;
  readonly state: Uint8Array;
  /** How many journal entries had been made. */
  readonly writes: number;
  readonly faulted: boolean;
}

/**
 * Blocks the reference runs ahead at most. Without regions generated code leaves where the reference first polls; a region
 * goes on past the polls of returns it has joined to their calls, at most through all its nodes.
 */
const MAX_STEPS = 300;

/** What the poll word is while generated code is to leave at its first poll. */
const TO_LEAVE = 2;

/** So many writes that the reference did later are looked for in memory: generated code must not have done them yet. */
const LATER_WRITES = 64;

/**
 * Lockstep: each time the loop would enter generated code, the interpreter first runs block after block from the same state,
 * journaling what it writes; then everything is undone and generated code runs until it leaves (the poll word is set, so
 * that it leaves at the first backward or indirect jump). The state it leaves must be one the reference passed through, and
 * memory must agree with the journal up to there. Regions and chained blocks are compared the same way.
 */
export class LockstepCpu extends Cpu {
  private readonly blocks = new Map<string, { block: Block; end: number }>();
  private journal: Write[] = [];
  /** How many comparisons were made. */
  comparisons = 0;
  /** How often a region left without doing anything, so that there was nothing to compare. */
  steppedOver = 0;

  /** Traps are left to the caller: what happens in one is neither undone nor repeated. */
  override run(): CpuExit {
    return super.run(null);
  }

  protected override invalidate(firstPage: number, lastPage: number): void {
    this.blocks.clear();
    super.invalidate(firstPage, lastPage);
  }

  private get stateSize(): number {
    return this.guest.layout.size;
  }

  /** CPU state but for the poll word. */
  private snapshot(): Uint8Array {
    return this.memory.u8.slice(this.env, this.env + this.stateSize).fill(0, HEADER.poll, HEADER.poll + 4);
  }

  private restore(state: Uint8Array): void {
    const { memory, env } = this;
    memory.u8.set(state.subarray(0, HEADER.poll), env);
    memory.u8.set(state.subarray(HEADER.poll + 4), env + HEADER.poll + 4);
  }

  private readonly journalWrite = (address: number, length: number): void => {
    const before = this.memory.u8.slice(address, address + length);
    this.journal.push({ address, before, after: before });
  };

  /** Told by helpers that they are about to write: journal it while the reference runs. */
  private recording = false;

  override noteWrite(address: number, length: number): void {
    if (this.recording && length > 0) this.journalWrite(address >>> 0, length);
  }

  protected override enterAt(pc: number, flags: number): Exit {
    const { env, memory } = this;
    // A signal that comes meanwhile sets it to 1.
    const words = new Int32Array(memory.u8.buffer);
    const poll = (env + HEADER.poll) / 4;
    const polled = Atomics.exchange(words, poll, TO_LEAVE);
    const before = this.snapshot();
    const steps = this.runReference(pc, flags);
    for (let n = this.journal.length - 1; n >= 0; n--) memory.u8.set(this.journal[n]!.before, this.journal[n]!.address);
    this.restore(before);
    let exit: Exit;
    let fault: unknown = null;
    try {
      exit = this.enterGenerated(this.cache.get(pc, flags));
    } catch (error) {
      fault = error;
      exit = Exit.LOOKUP;
    }
    const stuck = exit === Exit.POLL && sameBytes(before, this.snapshot());
    this.compare(pc, steps, fault !== null, exit);
    this.comparisons++;
    Atomics.compareExchange(words, poll, TO_LEAVE, polled);
    if (fault !== null) return this.recover(fault);
    if (stuck) return this.stepOver(pc, flags);
    return exit === Exit.POLL ? Exit.LOOKUP : exit;
  }

  /**
   * A region whose first block is the target of a loop polls before it does anything, and here it is always told to leave.
   * Its first block is then interpreted, so that the program goes on; what follows is compared again.
   */
  private stepOver(pc: number, flags: number): Exit {
    this.steppedOver++;
    try {
      return interpretBlock(this.blockAt(pc, flags), this.blockPort, this.env);
    } catch (error) {
      return this.recover(error);
    }
  }

  /** Interprets from the present state until something other than the next block is to be done. */
  private runReference(start: number, flags: number): Step[] {
    const { view, env, memory } = this;
    const port: InterpreterPort = { ...this.blockPort, onWrite: this.journalWrite };
    this.journal = [];
    this.recording = true;
    const steps: Step[] = [{ pc: start, state: this.snapshot(), writes: 0, faulted: false }];
    let pc = start;
    // Generated code leaves at the first poll. Regions pass polls of jumps they have joined, but every loop in them polls, so
    // that they run through each of their blocks at most once: so far the reference must look ahead.
    let ahead = 0;
    try {
      while (steps.length < MAX_STEPS) {
        let faulted = false;
        let exit = Exit.LOOKUP;
        const from = this.journal.length;
        const entry = this.cache.find(pc, flags);
        if (entry?.tier === Tier.REGION) ahead = Math.max(ahead, steps.length + entry.regionBlocks);
        try {
          exit = interpretBlock(this.blockAt(pc, flags), port, env);
        } catch (error) {
          if (!(error instanceof AccessError || error instanceof GuestException)) throw error;
          faulted = true;
        }
        for (let n = from; n < this.journal.length; n++) {
          const write = this.journal[n]!;
          write.after = memory.u8.slice(write.address, write.address + write.before.length);
        }
        pc = view.getUint32(env + HEADER.pc, true);
        steps.push({ pc, state: this.snapshot(), writes: this.journal.length, faulted });
        if (faulted || (exit !== Exit.LOOKUP && (exit !== Exit.POLL || steps.length > ahead))) break;
        if (this.guest.blockFlags(view, env) !== flags) break;
      }
    } finally {
      this.recording = false;
    }
    return steps;
  }

  private blockAt(pc: number, flags: number): Block {
    const key = `${pc} ${flags}`;
    let known = this.blocks.get(key);
    if (!known) {
      const block = this.translateOne(pc, flags, this.options.maxInsns);
      optimize(block, this.options.passes);
      this.blocks.set(key, (known = { block, end: this.lastEnd }));
      this.pagesOf(pc, this.lastEnd);
    }
    return known.block;
  }

  private compare(start: number, steps: readonly Step[], faulted: boolean, exit: Exit): void {
    const { env, view } = this;
    const state = this.snapshot();
    const pc = view.getUint32(env + HEADER.pc, true);
    let closest: Step | null = null;
    for (const step of steps) {
      // After a fault only the precise point counts, which depends on how blocks were joined: the replay compares it.
      if (faulted && step.faulted) return;
      if (step.pc !== pc) continue;
      closest = step;
      if (!sameBytes(step.state, state)) continue;
      const wrong = this.memoryDifference(step.writes);
      if (wrong === null) return;
      throw new LockstepDifference(this.report(start, `memory at 0x${hex(wrong)} differs`, step, steps));
    }
    const what = closest
      ? 'registers differ'
      : `generated code stopped at 0x${hex(pc)} (exit ${Exit[exit]}), the reference never did`;
    throw new LockstepDifference(this.report(start, what, closest, steps));
  }

  /** Address at which memory is not as it was after the first `count` writes, or null. */
  private memoryDifference(count: number): number | null {
    const expected = new Map<number, number>();
    const last = Math.min(this.journal.length, count + LATER_WRITES);
    for (let n = 0; n < last; n++) {
      const write = this.journal[n]!;
      for (let at = 0; at < write.before.length; at++) {
        const address = write.address + at;
        if (n < count) expected.set(address, write.after[at]!);
        else if (!expected.has(address)) expected.set(address, write.before[at]!);
      }
    }
    for (const [address, value] of expected) if (this.memory.u8[address] !== value) return address;
    return null;
  }

  private report(start: number, what: string, step: Step | null, steps: readonly Step[]): string {
    const { guest, view, env, memory } = this;
    const lines = [`${what}, after running from 0x${hex(start)}`];
    if (step) {
      const actual = guest.registers(view, env);
      memory.u8.set(step.state, env);
      const expected = guest.registers(view, env);
      for (let n = 0; n < actual.length; n++) {
        const mark = actual[n]![1] === expected[n]![1] ? ' ' : '*';
        if (mark === '*' || n < 10) {
          lines.push(
            `${mark} ${actual[n]![0].padEnd(8)} interpreter ${hex(expected[n]![1])}  generated ${hex(actual[n]![1])}`,
          );
        }
      }
    }
    const seen = steps.map((s) => s.pc).slice(0, 12);
    for (const pc of seen) {
      const known = [...this.blocks].find(([key]) => key.startsWith(`${pc} `))?.[1];
      if (!known) continue;
      lines.push(`block 0x${hex(pc)}:`);
      for (let at = pc; at < known.end; ) {
        const from = guest.codeAddress?.(at) ?? at;
        const { text, length } = guest.disassemble(memory.u8.slice(from, from + 16), at);
        lines.push(`  0x${hex(at)}  ${text}`);
        at += length;
      }
    }
    return lines.join('\n');
  }
}

function hex(value: number): string {
  return (value >>> 0).toString(16).padStart(8, '0');
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}
