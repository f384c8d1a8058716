// How control leaves a generated function, how CPU state is brought up to date for it, and how helpers are called.
import { PROFILE_ENTRIES } from '../engine.ts';
import type { Op } from '../ir/block.ts';
import { Jump } from '../ir/ops.ts';
import { Exit } from '../ir/types.ts';
import type { Global, Value } from '../ir/value.ts';
import type { Emitter, Rule } from './lower-emitter.ts';
import { VALTYPE_NUMBER } from './module-writer.ts';
import { W } from './opcodes.ts';

const GET = W['local.get'];
const SET = W['local.set'];
const TEE = W['local.tee'];
const I32 = 0;
const WORD_ALIGN = 2;
/** The type of generated functions and the table they are in. */
const BLOCK_TYPE = 0;
const TABLE = 0;
/** log2 of the size of a jump cache entry, and the place of the slot in it. */
const ENTRY_SHIFT = 3;
const ENTRY_SLOT = 4;

const NOTHING: readonly Global[] = [];

// ---- CPU state

function storePc(l: Emitter, pc: number): void {
  l.env();
  l.i32Const(pc);
  l.memory(W['i32.store'], WORD_ALIGN, l.options.layout.pc);
}

function returnExit(l: Emitter, reason: Exit): void {
  l.i32Const(reason);
  l.op(W.return);
}

/** Where CPU state becomes precise: loads of earlier instructions are done, then the dirty globals and the PC stored. */
export const insnStart: Rule = (l, op) => {
  if (op.sync === null) return;
  l.sync(op.sync);
  storePc(l, op.imm);
};

/** Leaves one less in a word of memory, and its value on the stack if `count`, a local, is given. */
function countDown(l: Emitter, address: number, count = -1): void {
  l.i32Const(address);
  l.i32Const(address);
  l.memory(W['i32.load'], WORD_ALIGN, 0);
  l.i32Const(-1);
  l.op(W['i32.add']);
  if (count >= 0) l.opU32(TEE, count);
  l.memory(W['i32.store'], WORD_ALIGN, 0);
  if (count >= 0) l.opU32(GET, count);
}

export const countRun: Rule = (l, op) => countDown(l, op.imm >>> 0);

/**
 * Counts a run of the block; from 0 on the function returns HOT with CPU state untouched. Others may count on the same word
 * (`count_run`), so 0 itself may have gone by.
 */
export function emitCounter(l: Emitter, address: number): void {
  const count = l.allocate(I32);
  countDown(l, address, count);
  l.i32Const(1);
  l.op(W['i32.lt_s']);
  l.openUnlikely();
  returnExit(l, Exit.HOT);
  l.op(W.end);
  l.release(count);
}

// ---- exits

function loadPoll(l: Emitter): void {
  l.env();
  l.memory(W['i32.load'], WORD_ALIGN, l.options.layout.poll);
}

/** Returns POLL where attention is wanted; CPU state is stored already. */
function pollBeforeLeaving(l: Emitter): void {
  loadPoll(l);
  l.openUnlikely();
  returnExit(l, Exit.POLL);
  l.op(W.end);
}

export const poll: Rule = (l, op, i) => {
  if (l.pollsInGoto(i)) return;
  const sync = op.sync ?? NOTHING;
  l.settleLoads();
  for (const global of sync) l.delayValue(global);
  if (l.pollMayBeHoisted()) keepLoading(l);
  loadPoll(l);
  l.openUnlikely();
  storeGlobals(l, sync);
  storePc(l, op.imm);
  returnExit(l, Exit.POLL);
  l.op(W.end);
};

/** Stores globals to CPU state, where control seldom comes. */
function storeGlobals(l: Emitter, globals: readonly Global[]): void {
  for (const global of globals) {
    l.env();
    l.useValue(global);
    l.storeGlobal(global);
  }
}

/** Counts down in a local; only each so many times CPU state is stored and the poll word looked at. */
export const checkpoint: Rule = (l, op, i) => {
  const sync = op.sync ?? NOTHING;
  l.settleLoads();
  // What is computed inside of the `if` would be missing behind it.
  for (const global of sync) {
    l.settleValue(global);
    l.saveEntryValue(global.id);
  }
  const count = l.allocate(I32);
  l.a(op, i);
  l.i32Const(-1);
  l.op(W['i32.add']);
  l.opU32(TEE, count);
  l.i32Const(0);
  l.op(W['i32.lt_s']);
  l.openUnlikely();
  storeGlobals(l, sync);
  storePc(l, op.imm);
  pollBeforeLeaving(l);
  l.i32Const(op.imm2);
  l.opU32(SET, count);
  l.op(W.end);
  l.opU32(GET, count);
  l.release(count);
  l.result(op, i);
};

