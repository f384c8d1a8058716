/** Every row says what the rest can understand, and no call is without one. */

import { describe, expect, test } from 'bun:test';
import { ABIS } from '../../../linux-user/abi/registry.ts';
import { Process } from '../../../linux-user/process.ts';
import { HOST_MODEL, StructSet } from '../../../linux-user/structs.ts';
import { COMMON_STRUCTS, HOST_STRUCTS } from '../../../linux-user/structs-table.ts';
import { compileRow, isKnownType, registerPlan } from '../../../linux-user/syscalls/call.ts';
import { SystemCalls } from '../../../linux-user/syscalls/dispatch.ts';
import { ENUM_NAMES, FLAG_NAMES } from '../../../linux-user/syscalls/flag-names.ts';
import { IOCTLS } from '../../../linux-user/syscalls/ioctl-table.ts';
import { parseArgs, type Row } from '../../../linux-user/syscalls/row.ts';
import { allRows } from '../../../linux-user/syscalls/table.ts';
import { SYS } from '../../../src/host/syscall.ts';
import { GuestMemory } from '../../../src/memory/guest-memory.ts';

const VALUE_TYPES = new Set(
  'int uint long ulong off size hex addr fd dirfd pid uid gid uid16 gid16 mode filemode dev signal futex'.split(' '),
);

/** Complaints about a format name as rows and structures use it. */
function badFormat(format: string): boolean {
  if (format.startsWith('flags:')) return !(format.slice(6) in FLAG_NAMES);
  if (format.startsWith('enum:')) return format !== 'enum:ioctl' && !(format.slice(5) in ENUM_NAMES);
  return false;
}

const hostStructs = new StructSet(HOST_MODEL, [COMMON_STRUCTS, HOST_STRUCTS]);

for (const [guest, abi] of Object.entries(ABIS)) {
  const memory = new GuestMemory();
  const p = new Process({ memory, abi, env: 0xfe000000, pollWord: 0 });
  const calls = new SystemCalls(p);

  // Rows that only some ABIs reach are looked at with the first of them.
  const rows: [string, Row][] = guest === 'i386' ? [...allRows()] : [];
  for (const number of calls.numbers()) {
    const row = calls.rowOf(number);
    if (row) rows.push([`${guest} ${calls.nameOf(number)}`, row]);
  }

  describe(guest, () => {
    test('every argument has a type that exists, in at most six registers', () => {
      const bad: string[] = [];
      for (const [name, row] of rows) {
        const args = parseArgs(row.args);
        for (const arg of args) {
          if (badFormat(arg.type)) bad.push(`${name}: ${arg.type}`);
          if (arg.direction === 'value' && !arg.type.includes(':') && !VALUE_TYPES.has(arg.type)) {
            bad.push(`${name}: value type ${arg.type}`);
          }
          const pointer = arg.direction === 'in' || arg.direction === 'out' || arg.direction === 'inout';
          if (pointer && !isKnownType(arg.type, p.structs) && !(arg.type in abi.structs))
            bad.push(`${name}: ${arg.type}`);
        }
        const plan = registerPlan(args, p);
        const used = plan.first.reduce((most, at, i) => Math.max(most, at + (plan.pair[i] ? 2 : 1)), 0);
        if (used > 6) bad.push(`${name}: ${used} registers`);
      }
      expect(bad).toEqual([]);
    });

    test('every row can be made into a function, and host calls exist', () => {
      for (const [name, row] of rows) {
        if (typeof row.run === 'string') expect([name, row.run in SYS]).toEqual([name, true]);
        const args = parseArgs(row.args);
        // A row for another ABI may use structures this one lacks.
        const foreign = args.some(
          (arg) => ['in', 'out', 'inout'].includes(arg.direction) && !isKnownType(arg.type, p.structs),
        );
        if (!foreign) expect(() => compileRow(row, p)).not.toThrow();
      }
    });

    test('row names the ABI points to exist', () => {
      const known = new Set([...allRows().keys(), ...Object.keys(abi.archCalls)]);
      for (const target of Object.values(abi.rowNames)) expect([target, known.has(target)]).toEqual([target, true]);
    });

    test('every call has a row: it is made, or refused on purpose', () => {
      expect(calls.unimplemented()).toEqual([]);
    });

    test('every ioctl of the table is readable', () => {
      for (const [number, text] of Object.entries(IOCTLS)) {
        const [name, direction, type] = text.split(' ');
        expect(name).toMatch(/^[A-Z0-9_]+$/);
        if (direction === undefined) continue;
        expect(['value', 'in', 'out', 'inout']).toContain(direction);
        const bare = type!.replace(/\[\d+\]$/, '');
        const known = direction === 'value' ? !badFormat(type!) : isKnownType(bare, p.structs);
        expect([number, text, known]).toEqual([number, text, true]);
      }
    });

    test('every structure member has a format that exists', () => {
      const tables = { ...COMMON_STRUCTS, ...abi.structs };
      for (const name of Object.keys(tables)) {
        for (const field of p.structs.layout(name).fields) {
          expect([name, field.name, badFormat(field.format)]).toEqual([name, field.name, false]);
        }
      }
    });
  });
}

test('host layouts exist for every structure that host calls convert', () => {
  for (const [name, row] of allRows()) {
    if (typeof row.run !== 'string') continue;
    for (const arg of parseArgs(row.args)) {
      if (!['in', 'out', 'inout'].includes(arg.direction)) continue;
      expect([name, arg.type, isKnownType(arg.type, hostStructs)]).toEqual([name, arg.type, true]);
    }
  }
});
