/** Debian's web servers under wemu answer a native client: files with sendfile, compressed, in parts, several requests at once. */

import { afterAll, expect } from 'bun:test';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { wemuCommand } from '../oracle/runner.ts';
import { type GuestTree, guestTreePath } from '../setup/guests.ts';
import { PROGRAM_LIMIT, TEST_LIMIT } from '../setup/limits.ts';
import { testWith } from '../setup/needs.ts';

const scratch = mkdtempSync(join(tmpdir(), 'wemu-servers-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** Contents that no compressor shortens, and some that it does. */
const RANDOM = Uint8Array.from({ length: 300_000 }, (_, i) => (Math.imul(i, 2654435761) >>> 13) & 0xff);
const TEXT = 'line after line of the same\n'.repeat(2000);

/** A port nobody uses at this moment. */
function freePort(): number {
  const server = Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: () => new Response('') });
  const { port } = server;
  server.stop(true);
  return port!;
}

interface Server {
  /** Path inside the tree, arguments, and the configuration file's text. */
  readonly program: string;
  readonly config: (root: string, port: number) => string;
  readonly args: (config: string, root: string) => string[];
  /** The signal that asks it to end with status 0. */
  readonly stop: NodeJS.Signals;
}

const nginx = (master: 'on' | 'off'): Server => ({
  program: 'usr/sbin/nginx',
  config: (root, port) => `
    worker_processes 1; daemon off; master_process ${master}; pid ${root}/pid; error_log ${root}/error;
    events { worker_connections 64; }
    http {
      access_log ${root}/access; sendfile on; gzip on; types { text/plain txt; } default_type application/octet-stream;
      gzip_types text/plain;
      client_body_temp_path ${root}/t1; proxy_temp_path ${root}/t2; fastcgi_temp_path ${root}/t3;
      uwsgi_temp_path ${root}/t4; scgi_temp_path ${root}/t5;
      server { listen 127.0.0.1:${port}; root ${root}/html; }
    }`,
  args: (config, root) => [
    '-e',
    `${root}/error`,
    '-c',
    config,
    ...(process.getuid?.() === 0 ? ['-g', 'user root;'] : []),
  ],
  stop: 'SIGQUIT',
});

const SERVERS: Record<string, Server> = {
  'nginx, one process': nginx('off'),
  'nginx, master and worker': nginx('on'),
  lighttpd: {
    program: 'usr/sbin/lighttpd',
    config: (root, port) => `
      server.document-root = "${root}/html"
      server.port = ${port}
      server.bind = "127.0.0.1"
      server.errorlog = "${root}/error"`,
    args: (config) => ['-D', '-f', config, '-m', '/usr/lib/lighttpd'],
    stop: 'SIGINT',
  },
};

/** A connection for each request: one that is kept may be closed by the server just then. */
const get = (url: string, headers: Record<string, string> = {}): Promise<Response> =>
  fetch(url, { headers, keepalive: false });

/** Waits until the server answers; false when it has ended, and somebody else may answer in its place. */
async function answers(url: string, child: Bun.Subprocess): Promise<boolean> {
  while (child.exitCode === null && child.signalCode === null) {
    try {
      if ((await (await get(url)).text()) === TEXT) return true;
    } catch {
      // Not yet.
    }
    await Bun.sleep(100);
  }
  return false;
}

/** Starts a server in a directory of its own, once more where somebody else has taken its port. */
async function start(server: Server, command: readonly string[], tree: string) {
  for (;;) {
    const root = mkdtempSync(join(scratch, 'root-'));
    mkdirSync(join(root, 'html'));
    writeFileSync(join(root, 'html/random'), RANDOM);
    writeFileSync(join(root, 'html/text.txt'), TEXT);
    const port = freePort();
    writeFileSync(join(root, 'config'), server.config(root, port));
    const argv = [...command, join(tree, server.program), ...server.args(join(root, 'config'), root)];
    const child = Bun.spawn(argv, { stdin: 'ignore', stdout: 'pipe', stderr: 'pipe' });
    const url = `http://127.0.0.1:${port}`;
    if (await answers(`${url}/text.txt`, child)) return { child, url, root };
    const errors = `${await new Response(child.stderr).text()}${readFileSync(join(root, 'error'), 'utf8')}`;
    if (!errors.includes('Address already in use')) throw new Error(`${child.exitCode}: ${errors}`);
  }
}

/** Trees, and which servers of theirs are run: another guest's translator needs no more than one of each kind. */
const TREES = {
  i386: { guest: 'i386', servers: Object.keys(SERVERS) },
  armhf: { guest: 'arm', servers: ['nginx, master and worker', 'lighttpd'] },
  armel: { guest: 'arm', servers: ['lighttpd'] },
} as const satisfies Record<GuestTree, { guest: string; servers: readonly string[] }>;

const CASES = Object.entries(TREES).flatMap(([arch, { guest, servers }]) =>
  servers.map((name) => ({ arch: arch as GuestTree, guest, name, server: SERVERS[name]! })),
);

for (const { arch, guest, name, server } of CASES) {
  testWith(
    [`guest-${arch}`],
    `${name}, ${arch}`,
    async () => {
      const tree = guestTreePath(arch);
      const wemu = wemuCommand(['-L', tree], guest);
      if ('missing' in wemu) throw new Error(wemu.missing);
      const { child, url, root } = await start(server, wemu.command, tree);
      try {
        expect(await (await get(`${url}/text.txt`)).text()).toBe(TEXT);
        expect(Buffer.compare(await (await get(`${url}/random`)).bytes(), RANDOM)).toBe(0);
        const part = await get(`${url}/random`, { Range: 'bytes=100000-200000' });
        expect(part.status).toBe(206);
        expect(Buffer.compare(await part.bytes(), RANDOM.subarray(100_000, 200_001))).toBe(0);
        expect((await get(`${url}/none`)).status).toBe(404);
        const many = await Promise.all(Array.from({ length: 20 }, async () => (await get(`${url}/random`)).bytes()));
        expect(many.every((bytes) => Buffer.compare(bytes, RANDOM) === 0)).toBe(true);
      } finally {
        child.kill(server.stop);
      }
      const late = setTimeout(() => child.kill('SIGKILL'), PROGRAM_LIMIT);
      // Where a signal comes between nginx's test for one and its wait, also the host's would see it with the next event only.
      const events = setInterval(() => void get(`${url}/text.txt`).catch(() => {}), 1000);
      const status = await child.exited;
      clearInterval(events);
      clearTimeout(late);
      if (status !== 0) throw new Error(`${status}: ${await new Response(child.stderr).text()}`);
      const log = readFileSync(join(root, 'error'), 'utf8');
      expect(log).not.toMatch(/\[(alert|crit|emerg)\]/);
    },
    TEST_LIMIT,
  );
}
