// Command: runs suites of python's own tests natively (i386) and under wemu (`--tree armhf` for those of ARM) and prints every case that differs.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type GuestTree, guestTreePath } from '../../setup/guests.ts';
import { prepareSuites, runSuite } from './python-run.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    only: { type: 'string', multiple: true, short: 'm' },
    without: { type: 'string', multiple: true, short: 'i' },
    slowest: { type: 'string', default: '0' },
    forks: { type: 'boolean', default: false },
    threads: { type: 'boolean' },
    native: { type: 'boolean' },
    wemu: { type: 'boolean' },
    output: { type: 'boolean', short: 'o' },
    timeout: { type: 'string', default: '300' },
    tree: { type: 'string', default: 'i386' },
  },
});
const scratch = mkdtempSync(join(tmpdir(), 'wemu-compare-'));
try {
  const tree = values.tree as GuestTree;
  const guest = tree.startsWith('arm') ? 'arm' : tree;
  const suites = await prepareSuites(scratch, { guest, tree: guestTreePath(tree) });
  for (const module of positionals) {
    const options = {
      suites,
      forks: values.forks,
      only: values.only ?? [],
      without: values.without ?? [],
      timeoutSeconds: Number(values.timeout),
    };
    const sides = [];
    if (!values.wemu)
      sides.push({
        name: 'native',
        ...(await runSuite(module, { ...options, emulated: false, withoutThreads: !values.threads })),
      });
    if (!values.native) sides.push({ name: 'wemu', ...(await runSuite(module, { ...options, emulated: true })) });
    for (const side of sides) {
      console.log(`${module} ${side.name}: ${side.cases.size - 1} cases, ${side.cpuSeconds.toFixed(1)} s of CPU`);
      const slow = [...side.cases].sort(([, a], [, b]) => b.cpuSeconds - a.cpuSeconds).slice(0, Number(values.slowest));
      for (const [name, { cpuSeconds }] of slow) console.log(`    ${cpuSeconds.toFixed(2)} s ${name}`);
      if (values.output) console.log(side.output);
    }
    const names = new Set(sides.flatMap((side) => [...side.cases.keys()]));
    let same = 0;
    for (const name of names) {
      const [a, b] = sides.map((side) => side.cases.get(name));
      if (sides.length === 2 && a?.outcome === b?.outcome) {
        same++;
        continue;
      }
      if (sides.length === 1 && (a?.outcome === 'ok' || a?.outcome === 'skipped')) continue;
      console.log(`- ${name}`);
      for (const [n, one] of [a, b].entries()) {
        if (n < sides.length)
          console.log(`    ${sides[n]!.name}: ${one?.outcome} ${one?.text.replaceAll('\\n', '\n      ')}`);
      }
    }
    console.log(`${module}: same ${same} of ${names.size}`);
  }
} finally {
  rmSync(scratch, { recursive: true });
}
