// The 32-bit x86 guest: what the execution loop needs of it, put together.
import type { AccessFault, Guest, HelperFunction, HelperPort } from '../target.ts';
import { GuestException } from '../target.ts';
import { cpuidLeaf } from './cpuid.ts';
import { ArrayCode, DecodeFault, decode, FLAT_32, type Insn } from './decode.ts';
import { disassemble } from './disasm.ts';
import { readEflags, writeEflags } from './flags.ts';
import { approximateReciprocal, approximateRoot } from './helpers/approximate.ts';
import { aaa, aad, aam, aas, computeFlagsHelper, daa, das, setEflagsHelper } from './helpers/flags-helpers.ts';
import {
  checkFarHelper,
  checkSegmentHelper,
  descriptorQueryHelper,
  loadCodeSegmentHelper,
  loadSegmentHelper,
  resetSegments,
} from './helpers/segment-helpers.ts';
import { instantiateSimd } from './helpers/simd-table.ts';
import { instantiateSse } from './helpers/sse-table.ts';
import { repMovs, repStos } from './helpers/string-helpers.ts';
import { instantiateX87 } from './helpers/x87-table.ts';
import { blockFlags, updateMode } from './mode.ts';
import { modelHelp, selectModel } from './model-option.ts';
import { modelOf, X86_MODELS } from './models.ts';
import { OperandKind } from './operands.ts';
import { MXCSR_RESET, X86_OFFSETS as O, REGS, Seg, X86_STATE, XMM } from './state.ts';
import { checkSseMode } from './translate/sse.ts';
import { translateBlock } from './translate/translate.ts';
import { Vector } from './vectors.ts';
import { resetX87, x87InUse } from './x87-reset.ts';
import { X87_FIELDS } from './x87-state.ts';

function reset(view: DataView, env: number, modelName: string): void {
  const model = selectModel(modelName).index;
  for (const reg of REGS) view.setUint32(env + reg.offset, 0, true);
  writeEflags(view, env, 0x202);
  view.setUint32(env + O.model, model, true);
  resetSegments(view, env);
  resetX87(view, env);
  for (let at = 0; at < 16 * XMM.length; at += 4) view.setUint32(env + O.xmm + at, 0, true);
  view.setUint32(env + O.mxcsr, MXCSR_RESET, true);
  view.setUint32(env + O.sseSlow, 0, true);
  updateMode(view, env);
}

