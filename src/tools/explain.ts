// `wemu explain`: one or a few guest instructions through every stage, from bytes to generated code and register changes.
import { GUESTS } from '../../targets/registry.ts';
import type { Guest } from '../../targets/target.ts';
import { interpretBlock } from '../../tcg/interp/interp.ts';
import { Block } from '../../tcg/ir/block.ts';
import { Builder } from '../../tcg/ir/builder.ts';
import { printBlock } from '../../tcg/ir/print.ts';
import { Exit } from '../../tcg/ir/types.ts';
import { optimize } from '../../tcg/opt/pipeline.ts';
import { compileGroup } from '../../tcg/wasm/group.ts';
import { printModule } from '../../tcg/wasm/wat-print.ts';
import { CODEGEN_LAYOUT } from '../exec/layout.ts';
import { UserError } from '../util/errors.ts';

const CODE_ADDRESS = 0x1000;
const ENV_ADDRESS = 0x20000;

/** Bytes from text such as `01 d8`, `01d8` or `0x01,0xd8`. Throws UserError. */
export function parseCode(text: string): Uint8Array {
  const digits = text.replaceAll(/0x|[\s,]/gi, '');
  if (digits === '' || digits.length % 2 !== 0 || /[^0-9a-f]/i.test(digits)) {
    throw new UserError(`'${text}' are no bytes; write them in hexadecimal, for example "01 d8"`);
  }
  return new Uint8Array(digits.match(/../g)!.map((pair) => Number.parseInt(pair, 16)));
}

/** A small memory with the code at one place and CPU state at another. */
class Bench {
  readonly bytes = new Uint8Array(0x40000);
  readonly view = new DataView(this.bytes.buffer);

  constructor(
    readonly guest: Guest,
    readonly code: Uint8Array,
  ) {
    this.bytes.set(code, CODE_ADDRESS);
    guest.reset(this.view, ENV_ADDRESS, guest.models[0]!.name);
    // Registers get values that tell them apart; ones that address memory stay inside it.
    for (const [n, global] of guest.layout.globals.entries()) {
      if (n < 8) this.view.setUint32(ENV_ADDRESS + global.offset, 0x30000 + 0x1111 * n, true);
    }
  }

  translate(): { block: Block; end: number } {
    const block = new Block(CODE_ADDRESS, this.guest.layout.globals);
    const limit = CODE_ADDRESS + this.code.length;
    const { end } = this.guest.translate({
      builder: new Builder(block),
      code: { bytes: this.bytes, canFetch: () => true, isMapped: () => true },
      pc: CODE_ADDRESS,
      flags: this.guest.blockFlags(this.view, ENV_ADDRESS),
      context: -1,
      maxInsns: this.code.length,
      stopAt: limit,
    });
    return { block, end };
  }

  run(block: Block): string {
    const access = () => true;
    const helpers = this.guest.helpers({
      view: this.view,
      canRead: access,
      canWrite: access,
      prepareWrite: access,
      isMapped: access,
      clock: () => 0,
    });
    const port = {
      view: this.view,
      layout: CODEGEN_LAYOUT,
      canRead: (address: number, length: number) => address + length <= this.bytes.length,
      prepareWrite: (address: number, length: number) => address + length <= this.bytes.length,
      helper: (row: { name: string; module?: string }) => {
        const found = row.module ? undefined : helpers[row.name];
        if (!found)
          throw new UserError(`the helper ${row.name} needs the whole emulator; no register changes are shown`);
        return found;
      },
    };
    const before = this.guest.registers(this.view, ENV_ADDRESS);
    const exit = interpretBlock(block, port, ENV_ADDRESS);
    const after = this.guest.registers(this.view, ENV_ADDRESS);
    const lines: string[] = [];
    for (let n = 0; n < after.length; n++) {
      const [name, value] = after[n]!;
      if (value !== before[n]![1]) lines.push(`  ${name.padEnd(8)} ${hex(before[n]![1])} -> ${hex(value)}`);
    }
    return `${lines.join('\n')}\n  exit     ${Exit[exit]}`;
  }
}

function hex(value: number): string {
  return (value >>> 0).toString(16).padStart(8, '0');
}

/**
 * Everything there is to say about a piece of code, as text. Throws UserError for an unknown guest.
 * @param code bytes of whole instructions.
 */
export function explain(guestName: string, code: Uint8Array): string {
  const guest = GUESTS[guestName];
  if (!guest) throw new UserError(`unknown guest '${guestName}'; known: ${Object.keys(GUESTS).join(', ')}`);
  const bench = new Bench(guest, code);
  const { block, end } = bench.translate();
  const parts: string[] = [];
  const lines: string[] = [];
  for (let pc = CODE_ADDRESS; pc < end; ) {
    const { text, length } = guest.disassemble(bench.bytes.slice(pc, pc + 16), pc);
    const bytes = [...bench.bytes.slice(pc, pc + length)].map((byte) => byte.toString(16).padStart(2, '0'));
    lines.push(`  ${hex(pc)}  ${bytes.join(' ').padEnd(24)} ${text}`);
    const row = guest.describeRow?.(bench.bytes.slice(pc, pc + 16), pc);
    if (row) lines.push(`            row: ${row}`);
    pc += length;
  }
  parts.push(`instructions\n${lines.join('\n')}`, `IR\n${printBlock(block)}`);
  const optimized = bench.translate().block;
  optimize(optimized, {});
  parts.push(`IR after the passes\n${printBlock(optimized)}`);
  const { bytes } = compileGroup([{ block: optimized, slot: 0 }], {
    layout: CODEGEN_LAYOUT,
    chain: true,
    slotOf: () => 0,
  });
  parts.push(`WebAssembly\n${printModule(bytes)}`);
  let changes: string;
  try {
    changes = bench.run(block);
  } catch (error) {
    changes = `  (${(error as Error).message})`;
  }
  parts.push(`register changes (registers start as shown)\n${changes}`);
  return `${parts.join('\n\n')}\n`;
}
