// Runs the cases of cli-cases.ts with both tools and reports where they differ: bun tests/block/parity.ts [name part].
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PROGRAM_LIMIT } from '../setup/limits.ts';
import { CLI_CASES, type CliCase } from './cli-cases.ts';
import { EDGE_CASES } from './cli-edges.ts';
import { MISTAKE_CASES } from './cli-mistakes.ts';
import { TREE_CASES } from './cli-trees.ts';
import { FAULT_CASES } from './fault-cases.ts';

/** One command's result, with the tool's name made neutral. */
interface Result {
  command: string;
  stdout: string;
  stderr: string;
  code: number;
}

const BUN = process.execPath;
const IMG = join(import.meta.dir, '../../src/cli/img.ts');

export function neutral(text: string): string {
  return (
    text
      .replaceAll('wemu-img', 'qemu-img')
      // Times, host allocation and generated names differ from run to run.
      .replace(/\d\d\d\d-\d\d-\d\d \d\d:\d\d:\d\d/g, 'DATE')
      .replace(/"date-n?sec": \d+/g, '"date": N')
      .replace(/disk size: .*/g, 'disk size: N')
      .replace(/"actual-size": \d+/g, '"actual-size": N')
      .replace(/#block\d+/g, '#block')
      .replace(/Image end offset: \d+/g, 'Image end offset: N')
      .replace(/"image-end-offset": \d+/g, '"image-end-offset": N')
      .replace(/"offset": \d+/g, '"offset": N')
      .replace(/^(0x?[0-9a-f]* +0x[0-9a-f]+ +)0x[0-9a-f]+/gm, '$1N')
      .replace(/Run completed in [\d.]+ s/g, 'Run completed in N s')
      .replace(/ \(held by [^)]*\)/g, '')
      .replace(/ +\n/g, '\n')
      .trimEnd()
  );
}

function runCase(c: CliCase, tool: string): Result[] {
  const dir = mkdtempSync(join(tmpdir(), 'wemu-parity-'));
  try {
    return c.run.map((command) => {
      const line = command.replace(/(^|&& )img\b/g, `$1${tool}`).replace(/^io\b/, 'qemu-io');
      // timeout(1) ends what the shell has started, too.
      const limit = ['timeout', '--signal=KILL', String(PROGRAM_LIMIT / 1000)];
      const p = Bun.spawnSync([...limit, 'sh', '-c', line], { cwd: dir, env: { ...process.env, TZ: 'UTC' } });
      const io = command.startsWith('io');
      return {
        command,
        stdout: io ? String(/Pattern/.test(p.stdout.toString())) : neutral(p.stdout.toString()),
        stderr: neutral(p.stderr.toString()),
        code: p.exitCode ?? -1,
      };
    });
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** Differences of one case, as text; empty if there are none. */
export function compareCase(c: CliCase): string {
  const theirs = runCase(c, 'qemu-img');
  // (Bun takes the first -- for itself.)
  const ours = runCase(c, `${BUN} ${IMG} --`);
  let text = '';
  for (const [i, t] of theirs.entries()) {
    const o = ours[i]!;
    if (t.stdout === o.stdout && t.stderr === o.stderr && t.code === o.code) continue;
    text += `$ ${t.command}\n--- qemu-img (${t.code})\n${t.stdout}${t.stderr}\n+++ wemu-img (${o.code})\n${o.stdout}${o.stderr}\n`;
  }
  return text;
}

if (import.meta.main) {
  const wanted = process.argv[2] ?? '';
  for (const c of [...FAULT_CASES, ...CLI_CASES, ...EDGE_CASES, ...MISTAKE_CASES, ...TREE_CASES]) {
    if (!c.name.includes(wanted)) continue;
    const text = compareCase(c);
    console.log(text === '' ? `ok   ${c.name}` : `DIFF ${c.name}\n${text}`);
  }
}
