/** The other side of replay-native.c: the same calls through the rows, on guest memory of this process. */

import { readFileSync, writeSync } from 'node:fs';
import { I386_ABI } from '../../../linux-user/abi/i386.ts';
import { arrangeDescriptors } from '../../../linux-user/host-descriptors.ts';
import { Process } from '../../../linux-user/process.ts';
import { SystemCalls } from '../../../linux-user/syscalls/dispatch.ts';
import { GuestMemory } from '../../../src/memory/guest-memory.ts';
import { STATE_BASE } from '../../../src/memory/guest-pages.ts';

const WINDOW = 0x20000000;
const PAGE = 4096;
const PAGES = 16;
const READ_ONLY = 8;
const NO_ACCESS = 9;

arrangeDescriptors();
const memory = new GuestMemory();
memory.map(WINDOW, PAGES * PAGE, 3, 0x32, -1, 0);
memory.protect(WINDOW + READ_ONLY * PAGE, PAGE, 1);
memory.protect(WINDOW + NO_ACCESS * PAGE, PAGE, 0);
// The native side has its program below; wild pointers must miss on both sides, so nothing else is mapped here.
const guest = new Process({ memory, abi: I386_ABI, env: STATE_BASE, pollWord: memory.base + STATE_BASE + 4 });
const calls = new SystemCalls(guest);

function checksum(): number {
  let hash = 2166136261;
  for (let page = 0; page < PAGES; page++) {
    if (page === NO_ACCESS) continue;
    const from = (WINDOW + page * PAGE) >>> 2;
    for (let i = 0; i < PAGE / 4; i++) hash = Math.imul(hash ^ memory.i32[from + i]!, 16777619);
  }
  return hash >>> 0;
}

let result = 0;
let out = '';
for (const line of readFileSync(200, 'latin1').split('\n')) {
  const [kind, ...words] = line.split(' ');
  if (kind === 'call' || kind === 'vcall') {
    const n = words.map((word) => Number(word) | 0);
    const value = calls.call(n[0]!, n[1]!, n[2]!, n[3]!, n[4]!, n[5]!, n[6]!);
    if (typeof value !== 'number') throw new Error(`${line}: ${value}`);
    result = value | 0;
    if (result === -14) memory.u8.fill(0, WINDOW + PAGES * PAGE - 256, WINDOW + PAGES * PAGE);
    if (kind === 'vcall') memory.u8.fill(0, WINDOW + 2 * PAGE, WINDOW + 8 * PAGE);
    out += `${result} ${checksum().toString(16).padStart(8, '0')}\n`;
  } else if (kind === 'zero') {
    memory.u8.fill(0, WINDOW + Number(words[0]), WINDOW + Number(words[0]) + Number(words[1]));
  } else if (kind === 'put') {
    memory.u8.set(Buffer.from(words[1]!, 'hex'), WINDOW + Number(words[0]));
  } else if (kind === 'ret') {
    memory.view.setInt32(WINDOW + Number(words[0]), result, true);
  } else if (kind === 'dump') {
    const at = WINDOW + Number(words[0]);
    out += `${Buffer.from(memory.u8.subarray(at, at + Number(words[1]))).toString('hex')}\n`;
  }
}
writeSync(201, out);
