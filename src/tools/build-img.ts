// Bundles wemu-img with its bytecode into build/, from where its launcher starts it several times faster than from source.
import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';

const root = resolve(import.meta.dir, '../..');

/** Writes build/wemu-img.js and its bytecode; throws with the bundler's messages. */
export async function buildImg(outDir: string): Promise<void> {
  mkdirSync(outDir, { recursive: true });
  const result = await Bun.build({
    entrypoints: [join(root, 'src/cli/img.ts')],
    target: 'bun',
    format: 'cjs',
    bytecode: true,
    minify: true,
    outdir: outDir,
    naming: 'wemu-img.[ext]',
  });
  if (!result.success) throw new AggregateError(result.logs, 'wemu-img could not be bundled');
}

if (import.meta.main) await buildImg(join(root, 'build'));
