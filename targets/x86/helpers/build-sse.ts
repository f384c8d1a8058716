// Builds the SSE helper module (sse/*.as.ts) to sse.wasm, with the state offsets taken from ../state.ts.
//
// Usage: bun targets/x86/helpers/build-sse.ts

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildModule } from '../../../src/softfloat/build-module.ts';
import { boxedEntry } from '../../boxed-entry.ts';
import { X86_OFFSETS } from '../state.ts';
import { SSE_ROWS } from './sse-table.ts';

const FOLDER = 'targets/x86/helpers/sse';

/** Compiles the module. */
export function buildSse(): Promise<Uint8Array> {
  const { mxcsr, sseFault } = X86_OFFSETS;
  return buildModule({
    name: 'sse',
    entry: `${FOLDER}/boxed.as.ts`,
    generated: {
      [`${FOLDER}/layout.as.ts`]: `export const MXCSR: usize = ${mxcsr};\nexport const SSE_FAULT: usize = ${sseFault};\n`,
      [`${FOLDER}/boxed.as.ts`]: boxedEntry('./index.as', Object.values(SSE_ROWS)),
    },
  });
}

if (import.meta.main) {
  const wasm = await buildSse();
  writeFileSync(join(import.meta.dir, 'sse.wasm'), wasm);
  console.log(`targets/x86/helpers/sse.wasm: ${wasm.length} bytes`);
}