/** Keeps the engine from loading the poll word once in front of a loop that stores nothing. */
function keepLoading(l: Emitter): void {
  const scratch = l.options.scratch;
  if (scratch === undefined) {
    l.op(W['atomic.fence']);
    l.u8(0);
    return;
  }
  l.env();
  l.i32Const(0);
  l.memory(W['i32.store'], WORD_ALIGN, scratch);
}

export const gotoTb: Rule = (l, op, i) => {
  const polls = l.gotoPolls(i);
  l.sync(op.sync ?? NOTHING);
  if (l.sharesEnd && !polls) {
    l.i32Const(l.options.slotOf(op.imm >>> 0));
    l.goToEnd(op.imm);
    return;
  }
  storePc(l, op.imm);
  if (polls) pollBeforeLeaving(l);
  if (!l.options.chain) return returnExit(l, Exit.LOOKUP);
  if (!l.sharesEnd) l.env();
  l.i32Const(l.options.slotOf(op.imm >>> 0));
  if (l.sharesEnd) l.goToEnd();
  else tailCall(l);
};

/** What `sharesEnd` speaks of, opened before the block's code. */
export function openEnd(l: Emitter): void {
  l.open(W.block);
  l.open(W.block);
}

/** The end itself: the inner way to it has the PC in a local, both have the slot in one. */
export function closeEnd(l: Emitter, pc: number, slot: number): void {
  l.op(W.end);
  l.env();
  l.opU32(GET, pc);
  l.memory(W['i32.store'], WORD_ALIGN, l.options.layout.pc);
  l.op(W.end);
  l.env();
  l.opU32(GET, slot);
  tailCall(l);
}

function tailCall(l: Emitter): void {
  l.op(W.return_call_indirect);
  l.u8(BLOCK_TYPE);
  l.u8(TABLE);
}

/** Goes on through the jump cache entry of the new PC, or returns where the entry is for another. */
export const gotoPtr: Rule = (l, op, i) => {
  const { layout, chain } = l.options;
  const pc = pcLocal(l, op, i);
  l.sync(op.sync ?? NOTHING);
  l.env();
  l.opU32(GET, pc);
  l.memory(W['i32.store'], WORD_ALIGN, layout.pc);
  // Loops through indirect jumps have no other place to poll.
  pollBeforeLeaving(l);
  if (l.profile !== 0 && op.imm !== Jump.RETURN) noteTarget(l, pc);
  if (!chain) return returnExit(l, Exit.LOOKUP);
  const bits = layout.jumpCacheBits;
  const entry = l.allocate(I32);
  l.opU32(GET, pc);
  l.opU32(GET, pc);
  l.i32Const(bits);
  l.op(W['i32.shr_u']);
  l.op(W['i32.xor']);
  l.i32Const((1 << bits) - 1);
  l.op(W['i32.and']);
  l.i32Const(ENTRY_SHIFT);
  l.op(W['i32.shl']);
  l.env();
  l.op(W['i32.add']);
  l.opU32(TEE, entry);
  l.memory(W['i32.load'], WORD_ALIGN, layout.jumpCache);
  l.opU32(GET, pc);
  l.op(W['i32.ne']);
  l.openUnlikely();
  returnExit(l, Exit.LOOKUP);
  l.op(W.end);
  if (!l.sharesEnd) l.env();
  l.opU32(GET, entry);
  l.memory(W['i32.load'], WORD_ALIGN, layout.jumpCache + ENTRY_SLOT);
  if (l.sharesEnd) l.goToEnd();
  else tailCall(l);
};

/** Stores a jump's target in the block's ring of recent targets; the run counter says where. */
function noteTarget(l: Emitter, pc: number): void {
  l.i32Const(l.counter);
  l.memory(W['i32.load'], WORD_ALIGN, 0);
  l.i32Const(PROFILE_ENTRIES - 1);
  l.op(W['i32.and']);
  l.i32Const(WORD_ALIGN);
  l.op(W['i32.shl']);
  l.i32Const(l.profile);
  l.op(W['i32.add']);
  l.opU32(GET, pc);
  l.memory(W['i32.store'], WORD_ALIGN, 0);
}

