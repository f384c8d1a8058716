// One virtual CPU: finds or makes the translation for the PC, runs it, and turns what comes back into an exit.
import { HEADER } from '../../targets/state-layout.ts';
import {
  type AccessFault,
  type CodeSource,
  type Guest,
  GuestException,
  type HelperFunction,
  type HelperRow,
} from '../../targets/target.ts';
import { jumpCacheIndex } from '../../tcg/engine.ts';
import { AccessError, type InterpreterPort, interpretBlock, interpretUnsynced } from '../../tcg/interp/interp.ts';
import { Block } from '../../tcg/ir/block.ts';
import { Builder } from '../../tcg/ir/builder.ts';
import { Jump, OPS } from '../../tcg/ir/ops.ts';
import { Exit } from '../../tcg/ir/types.ts';
import { optimize, prepareForReplay } from '../../tcg/opt/pipeline.ts';
import { defineCounter } from '../log/counters.ts';
import { unimpOnce } from '../log/log.ts';
import { bootstrap, type GeneratedFunctions } from './bootstrap.ts';
import { type ChildNote, ChildNotes, canFetchAll, codeHash } from './child-notes.ts';
import { CodeCache, type Entry, Tier } from './code-cache.ts';
import type { CodeMemory } from './code-memory.ts';
import { CODEGEN_LAYOUT, COUNTER_BASE, callableHelper, STATE_BASE, stateAddress } from './layout.ts';
import { type CodeWindow, type Learner, Learning, unlessFault } from './learning.ts';
import { COMPILED, compileEntries, translateNeighbourhood } from './neighbourhood.ts';
import { COLLECT_BLOCKS, COLLECT_SHARE, type CpuOptions, DEFAULT_OPTIONS } from './options.ts';
import { buildRegion } from './region.ts';
import type { TranslationStore } from './translator.ts';

/**
 * A module costs 90 us before its first block, so blocks that are warm enough to be compiled wait for each other until
 * interpreting them has cost as much as the module will: this many runs of such blocks, all taken together.
 */
const MODULE_RUNS = 64;

/**
 * Instructions that one fault is replayed for at most before generated code goes on from there. Loops between two of their
 * checkpoints (`CHECKPOINT_ROUNDS`) may have run longer than that: they fault again, so much further on.
 */
const MAX_REPLAY = 2000;

/** Programs with more slots than this do not tell what they have translated: it is too much to learn. */
const MAX_TOLD_SLOTS = 20_000;

/** More slots than this are not carried from program to program: nobody knows which are still of use. */
const MAX_KEPT_SLOTS = 1 << 17;

/** Why `run` returned. Exception numbers are the guest's own. */
export type CpuExit =
  | { readonly kind: 'exception'; readonly vector: number; readonly errorCode: number; readonly address: number }
  | { readonly kind: 'poll' }
  | { readonly kind: 'trapped' };

/** An exception that is dealt with where it happens, without leaving `run`: the system call. */
export interface Trap {
  readonly vector: number;
  /** Deals with it. False: `run` has to return, with the exit `trapped`. */
  handle(): boolean;
}

const FAULTS = defineCounter('exec.faults', 'faults of generated code found out by replay');
const INVALIDATIONS = defineCounter('exec.invalidations', 'pages whose translations were thrown away');

const TRANSLATED = defineCounter('exec.translated', 'blocks translated to IR');
const COLLECTIONS = defineCounter('exec.collections', 'garbage collections after so many blocks');

/** Blocks translated in this process when garbage is next collected. */
let collectAt = COLLECT_BLOCKS;

const INTERPRETED = defineCounter('exec.interpreted', 'runs of blocks in the interpreter');

/**
 * What has set the poll word came from outside, at any moment, and might as well have come a little later. Programs that test
 * what their signal handlers set and then wait rely on there being no time between the two; here it can be long, when code
 * has to be translated first. So they are given that many blocks or ways between polls to get to their next system call, which a
 * signal then interrupts. (It takes 40 to clear a set for select.)
 */
const MOST_PUT_OFFS = 100;

const POLL_EXIT: CpuExit = { kind: 'poll' };
const TRAPPED_EXIT: CpuExit = { kind: 'trapped' };
/** Beside the ways in which generated code leaves: a trap was dealt with, and its caller wants to know. */
const TRAPPED = 4 as Exit;

