// What a few typical blocks look like as WebAssembly. A change here is a change of the code we make: read it, then accept it.
import { expect, test } from 'bun:test';
import { parseBlock } from '../../tcg/ir/parse.ts';
import { Global } from '../../tcg/ir/value.ts';
import { assertValid } from '../../tcg/ir/verify.ts';
import { syncState } from '../../tcg/opt/state-sync.ts';
import { compileGroup } from '../../tcg/wasm/group.ts';
import { printFunction } from '../../tcg/wasm/wat-print.ts';

const REGS = Array.from({ length: 4 }, (_, id) => new Global('i32', id, `r${id}`, 32 + 4 * id));
const LAYOUT = { pc: 0, poll: 4, jumpCache: 0x4000, jumpCacheBits: 12 };

/** The function of a block in text form (lines separated by `;`), one instruction per line, without indentation. */
function lower(text: string, chain = true): string {
  const labels = new Set(text.match(/L\d+/g) ?? []).size;
  const temps = new Set(text.match(/\bt\d+/g) ?? []).size;
  const lines = text.split(';').map((line) => line.trim());
  const block = parseBlock([`block 0x1000 temps ${temps} labels ${labels}`, ...lines].join('\n'), { globals: REGS });
  syncState(block);
  assertValid(block, 'of the test');
  const { bytes } = compileGroup([{ block, slot: 7 }], {
    layout: LAYOUT,
    chain,
    slotOf: (pc) => pc & 0xff,
    scratch: 28,
  });
  return printFunction(bytes, 0);
}

/** Removes the common indentation of a template. */
function text(template: string): string {
  const lines = template.replace(/^\n/, '').trimEnd().split('\n');
  const indent = Math.min(...lines.map((line) => line.length - line.trimStart().length));
  return lines.map((line) => line.slice(indent)).join('\n');
}

test('arithmetic on registers nests and stores once', () => {
  const ir = `
    insn_start:0x1000:0;
    t0 = add_i32 r1, r2;
    r0 = mov_i32 t0;
    r3 = mov_i32 t0;
    r1 = mov_i32 5;
    goto_tb:0x2042:plain`;
  expect(lower(ir)).toBe(
    text(`
      (func (param i32) (result i32) (local i32)
        local.get 0
        local.get 0
        i32.load offset=36
        local.get 0
        i32.load offset=40
        i32.add
        local.tee 1
        i32.store offset=32
        local.get 0
        i32.const 5
        i32.store offset=36
        local.get 0
        local.get 1
        i32.store offset=44
        local.get 0
        i32.const 8258
        i32.store
        local.get 0
        i32.const 66
        return_call_indirect (type 0)
      )`),
  );
});

test('two ways to other blocks share their end, and registers are stored in front of the branch', () => {
  const ir = `
    insn_start:0x1000:0;
    r0 = add_i32 r0, -1;
    brcond_i32:ne r0, 0 -> L0;
    goto_tb:0x1008:plain;
    L0:;
    goto_tb:0x1000:plain`;
  expect(lower(ir)).toBe(
    text(`
      (func (param i32) (result i32) (local i32 i32 i32)
        block
          block
            local.get 0
            local.get 0
            i32.load offset=32
            i32.const -1
            i32.add
            local.tee 3
            i32.store offset=32
            local.get 3
            i32.eqz
            if
              i32.const 8
              local.set 1
              i32.const 4104
              local.set 2
              br 1
            end
            i32.const 0
            local.set 1
            i32.const 4096
            local.set 2
            br 0
          end
          local.get 0
          local.get 2
          i32.store
        end
        local.get 0
        local.get 1
        return_call_indirect (type 0)
      )`),
  );
});

test('read, modify, write with one address', () => {
  const ir = `
    insn_start:0x1000:0;
    t0 = add_i32 r1, 8;
    t1 = guest_ld_i32:u32 t0;
    t2 = add_i32 t1, r2;
    guest_st_i32:u32 t0, t2;
    goto_tb:0x2000:plain`;
  expect(lower(ir, false)).toBe(
    text(`
      (func (param i32) (result i32) (local i32)
        local.get 0
        i32.load offset=36
        local.tee 1
        local.get 1
        i32.load offset=8 align=1
        local.get 0
        i32.load offset=40
        i32.add
        i32.store offset=8 align=1
        local.get 0
        i32.const 8192
        i32.store
        i32.const 0
        return
      )`),
  );
});

