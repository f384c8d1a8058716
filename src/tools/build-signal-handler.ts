/** Compiles src/host/signal-handler.c with the host's gcc and writes its machine code to src/host/signal-handler-code.ts. */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const host = resolve(import.meta.dir, '../host');
/** Code at 0; data two pages further, so that the code's page need not be writable. */
const DATA_OFFSET = 8192;
const EXPORTS = [
  ...[
    'on_signal',
    'configure',
    'attach',
    'detach',
    'share_with_engine',
    'on_park',
    'keep_signals',
    'fork_all',
    'call_alone',
    'thaw',
    'frozen_word',
    'alarm_value',
  ],
];

function run(command: string[]): string {
  const done = Bun.spawnSync(command, { stdio: ['ignore', 'pipe', 'inherit'] });
  if (done.exitCode !== 0) throw new Error(`${command.join(' ')} failed`);
  return done.stdout.toString();
}

const dir = mkdtempSync(join(tmpdir(), 'signal-handler-'));
try {
  const [object, linked, code, script] = ['handler.o', 'handler.elf', 'handler.bin', 'layout.ld'].map((n) =>
    join(dir, n),
  );
  run([
    ...['gcc', '-Os', '-fPIC', '-fvisibility=hidden', '-ffreestanding', '-fno-stack-protector', '-fcf-protection=none'],
    ...['-fno-asynchronous-unwind-tables', '-mno-sse', '-Wall', '-Wextra', '-Werror', '-c', '-o', object!],
    join(host, 'signal-handler.c'),
  ]);
  writeFileSync(
    script!,
    `SECTIONS { . = 0; .text : { *(.text*) *(.rodata*) } . = ${DATA_OFFSET}; .data : { *(.data*) *(.bss*) *(COMMON) } }\n`,
  );
  run(['ld', '-T', script!, '-o', linked!, object!]);
  run(['objcopy', '-O', 'binary', '--only-section=.text', linked!, code!]);
  const symbols = new Map<string, number>();
  let end = DATA_OFFSET;
  for (const line of run(['nm', '-S', linked!]).split('\n')) {
    const m = /^([0-9a-f]+)(?: ([0-9a-f]+))? \w (\S+)$/.exec(line);
    if (!m) continue;
    const at = Number.parseInt(m[1]!, 16);
    symbols.set(m[3]!, at);
    end = Math.max(end, at + (m[2] ? Number.parseInt(m[2], 16) : 0));
  }
  const offsets = EXPORTS.map((name) => `  ${name}: 0x${symbols.get(name)!.toString(16)},\n`).join('');
  const text = readFileSync(code!).toString('base64');
  const lines = text
    .match(/.{1,110}/g)!
    .map((line) => `  '${line}'`)
    .join(' +\n');
  writeFileSync(
    join(host, 'signal-handler-code.ts'),
    '/** Machine code of signal-handler.c for x86-64, made by src/tools/build-signal-handler.ts. */\n\n' +
      `/** Base64. */\nexport const CODE =\n${lines};\n\n` +
      `/** Where its functions are. */\nexport const OFFSETS = {\n${offsets}} as const;\n\n` +
      '/** Where its data begins, zero at first, and the bytes it needs in all. */\n' +
      `export const DATA_OFFSET = ${DATA_OFFSET};\nexport const SIZE = ${Math.ceil(end / 4096) * 4096};\n`,
  );
} finally {
  rmSync(dir, { recursive: true });
}