/** Generated code passes the address of CPU state as a signed number; helpers expect it unsigned. */
function forGeneratedCode(helpers: Record<string, HelperFunction>): Record<string, unknown> {
  const wrapped: Record<string, unknown> = {};
  for (const name in helpers) {
    const helper = helpers[name] as (env: number, ...args: number[]) => number | bigint | undefined;
    wrapped[name] = (env: number, a: number, b: number, c: number, d: number) => helper(env >>> 0, a, b, c, d);
  }
  return wrapped;
}

export class Cpu implements Learner {
  /** Address of this CPU's state block in the shared memory. */
  readonly env: number;
  readonly view: DataView;
  /** The emulator's part of the memory alone: indexes of 2^31 and more cost ten times as much. */
  private readonly state: DataView;
  /** Where CPU state begins in `state`. */
  private readonly stateAt: number;
  /** Guest memory as words. */
  private readonly words: Uint32Array;
  readonly cache: CodeCache;
  /** The imports of generated modules, by module and name. */
  readonly imports: Record<string, Record<string, unknown>>;
  private readonly generated: GeneratedFunctions;
  protected readonly blockPort: InterpreterPort;
  private readonly replayPort: InterpreterPort;
  /** Guest memory as the translator reads it. */
  readonly code: CodeSource;
  private lastFlags = -1;
  /** Told when a block becomes hot for the first time: the program goes on for a while. */
  onFirstRegion: (() => void) | null = null;
  /** While its one element is not 0, modules cannot be made soon: what is not compiled is interpreted. */
  private notYet: Int32Array | null = null;
  /** Counts invalidations, so that a replay notices that it has removed the cause of its fault. */
  private codeWrites = 0;
  /** Blocks of one instruction for the replay of faults, by flags and PC; dropped when any code changes. */
  private readonly singles = new Map<number, Block>();

  constructor(
    readonly guest: Guest,
    readonly memory: CodeMemory,
    readonly options: CpuOptions = DEFAULT_OPTIONS,
    threadIndex = 0,
    readonly store: TranslationStore | null = null,
  ) {
    this.env = stateAddress(threadIndex);
    this.view = memory.view;
    this.state = memory.stateView;
    this.words = new Uint32Array(memory.memory.buffer);
    // As an integer: the engine keeps the difference as a double, and an index that is one costs ten times as much.
    this.stateAt = (this.env - STATE_BASE) | 0;
    const canRead = (address: number, length: number) => memory.checkRead(address, length);
    const canWrite = (address: number, length: number) => memory.checkWriteNoCode(address, length);
    const prepareWrite = (address: number, length: number) => memory.prepareWrite(address, length);
    const helperCanWrite = (address: number, length: number) => {
      const can = canWrite(address, length);
      if (can) this.noteWrite(address, length);
      return can;
    };
    const helperPrepareWrite = (address: number, length: number) => {
      const can = prepareWrite(address, length);
      if (can) this.noteWrite(address, length);
      return can;
    };
    const isMapped = (address: number) => memory.isMapped(address);
    const clock = options.clock ?? (() => Bun.nanoseconds());
    const helpers = guest.helpers({
      view: memory.view,
      canRead,
      canWrite: helperCanWrite,
      prepareWrite: helperPrepareWrite,
      isMapped,
      clock,
      unimplemented: unimpOnce,
    });
    const helper = (row: HelperRow) =>
      (row.module
        ? callableHelper(this.helperModule(row.module), row, memory.view)
        : helpers[row.name]) as HelperFunction;
    this.code = {
      bytes: memory.u8,
      canFetch: (address) => memory.canFetch(address),
      isMapped,
    };
    this.generated = bootstrap();
    this.cache = new CodeCache(this.generated.miss, store);
    this.generated.connect(this.cache.table, () => this.handleTrap());
    this.imports = { e: { m: memory.memory, t: this.cache.table }, h: forGeneratedCode(helpers) };
    // Whole blocks must not write to translated code behind their own back: there they fault, and the replay writes.
    this.blockPort = { view: memory.view, layout: CODEGEN_LAYOUT, canRead, prepareWrite: canWrite, helper };
    this.replayPort = { view: memory.view, layout: CODEGEN_LAYOUT, canRead, prepareWrite, helper };
    memory.onCodeWrite = (first, last) => this.invalidate(first, last);
  }

