/** docs/ir.md says what the op table says. */

import { expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { IR_DOC, irDoc } from '../../src/tools/ir-doc.ts';
import { OPS } from '../../tcg/ir/ops.ts';

test('docs/ir.md is what `bun src/tools/ir-doc.ts` writes', () => {
  expect(readFileSync(IR_DOC, 'utf8')).toBe(irDoc());
});

test('it has a row for every op', () => {
  const rows = [...irDoc().matchAll(/^\| `(\w+)[:`]/gm)].map((row) => row[1]!);
  for (const name of Object.keys(OPS)) expect(rows.filter((row) => row === name)).toEqual([name]);
});
