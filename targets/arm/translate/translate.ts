// The block loop of the ARM translator: decodes instructions, keeps track of IT blocks, calls handlers, ends the block.
import type { CodeSource, TranslatedBlock, TranslateRequest } from '../../target.ts';
import { decodeArm, decodeThumb, Insn, InsnSet, isWide, type RowName } from '../insns.ts';
import { FLAG_BIG_CODE, MODEL_SHIFT } from '../mode.ts';
import { ARM_MODELS, type ArmModel, type Feature } from '../models.ts';
import { isRefused } from '../unpredictable.ts';
import { ABORT_ALIGNMENT, Vector } from '../vectors.ts';
import { AL, type Handler, PC, Translation } from './context.ts';
import { SELECTABLE } from './data.ts';
import { HANDLERS } from './handlers.ts';

const insn = new Insn();
const translation = new Translation();
translation.insn = insn;

/** The kernel's helper page: its code is executed on every model, whatever instructions it is made of. */
const HELPER_PAGE = 0xffff0000;

/** Reads instructions. */
class Fetcher {
  private code: CodeSource | null = null;
  /** Page that may be fetched from. */
  private page = -1;
  private bigCode = false;

  begin(code: CodeSource, bigCode: boolean): void {
    this.code = code;
    this.page = -1;
    this.bigCode = bigCode;
  }

  can(address: number): boolean {
    const page = address >>> 12;
    if (page === this.page) return true;
    if (!this.code!.canFetch(address)) return false;
    this.page = page;
    return true;
  }

  half(address: number): number {
    const { bytes } = this.code!;
    return this.bigCode && address < HELPER_PAGE
      ? (bytes[address]! << 8) | bytes[address + 1]!
      : bytes[address]! | (bytes[address + 1]! << 8);
  }

  word(address: number): number {
    const big = this.bigCode && address < HELPER_PAGE;
    const low = this.half(big ? address + 2 : address);
    const high = this.half(big ? address : address + 2);
    return ((high << 16) | low) >>> 0;
  }
}

const fetcher = new Fetcher();

/** Why an instruction could not be read: the address, or -1. */
function fetchInsn(pc: number, thumb: number): number {
  if (!fetcher.can(pc)) return pc;
  if (!thumb) {
    decodeArm(insn, fetcher.word(pc));
    return -1;
  }
  const first = fetcher.half(pc);
  if (!isWide(first)) {
    decodeThumb(insn, first, false);
    return -1;
  }
  const second = (pc + 2) >>> 0;
  if (!fetcher.can(second)) return second;
  decodeThumb(insn, ((first << 16) | fetcher.half(second)) >>> 0, true);
  return -1;
}

/** The handler of the instruction; null: undefined, not on this model, or refused with these operands. */
function findHandler(model: ArmModel): Handler | null {
  const { encoding } = insn;
  if (!encoding) return null;
  const { feature } = encoding;
  if (feature !== '' && !model.features.includes(feature as Feature)) return null;
  if (isRefused(insn)) return null;
  return HANDLERS[encoding.name as RowName] ?? null;
}

/** The condition of the instruction at hand. */
function conditionOf(t: Translation): number {
  if (t.thumb) return t.inIt ? t.it >>> 4 : AL;
  const { word } = insn;
  const cond = word >>> 28;
  return cond === 15 || insn.encoding?.name === 'BKPT' ? AL : cond;
}

/** Whether the condition can be served by selecting the result. */
function selects(): boolean {
  const { encoding, S, d, set } = insn;
  return encoding !== null && (S === 0 || set === InsnSet.T16) && d !== PC && SELECTABLE.has(encoding.name);
}

/** The words of exclusive accesses and thread pointer are there for the helper page's code on every model. */
function modelAt(model: ArmModel, pc: number): ArmModel {
  return (pc & -4096) >>> 0 === HELPER_PAGE ? ARM_MODELS[0]! : model;
}

/**
 * Translates the straight run at `request.pc`. It ends at a jump, at an instruction after which the translator's
 * assumptions may not hold, after `maxInsns`, at `stopAt`, or before code that cannot be fetched.
 */
export function translateBlock(request: TranslateRequest): TranslatedBlock {
  const { builder, maxInsns, stopAt, flags } = request;
  const t = translation;
  const thumb = request.pc & 1;
  const model = modelAt(ARM_MODELS[flags >>> MODEL_SHIFT]!, request.pc);
  let pc = (request.pc & ~1) >>> 0;
  fetcher.begin(request.code, (flags & FLAG_BIG_CODE) !== 0);
  t.begin(builder, flags, model, thumb);
  let count = 0;
  let fetchFault = -1;
  while (!t.ended) {
    if (count >= maxInsns || ((pc | thumb) === stopAt && count > 0)) break;
    const misaligned = !thumb && (pc & 2) !== 0;
    const missing = misaligned ? (fetcher.can(pc) ? -1 : pc) : fetchInsn(pc, thumb);
    if (missing >= 0) {
      if (count === 0) fetchFault = missing;
      break;
    }
    t.pc = pc;
    if (misaligned) {
      // A jump to an address that no A32 instruction can have.
      builder.insnStart(pc);
      t.raise(Vector.PREFETCH_ABORT, ABORT_ALIGNMENT, pc);
      t.ended = true;
      count++;
      pc = (pc + 2) >>> 0;
      break;
    }
    const cond = conditionOf(t);
    t.beginInsn(cond);
    builder.insnStart(pc | thumb);
    t.next = pc = (pc + insn.length) >>> 0;
    // In the last instruction of an IT block the low bits are 1000.
    t.itNext = (t.it & 7) === 0 ? 0 : (t.it & 0xe0) | ((t.it << 1) & 0x1f);
    count++;
    const handler = findHandler(model);
    t.beginCondition(cond, handler !== null && selects());
    if (handler) handler(t);
    else t.undefined();
    t.endInsn();
  }
  finish(t, pc, fetchFault);
  return {
    end: pc,
    next: (pc | thumb) >>> 0,
    insnCount: count,
    usedContext: false,
    exitContexts: t.exitContexts,
    unimplemented: t.unimplemented,
    fetchFault,
  };
}

/** Goes on behind the block where its last instruction does not leave, or leaves only sometimes. */
function finish(t: Translation, pc: number, fetchFault: number): void {
  if (t.ended && !t.skipped) return;
  t.endSkip();
  if (fetchFault >= 0) {
    t.pc = pc;
    t.b.insnStart((pc | t.thumb) >>> 0);
    t.raise(Vector.PREFETCH_ABORT, 0, fetchFault);
    return;
  }
  t.itNext = t.it;
  t.jumpTo((pc | t.thumb) >>> 0);
}
