// Compiles AssemblyScript helpers of a guest, with the arithmetic of this folder, to one WebAssembly module.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

// The packages' own types declare AssemblyScript's globals (another `console`, for one) for the whole program, so they must
// stay out of it; an import by a variable has no type.
// biome-ignore lint/suspicious/noExplicitAny: see above
type Untyped = any;
const COMPILER: string = 'assemblyscript/asc';
const TRANSFORM: string = 'assemblyscript/transform';

const ROOT = resolve(import.meta.dir, '../..');

/** What to compile. Paths are relative to the repository. */
export interface ModuleSource {
  /** For messages. */
  readonly name: string;
  /** The file whose exports become the module's. */
  readonly entry: string;
  /** Files that exist only inside of the compilation (offsets of CPU state, for one), by path. */
  readonly generated?: Readonly<Record<string, string>>;
  /** Whether it uses the arithmetic of this folder, whose wide multiplication is then put in; default true. */
  readonly softfloat?: boolean;
}

/** The function that is one instruction in WebAssembly, as the compiler names it. */
const MUL_HIGH = 'src/softfloat/f80-core.as/mulHigh';

/**
 * Compiles a module that imports the shared 4 GiB memory as `env.memory` and owns no memory itself.
 * Throws with the compiler's messages, or if the module has a data segment (low memory is the guest's).
 */
export async function buildModule({
  name,
  entry,
  generated = {},
  softfloat = true,
}: ModuleSource): Promise<Uint8Array> {
  const asc: Untyped = (await import(COMPILER)).default;
  const { Transform }: Untyped = await import(TRANSFORM);
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
  const messages: string[] = [];
  const stream = { write: (chunk: string | Uint8Array) => messages.push(String(chunk)) > 0 };
  let binary: Uint8Array | undefined;
  const { error } = await asc.main(
    [
      ...[entry, '--outFile', 'module.wasm', '-O3', '--runtime', 'stub', '--noAssert', '--use', 'abort='],
      ...['--importMemory', '--sharedMemory', '--initialMemory', '65536', '--maximumMemory', '65536'],
      ...['--noExportMemory', '--enable', 'threads', '--enable', 'simd'],
    ],
    {
      stdout: stream,
      stderr: stream,
      readFile(file: string) {
        if (generated[file] !== undefined) return generated[file];
        const path = join(ROOT, file);
        return existsSync(path) ? readFileSync(path, 'utf8') : null;
      },
      writeFile(file: string, contents: string | Uint8Array) {
        if (file === 'module.wasm') binary = contents as Uint8Array;
      },
      listFiles: (dir: string) => readdirSync(join(ROOT, dir)),
      // Declared as instances, but it is the class that is asked for.
      transforms: softfloat ? [WideMultiply as unknown as Untyped] : [],
    },
  );
  if (error || !binary) throw new Error(`${name}: ${error?.message ?? 'no output'}\n${messages.join('')}`);
  if (hasSection(binary, DATA_SECTION))
    throw new Error(`${name}: the module has data segments, but all memory is the guest’s`);
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
