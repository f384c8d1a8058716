// Hostile input that is no qcow2 image: json: names and option lists, answers of web servers, raw files that change while open.
// Nothing may throw anything but a BlockError, or take long: bun tests/block/fuzz-inputs.ts [seed] [cases]
import { truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { statusAbove } from '../../src/block/block-status.ts';
import type { BlockNode } from '../../src/block/driver.ts';
import { BlockError } from '../../src/block/errors.ts';
import { closeImage, openImage } from '../../src/block/graph.ts';
import { type OptionTree, parseKeyValueList } from '../../src/block/options.ts';
import { Random } from './differential.ts';
import { freshQcow2, inScratch, stopwatch } from './helpers.ts';

/** Longest a use of an input may take: what this is made to find goes on for minutes. */
const LIMIT_MS = 10_000;

/** Runs a use that may fail as a BlockError only; returns its milliseconds (stopwatch). */
async function attempt(what: string, body: () => unknown): Promise<number> {
  const elapsed = stopwatch();
  try {
    await body();
  } catch (error) {
    if (!(error instanceof BlockError)) throw new Error(`${what}: ${(error as Error).stack}`);
    // (A line break of the name itself is shown as it is, as other tools do.)
    if (error.message.includes('\n') && !/\\n|\\r|\\u/.test(what))
      throw new Error(`${what}: more than one line: ${error.message}`);
  }
  return elapsed();
}

/** Reads a little everywhere, and asks for the state of everything. */
async function look(node: BlockNode): Promise<void> {
  const b = new Uint8Array(70000);
  for (const at of [0, 511, 65536, Math.max(0, node.length - 100)]) await attempt('read', () => node.read(at, b));
  for (let at = 0, calls = 0; at < node.length && calls < 200; calls++) {
    const s = await statusAbove(node, undefined, at, node.length - at);
    if (s.bytes <= 0) throw new Error('block status of no length');
    at += s.bytes;
  }
}

const PIECES = [
  ...'{}[]",:\\\'=.0-ex\n\t\u0000',
  '"driver"',
  'file.',
  'backing',
  'null',
  'true',
  '1e999',
  '-1',
  '18446744073709551616',
  '9007199254740993',
  'raw',
  'qcow2',
  'node-name',
  '__proto__',
  'constructor',
  '\\u0000',
  '\\ud800',
  'file',
  '[[[[[[[[',
];

function mutateText(text: string, r: Random): string {
  let out = text;
  for (let i = 0, n = 1 + r.below(5); i < n; i++) {
    const at = r.below(out.length + 1);
    const piece = PIECES[r.below(PIECES.length)]!;
    switch (r.below(5)) {
      case 0:
        out = out.slice(0, at) + piece + out.slice(at);
        break;
      case 1:
        out = out.slice(0, at) + out.slice(at + 1 + r.below(4));
        break;
      case 2:
        out = out.slice(0, at) + piece + out.slice(at + piece.length);
        break;
      case 3: {
        const from = r.below(out.length + 1);
        out = out.slice(0, at) + out.slice(from, from + r.below(30)) + out.slice(at);
        break;
      }
      default:
        out = out.slice(0, at) + piece.repeat(r.below(200)) + out.slice(at);
    }
  }
  return out;
}

/** Names that open an image of the current folder (relative, so that a mutation finds nothing of the host's). */
const NAMES = [
  'json:{"driver":"qcow2","file":{"driver":"file","filename":"a.qcow2"},"node-name":"n","discard":"unmap"}',
  'json:{"driver":"raw","offset":512,"size":"1M","file":{"driver":"file","filename":"a.raw","locking":"off"}}',
  "json:{'driver':'qcow2','file.filename':'o.qcow2','backing':{'driver':'raw','file':{'driver':'file','filename':'a.raw'}}}",
  'json:{"driver":"null-co","size":1048576,"read-zeroes":true}',
  'json:{"driver":"raw","file":{"driver":"blkdebug","image":{"driver":"file","filename":"a.raw"},"inject-error":[{"event":"read_aio","errno":5,"once":true}]}}',
  'driver=qcow2,file.driver=file,file.filename=a.qcow2,l2-cache-size=1M,overlap-check.template=all',
  'driver=raw,file.filename=a.raw,offset=1k,size=64k,detect-zeroes=on',
  'driver=qcow2,file.filename=o.qcow2,backing.driver=qcow2,backing.file.filename=a.qcow2,cache.direct=off',
  'driver=copy-on-read,file.driver=qcow2,file.file.filename=a.qcow2',
  'driver=preallocate,prealloc-align=1M,file.driver=file,file.filename=a.raw',
];

async function fuzzNames(seed: number, cases: number): Promise<void> {
  for (let i = 0; i < cases; i++) {
    const r = new Random(seed + i);
    const name = mutateText(NAMES[r.below(NAMES.length)]!, r);
    // A mutated name must not lead out of the folder.
    if (/["'=:]\s*\/|\.\.|http|ftp/.test(name)) continue;
    const what = `seed ${seed + i}: ${JSON.stringify(name)}`;
    const ms = await attempt(what, async () => {
      const node = name.startsWith('json:')
        ? await openImage({ filename: name, readOnly: true })
        : await openImage({ options: new Map(parseKeyValueList(name, 'file')) as OptionTree, readOnly: true });
      try {
        await look(node);
      } finally {
        await closeImage(node);
      }
    });
    if (ms > LIMIT_MS) throw new Error(`${what}: took ${ms.toFixed(0)} ms`);
  }
}

const HEAD = 'HTTP/1.1 200 OK\r\nContent-Length: 1048576\r\nAccept-Ranges: bytes\r\nConnection: close\r\n\r\n';
const PART =
  'HTTP/1.1 206 Partial Content\r\nContent-Length: 70000\r\nContent-Range: bytes 0-69999/1048576\r\nConnection: close\r\n\r\n';
const HTTP_PIECES = [
  '\r\n',
  '\n',
  ':',
  ' ',
  '0',
  '-1',
  '99999999999999999999',
  '9007199254740991',
  'Content-Length: 5\r\n',
  'Transfer-Encoding: chunked\r\n',
  'Content-Encoding: gzip\r\n',
  'Location: /image\r\n',
  'HTTP/1.1 302 Found\r\n',
  'HTTP/1.1 100 Continue\r\n\r\n',
  '\u0000',
  'bytes',
  'ffffffffffffffff\r\n',
];

function mutateAnswer(text: string, r: Random): string {
  let out = text;
  for (let i = 0, n = r.below(4); i < n; i++) {
    const at = r.below(out.length + 1);
    const piece = HTTP_PIECES[r.below(HTTP_PIECES.length)]!;
    if (r.below(2)) out = out.slice(0, at) + piece + out.slice(at);
    else out = out.slice(0, at) + piece + out.slice(at + r.below(12));
  }
  return out;
}

/** A server that answers with mutated headers and bodies of any length, then closes. */
async function fuzzHttp(seed: number, cases: number): Promise<void> {
  let r = new Random(seed);
  const body = new Uint8Array(90000).fill(0x51);
  const server = Bun.listen({
    hostname: '127.0.0.1',
    port: 0,
    socket: {
      data(socket, data) {
        const head = data.toString('latin1').startsWith('HEAD');
        // Most heads stay as they are, or no read would ever be sent.
        const text = head ? (r.below(3) ? HEAD : mutateAnswer(HEAD, r)) : mutateAnswer(PART, r);
        socket.write(Buffer.from(text, 'latin1'));
        if (!head) socket.write(body.subarray(0, r.below(body.length)));
        socket.end();
      },
    },
  });
  try {
    const url = `http://127.0.0.1:${server.port}/image`;
    for (let i = 0; i < cases; i++) {
      r = new Random(seed + i);
      const what = `http seed ${seed + i}`;
      const ms = await attempt(what, async () => {
        const node = await openImage({
          options: new Map([
            ['driver', 'raw'],
            ['file.driver', 'http'],
            ['file.url', url],
            ['file.timeout', '1'],
          ]),
          readOnly: true,
        });
        try {
          await attempt(what, () => node.read(0, new Uint8Array(1000)));
          await attempt(what, () => node.read(300000, new Uint8Array(70000)));
        } finally {
          await closeImage(node);
        }
      });
      if (ms > LIMIT_MS) throw new Error(`${what}: took ${ms.toFixed(0)} ms`);
    }
  } finally {
    server.stop(true);
  }
}

/** Windows of any offset and size on a file that becomes shorter while it is open. */
async function fuzzRaw(seed: number, cases: number): Promise<void> {
  for (let i = 0; i < cases; i++) {
    const r = new Random(seed + i);
    const size = r.below(300000);
    writeFileSync('w.raw', Buffer.alloc(size, 7));
    const odd = (): string => String(r.below(3) === 0 ? r.next() * r.next() : r.below(600) * (r.below(2) ? 512 : 1));
    const options: OptionTree = new Map([
      ['driver', 'raw'],
      ['file.filename', 'w.raw'],
    ]);
    if (r.below(2)) options.set('offset', odd());
    if (r.below(2)) options.set('size', odd());
    const what = `raw seed ${seed + i}: ${JSON.stringify([...options])}`;
    const ms = await attempt(what, async () => {
      const node = await openImage({ options, readOnly: true });
      try {
        await look(node);
        truncateSync('w.raw', r.below(size + 1));
        await look(node);
      } finally {
        await closeImage(node);
      }
    });
    if (ms > LIMIT_MS) throw new Error(`${what}: took ${ms.toFixed(0)} ms`);
  }
}

/** Runs so many cases of each kind; throws with the first that misbehaves. */
export async function fuzzInputs(seed: number, cases: number): Promise<void> {
  const before = process.cwd();
  await inScratch(async (dir) => {
    await closeImage(await freshQcow2(join(dir, 'a.qcow2'), 1 << 20));
    await closeImage(await freshQcow2(join(dir, 'o.qcow2'), 1 << 20));
    writeFileSync(join(dir, 'a.raw'), Buffer.alloc(1 << 20, 3));
    process.chdir(dir);
    try {
      await fuzzNames(seed, cases * 10);
      await fuzzRaw(seed, cases);
      await fuzzHttp(seed, cases);
    } finally {
      process.chdir(before);
    }
  });
}

if (import.meta.main) {
  await fuzzInputs(Number(process.argv[2] ?? 1), Number(process.argv[3] ?? 1000));
  console.log('ok');
}