  getPc(): number {
    return this.state.getUint32(this.stateAt + HEADER.pc, true);
  }

  setPc(pc: number): void {
    this.state.setUint32(this.stateAt + HEADER.pc, pc, true);
  }

  /** The exports of one of the guest's wasm helper modules, which is instantiated at first use. */
  helperModule(module: string): Record<string, unknown> {
    let exports = this.imports[module];
    if (!exports) {
      const instantiate = this.guest.helperModules[module];
      if (!instantiate) throw new Error(`${this.guest.name} has no helper module ${module}`);
      this.imports[module] = exports = instantiate(this.memory.memory);
    }
    return exports;
  }

  private trap: Trap | null = null;
  /** How many times more guest code goes on although the poll word is set. */
  private putOffs = 0;

  /**
   * Runs guest code until something needs the caller: an exception other than `trap`, or a set poll word. Also `trap` may be
   * left to the caller, where instructions are not run by generated code alone.
   *
   * Where the poll word is set while guest code runs, that goes on for a little while, as if it had been faster: see MOST_PUT_OFFS.
   */
  run(trap: Trap | null = null): CpuExit {
    const { state, stateAt, guest, options } = this;
    this.trap = trap;
    const interpret = options.engine === 'interp';
    this.memory.forgetPopulated();
    // What the word was set for before is for now.
    this.putOffs = 0;
    for (;;) {
      const pc = state.getUint32(stateAt + HEADER.pc, true);
      if (state.getUint32(stateAt + HEADER.poll, true) === 0) this.putOffs = MOST_PUT_OFFS;
      else if (--this.putOffs < 0) return POLL_EXIT;
      const flags = guest.blockFlags(state, stateAt);
      if (flags !== this.lastFlags) this.changeFlags(flags);
      const exit = interpret ? this.interpretAt(pc, flags) : this.enterAt(pc, flags);
      if (exit === Exit.EXCEPTION) return this.takeException();
      if (exit === Exit.HOT) this.grow(this.cache.get(this.getPc(), flags));
      else if (exit === TRAPPED) return TRAPPED_EXIT;
    }
  }

  /**
   * Generated code has raised an exception. If it is the trap it is dealt with here: the slot of the code to go on with, or
   * -1 - the exit to leave with.
   */
  private handleTrap(): number {
    const { trap, state, stateAt, guest } = this;
    if (trap === null || state.getUint32(stateAt + HEADER.exception, true) !== trap.vector) return -1 - Exit.EXCEPTION;
    if (!trap.handle()) return -1 - TRAPPED;
    this.memory.forgetPopulated();
    if (state.getUint32(stateAt + HEADER.poll, true) !== 0) {
      // Nothing that has come before the end of a system call may wait until after it.
      this.putOffs = 0;
      return -1 - Exit.LOOKUP;
    }
    if (this.options.log !== null) return -1 - Exit.LOOKUP;
    if (guest.blockFlags(state, stateAt) !== this.lastFlags) return -1 - Exit.LOOKUP;
    const pc = state.getUint32(stateAt + HEADER.pc, true);
    const cell = stateAt + CODEGEN_LAYOUT.jumpCache + 8 * jumpCacheIndex(pc, CODEGEN_LAYOUT.jumpCacheBits);
    return state.getUint32(cell, true) === pc ? state.getUint32(cell + 4, true) : -1 - Exit.LOOKUP;
  }

  /** A block has become hot. */
  private grow(entry: Entry): void {
    if (this.compiles()) {
      this.onFirstRegion?.();
      this.onFirstRegion = null;
      buildRegion(this, entry);
    } else this.view.setInt32(COUNTER_BASE + 4 * entry.slot, this.options.hotThreshold, true);
  }

  /** Makes everything that the child of a fork cannot make any more, and what children had to interpret more than once. */
  prepareFork(): void {
    for (const module of Object.keys(this.guest.helperModules)) this.helperModule(module);
    if (this.learning !== null && this.compiles()) this.learning.learn(this);
    this.cache.prepareAside(this.learning === null ? null : this.copyPage);
  }