/** Operand a, a new PC, in a local: it may hang on a load, which must be done before CPU state is stored. */
function pcLocal(l: Emitter, op: Op, i: number): number {
  l.a(op, i);
  const local = l.allocate(I32);
  l.opU32(SET, local);
  return local;
}

export const exitTb: Rule = (l, op, i) => {
  if (op.a!.kind === 'const') {
    l.sync(op.sync ?? NOTHING);
    storePc(l, op.a!.value as number);
  } else {
    const pc = pcLocal(l, op, i);
    l.sync(op.sync ?? NOTHING);
    l.env();
    l.opU32(GET, pc);
    l.memory(W['i32.store'], WORD_ALIGN, l.options.layout.pc);
  }
  returnExit(l, op.imm);
};

// ---- helpers

export const call: Rule = (l, op, i) => {
  const helper = op.helper!;
  const args = op.args!;
  if (op.sync !== null && op.sync.length > 0) l.sync(op.sync);
  l.env();
  for (const arg of args) {
    l.useValue(arg);
  }
  if (helper.raises || helper.sideEffects || helper.accumulates || helper.writesGlobals) {
    l.settleLoads();
    l.settleEnvLoads();
  }
  if (helper.writesGlobals) l.saveEntryValues();
  l.opU32(W.call, l.options.indexOf(helper));
  if (helper.writesGlobals) l.reloadGlobals(i);
  if (op.out !== null) l.result(op, i);
  else if (helper.result !== null) l.op(W.drop);
};

/**
 * Opens code that runs where `test` and `more` are not 0; returns how many constructs are to be ended behind it. The
 * alternatives of `test` become branches of their own: comparisons need not become numbers.
 */
function openRare(l: Emitter, test: Value, more: Value): number {
  const alternatives = l.splitRare(test, more);
  const enough = more.kind === 'const' && more.value !== 0;
  if (alternatives.length < 2) {
    if (alternatives.length === 0) l.useValue(test);
    else l.useAlternative(alternatives[0]!);
    l.openUnlikely();
    if (enough) return 1;
    l.useValue(more);
    l.openUnlikely();
    return 2;
  }
  l.open(W.block);
  l.open(W.block);
  for (let k = 0; k + 1 < alternatives.length; k++) {
    l.useAlternative(alternatives[k]!);
    l.opU32(W.br_if, 0);
  }
  l.useAlternative(alternatives[alternatives.length - 1]!);
  l.op(W['i32.eqz']);
  l.opU32(W.br_if, 1);
  l.op(W.end);
  if (!enough) {
    l.useValue(more);
    l.op(W['i32.eqz']);
    l.opU32(W.br_if, 0);
  }
  return 1;
}

/** Puts operand a into the result, and then what the helper returns if operands b and c are not 0. */
export const cold: Rule = (l, op, i) => {
  const helper = op.helper!;
  const args = op.args!;
  if (helper.accumulates) {
    l.settleLoads();
    l.settleEnvLoads();
  }
  // What is computed inside of the `if` would be missing behind it.
  for (const arg of args) l.settleValue(arg);
  const result = l.allocate(VALTYPE_NUMBER[helper.result!]);
  l.a(op, i);
  l.opU32(SET, result);
  const ends = openRare(l, op.b!, op.c!);
  l.env();
  for (const arg of args) l.useValue(arg);
  l.opU32(W.call, l.options.indexOf(helper));
  l.opU32(SET, result);
  for (let k = 0; k < ends; k++) l.op(W.end);
  l.opU32(GET, result);
  l.release(result);
  l.result(op, i);
};

/** Continues elsewhere if operands a and b are not 0; what CPU state needs for it is computed before. */
export const leaveIf: Rule = (l, op) => {
  const sync = op.sync ?? NOTHING;
  l.settleLoads();
  for (const global of sync) l.delayValue(global);
  const ends = openRare(l, op.a!, op.b!);
  storeGlobals(l, sync);
  storePc(l, op.imm);
  if (l.options.chain) {
    l.env();
    l.i32Const(l.options.slotOf(op.imm >>> 0));
    tailCall(l);
  } else returnExit(l, Exit.LOOKUP);
  for (let k = 0; k < ends; k++) l.op(W.end);
};
