// The 32-bit ARM guest, little- and big-endian: what the execution loop needs of it, put together.
import { UserError } from '../../src/util/errors.ts';
import type { AccessFault, Guest } from '../target.ts';
import { GuestException } from '../target.ts';
import { disassemble } from './disasm.ts';
import { readCpsr, writeCpsr } from './flags.ts';
import { readFpscr, writeFpscr } from './fpscr.ts';
import { instantiateVector } from './helpers/vector-table.ts';
import { armHelpers } from './helpers.ts';
import { decodeArm, decodeThumb, Insn, isWide } from './insns.ts';
import { blockFlags, setMode } from './mode.ts';
import { ARM_MODELS, noModel } from './models.ts';
import { ARM_STATE, ARM_OFFSETS as O, QREGS, REGS } from './state.ts';
import { translateBlock } from './translate/translate.ts';
import { ABORT_ALIGNMENT, ABORT_MAPPED, ABORT_WRITE, Vector } from './vectors.ts';

function reset(bigEndian: boolean) {
  return (view: DataView, env: number, modelName: string): void => {
    const model = ARM_MODELS.findIndex((m) => m.name === modelName);
    if (model < 0) throw new UserError(noModel(modelName), 1);
    for (const reg of REGS) view.setUint32(env + reg.offset, 0, true);
    for (const q of QREGS) for (let k = 0; k < 16; k += 4) view.setUint32(env + q.offset + k, 0, true);
    view.setUint32(env + O.pc, 0, true);
    writeCpsr(view, env, 0x40000000);
    view.setInt32(env + O.exclusiveAddress, -1, true);
    view.setUint32(env + O.bigEndian, bigEndian ? 1 : 0, true);
    setMode(view, env, model, false);
    writeFpscr(view, env, 0);
  };
}

function describeFault(fault: AccessFault): GuestException {
  const mapped = fault.mapped ? ABORT_MAPPED : 0;
  if (fault.kind === 'fetch') return new GuestException(Vector.PREFETCH_ABORT, mapped, (fault.address & ~1) >>> 0);
  const code = mapped | (fault.kind === 'write' ? ABORT_WRITE : 0) | (fault.misaligned ? ABORT_ALIGNMENT : 0);
  return new GuestException(Vector.DATA_ABORT, code, fault.address);
}

function hex(value: number): string {
  return (value >>> 0).toString(16).padStart(8, '0');
}

/** R0 to R15, the PC without the Thumb bit. */
function coreRegisters(view: DataView, env: number): number[] {
  const regs = REGS.map((reg) => view.getUint32(env + reg.offset, true));
  return [...regs, (view.getUint32(env + O.pc, true) & ~1) >>> 0];
}

function registers(view: DataView, env: number): [string, number][] {
  const all: [string, number][] = coreRegisters(view, env).map((value, n) => [`r${n}`, value]);
  all.push(['cpsr', readCpsr(view, env)]);
  all.push(['fpscr', readFpscr(view, env)]);
  for (let n = 0; n < 64; n++)
    all.push([`d${n >> 1}.${n & 1 ? 'hi' : 'lo'}`, view.getUint32(env + O.qregs + 4 * n, true)]);
  return all;
}

/** Registers in the layout of `-d cpu`. */
function dump(view: DataView, env: number): string {
  const regs = coreRegisters(view, env);
  const lines: string[] = [];
  for (let n = 0; n < 16; n += 4) {
    lines.push(
      regs
        .slice(n, n + 4)
        .map((value, k) => `R${String(n + k).padStart(2, '0')}=${hex(value)}`)
        .join(' '),
    );
  }
  const cpsr = readCpsr(view, env);
  const letters = ['N', 'Z', 'C', 'V'].map((letter, k) => (cpsr & (0x80000000 >>> k) ? letter : '-')).join('');
  lines.push(`PSR=${hex(cpsr)} ${letters} ${cpsr & 0x20 ? 'T' : 'A'} usr32`, '');
  return lines.join('\n');
}

/** Decodes the instruction at the beginning of `bytes`; bit 0 of the PC says Thumb. Code is little-endian. */
function decodeBytes(bytes: Uint8Array, pc: number): Insn {
  const insn = new Insn();
  const half = (at: number): number => (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8);
  if (!(pc & 1)) decodeArm(insn, ((half(2) << 16) | half(0)) >>> 0);
  else if (isWide(half(0))) decodeThumb(insn, ((half(0) << 16) | half(2)) >>> 0, true);
  else decodeThumb(insn, half(0), false);
  return insn;
}

function makeGuest(name: string, bigEndian: boolean): Guest {
  return {
    name,
    bigEndian,
    layout: ARM_STATE,
    models: ARM_MODELS,
    modelHelp: () =>
      `Available CPUs:\n${ARM_MODELS.map(({ name }) => `  ${name}\n`)
        .sort()
        .join('')}`,
    reset: reset(bigEndian),
    blockFlags,
    translate: translateBlock,
    helpers: armHelpers,
    helperModules: { vector: instantiateVector },
    describeFault,
    dump,
    registers,
    describeRow: (bytes, pc) => {
      const { encoding } = decodeBytes(bytes, pc);
      if (!encoding) return 'undefined';
      return `${encoding.name} ${encoding.pattern}${encoding.feature ? ` [${encoding.feature}]` : ''}`;
    },
    codeAddress: (pc) => (pc & ~1) >>> 0,
    disassemble: (bytes, pc) => {
      const insn = decodeBytes(bytes, pc);
      return { text: disassemble(insn, (pc & ~1) >>> 0), length: insn.length };
    },
  };
}

export const ARM: Guest = makeGuest('arm', false);
export const ARMEB: Guest = makeGuest('armeb', true);