  /** Tells the program that runs from others; 0: there is no telling. */
  program = 0;
  /** The first program in this CPU. */
  private firstProgram = 0;
  /** Whom this process tells what it interprets: its parent, and the first process of all that was told. */
  private told: readonly ChildNotes[] = [];
  /** Pages that they were shown. */
  private readonly shown = new Set<number>();
  /** Where children of this process tell that. */
  private fromChildren: ChildNotes | null = null;
  private learning: Learning | null = null;
  /** How many forks led to this process. */
  private generation = 0;

  /** The first program that runs. */
  setProgram(program: number): void {
    this.program = this.firstProgram = program;
  }

  /** In the process that forks, or will fork: `words` (NOTES_SIZE bytes) are shared with its children. */
  hearChildren(words: Int32Array, makeWindow: () => CodeWindow | null): void {
    this.fromChildren = new ChildNotes(words, this.program);
    this.learning = new Learning(this.fromChildren, makeWindow);
  }

  get hearsChildren(): boolean {
    return this.learning !== null;
  }

  /** In the child of a fork. */
  becomeChild(): void {
    const { options, fromChildren, told } = this;
    const tells = options.engine === 'wasm' && options.chain && options.maxInsns > 1 && options.log === null;
    if (tells && options.coldRuns > 0 && fromChildren !== null) this.told = [...told.slice(0, 1), fromChildren];
    this.fromChildren = null;
    this.learning = null;
    this.shown.clear();
    this.generation++;
  }

  /** In the child of a fork that goes on with a CPU of its own, after `old`. */
  tellAs(old: Cpu): void {
    this.told = old.told;
    this.firstProgram = -1;
    this.generation = old.generation;
    this.tellsAll = old.told.length > 0;
  }

  private tellsAll = false;

  /** The program ends that this CPU was made for, with translations of its own: what of them children of others may want. */
  tellAll(): void {
    if (!this.tellsAll) return;
    this.tellsAll = false;
    if (this.cache.slotCount > MAX_TOLD_SLOTS) return;
    for (const entry of this.cache.entries()) {
      if (entry.pages !== null && entry.end !== 0 && entry.toldIn !== this.generation) this.tell(entry);
    }
  }

  private tell(entry: Entry): void {
    entry.toldIn = this.generation;
    const { memory, program } = this;
    const { pc, flags, end } = entry;
    if (!canFetchAll(memory, pc, end)) return;
    const note = { pc, flags, end, hash: codeHash(this.words, pc, end), program };
    for (const notes of this.told) {
      notes.add(note);
      if (program !== notes.program && program !== 0) this.show(notes, pc, end);
    }
  }

  /** Shows the pages of a block, unless whoever is told has them anyway. */
  private show(notes: ChildNotes, start: number, end: number): void {
    for (let page = start >>> 12; page <= (end - 1) >>> 12; page++) {
      const key = page + (notes === this.told[0] ? 0 : 1 << 20);
      if (this.shown.has(key) || (this.firstProgram !== -1 && this.cache.isFirstPrograms(page))) continue;
      this.shown.add(key);
      notes.addPage(this.program, page, this.memory.u8.subarray(page * 4096, page * 4096 + 4096));
    }
  }

  hasCode({ pc, end, hash }: ChildNote): boolean {
    return canFetchAll(this.memory, pc, end) && codeHash(this.words, pc, end) === hash;
  }

  coldEntry(pc: number, flags: number): Entry | undefined {
    let entry = this.cache.get(pc, flags);
    if (this.cache.isAside(entry)) entry = this.recall(entry);
    if (entry.tier !== Tier.NONE) return undefined;
    if (entry.ir !== null) return entry;
    return unlessFault(() => {
      this.translateCold(entry);
      return entry;
    });
  }

  compileOwn(entries: readonly Entry[], flags: number): void {
    compileEntries(this, entries, flags);
  }

  /** Whether what another program executes was learnt from children that did: it can go on with this CPU. */
  knowsProgram(program: number): boolean {
    return this.cache.hasProgram(program);
  }

  /** Makes no module while the array's one element is not 0: the engine has no threads to do it with. */
  compileWhenZero(word: Int32Array): void {
    this.notYet = word;
  }

  private compiles(): boolean {
    if (this.notYet === null) return true;
    if (this.notYet[0] !== 0) return false;
    this.notYet = null;
    return true;
  }

