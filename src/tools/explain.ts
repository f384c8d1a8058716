// `wemu explain`: one or a few guest instructions through every stage, from bytes to generated code and register changes.
import { GUESTS } from '../../targets/registry.ts';
import { HEADER } from '../../targets/state-layout.ts';
import { type Guest, GuestException, type HelperFunction, type HelperRow } from '../../targets/target.ts';
import { AccessError, interpretBlock } from '../../tcg/interp/interp.ts';
import { Block } from '../../tcg/ir/block.ts';
import { Builder } from '../../tcg/ir/builder.ts';
import { printBlock } from '../../tcg/ir/print.ts';
import { Exit } from '../../tcg/ir/types.ts';
import { optimize } from '../../tcg/opt/pipeline.ts';
import { compileGroup } from '../../tcg/wasm/group.ts';
import { printModule } from '../../tcg/wasm/wat-print.ts';
import { CODEGEN_LAYOUT, callableHelper } from '../exec/layout.ts';
import { UserError } from '../util/errors.ts';

const CODE_ADDRESS = 0x1000;
const ENV_ADDRESS = 0x20000;
/** Registers point here; starts as zeros. */
const DATA_ADDRESS = 0x30000;

/** Bytes from text such as `01 d8`, `01d8` or `0x01,0xd8`. Throws UserError. */
export function parseCode(text: string): Uint8Array {
  const digits = text.replaceAll(/0x|[\s,]/gi, '');
  if (digits === '' || digits.length % 2 !== 0 || /[^0-9a-f]/i.test(digits)) {
    throw new UserError(`'${text}' are no bytes; write them in hexadecimal, for example "01 d8"`);
  }
  return new Uint8Array(digits.match(/../g)!.map((pair) => Number.parseInt(pair, 16)));
}

/** Bytes of guest memory that the instructions may use: code, CPU state and some data. */
const USABLE = 0x40000;
/** Helper modules want memory of exactly the size guests have; only what is touched costs anything. */
const WASM_PAGES = 65536;

/** A memory with the code at one place and CPU state at another. */
class Bench {
  readonly memory = new WebAssembly.Memory({ initial: WASM_PAGES, maximum: WASM_PAGES, shared: true });
  readonly bytes = new Uint8Array(this.memory.buffer);
  readonly view = new DataView(this.memory.buffer);

  constructor(
    readonly guest: Guest,
    readonly code: Uint8Array,
  ) {
    this.bytes.set(code, CODE_ADDRESS);
    guest.reset(this.view, ENV_ADDRESS, guest.models[0]!.name);
    // Registers get values that tell them apart; ones that address memory stay inside it.
    for (const [n, global] of guest.layout.globals.entries()) {
      if (n < 8) this.view.setUint32(ENV_ADDRESS + global.offset, DATA_ADDRESS + 0x1110 * n, true);
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
    const access = (address: number, length = 1) => address >= 0 && address + length <= USABLE;
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
      canRead: access,
      prepareWrite: access,
      helper: (row: HelperRow) =>
        (row.module
          ? callableHelper(this.guest.helperModules[row.module]!(this.memory), row, this.view)
          : helpers[row.name]) as HelperFunction,
    };
    const data = this.bytes.slice(DATA_ADDRESS, USABLE);
    const before = this.guest.registers(this.view, ENV_ADDRESS);
    const exit = interpretBlock(block, port, ENV_ADDRESS);
    const after = this.guest.registers(this.view, ENV_ADDRESS);
    const vector = this.view.getUint32(ENV_ADDRESS + HEADER.exception, true);
    const why = exit === Exit.EXCEPTION ? ` ${vector}` : '';
    const lines: string[] = [];
    for (let n = 0; n < after.length; n++) {
      const [name, value] = after[n]!;
      if (value !== before[n]![1]) lines.push(`  ${name.padEnd(8)} ${hex(before[n]![1])} -> ${hex(value)}`);
    }
    for (let n = 0; n < data.length; n++) {
      const now = this.bytes[DATA_ADDRESS + n]!;
      if (now !== data[n]) lines.push(`  [${hex(DATA_ADDRESS + n)}] ${hexByte(data[n]!)} -> ${hexByte(now)}`);
    }
    return `${lines.map((line) => `${line}\n`).join('')}  exit     ${Exit[exit]}${why}`;
  }
}

function hex(value: number): string {
  return (value >>> 0).toString(16).padStart(8, '0');
}

function hexByte(value: number): string {
  return value.toString(16).padStart(2, '0');
}

/** Why running the block stopped short, in words. */
function describeStop(error: unknown): string {
  if (error instanceof GuestException)
    return `exception ${error.exception}, error code ${error.errorCode}, address ${hex(error.address)}`;
  if (error instanceof AccessError) {
    return `no ${error.kind} at ${hex(error.address)}: here memory ends at ${hex(USABLE)}, in programs it is the guest's`;
  }
  throw error;
}

/**
 * Everything there is to say about a piece of code, as text. Throws UserError for an unknown guest, and for
 * bytes that end in the middle of an instruction.
 * @param code bytes of whole instructions.
 */
export function explain(guestName: string, code: Uint8Array): string {
  const guest = GUESTS[guestName];
  if (!guest) throw new UserError(`unknown guest '${guestName}'; known: ${Object.keys(GUESTS).join(', ')}`);
  const bench = new Bench(guest, code);
  const { block, end } = bench.translate();
  const limit = CODE_ADDRESS + code.length;
  const parts: string[] = [];
  const lines: string[] = [];
  for (let pc = CODE_ADDRESS; pc < end; ) {
    const { text, length } = guest.disassemble(bench.bytes.slice(pc, pc + 16), pc);
    const bytes = [...bench.bytes.slice(pc, pc + length)].map((byte) => byte.toString(16).padStart(2, '0'));
    if (pc + length > limit)
      throw new UserError(`the bytes end in the middle of an instruction (${text}, ${length} bytes)`);
    lines.push(`  ${hex(pc)}  ${bytes.join(' ').padEnd(24)} ${text}`);
    const row = guest.describeRow?.(bench.bytes.slice(pc, pc + 16), pc);
    if (row) lines.push(`            row: ${row}`);
    pc += length;
  }
  if (end < limit) lines.push(`  the block ends here; ${limit - end} bytes after it are not looked at`);
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
    changes = `  (${describeStop(error)})`;
  }
  parts.push(`register changes (registers start as shown)\n${changes}`);
  return `${parts.join('\n\n')}\n`;
}
