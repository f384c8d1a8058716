// Segment registers: moves, pushes and pops of selectors, far pointers, descriptor checks.
import type { HelperRow } from '../../../tcg/ir/helper-table.ts';
import { Cond } from '../../../tcg/ir/types.ts';
import type { Value } from '../../../tcg/ir/value.ts';
import { ZF } from '../flags.ts';
import { OperandKind } from '../operands.ts';
import { Seg, X86_OFFSETS } from '../state.ts';
import type { Translation } from './context.ts';
import { mov, pop } from './data-move.ts';

/** Loads a selector: reads the descriptor, sets base, limit and attributes, or raises #GP, #SS or #NP. */
export const LOAD_SEGMENT: HelperRow = {
  name: 'load_segment',
  args: ['i32', 'i32'],
  result: null,
  readsGlobals: true,
  writesGlobals: true,
  sideEffects: true,
  raises: true,
};

/** LAR, LSL, VERR, VERW: result in bits 0-31 of scratch, return value is ZF (0 or 1). Arguments: which, selector. */
export const DESCRIPTOR_QUERY: HelperRow = {
  name: 'descriptor_query',
  args: ['i32', 'i32'],
  result: 'i32',
  sideEffects: true,
};

function load(t: Translation, segment: number, selector: Value): void {
  t.b.call(LOAD_SEGMENT, segment, selector);
}

/**
 * What translations take for granted may have changed, so the block ends: not for FS and GS, whose bases and limits are
 * looked at in each access. A load of SS puts off the trap of single-stepping until behind the next
 * instruction, but for LSS, which sets the stack pointer too.
 */
function endOfLoad(t: Translation, segment: Seg): void {
  if (segment >= Seg.FS && !t.traced) return;
  t.endForModeChange();
  if (segment === Seg.SS && t.insn.mnemonic !== 'LSS') t.trapsBehind = false;
}

/** MOV with a segment register as destination; otherwise MOV. */
export function movSegment(t: Translation): void {
  if (t.insn.op0.kind !== OperandKind.Seg) {
    mov(t);
    return;
  }
  load(t, t.dst.num, t.read(t.src));
  endOfLoad(t, t.dst.num);
}

/** POP of a segment register; otherwise POP. */
export function popSegment(t: Translation): void {
  if (t.insn.op0.kind !== OperandKind.Seg) {
    pop(t);
    return;
  }
  const size = t.insn.operandSize;
  const value = t.top(size);
  load(t, t.dst.num, t.b.and(value, 0xffff));
  t.dropStack(size);
  endOfLoad(t, t.dst.num);
}

const FAR_LOADS: Record<string, Seg> = { LDS: Seg.DS, LES: Seg.ES, LFS: Seg.FS, LGS: Seg.GS, LSS: Seg.SS };

/** LDS LES LFS LGS LSS: offset to the register, selector to the segment register. */
export function loadFarPointer(t: Translation): void {
  const { b } = t;
  const size = t.insn.operandSize;
  const address = t.b.copy(t.address());
  const offset = t.load(address, size);
  const selector = t.load(b.add(address, size), 2);
  const segment = FAR_LOADS[t.insn.mnemonic]!;
  load(t, segment, selector);
  t.write(t.dst, offset);
  endOfLoad(t, segment);
}

const QUERIES: Record<string, number> = { LAR: 0, LSL: 1, VERR: 2, VERW: 3 };

/** LAR LSL VERR VERW: ZF says whether the selector is fit; LAR and LSL then write their result. */
export function queryDescriptor(t: Translation): void {
  const { b } = t;
  const which = QUERIES[t.insn.mnemonic]!;
  const writes = which < 2;
  const selector = b.and(t.read(writes ? t.src : t.dst), 0xffff);
  const flags = t.flags.all();
  const fit = b.call(DESCRIPTOR_QUERY, which, selector);
  if (writes) {
    const result = b.envLoad(X86_OFFSETS.scratch);
    t.write(t.dst, b.select(fit, result, t.read(t.dst)));
  }
  t.flags.setAll(b.or(b.and(flags, ~ZF), b.shl(fit, 6)));
}

/** ARPL: raises the destination selector's privilege level to the source's; ZF says whether it had to. */
export function arpl(t: Translation): void {
  const { b } = t;
  const src = b.and(t.read(t.src), 3);
  const flags = t.flags.all();
  // Not `fetch`: a page that is missing is reported as one that was read.
  const place = t.isMem(t.dst) ? b.copy(t.address()) : null;
  const old = place ? t.load(place, 2) : b.copy(t.read(t.dst));
  const lower = b.setcond(Cond.LTU, b.and(old, 3), src);
  const raised = b.or(b.and(old, ~3), src);
  if (place) {
    // Whether it may be written is only asked when it is.
    const done = b.label();
    b.brcond(Cond.EQ, lower, 0, done);
    t.store(t.writeAddress(), raised, 2);
    b.place(done);
  } else {
    t.giveTo(t.dst, b.select(lower, raised, old));
  }
  t.flags.setAll(b.or(b.and(flags, ~ZF), b.shl(lower, 6)));
}