  /**
   * Takes translations out of use before the memory becomes another program's; those of pages that the new program has
   * too (its libraries) come back. False when there are so many addresses that it is better to begin with a new CPU.
   */
  setAside(): boolean {
    const { cache } = this;
    if (cache.allSlots > MAX_KEPT_SLOTS) return false;
    cache.setAside(this.copyPage);
    this.singles.clear();
    this.warm = [];
    this.warmRuns = 0;
    this.lastFlags = -1;
    return true;
  }

  private readonly copyPage = (page: number): Uint8Array => this.memory.u8.slice(page * 4096, page * 4096 + 4096);

  /** Blocks compiled on their own so far, in this process. */
  get compiledBlocks(): number {
    return COMPILED.n;
  }

  /**
   * Runs through `setAside` and what brings translations back, on a cache of its own: children of a fork find the engine
   * prepared for it then.
   */
  rehearseChange(): void {
    const cache = new CodeCache(this.generated.miss);
    const entry = cache.get(0, 0);
    const page = new Uint8Array(4096);
    cache.setTranslated(entry, Tier.BLOCK, [0]);
    cache.setAside(() => page);
    // Nothing comes back: the first page is not what the other cache was told.
    cache.recall(entry, this.isSamePage, this.protectPage);
    cache.setTranslated(entry, Tier.BLOCK, [0]);
    cache.setAside(() => page);
    cache.recall(
      entry,
      () => true,
      () => {},
    );
  }

  /**
   * Uses the memory for another program, after `setAside` and the clearing of the memory up to the run counters. `program`
   * tells it from others; 0: what others have run is not told from what it runs.
   */
  useAgain(program: number): void {
    this.memory.onCodeWrite = (first, last) => this.invalidate(first, last);
    this.used = true;
    this.program = program;
    this.shown.clear();
    this.cache.enterProgram(program === this.firstProgram ? 0 : program);
  }

  /** The program is not the one that `store` is for. */
  private used = false;

  /** The entry to go on with for one that is aside. */
  private recall(entry: Entry): Entry {
    return this.cache.recall(entry, this.isSamePage, this.protectPage);
  }

  private readonly isSamePage = (page: number, bytes: Uint8Array): boolean => {
    const at = page * 4096;
    return this.memory.canFetch(at) && Buffer.compare(this.memory.u8.subarray(at, at + 4096), bytes) === 0;
  };

  private readonly protectPage = (page: number): void => this.memory.protectCode(page);

  private takeException(): CpuExit {
    const { state, stateAt } = this;
    return {
      kind: 'exception',
      vector: state.getUint32(stateAt + HEADER.exception, true),
      errorCode: state.getUint32(stateAt + HEADER.errorCode, true),
      address: state.getUint32(stateAt + HEADER.faultAddress, true),
    };
  }

  /** The state that translations depend on has changed: indirect jumps must not find blocks of the old state. */
  private changeFlags(flags: number): void {
    this.lastFlags = flags;
    this.flushJumpCache();
  }

  flushJumpCache(): void {
    const start = this.env + CODEGEN_LAYOUT.jumpCache;
    // 0xff fills make the PC -1, where no instruction can lie (the last byte of memory is never mapped).
    this.memory.u8.fill(0xff, start, start + (8 << CODEGEN_LAYOUT.jumpCacheBits));
  }

  protected enterAt(pc: number, flags: number): Exit {
    try {
      let entry = this.cache.find(pc, flags) ?? this.newEntry(pc, flags);
      if (this.cache.isAside(entry)) entry = this.recall(entry);
      if (entry.tier === Tier.NONE && (this.options.coldRuns > 0 || !this.compiles()) && !this.warmUp(entry)) {
        return this.interpret(entry);
      }
      return this.enterGenerated(entry);
    } catch (error) {
      return this.recover(error);
    }
  }

  /** The entry of an address nobody has named yet; jumps to where there is no code must not use up the slots. */
  private newEntry(pc: number, flags: number): Entry {
    if (this.memory.canFetch(pc)) return this.cache.get(pc, flags);
    throw this.guest.describeFault({ address: pc, kind: 'fetch', mapped: this.memory.isMapped(pc) });
  }