test('a return', () => {
  const ir = `
    insn_start:0x1000:0;
    t0 = guest_ld_i32:u32 r3;
    r3 = add_i32 r3, 4;
    goto_ptr:return t0`;
  expect(lower(ir)).toBe(
    text(`
      (func (param i32) (result i32) (local i32 i32)
        local.get 0
        i32.load offset=44
        local.tee 1
        i32.load align=1
        local.set 2
        local.get 0
        local.get 1
        i32.const 4
        i32.add
        i32.store offset=44
        local.get 0
        local.get 2
        i32.store
        local.get 0
        i32.load offset=4
        if
          i32.const 1
          return
        end
        local.get 2
        local.get 2
        i32.const 12
        i32.shr_u
        i32.xor
        i32.const 4095
        i32.and
        i32.const 3
        i32.shl
        local.get 0
        i32.add
        local.tee 1
        i32.load offset=16384
        local.get 2
        i32.ne
        if
          i32.const 0
          return
        end
        local.get 0
        local.get 1
        i32.load offset=16388
        return_call_indirect (type 0)
      )`),
  );
});

test('a big-endian half with its alignment tested', () => {
  const ir = `
    insn_start:0x1000:0;
    r0 = guest_ld_i32:s16beal r1;
    goto_tb:0x2000:plain`;
  expect(lower(ir, false)).toBe(
    text(`
      (func (param i32) (result i32) (local i32)
        local.get 0
        local.get 0
        i32.load offset=36
        local.tee 1
        i32.const 1
        i32.and
        if
          unreachable
        end
        local.get 1
        i32.load16_u align=1
        local.tee 1
        i32.const 24
        i32.shl
        i32.const 16
        i32.shr_s
        local.get 1
        i32.const 8
        i32.shr_u
        i32.or
        i32.store offset=32
        local.get 0
        i32.const 8192
        i32.store
        i32.const 0
        return
      )`),
  );
});

test('a loop', () => {
  const ir = `
    insn_start:0x1000:0;
    L0:;
    t0 = add_i32 r0, r1;
    r0 = mov_i32 t0;
    r1 = add_i32 r1, -1;
    poll:0x1000;
    brcond_i32:ne r1, 0 -> L0;
    goto_tb:0x2000:plain`;
  expect(lower(ir, false)).toBe(
    text(`
      (func (param i32) (result i32) (local i32 i32)
        local.get 0
        i32.load offset=32
        local.set 1
        local.get 0
        i32.load offset=36
        local.set 2
        loop
          local.get 1
          local.get 2
          i32.add
          local.set 1
          local.get 2
          i32.const -1
          i32.add
          local.set 2
          local.get 0
          i32.const 0
          i32.store offset=28
          local.get 0
          i32.load offset=4
          if
            local.get 0
            local.get 1
            i32.store offset=32
            local.get 0
            local.get 2
            i32.store offset=36
            local.get 0
            i32.const 4096
            i32.store
            i32.const 1
            return
          end
          local.get 2
          br_if 0
          local.get 0
          local.get 1
          i32.store offset=32
          local.get 0
          local.get 2
          i32.store offset=36
          local.get 0
          i32.const 8192
          i32.store
          i32.const 0
          return
        end
        unreachable
      )`),
  );
});

test('a loop with two entries', () => {
  const ir = `
    insn_start:0x1000:0;
    brcond_i32:eq r0, 0 -> L1;
    L0:;
    r1 = add_i32 r1, 1;
    L1:;
    r2 = add_i32 r2, 1;
    brcond_i32:ltu r1, r2 -> L0;
    goto_tb:0x2000:plain`;
  expect(lower(ir, false)).toBe(
    text(`
      (func (param i32) (result i32) (local i32 i32 i32)
        block
          local.get 0
          i32.load offset=36
          local.set 1
          local.get 0
          i32.load offset=40
          local.set 2
          local.get 0
          i32.load offset=32
          if
            i32.const 1
            local.set 3
            br 1
          end
          i32.const 0
          local.set 3
        end
        loop
          block
            block
              local.get 3
              br_table 1 0
            end
            local.get 1
            i32.const 1
            i32.add
            local.set 1
            i32.const 0
            local.set 3
            br 1
          end
          local.get 2
          i32.const 1
          i32.add
          local.set 2
          local.get 1
          local.get 2
          i32.ge_u
          if
            local.get 0
            local.get 1
            i32.store offset=36
            local.get 0
            local.get 2
            i32.store offset=40
            local.get 0
            i32.const 8192
            i32.store
            i32.const 0
            return
          end
          i32.const 1
          local.set 3
          br 0
        end
        unreachable
      )`),
  );
});
