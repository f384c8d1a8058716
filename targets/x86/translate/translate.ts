// The block loop of the x86 translator: decodes instructions, calls their handlers, ends the block.
import { OPS } from '../../../tcg/ir/ops.ts';
import { Exit } from '../../../tcg/ir/types.ts';
import { const32, type Value } from '../../../tcg/ir/value.ts';
import type { CodeSource as GuestCode, TranslatedBlock, TranslateRequest } from '../../target.ts';
import { CodeSource, DecodeFault, type DecodeMode, decodeInto, FLAT_32, Insn } from '../decode.ts';
import { RowBit } from '../insns-table.ts';
import { FLAG_CODE16, FLAG_STACK16, MODEL_SHIFT } from '../mode.ts';
import { modelAt, modelHas } from '../models.ts';
import { Vector } from '../vectors.ts';
import { Translation } from './context.ts';
import { type Handler, handlerOf } from './handlers.ts';
import { unimplemented } from './system.ts';

const PAGE = 4096;

const NOTHING = new Uint8Array(0);

/** The decoder's window on guest memory: the page at hand and the one behind it. */
class GuestWindow extends CodeSource {
  private code: GuestCode | null = null;
  /** The last window made; a view of the memory costs more to make than an instruction to decode. */
  private last: Uint8Array = NOTHING;
  private lastBase = 0;

  /** Starts a translation at `pc`: whether pages can be fetched is asked anew. */
  attach(code: GuestCode, pc: number): void {
    if (code !== this.code) {
      this.code = code;
      this.last = NOTHING;
    }
    if (!this.seek(pc)) this.bytes = NOTHING;
  }

  seek(address: number): boolean {
    const code = this.code!;
    if (!code.canFetch(address)) return false;
    const base = (address & -PAGE) >>> 0;
    let end = base + PAGE;
    // A second page saves the border path for instructions that cross into it.
    if (end < code.bytes.length && code.canFetch(end)) end += PAGE;
    if (this.lastBase !== base || this.last.length !== end - base) {
      this.last = code.bytes.subarray(base, end);
      this.lastBase = base;
    }
    this.bytes = this.last;
    this.base = base;
    return true;
  }
}

const window = new GuestWindow();
const insn = new Insn();
const translation = new Translation();
translation.insn = insn;

/** Handlers by row index, and whether the model lacks the row's feature; filled at first use of a row. */
const handlerOfRow: (Handler | undefined)[][] = [];

/** Two opcodes are older instructions with an ignored REP prefix where the feature is missing. */
const FALLBACK: Partial<Record<string, 'BSR' | 'BSF'>> = { LZCNT: 'BSR', TZCNT: 'BSF' };

function findHandler(model: number): Handler {
  const { row } = insn;
  let handler: Handler;
  if (ALWAYS.has(row.feature) || modelHas(modelAt(model), row.feature)) {
    handler =
      row.bits & (RowBit.Privileged | RowBit.IoPrivileged)
        ? handlerOf('HLT')!
        : (handlerOf(row.mnemonic) ?? unimplemented);
  } else {
    const older = FALLBACK[row.mnemonic];
    handler = handlerOf(older ?? 'UD2')!;
  }
  const table = (handlerOfRow[model] ??= []);
  while (table.length <= row.index) table.push(undefined);
  table[row.index] = handler;
  return handler;
}

/** Rows that processors without the feature execute as hints that do nothing. */
const ALWAYS = new Set<string>(['PREFETCHW']);

/**
 * Translates the straight run at `request.pc`. It ends at a jump, at an instruction after which the translator's
 * assumptions may not hold, after `maxInsns`, at `stopAt`, or before code that cannot be fetched.
 */
export function translateBlock(request: TranslateRequest): TranslatedBlock {
  const { builder, maxInsns, stopAt, flags } = request;
  const t = translation;
  const model = flags >>> MODEL_SHIFT;
  const mode: DecodeMode =
    flags & (FLAG_CODE16 | FLAG_STACK16)
      ? { code32: !(flags & FLAG_CODE16), stack32: !(flags & FLAG_STACK16) }
      : FLAT_32;
  let { pc } = request;
  window.attach(request.code, pc);
  t.begin(builder, flags, request.context, request.checked ?? false);
  let handlers = handlerOfRow[model];
  let count = 0;
  while (!t.ended) {
    if (count >= maxInsns || (pc === stopAt && count > 0)) {
      t.jumpTo(pc);
      break;
    }
    decodeInto(insn, window, pc, mode);
    if (insn.fault === DecodeFault.Fetch && count > 0) {
      t.jumpTo(pc);
      break;
    }
    builder.insnStart(pc);
    t.pc = pc;
    t.leavesAtCold = request.coldAt !== undefined && request.coldAt !== pc;
    t.callsAtCold = request.coldAt === pc;
    t.next = pc = (pc + insn.length) >>> 0;
    count++;
    t.checkCodeLimit(insn.fault === DecodeFault.Fetch ? 1 : insn.length);
    if (insn.fault !== DecodeFault.None) {
      raiseDecodeFault(t, request.code);
      break;
    }
    const handler = handlers?.[insn.row.index] ?? findHandler(model);
    handlers ??= handlerOfRow[model];
    handler(t);
    if (t.traced) break;
  }
  if (t.traced) endTraced(t);
  return {
    end: pc,
    next: pc,
    insnCount: count,
    usedContext: t.flags.usedContext,
    needsCheck: t.sseRelied,
    undoesCheck: t.sseWrites,
    exitContexts: t.exitContexts,
    unimplemented: t.unimplemented,
    fetchFault: insn.fault === DecodeFault.Fetch && t.ended ? insn.faultAddress : -1,
  };
}

/**
 * Ends a block of one instruction under single-stepping: each way out but exceptions raises #DB behind the instruction.
 * Where it does not trap, the ways out are left as they are; the next instruction is traced again.
 */
function endTraced(t: Translation): void {
  const { block } = t.b;
  if (!t.ended) t.jumpTo(t.next);
  if (!t.trapsBehind) return;
  const { ops } = block;
  block.ops = [];
  for (const op of ops) {
    const { row } = op;
    if (row === OPS.poll) continue;
    if (row === OPS.goto_tb) t.raiseAt(Vector.DB, 0, const32(op.imm));
    else if (row === OPS.goto_ptr) t.raiseAt(Vector.DB, 0, op.a!);
    else if (row === OPS.exit_tb && op.imm === Exit.LOOKUP && !isAgain(t, op.a)) t.raiseAt(Vector.DB, 0, op.a!);
    else block.ops.push(op);
  }
}

/** Whether the block is left to try this instruction again in another mode: it has not run yet. */
function isAgain(t: Translation, target: Value | null): boolean {
  return target?.kind === 'const' && (target.value as number) >>> 0 === t.pc;
}

function raiseDecodeFault(t: Translation, code: GuestCode): void {
  t.ended = true;
  switch (insn.fault) {
    case DecodeFault.TooLong:
      t.fault(Vector.GP);
      return;
    case DecodeFault.Fetch:
      // User mode fetch; bit 0 says that the page is present but not executable.
      t.raiseAt(Vector.PF, 0x14 | (code.isMapped(insn.faultAddress) ? 1 : 0), const32(t.pc), insn.faultAddress);
      return;
    default:
      t.fault(Vector.UD);
  }
}