  /**
   * Counts a run of a block that is not compiled; compiles it, with all others that are nearly as warm, when it has been
   * interpreted often enough. Returns whether it is compiled now.
   */
  private warmUp(entry: Entry): boolean {
    const { coldRuns } = this.options;
    if (entry.ir === null) {
      if (this.store !== null && !this.used && this.compiles() && this.store.load(this, entry)) return true;
      this.translateCold(entry);
    }
    if (this.told.length > 0 && entry.toldIn !== this.generation) this.tell(entry);
    entry.runs++;
    if (entry.runs <= coldRuns) return false;
    if (entry.runs === coldRuns + 1) this.warm.push(entry);
    if (++this.warmRuns < MODULE_RUNS || !this.compiles()) return false;
    // It is entered next, by itself.
    entry.linked = true;
    compileEntries(this, this.warm, entry.flags);
    this.warm = [];
    this.warmRuns = 0;
    return true;
  }

  /** Translates a block to be interpreted at first. Throws as `translateOne` does. */
  private translateCold(entry: Entry): void {
    const ir = this.translateOne(entry.pc, entry.flags, this.options.maxInsns);
    entry.ir = ir;
    const last = ir.ops[ir.ops.length - 1]!;
    // The call will return, to where perhaps jumps lead too.
    if (
      (last.row === OPS.goto_tb ? last.imm2 : last.imm) === Jump.CALL &&
      (last.row === OPS.goto_tb || last.row === OPS.goto_ptr)
    )
      this.cache.get(this.lastNext, entry.flags).linked = true;
    // Also a block that is interpreted whole must not repeat its stores when a fault is replayed.
    entry.writtenEarly = this.lastWrittenEarly;
    if (entry.writtenEarly === -1) prepareForReplay(entry.ir);
    entry.end = this.lastEnd;
    this.cache.setTranslated(entry, Tier.NONE, this.pagesOf(entry.pc, this.lastEnd));
  }

  /** Blocks that will be compiled together, and how often such blocks were interpreted since the last module. */
  private warm: Entry[] = [];
  private warmRuns = 0;

  /** Runs the translation of an entry, making it first if need be. Throws when guest code faults. */
  protected enterGenerated(entry: Entry): Exit {
    const { pc } = entry;
    if (entry.tier === Tier.NONE) translateNeighbourhood(this, pc, entry.flags);
    this.options.log?.enter(this.guest, this.view, this.env, entry);
    const cell = this.stateAt + CODEGEN_LAYOUT.jumpCache + 8 * jumpCacheIndex(pc, CODEGEN_LAYOUT.jumpCacheBits);
    this.state.setUint32(cell, pc, true);
    this.state.setUint32(cell + 4, entry.slot, true);
    const exit = this.generated.enter(this.env, entry.slot);
    return exit >= 0 ? exit : -1 - exit;
  }

  private interpret(entry: Entry): Exit {
    this.options.log?.enter(this.guest, this.view, this.env, entry);
    INTERPRETED.n++;
    const block = entry.ir!;
    if (entry.writtenEarly === -1) return interpretBlock(block, this.blockPort, this.env);
    return interpretUnsynced(block, entry.writtenEarly, this.blockPort, this.env);
  }

  /** Told before a helper writes guest memory; lockstep wants to know. */
  noteWrite(_address: number, _length: number): void {}

  private interpretAt(pc: number, flags: number): Exit {
    try {
      let entry = this.cache.find(pc, flags) ?? this.newEntry(pc, flags);
      if (this.cache.isAside(entry)) entry = this.recall(entry);
      if (entry.ir === null) {
        entry.ir = this.translateOne(pc, flags, this.options.maxInsns);
        optimize(entry.ir, this.options.passes);
        this.options.log?.optimized(entry.ir);
        this.cache.setTranslated(entry, Tier.NONE, this.pagesOf(pc, this.lastEnd));
      }
      return this.interpret(entry);
    } catch (error) {
      return this.recover(error);
    }
  }

  /** End of the last block `translateOne` made. */
  lastEnd = 0;
  /** PC behind that block, as calls leave it. */
  private lastNext = 0;
  /** `Builder.writtenEarly` of that block. */
  private lastWrittenEarly = 0;

