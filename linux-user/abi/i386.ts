// The Linux binary interface of 32-bit x86: system calls by int 0x80, arguments in ebx ecx edx esi edi ebp.

import { cpuidLeaf } from '../../targets/x86/cpuid.ts';
import { modelOf } from '../../targets/x86/models.ts';
import { X86_OFFSETS } from '../../targets/x86/state.ts';
import { i386CpuInfo } from './i386-cpuinfo.ts';
import { I386_CALLS, setTlsByClone } from './i386-descriptors.ts';
import { I386_SIGNALS, minSignalStack } from './i386-signals.ts';
import { I386_STRUCTS } from './i386-structs.ts';
import { I386_ROW_NAMES, i386SyscallNames } from './i386-syscalls.ts';
import { VDSO, vdsoImage } from './i386-vdso.ts';
import type { Abi, ProgramAbi } from './interface.ts';

const EAX = X86_OFFSETS.regs;
const ECX = EAX + 4;
const EDX = EAX + 8;
const EBX = EAX + 12;
const ESP = EAX + 16;
const EBP = EAX + 20;
const ESI = EAX + 24;
const EDI = EAX + 28;

/** e_machine of i386 and of the i486 files some old linkers made. */
const EM_386 = 3;
const EM_486 = 6;

/** Entries of the auxiliary vector that tell of the vDSO (asm/auxvec.h). */
const AT_SYSINFO = 32;
const AT_SYSINFO_EHDR = 33;

const I386_PROGRAM: ProgramAbi = {
  elf: { name: 'i386', machines: [EM_386, EM_486], elfClass: 32, bigEndian: false },
  pieBase: 0x56555000,
  execStackByDefault: true,
  platform: 'i686',
  // The feature bits of CPUID leaf 1, EDX. Of what AT_HWCAP2 tells, programs of 32 bits can use nothing.
  hwcaps: (view, env) => ({
    hwcap: cpuidLeaf(modelOf(view, env), 1)[3] >>> 0,
    hwcap2: 0,
    minSignalStack: minSignalStack(view, env),
  }),
  vdso: {
    contents: vdsoImage,
    aux: (base) => [
      [AT_SYSINFO, base + VDSO.vsyscall],
      [AT_SYSINFO_EHDR, base],
    ],
    mapped: (view, env, base) => view.setUint32(env + X86_OFFSETS.sysenterReturn, base + VDSO.landing, true),
  },
  enter(view, env, start, stackPointer) {
    view.setUint32(env + X86_OFFSETS.pc, start, true);
    view.setUint32(env + ESP, stackPointer, true);
  },
};

export const I386_ABI: Abi = {
  name: 'i386',
  machine: 'i686',
  cpuInfo: i386CpuInfo,
  model: { bigEndian: false, longSize: 4, align64: 4 },
  structs: I386_STRUCTS,
  syscallNames: i386SyscallNames,
  rowNames: I386_ROW_NAMES,
  strictCalls: [3, 4, 1, 119],
  pairedRegisters: false,
  syscallNumber: (view, env) => view.getInt32(env + EAX, true),
  syscallArguments(memory, env, into) {
    const { i32 } = memory;
    into[0] = i32[(env + EBX) >>> 2]!;
    into[1] = i32[(env + ECX) >>> 2]!;
    into[2] = i32[(env + EDX) >>> 2]!;
    into[3] = i32[(env + ESI) >>> 2]!;
    into[4] = i32[(env + EDI) >>> 2]!;
    into[5] = i32[(env + EBP) >>> 2]!;
    return true;
  },
  setSyscallResult: (view, env, result) => view.setInt32(env + EAX, result, true),
  stackPointer: (view, env) => view.getUint32(env + ESP, true),
  setStackPointer: (view, env, address) => view.setUint32(env + ESP, address, true),
  cloneTlsFirst: true,
  archCalls: I386_CALLS,
  program: I386_PROGRAM,
  signals: I386_SIGNALS,
  setTls: setTlsByClone,
};
