// The Linux binary interface of 32-bit ARM (EABI), both byte orders: SVC with the number in R7, arguments in R0 to R5.
import { EINVAL } from '../../src/host/errno.ts';
import { setMode } from '../../targets/arm/mode.ts';
import { ARM_MODELS, type ArmModel, hwcap, hwcap2, hwcapNames } from '../../targets/arm/models.ts';
import { ARM_OFFSETS as O } from '../../targets/arm/state.ts';
import { Vector } from '../../targets/arm/vectors.ts';
import { KUSER_PAGE, kuserPage } from './arm-kuser.ts';
import { ARM_SIGNALS, ARMEB_SIGNALS } from './arm-signals.ts';
import { ARM_STRUCTS } from './arm-structs.ts';
import { ARM_ROW_NAMES, armSyscallIndex, armSyscallNames } from './arm-syscalls.ts';
import { type Abi, type AbiMemory, type ArchCall, NO_CALL, type ProgramAbi } from './interface.ts';

const EM_ARM = 40;
/** e_flags: instructions are little-endian in a big-endian program. */
const EF_ARM_BE8 = 0x00800000;

const R0 = O.regs;
const R7 = O.regs + 4 * 7;
const R10 = O.regs + 4 * 10;
const SP = O.regs + 4 * 13;

function modelOf(view: DataView, env: number): ArmModel {
  return ARM_MODELS[view.getUint32(env + O.model, true)]!;
}

/** cacheflush(start, end, flags): translations follow writes by themselves; only the arguments are looked at. */
function cacheflush(_: AbiMemory, _env: number, start: number, end: number, flags: number): number {
  return end >>> 0 < start >>> 0 || flags !== 0 ? -EINVAL : 0;
}

function setTls(memory: AbiMemory, env: number, value: number): number {
  memory.i32[(env + O.tpidruro) >>> 2] = value;
  return 0;
}

const ARM_CALLS: Readonly<Record<string, ArchCall>> = {
  cacheflush: { args: 'hex start, hex end, int flags', run: cacheflush },
  set_tls: { args: 'hex tp', run: setTls },
  // The kernel makes signals of these: see exceptionToSignal in arm-signals.ts.
  breakpoint: { args: '', run: () => -NO_CALL },
  usr26: { args: '', run: () => -NO_CALL },
  usr32: { args: '', run: () => -NO_CALL },
  no_call: { args: '', run: () => -NO_CALL },
  get_tls: { args: '', run: (memory, env) => memory.i32[(env + O.tpidruro) >>> 2]! },
};

/** O_DIRECTORY and O_DIRECT, O_NOFOLLOW and O_LARGEFILE have each other's numbers (asm/fcntl.h). */
function openFlags(flags: number): number {
  return (flags & ~0x3c000) | ((flags & 0xc000) << 2) | ((flags >>> 2) & 0xc000);
}

/** uname's machine: ARMv5 names its extensions, ARMv8 in 32-bit programs is called ARMv7. */
function machineName({ platform }: ArmModel, bigEndian: boolean): string {
  const version = platform === 'v5' ? 'v5te' : platform === 'v8' ? 'v7' : platform;
  return `arm${version}${bigEndian ? 'b' : 'l'}`;
}

/** /proc/cpuinfo as the kernel writes it (arch/arm/kernel/setup.c, c_show): one processor, whose MIDR says what it is. */
function cpuInfo(model: ArmModel, bigEndian: boolean): string {
  const { midr, platform } = model;
  const hex = (value: number): string => `0x${value.toString(16)}`;
  const revision = midr & 15;
  return [
    'processor\t: 0',
    `model name\t: ARM${platform} Processor rev ${revision} (${platform}${bigEndian ? 'b' : 'l'})`,
    'BogoMIPS\t: 100.00',
    `Features\t: ${hwcapNames(model).join(' ')} `,
    `CPU implementer\t: ${hex(midr >>> 24).padStart(4, '0')}`,
    `CPU architecture: ${platform === 'v5' ? '5TE' : platform.slice(1)}`,
    `CPU variant\t: ${hex((midr >>> 20) & 15)}`,
    `CPU part\t: 0x${((midr >>> 4) & 0xfff).toString(16).padStart(3, '0')}`,
    `CPU revision\t: ${revision}`,
    '',
    'Hardware\t: wemu',
    'Revision\t: 0000',
    'Serial\t\t: 0000000000000000',
    '',
  ].join('\n');
}

function program(bigEndian: boolean): ProgramAbi {
  return {
    elf: { name: bigEndian ? 'armeb' : 'arm', machines: [EM_ARM], elfClass: 32, bigEndian },
    pieBase: 0x00400000,
    flat: true,
    execStackByDefault: true,
    platform: (view, env) => `${modelOf(view, env).platform}${bigEndian ? 'b' : 'l'}`,
    hwcaps: (view, env) => {
      const model = modelOf(view, env);
      return { hwcap: hwcap(model), hwcap2: hwcap2(model) };
    },
    fixedPages: [{ address: KUSER_PAGE, contents: () => kuserPage(bigEndian) }],
    enter(view, env, start, stackPointer, { elfFlags, flat, dataStart }) {
      // Without BE8 a big-endian program's instructions are big-endian too.
      if (bigEndian && !(elfFlags & EF_ARM_BE8)) setMode(view, env, view.getUint32(env + O.model, true), true);
      view.setUint32(env + O.pc, start, true);
      view.setUint32(env + SP, stackPointer, true);
      // Position-independent programs of uClinux find their data by R10.
      if (flat) view.setUint32(env + R10, dataStart, true);
    },
  };
}

function makeAbi(bigEndian: boolean): Abi {
  return {
    name: bigEndian ? 'armeb' : 'arm',
    machine: (view, env) => machineName(modelOf(view, env), bigEndian),
    cpuInfo: (view, env) => cpuInfo(modelOf(view, env), bigEndian),
    model: { bigEndian, longSize: 4, align64: 8 },
    structs: ARM_STRUCTS,
    syscallNames: armSyscallNames,
    rowNames: ARM_ROW_NAMES,
    strictCalls: [3, 4, 1, 173],
    pairedRegisters: true,
    openFlags,
    syscallNumber: (view, env) => armSyscallIndex(view.getInt32(env + R7, true)),
    syscallArguments({ i32 }, env, into) {
      const at = (env + R0) >>> 2;
      for (let n = 0; n < 6; n++) into[n] = i32[at + n]!;
      return true;
    },
    setSyscallResult: (view, env, result) => view.setInt32(env + R0, result, true),
    stackPointer: (view, env) => view.getUint32(env + SP, true),
    setStackPointer: (view, env, address) => view.setUint32(env + SP, address, true),
    cloneTlsFirst: true,
    archCalls: ARM_CALLS,
    program: program(bigEndian),
    signals: bigEndian ? ARMEB_SIGNALS : ARM_SIGNALS,
    setTls,
    semihosting: {
      vector: Vector.SEMIHOST,
      request: (view, env) => [view.getUint32(env + R0, true), view.getUint32(env + R0 + 4, true)],
      finish: (view, env, result) => view.setInt32(env + R0, result, true),
    },
  };
}

export const ARM_ABI: Abi = makeAbi(false);
export const ARMEB_ABI: Abi = makeAbi(true);