  /**
   * Translates the straight run at `pc`; nothing is optimised or entered in the cache. Throws the guest's exception when not
   * even the first instruction can be fetched: such a translation would outlive the reason for it.
   */
  translateOne(pc: number, flags: number, maxInsns: number): Block {
    const block = new Block(pc, this.guest.layout.globals);
    const builder = new Builder(block);
    const result = this.guest.translate({
      builder,
      code: this.code,
      pc,
      flags,
      context: -1,
      maxInsns,
      stopAt: -1,
    });
    this.lastEnd = result.end;
    this.lastNext = result.next;
    this.lastWrittenEarly = builder.writtenEarly;
    if (result.fetchFault >= 0) {
      const address = result.fetchFault;
      throw this.guest.describeFault({ address, kind: 'fetch', mapped: this.memory.isMapped(address) });
    }
    if (result.unimplemented) unimpOnce(result.unimplemented);
    if (++TRANSLATED.n >= collectAt) this.collectGarbage();
    this.options.log?.translated(this.guest, this.memory.u8, block, result.end);
    return block;
  }

  /**
   * Blocks leave more garbage than anything else: their IR, and what it took to make and to write it. Most of those that have
   * run a few times by now never run again, and their IR is most of what a collection would have to walk through.
   */
  private collectGarbage(): void {
    collectAt = TRANSLATED.n + Math.max(COLLECT_BLOCKS, Math.floor(TRANSLATED.n * COLLECT_SHARE));
    COLLECTIONS.n++;
    if (this.options.engine === 'wasm') this.cache.forgetCold();
    Bun.gc(true);
  }

  /** The pages of [start, end), write-protected so that translations made from them stay true. */
  pagesOf(start: number, end: number): number[] {
    const pages: number[] = [];
    const last = Math.max(start, end - 1) >>> 12;
    for (let page = start >>> 12; page <= last; page++) {
      if (!this.cache.hasCode(page)) this.memory.protectCode(page);
      pages.push(page);
    }
    return pages;
  }

  protected invalidate(firstPage: number, lastPage: number): void {
    this.codeWrites++;
    this.singles.clear();
    for (let page = firstPage; page <= lastPage; page++) {
      this.cache.invalidatePage(page);
      this.memory.unprotectCode(page);
    }
    INVALIDATIONS.n += lastPage - firstPage + 1;
  }

  /**
   * Finds out what stopped generated code. CPU state is that of the last precise point: from there instructions are
   * interpreted one by one with checked accesses until one of them raises the guest's exception, or until the cause is
   * gone (a write to a page that held translated code).
   */
  protected recover(error: unknown): Exit {
    const recoverable =
      error instanceof WebAssembly.RuntimeError || error instanceof GuestException || error instanceof AccessError;
    if (!recoverable) throw error;
    FAULTS.n++;
    const { view, env, guest } = this;
    const writesBefore = this.codeWrites;
    for (let n = 0; n < MAX_REPLAY; n++) {
      const pc = this.getPc();
      const flags = guest.blockFlags(view, env);
      let exit: Exit;
      try {
        const key = flags * 0x100000000 + pc;
        let block = this.singles.get(key);
        if (!block) {
          block = this.translateOne(pc, flags, 1);
          prepareForReplay(block);
          this.singles.set(key, block);
        }
        exit = interpretBlock(block, this.replayPort, env);
      } catch (inner) {
        if (inner instanceof GuestException) return this.raise(inner);
        if (inner instanceof AccessError) return this.raiseAccess(inner);
        throw inner;
      }
      if (exit !== Exit.LOOKUP) return exit;
      if (this.codeWrites !== writesBefore) return Exit.LOOKUP;
    }
    // Another thread may have mended the page meanwhile; but the same fault for ever would be our bug.
    this.fruitless = this.getPc() === this.fruitlessPc ? this.fruitless + 1 : 0;
    this.fruitlessPc = this.getPc();
    if (this.fruitless > 1000) throw error;
    return Exit.LOOKUP;
  }

  private fruitless = 0;
  private fruitlessPc = -1;

  private raiseAccess(error: AccessError): Exit {
    const fault: AccessFault = {
      address: error.address,
      kind: error.kind,
      mapped: this.memory.isMapped(error.address),
      misaligned: error.misaligned,
      wraps: error.wraps,
    };
    return this.raise(this.guest.describeFault(fault, this.view, this.env));
  }

  private raise(exception: GuestException): Exit {
    const { view, env } = this;
    view.setUint32(env + HEADER.exception, exception.exception, true);
    view.setUint32(env + HEADER.errorCode, exception.errorCode, true);
    view.setUint32(env + HEADER.faultAddress, exception.address, true);
    return Exit.EXCEPTION;
  }
}
