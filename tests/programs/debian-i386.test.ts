// Debian's i386 programs under wemu and on the host CPU: the same output, errors, exit status and files.
import { afterAll, beforeAll, describe, expect } from 'bun:test';
import { existsSync } from 'node:fs';
import { TEST_LIMIT } from '../setup/limits.ts';
import { testWith } from '../setup/needs.ts';
import { BUSYBOX, type Cases, COREUTILS, FILES, NUMERIC, PROGRAMS } from './debian-cases.ts';
import {
  addDevices,
  type CaseRun,
  describeDirectory,
  fillDirectory,
  makeWorkDirectory,
  megabytes,
  NATIVE_NEED,
  type ProgramCase,
  removeWorkDirectory,
  runNative,
  runWemu,
  TREE,
} from './debian-run.ts';

const NEEDS = ['guest-i386', NATIVE_NEED] as const;

beforeAll(addDevices);

/** A run and the files it left. */
type Seen = CaseRun & { files: string[] };

async function seen(one: ProgramCase, runner: typeof runNative): Promise<Seen> {
  const directory = makeWorkDirectory();
  try {
    fillDirectory(directory, FILES);
    const run = await runner(one, directory);
    return { ...run, files: describeDirectory(directory) };
  } finally {
    removeWorkDirectory(directory);
  }
}

function compareAll(title: string, cases: Cases): void {
  describe(title, () => {
    for (const [name, one] of Object.entries(cases)) {
      testWith(
        NEEDS,
        name,
        async () => {
          const [native, wemu] = await Promise.all([seen(one, runNative), seen(one, runWemu)]);
          expect(wemu).toEqual(native);
        },
        TEST_LIMIT,
      );
    }
  });
}

compareAll('busybox-static', BUSYBOX);
compareAll('coreutils', COREUTILS);
compareAll('programs', PROGRAMS);
compareAll('calculation and decoders', NUMERIC);

describe('20 MB there and back', () => {
  const roundTrips = { gzip: '/bin/gzip', xz: '/usr/bin/xz' };
  const level: Record<keyof typeof roundTrips, string[]> = { gzip: ['-n', '-1'], xz: ['-0', '-T1'] };
  let directory = '';
  beforeAll(() => {
    if (existsSync(TREE)) directory = makeWorkDirectory();
  });
  afterAll(() => removeWorkDirectory(directory));

  for (const [name, program] of Object.entries(roundTrips) as [keyof typeof roundTrips, string][]) {
    testWith(
      NEEDS,
      name,
      async () => {
        const plain = megabytes(20);
        const pack = { program, args: [...level[name], '-c'], stdin: plain };
        const [native, packed] = await Promise.all([runNative(pack, directory), runWemu(pack, directory)]);
        expect(packed.stderr).toBe('');
        expect(packed.stdout === native.stdout).toBe(true);
        const unpack = { program, args: ['-dc'], stdin: Buffer.from(packed.stdout, 'latin1') };
        const back = await runWemu(unpack, directory);
        expect([back.stderr, back.end]).toEqual(['', '0']);
        expect(Buffer.from(back.stdout, 'latin1').equals(plain)).toBe(true);
      },
      TEST_LIMIT,
    );
  }
});
