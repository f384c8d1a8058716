// Debian's ARM programs under wemu: output, errors, exit status and files as of the same program of i386 on the host CPU, or,
// where the processor shows in the output, as under qemu-arm.
import { beforeAll, describe, expect } from 'bun:test';
import { guestTreePath } from '../setup/guests.ts';
import { TEST_LIMIT } from '../setup/limits.ts';
import { testWith } from '../setup/needs.ts';
import { BUSYBOX, COREUTILS, FILES, PROGRAMS } from './debian-cases.ts';
import {
  addDevices,
  type CaseRun,
  describeDirectory,
  fillDirectory,
  type GuestPrograms,
  makeWorkDirectory,
  NATIVE_NEED,
  type ProgramCase,
  removeWorkDirectory,
  runNative,
  runQemu,
  runWemu,
  TREE,
} from './debian-run.ts';

/** Every so many-eth case is run, all with WEMU_ALL_CASES=1 (some minutes). */
const STRIDE = process.env.WEMU_ALL_CASES ? 1 : 10;

/** Cases whose output depends on long double or on the last digit of a library's functions. */
const BY_QEMU = /^(od -t fL|printf .*(%a|%\.30f)|sqlite3 on a file|python3: json, math)/;
/** It lists files of the tree itself, which are others; and what qemu-arm lists depends on the host's. */
const LEFT_OUT = 'ls -lnR /etc';

beforeAll(addDevices);

type Seen = CaseRun & { files: string[] };

async function seen(tree: string, runner: (directory: string) => Promise<CaseRun>): Promise<Seen> {
  const directory = makeWorkDirectory(tree);
  try {
    fillDirectory(directory, FILES);
    return { ...(await runner(directory)), files: describeDirectory(directory) };
  } finally {
    removeWorkDirectory(directory);
  }
}

function compare(arch: 'armel' | 'armhf', offset: number): void {
  const guest: GuestPrograms = { tree: guestTreePath(arch), guest: 'arm' };
  const all: [string, ProgramCase][] = [BUSYBOX, COREUTILS, PROGRAMS].flatMap((cases) => Object.entries(cases));
  describe(arch, () => {
    all.forEach(([name, one], n) => {
      if (name === LEFT_OUT) return;
      const byQemu = BY_QEMU.test(name);
      if (n % STRIDE !== offset % STRIDE && !byQemu) return;
      testWith(
        byQemu ? [`guest-${arch}`, 'qemu-user'] : [`guest-${arch}`, 'guest-i386', NATIVE_NEED],
        name,
        async () => {
          const [expected, actual] = await Promise.all([
            byQemu
              ? seen(guest.tree, (directory) => runQemu(one, directory, guest))
              : seen(TREE, (directory) => runNative(one, directory)),
            seen(guest.tree, (directory) => runWemu(one, directory, [], guest)),
          ]);
          expect(actual).toEqual(expected);
        },
        TEST_LIMIT,
      );
    });
  });
}

compare('armel', 0);
compare('armhf', 2);
