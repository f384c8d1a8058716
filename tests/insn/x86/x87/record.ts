// Records the host CPU's answers in golden.zst, after a change of the cases. Read the differences: processors do not
// agree on the last bit of transcendental functions and on condition codes the manual leaves undefined.
//
// Usage: bun tests/insn/x86/x87/record.ts

import { readFileSync, writeFileSync } from 'node:fs';
import { encodeGolden, GOLDEN_FILE } from './golden.ts';
import { HostCpu } from './host.ts';

const cpu = /^model name\s*: (.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1] ?? 'unknown';
const host = new HostCpu();
const file = encodeGolden(cpu, (record) => host.run(record));
writeFileSync(GOLDEN_FILE, file);
console.log(`${GOLDEN_FILE}: ${file.length} bytes, answers of ${cpu}`);