function helpers(port: HelperPort): Record<string, HelperFunction> {
  const { view } = port;
  const bytes = new Uint8Array(view.buffer);
  return {
    compute_flags: computeFlagsHelper,
    set_eflags: setEflagsHelper(view),
    daa,
    das,
    aaa,
    aas,
    aam,
    aad,
    rep_movs: repMovs(port, bytes),
    rep_stos: repStos(port, bytes),
    load_segment: loadSegmentHelper(port),
    check_segment: checkSegmentHelper(port),
    check_far: checkFarHelper(port),
    load_code_segment: loadCodeSegmentHelper(port),
    probe: (env: number, address: number, length: number, writes: number, first: number) => {
      const start = address >>> 0;
      const fine = (at: number, bytes: number) => (writes ? port.prepareWrite(at, bytes) : port.canRead(at, bytes));
      if (fine(start, length)) return undefined;
      // The first word or doubleword, then the end, as the host CPU's microcode does.
      for (const n of [...Array(Math.min(first, length)).keys(), length - 1, ...Array(length).keys()]) {
        const at = (start + n) >>> 0;
        if (fine(at, 1)) continue;
        const kind = writes ? 'write' : 'read';
        // The first access is what is looked at there.
        const wraps = start + first > 0x100000000;
        throw describeFault({ address: at, kind, mapped: port.isMapped(at), wraps }, view, env);
      }
      return undefined;
    },
    approximate_reciprocal: (_env: number, bits: number) => approximateReciprocal(bits),
    approximate_root: (_env: number, bits: number) => approximateRoot(bits),
    x87_in_use: (env: number) => (x87InUse(view, env) ? 1 : 0),
    x87_reset: (env: number) => {
      resetX87(view, env);
      return undefined;
    },
    descriptor_query: descriptorQueryHelper(port),
    cpuid: (env: number) => {
      const model = modelOf(view, env);
      const [a, b, c, d] = cpuidLeaf(model, view.getUint32(env + O.regs, true), view.getUint32(env + O.regs + 4, true));
      view.setUint32(env + O.regs, a, true);
      view.setUint32(env + O.regs + 12, b, true);
      view.setUint32(env + O.regs + 4, c, true);
      view.setUint32(env + O.regs + 8, d, true);
      return undefined;
    },
    sysenter: (env: number) => {
      const stack = view.getUint32(env + O.regs + 20, true);
      view.setUint32(env + O.regs + 16, stack, true);
      if (!port.canRead(stack, 4)) {
        view.setInt32(env + O.regs, EFAULT, true);
        return 0;
      }
      view.setUint32(env + O.regs + 20, view.getUint32(stack, true), true);
      return 1;
    },
    random: () => crypto.getRandomValues(new Int32Array(1))[0]!,
    rdtsc: (env: number, withProcessor: number) => {
      // A counter of nanoseconds: constant rate, like an invariant time stamp counter of 1 GHz.
      const now = port.clock();
      view.setUint32(env + O.regs, now >>> 0, true);
      view.setUint32(env + O.regs + 8, Math.floor(now / 0x100000000), true);
      if (withProcessor) view.setUint32(env + O.regs + 4, 0, true);
      return undefined;
    },
  };
}

/** Instructions that have a memory operand, the stack. */
const STACK_INSNS = /^(PUSH[AF]?|POP[AF]?|CALLF?|RETF?|IRET|ENTER|LEAVE)$/;

/** Bytes of an instruction at most, and of a page. */
const LONGEST_INSN = 15;
const PAGE_SIZE = 4096;

/** The instruction at `pc`, which has begun to execute: its bytes can be read, those behind it perhaps not. */
function decodeFetched(view: DataView, pc: number): Insn {
  const decodeBytes = (count: number) => decode(new ArrayCode(new Uint8Array(view.buffer, pc, count), pc), pc, FLAT_32);
  const inPage = PAGE_SIZE - (pc & (PAGE_SIZE - 1));
  if (inPage >= LONGEST_INSN) return decodeBytes(LONGEST_INSN);
  const insn = decodeBytes(inPage);
  return insn.fault === DecodeFault.Fetch ? decodeBytes(LONGEST_INSN) : insn;
}

/** Whether the instruction at the PC makes an access of this kind by SS. */
function usesStack(kind: AccessFault['kind'], view: DataView, env: number): boolean {
  const pc = view.getUint32(env + O.pc, true);
  const insn = decodeFetched(view, pc);
  const operands = [insn.op0, insn.op1, insn.op2];
  const explicit = operands.some((operand) => operand.kind === OperandKind.Mem);
  // The source of a string instruction may be in another segment, the destination never is.
  const source = kind === 'read' && operands.some((operand) => operand.kind === OperandKind.StringSource);
  if ((explicit || source) && insn.eaSegment === Seg.SS) return true;
  if (!STACK_INSNS.test(insn.mnemonic)) return false;
  return !explicit || (insn.mnemonic === 'POP' ? kind === 'read' : kind === 'write');
}

function describeFault(fault: AccessFault, view?: DataView, env = 0): GuestException {
  // Beyond the limit of a flat segment.
  if (fault.wraps && view) return new GuestException(usesStack(fault.kind, view, env) ? Vector.SS : Vector.GP);
  // Vectors must be aligned, whatever EFLAGS.AC says.
  if (fault.misaligned === 16) return new GuestException(Vector.GP);
  if (fault.misaligned) return new GuestException(Vector.AC, 0, fault.address);
  const code = 4 | (fault.kind === 'write' ? 2 : 0) | (fault.kind === 'fetch' ? 16 : 0) | (fault.mapped ? 1 : 0);
  return new GuestException(Vector.PF, code, fault.address);
}

