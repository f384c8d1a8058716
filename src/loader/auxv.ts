/** The auxiliary vector: what the kernel tells a new program about itself (kernel headers linux/auxvec.h, asm/auxvec.h). */

export const AT = {
  NULL: 0,
  EXECFD: 2,
  PHDR: 3,
  PHENT: 4,
  PHNUM: 5,
  PAGESZ: 6,
  BASE: 7,
  FLAGS: 8,
  ENTRY: 9,
  UID: 11,
  EUID: 12,
  GID: 13,
  EGID: 14,
  PLATFORM: 15,
  HWCAP: 16,
  CLKTCK: 17,
  SECURE: 23,
  BASE_PLATFORM: 24,
  RANDOM: 25,
  HWCAP2: 26,
  EXECFN: 31,
  SYSINFO: 32,
  SYSINFO_EHDR: 33,
  MINSIGSTKSZ: 51,
} as const;

/** One entry: AT_* type and value. */
export type AuxEntry = readonly [type: number, value: number];

/** What the vector says besides addresses on the stack. */
export interface AuxInput {
  readonly programHeaders: number;
  readonly programHeaderSize: number;
  readonly programHeaderCount: number;
  readonly interpreterBase: number;
  readonly entry: number;
  readonly uid: number;
  readonly euid: number;
  readonly gid: number;
  readonly egid: number;
  /** The program runs with rights its caller does not have. */
  readonly secure: boolean;
  readonly hwcap: number;
  /** Left out when the guest has none. */
  readonly hwcap2?: number;
  /** AT_MINSIGSTKSZ: bytes that a signal's frame needs at most; left out when the guest has none. */
  readonly minSignalStack?: number;
  /** Entries only this guest has; they come first, as the kernel puts them. */
  readonly extra?: readonly AuxEntry[];
  /** Entries that come last. */
  readonly last?: readonly AuxEntry[];
  /** Clock ticks a second in times(2): 100 on every Linux. */
  readonly clockTicks: number;
  readonly pageSize: number;
}

/** The entries in the kernel's order (fs/binfmt_elf.c, create_elf_tables), AT_NULL included. */
export function auxEntries(
  input: AuxInput,
  onStack: { random: number; execFn: number; platform: number | undefined },
): AuxEntry[] {
  const entries: AuxEntry[] = [
    ...(input.extra ?? []),
    ...(input.minSignalStack === undefined ? [] : [[AT.MINSIGSTKSZ, input.minSignalStack] as const]),
    [AT.HWCAP, input.hwcap],
    [AT.PAGESZ, input.pageSize],
    [AT.CLKTCK, input.clockTicks],
    [AT.PHDR, input.programHeaders],
    [AT.PHENT, input.programHeaderSize],
    [AT.PHNUM, input.programHeaderCount],
    [AT.BASE, input.interpreterBase],
    [AT.FLAGS, 0],
    [AT.ENTRY, input.entry],
    [AT.UID, input.uid],
    [AT.EUID, input.euid],
    [AT.GID, input.gid],
    [AT.EGID, input.egid],
    [AT.SECURE, input.secure ? 1 : 0],
    [AT.RANDOM, onStack.random],
  ];
  if (input.hwcap2 !== undefined) entries.push([AT.HWCAP2, input.hwcap2]);
  entries.push([AT.EXECFN, onStack.execFn]);
  if (onStack.platform !== undefined) entries.push([AT.PLATFORM, onStack.platform]);
  entries.push(...(input.last ?? []), [AT.NULL, 0]);
  return entries;
}
