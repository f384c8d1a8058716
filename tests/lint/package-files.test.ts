/** Files of the package that guests need while they run are read in the one way that also works in a single executable. */

import { expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PACKAGE_ROOT } from '../../src/util/package-files.ts';

test('guests read their helper modules by readPackageFile', () => {
  const bad: string[] = [];
  for (const path of new Bun.Glob('targets/**/*.ts').scanSync({ cwd: PACKAGE_ROOT })) {
    if (/\/build-[^/]*$/.test(path)) continue;
    const text = readFileSync(join(PACKAGE_ROOT, path), 'utf8');
    if (/\breadFileSync\b|\bpackageFile\(/.test(text))
      bad.push(`${path}: use readPackageFile (src/util/package-files.ts)`);
  }
  expect(bad).toEqual([]);
});