/** What the kernel answers to SYSENTER with a bad stack: -EFAULT. */
const EFAULT = -14;

const DUMP_ORDER = [0, 3, 1, 2, 6, 7, 5, 4];

function hex(value: number): string {
  return (value >>> 0).toString(16).padStart(8, '0');
}

function registers(view: DataView, env: number): [string, number][] {
  const all: [string, number][] = REGS.map((reg) => [reg.name, view.getUint32(env + reg.offset, true)]);
  all.push(['eip', view.getUint32(env + O.pc, true)], ['eflags', readEflags(view, env)]);
  for (let n = 0; n < 6; n++)
    all.push([['es', 'cs', 'ss', 'ds', 'fs', 'gs'][n]!, view.getUint32(env + O.selectors + 4 * n, true)]);
  for (const { name, offset, type } of X87_FIELDS) {
    if (name === 'fpscratch' || name === 'fpscratchhi') continue;
    if (type === 'i64') all.push([`${name}.hi`, view.getUint32(env + O.fpu + offset + 4, true)]);
    all.push([type === 'i64' ? `${name}.lo` : name, view.getUint32(env + O.fpu + offset, true)]);
  }
  for (const { name, offset } of XMM) {
    for (let n = 3; n >= 0; n--) all.push([`${name}.${n}`, view.getUint32(env + offset + 4 * n, true)]);
  }
  all.push(['mxcsr', view.getUint32(env + O.mxcsr, true)]);
  return all;
}

/** Registers in the layout of `-d cpu`. */
function dump(view: DataView, env: number): string {
  const reg = (n: number) => `${REGS[n]!.name.toUpperCase()}=${hex(view.getUint32(env + REGS[n]!.offset, true))}`;
  const eflags = readEflags(view, env);
  const letters = [
    [0x400, 'D'],
    [0x800, 'O'],
    [0x80, 'S'],
    [0x40, 'Z'],
    [0x10, 'A'],
    [4, 'P'],
    [1, 'C'],
  ].map(([bit, letter]) => (eflags & (bit as number) ? letter : '-'));
  return [
    DUMP_ORDER.slice(0, 4).map(reg).join(' '),
    DUMP_ORDER.slice(4).map(reg).join(' '),
    `EIP=${hex(view.getUint32(env + O.pc, true))} EFL=${hex(eflags)} [${letters.join('')}] CPL=3`,
    '',
  ].join('\n');
}

export const I386: Guest = {
  name: 'i386',
  bigEndian: false,
  layout: X86_STATE,
  models: X86_MODELS,
  modelHelp,
  modelWarnings: (option) => selectModel(option).warnings,
  reset,
  blockFlags,
  translate: translateBlock,
  checkEntry: (b, flags, pc) => checkSseMode(b, flags, pc),
  restartsAtCold: true,
  helpers,
  helperModules: {
    x87: (memory) => instantiateX87(memory) as unknown as Record<string, unknown>,
    simd: instantiateSimd,
    sse: instantiateSse,
  },
  describeFault,
  dump,
  registers,
  describeRow: (bytes, pc) => {
    const { row, opcode } = decode(new ArrayCode(bytes, pc), pc, FLAT_32);
    return `${row.mnemonic} ${row.operands}${row.feature ? ` [${row.feature}]` : ''} (opcode ${opcode.toString(16).padStart(2, '0')})`;
  },
  disassemble: (bytes, pc) => {
    const insn = decode(new ArrayCode(bytes, pc), pc, FLAT_32);
    return { text: disassemble(insn), length: Math.max(1, insn.length) };
  },
};
