// Protocols and filters where the conformance suite does not reach: http, descriptors passed in, faults, throttling, locking off.
import { expect, test } from 'bun:test';
import { openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createImage } from '../../src/block/create-image.ts';
import { addFd } from '../../src/block/file-posix.ts';
import { closeImage, openImage } from '../../src/block/graph.ts';
import type { OptionTree } from '../../src/block/options.ts';
import { createSecret } from '../../src/block/secret.ts';
import { createThrottleGroup } from '../../src/block/throttle.ts';
import { contentOf, eventually, freshQcow2, inScratch } from './helpers.ts';

const open = (options: Record<string, string>, extra: object = {}) =>
  openImage({ options: new Map(Object.entries(options)) as OptionTree, ...extra });

/** A server that hands out one file by ranges. */
function serve(path: string, ranges: boolean): { url: string; requests: string[]; stop: () => void } {
  const requests: string[] = [];
  const server = Bun.serve({
    port: 0,
    fetch(request) {
      const data = readFileSync(path);
      requests.push(
        [request.method, ...['range', 'cookie', 'authorization'].map((h) => request.headers.get(h) ?? '')]
          .join(' ')
          .trim(),
      );
      const headers: Record<string, string> = ranges ? { 'Accept-Ranges': 'bytes' } : {};
      const m = /^bytes=(\d+)-(\d+)$/.exec(request.headers.get('range') ?? '');
      if (request.method === 'HEAD' || !m) return new Response(data, { headers });
      const part = data.subarray(Number(m[1]), Number(m[2]) + 1);
      return new Response(part, {
        status: 206,
        headers: { ...headers, 'Content-Range': `bytes ${m[1]}-${m[2]}/${data.length}` },
      });
    },
  });
  return { url: `http://localhost:${server.port}/image`, requests, stop: () => server.stop(true) };
}

test('an image on a web server is read by ranges, with read-ahead and cookie', () =>
  inScratch(async (dir) => {
    const path = join(dir, 'a');
    const node = await freshQcow2(path, 1 << 20);
    await node.write(300000, new Uint8Array(70000).fill(5));
    const expected = await contentOf(node);
    await closeImage(node);
    const server = serve(path, true);
    try {
      const remote = await open(
        { driver: 'qcow2', 'file.driver': 'http', 'file.url': server.url, 'file.cookie': 'k=v' },
        { readOnly: true },
      );
      expect(Buffer.from(await contentOf(remote)).equals(expected)).toBe(true);
      await closeImage(remote);
      expect(server.requests[0]).toBe('HEAD  k=v');
      expect(server.requests.slice(1).every((r) => r.startsWith('GET bytes='))).toBe(true);
      await expect(openImage({ filename: server.url })).rejects.toThrow('does not support writes');
    } finally {
      server.stop();
    }
  }));

test('secrets give cookies and passwords, and the name says that they are needed', () =>
  inScratch(async (dir) => {
    const path = join(dir, 'a');
    writeFileSync(path, Buffer.alloc(4096, 9));
    createSecret('cookie', { data: 'k=secret' });
    createSecret('password', { data: Buffer.from('p').toString('base64'), format: 'base64' });
    const server = serve(path, true);
    try {
      const node = await open(
        { driver: 'http', url: server.url, 'cookie-secret': 'cookie', username: 'u', 'password-secret': 'password' },
        { readOnly: true },
      );
      expect(node.filename).toContain('"password-secret": "password"');
      expect(server.requests).toEqual([`HEAD  k=secret Basic ${btoa('u:p')}`]);
      await closeImage(node);
    } finally {
      server.stop();
    }
  }));

test('a server without ranges, or without an answer, is refused', () =>
  inScratch(async (dir) => {
    const path = join(dir, 'a');
    writeFileSync(path, Buffer.alloc(4096));
    const server = serve(path, false);
    await expect(openImage({ filename: server.url, readOnly: true })).rejects.toThrow("does not support 'range'");
    server.stop();
    await expect(openImage({ filename: server.url, readOnly: true })).rejects.toThrow('CURL: Error opening file');
  }));

test('a descriptor passed in is opened as /dev/fdset/N, as far as its mode allows', () =>
  inScratch(async (dir) => {
    const path = join(dir, 'a');
    await createImage({ filename: path, format: 'raw', size: 4096 });
    addFd(7, openSync(path, 'r'));
    const node = await open({ driver: 'raw', 'file.filename': '/dev/fdset/7' }, { readOnly: true });
    expect(node.length).toBe(4096);
    await closeImage(node);
    await expect(open({ driver: 'raw', 'file.filename': '/dev/fdset/7' })).rejects.toThrow(
      'No file descriptor supplied',
    );
  }));

test('injected faults reach the reader and leave the image usable', () =>
  inScratch(async (dir) => {
    const path = join(dir, 'a');
    const node = await freshQcow2(path, 1 << 20);
    await node.write(0, new Uint8Array(65536).fill(1));
    await closeImage(node);
    const config = join(dir, 'rules');
    writeFileSync(config, '[inject-error]\nevent = "write_aio"\niotype = "write"\nerrno = "28"\nonce = "on"\n');
    const faulty = await openImage({ filename: `blkdebug:${config}:${path}`, noFlush: true });
    await expect(eventually(() => faulty.write(500000, new Uint8Array(10)))).rejects.toThrow('No space left on device');
    await faulty.write(500000, new Uint8Array(10).fill(2));
    const b = new Uint8Array(1);
    await faulty.read(500000, b);
    expect(b[0]).toBe(2);
    await closeImage(faulty);
    const p = Bun.spawnSync([process.execPath, join(import.meta.dir, '../../src/cli/img.ts'), 'check', path]);
    // The failed write may have left a leak, but nothing worse.
    expect([0, 3]).toContain(p.exitCode as number);
  }));

test('throttling spreads requests over time', () =>
  inScratch(async (dir) => {
    const path = join(dir, 'a');
    await createImage({ filename: path, format: 'raw', size: 1 << 20 });
    createThrottleGroup('slow', new Map([['x-iops-total', '100']]));
    const node = await open({
      driver: 'throttle',
      'throttle-group': 'slow',
      'file.driver': 'raw',
      'file.file.filename': path,
    });
    const started = performance.now();
    for (let i = 0; i < 30; i++) await node.write(i * 512, new Uint8Array(512));
    // A tenth of a second's worth goes at once, the other 20 requests at 100 a second.
    expect(performance.now() - started).toBeGreaterThan(120);
    await closeImage(node);
  }));

test('copy-on-read brings data of the backing file into the overlay', () =>
  inScratch(async (dir) => {
    const base = join(dir, 'base');
    const over = join(dir, 'over');
    writeFileSync(base, Buffer.alloc(1 << 20, 6));
    await createImage({ filename: over, format: 'qcow2', backingFile: base, backingFormat: 'raw' });
    const node = await open({ driver: 'copy-on-read', 'file.driver': 'qcow2', 'file.file.filename': over });
    await node.read(0, new Uint8Array(100));
    await closeImage(node);
    const alone = await open({ driver: 'qcow2', 'file.filename': over }, { readOnly: true, noBacking: true });
    const b = new Uint8Array(2);
    await alone.read(98, b);
    expect([...b]).toEqual([6, 6]);
    expect((await alone.blockStatus(65536, 65536)).allocated).toBe(false);
    await closeImage(alone);
  }));
