// Builds the x87 helper module (x87/*.as.ts) to x87.wasm, with the state offsets taken from ../x87-state.ts.
//
// Usage: bun targets/x86/helpers/build-x87.ts [offset of the FPU area in the CPU state]

import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { X87_AREA_OFFSET, X87_AREA_SIZE, X87_FIELDS } from '../x87-state.ts';

// The packages' own types declare AssemblyScript's globals (another `console`, for one) for the whole program, so they must
// stay out of it; an import by a variable has no type.
// biome-ignore lint/suspicious/noExplicitAny: see above
type Untyped = any;
const COMPILER: string = 'assemblyscript/asc';
const TRANSFORM: string = 'assemblyscript/transform';
const asc: Untyped = (await import(COMPILER)).default;
const { Transform }: Untyped = await import(TRANSFORM);

const ROOT = resolve(import.meta.dir, '../../..');
const ENTRY = 'targets/x86/helpers/x87/index.as.ts';
/** The module of offsets exists only inside the compilation. */
const LAYOUT = 'targets/x86/helpers/x87/layout.as.ts';

/** Source text of the offsets, one exported constant per state field: `fpr0se` becomes `FPR0SE`. */
export function layoutSource(areaOffset: number): string {
  if (areaOffset % 16 !== 0)
    throw new Error(`x87: the FPU area must start on a 16-byte boundary, not at ${areaOffset}`);
  const rows = X87_FIELDS.map((f) => {
    const size = f.type === 'i64' ? 8 : 4;
    if (f.offset % size !== 0 || f.offset + size > X87_AREA_SIZE) throw new Error(`x87: field ${f.name} is misplaced`);
    return `export const ${f.name.toUpperCase()}: usize = ${areaOffset + f.offset};`;
  });
  return `${rows.join('\n')}\n`;
}

/** The function that is one instruction in WebAssembly, as the compiler names it. */
const MUL_HIGH = 'src/softfloat/f80-core.as/mulHigh';

/** Compilation step before optimisation: gives `mulHigh` the wide multiplication, which the language cannot say. */
class WideMultiply extends Transform {
  afterCompile(module: Untyped): void {
    const { i64, createType, Features } = (this as Untyped).binaryen;
    if (!module.getFunction(MUL_HIGH)) throw new Error(`there is no function ${MUL_HIGH}`);
    module.setFeatures(module.getFeatures() | Features.WideArithmetic | Features.Multivalue);
    module.removeFunction(MUL_HIGH);
    const product = module.i64.mul_wide_u(module.local.get(0, i64), module.local.get(1, i64));
    module.addFunction(MUL_HIGH, createType([i64, i64]), i64, [], module.tuple.extract(product, 1));
  }
}

/**
 * Compiles the module for an FPU area at `areaOffset` bytes into the CPU state.
 * Throws with the compiler's messages, or if the module has a data segment (low memory is the guest's).
 */
export async function buildX87(areaOffset: number = X87_AREA_OFFSET): Promise<Uint8Array> {
  const messages: string[] = [];
  const stream = { write: (chunk: string | Uint8Array) => messages.push(String(chunk)) > 0 };
  let binary: Uint8Array | undefined;
  const { error } = await asc.main(
    [
      ...[ENTRY, '--outFile', 'x87.wasm', '-O3', '--runtime', 'stub', '--noAssert', '--use', 'abort='],
      ...['--importMemory', '--sharedMemory', '--initialMemory', '65536', '--maximumMemory', '65536'],
      ...['--noExportMemory', '--enable', 'threads'],
    ],
    {
      stdout: stream,
      stderr: stream,
      readFile(name: string) {
        if (name === LAYOUT) return layoutSource(areaOffset);
        const path = join(ROOT, name);
        return existsSync(path) ? readFileSync(path, 'utf8') : null;
      },
      writeFile(name: string, contents: string | Uint8Array) {
        if (name === 'x87.wasm') binary = contents as Uint8Array;
      },
      listFiles: (dir: string) => readdirSync(join(ROOT, dir)),
      // Declared as instances, but it is the class that is asked for.
      transforms: [WideMultiply as unknown as Untyped],
    },
  );
  if (error || !binary) throw new Error(`x87: ${error?.message ?? 'no output'}\n${messages.join('')}`);
  if (hasSection(binary, DATA_SECTION))
    throw new Error('x87: the module has data segments, but all memory is the guest’s');
  return binary;
}

const DATA_SECTION = 11;

/** Whether a wasm binary has a section with this id. */
function hasSection(wasm: Uint8Array, id: number): boolean {
  for (let at = 8; at < wasm.length; ) {
    const found = wasm[at++];
    let size = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = wasm[at++];
      size |= (byte & 0x7f) << shift;
      if (byte < 0x80) break;
    }
    if (found === id) return true;
    at += size;
  }
  return false;
}

if (import.meta.main) {
  const out = join(ROOT, 'targets/x86/helpers/x87.wasm');
  const wasm = await buildX87(process.argv[2] ? Number(process.argv[2]) : X87_AREA_OFFSET);
  writeFileSync(out, wasm);
  console.log(`targets/x86/helpers/x87.wasm: ${wasm.length} bytes`);
}
