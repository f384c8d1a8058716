/** Tests of src/log: masks and filters accept and refuse what QEMU's -d, -D and -dfilter do; output goes where told. */

import { afterAll, expect, test } from 'bun:test';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { allCounters, counterReport, defineCounter } from '../../../src/log/counters.ts';
import * as logging from '../../../src/log/log.ts';
import { LOG, LOG_ALL, LOG_TABLE } from '../../../src/log/log-table.ts';
import { UserError } from '../../../src/util/errors.ts';

const dir = mkdtempSync(join(tmpdir(), 'wemu-log-'));
const before = logging.logConfig();
afterAll(() => {
  logging.configureLog(before);
  rmSync(dir, { recursive: true });
});

test('every item has a bit of its own and stands in the help', () => {
  let seen = 0;
  for (const row of LOG_TABLE) {
    expect(seen & row.bit).toBe(0);
    seen |= row.bit;
    expect(logging.logHelp()).toContain(`\n${row.name.padEnd(15)} ${row.help}\n`);
  }
});

test('item lists', () => {
  expect(logging.parseLogItems('in_asm,exec')).toBe(LOG.in_asm | LOG.exec);
  expect(logging.parseLogItems('all')).toBe(LOG_ALL);
  expect(LOG_ALL & LOG.nochain).toBe(0);
  for (const refused of ['', 'help', 'in_asm,help', 'in_asm,,exec', 'in_asm,', 'nonsense', 'IN_ASM']) {
    expect(logging.parseLogItems(refused)).toBeUndefined();
  }
});

test('address filters', () => {
  const range = (text: string) => logging.parseLogFilter(text).map((r) => [r.first, r.last]);
  expect(range('')).toEqual([]);
  expect(range('0x8049000..0x8049fff,1000+0x10,0x1000-0x10')).toEqual([
    [0x8049000n, 0x8049fffn],
    [1000n, 1015n],
    [0xff1n, 0x1000n],
  ]);
  expect(range('0xffffffffffffffff+1')).toEqual([[(1n << 64n) - 1n, (1n << 64n) - 1n]]);
  // The list of what qemu-i386 7.2 refuses.
  const refused = ['0x1000', '0x1000..zz', '0x10-0x20', '0x20..0x10', ',', '0x10+0', '0x1000 +4', '0x1+0x2x', '1...2'];
  for (const text of refused) expect(() => logging.parseLogFilter(text)).toThrow(UserError);
});

test('the filter applies to code addresses', () => {
  logging.configureLog({ mask: 0, fd: 2, filter: logging.parseLogFilter('0x10..0x1f,0xffffffff81000000+0x1000') });
  expect([0xf, 0x10, 0x1f, 0x20].map(logging.logFilterAllows)).toEqual([false, true, true, false]);
  expect(logging.logFilterAllows(0xffffffff81000fffn)).toBe(true);
  expect(logging.logFilterAllows(0xffffffff81001000n)).toBe(false);
  logging.configureLog({ mask: 0, fd: 2, filter: [] });
  expect(logging.logFilterAllows(0)).toBe(true);
});

test('text goes to the file of -D, only for items that are on, and once for unimplemented things', () => {
  const fd = logging.openLogFile(join(dir, 'log-%d.txt'), 1234);
  logging.configureLog({ mask: LOG.unimp | LOG.strace, fd, filter: [] });
  expect(logging.logMask & LOG.strace).not.toBe(0);
  logging.log('strace', 'write(1,"é",2) = 2\n');
  logging.log('exec', 'not shown\n');
  expect(logging.unimpOnce('system call 999')).toBe(true);
  expect(logging.unimpOnce('system call 999')).toBe(false);
  expect(readFileSync(join(dir, 'log-1234.txt'), 'utf8')).toBe('write(1,"é",2) = 2\nunimplemented: system call 999\n');
});

test('log file names with other % or in missing folders are refused in one line', () => {
  for (const bad of ['%s', '%d%d', 'a%', join(dir, 'none/x')]) {
    expect(() => logging.openLogFile(bad)).toThrow(UserError);
  }
});

test('counters', () => {
  const hits = defineCounter('test.hits', 'times the test hit');
  expect(() => defineCounter('test.hits', 'again')).toThrow('twice');
  expect(counterReport()).not.toContain('test.hits');
  hits.n += 3;
  expect(counterReport()).toMatch(/^ +3 {2}test\.hits +times the test hit$/m);
  expect(allCounters()).toContain(hits);
});
