// Shells, compilers, version control and script languages, which make many processes: the same natively and under wemu.

import { beforeAll, describe, expect } from 'bun:test';
import { TEST_LIMIT } from '../../setup/limits.ts';
import { testWith } from '../../setup/needs.ts';
import { addDevices, NATIVE_NEED, runNative, runWemu, TREE } from '../debian-run.ts';
import { CASES, seen } from './cases.ts';

beforeAll(addDevices);

describe('programs that make processes', () => {
  for (const [name, one] of Object.entries(CASES)) {
    testWith(
      ['guest-i386', NATIVE_NEED],
      name,
      async () => {
        const native = await seen(one, TREE, runNative);
        expect(native.end).toBe('0');
        expect(await seen(one, TREE, runWemu)).toEqual(native);
      },
      TEST_LIMIT,
    );
  }
});
