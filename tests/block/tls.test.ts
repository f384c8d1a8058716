// Images on web servers with TLS: certificates that nobody vouches for, ranges, and redirects into and out of TLS.
import { expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { closeImage, openImage } from '../../src/block/graph.ts';
import type { OptionTree } from '../../src/block/options.ts';
import { oraclePath } from '../setup/oracles.ts';
import { contentOf, freshQcow2, inScratch, run } from './helpers.ts';

const openssl = oraclePath('openssl');
const NOTE = openssl ? '' : ' [skipped: openssl is not installed]';

/** A key and a certificate of its own for these names. */
function certificate(dir: string, names: string): { key: string; cert: string } {
  const [key, cert] = [join(dir, 'key'), join(dir, 'cert')];
  const subject = ['-subj', '/CN=localhost', '-addext', `subjectAltName=${names}`];
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
  run([openssl!, 'req', '-x509', ...kind, '-keyout', key, '-out', cert, ...subject]);
  return { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') };
}

interface Servers {
  tls: string;
  plain: string;
  requests: string[];
}

/** Serves an image with and without TLS; /redirect leads to the other of the two. */
async function withServers(names: string, body: (s: Servers, expected: Uint8Array) => Promise<void>): Promise<void> {
  await inScratch(async (dir) => {
    const path = join(dir, 'a');
    const node = await freshQcow2(path, 1 << 20);
    await node.write(300000, new Uint8Array(70000).fill(5));
    const expected = await contentOf(node);
    await closeImage(node);
    const data = readFileSync(path);
    const requests: string[] = [];
    const answer = (other: () => string) => (request: Request) => {
      const url = new URL(request.url);
      const range = request.headers.get('range') ?? '';
      requests.push(`${request.method} ${url.protocol}${url.pathname} ${range}`.trim());
      const headers = { 'Accept-Ranges': 'bytes' };
      if (url.pathname === '/redirect')
        return new Response(null, { status: 302, headers: { Location: `${other()}/image` } });
      const m = /^bytes=(\d+)-(\d+)$/.exec(range);
      if (request.method === 'HEAD' || !m) return new Response(data, { headers });
      const [, from, to] = m;
      return new Response(data.subarray(Number(from), Number(to) + 1), {
        status: 206,
        headers: { ...headers, 'Content-Range': `bytes ${from}-${to}/${data.length}` },
      });
    };
    const at: Servers = { tls: '', plain: '', requests };
    const tls = Bun.serve({
      port: 0,
      hostname: '127.0.0.1',
      tls: certificate(dir, names),
      fetch: answer(() => at.plain),
    });
    const plain = Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: answer(() => at.tls) });
    at.tls = `https://127.0.0.1:${tls.port}`;
    at.plain = `http://127.0.0.1:${plain.port}`;
    try {
      await body(at, expected);
    } finally {
      tls.stop(true);
      plain.stop(true);
    }
  });
}

const open = (url: string, sslverify?: string) =>
  openImage({
    options: new Map([
      ['driver', 'qcow2'],
      ['file.driver', url.split(':')[0]!],
      ['file.url', url],
      ['file.timeout', '10000'],
      ...(sslverify === undefined ? [] : [['file.sslverify', sslverify] as const]),
    ]) as OptionTree,
    readOnly: true,
  });

const REFUSED = 'CURL: Error opening file: server certificate verification failed';

for (const [what, names] of [
  ['a certificate nobody vouches for', 'IP:127.0.0.1'],
  ['one for another name, too', 'DNS:elsewhere.invalid'],
] as const)
  test.skipIf(!openssl)(`the default refuses a server with ${what}, sslverify=off does not${NOTE}`, () =>
    withServers(names, async ({ tls, plain, requests }, expected) => {
      for (const verify of [undefined, 'on']) {
        await expect(open(`${tls}/image`, verify)).rejects.toThrow(REFUSED);
        await expect(open(`${plain}/redirect`, verify)).rejects.toThrow(REFUSED);
      }
      // Nothing was asked of the server that is not trusted.
      expect(requests.filter((r) => r.includes('https:'))).toEqual([]);
      const node = await open(`${tls}/image`, 'off');
      expect(node.filename).toContain('"sslverify": "off"');
      expect(Buffer.from(await contentOf(node)).equals(expected)).toBe(true);
      await closeImage(node);
      expect(requests).toContain('HEAD https:/image');
      expect(requests.filter((r) => r.startsWith('GET https:/image bytes=')).length).toBeGreaterThan(0);
    }),
  );

test.skipIf(!openssl)(`redirects lead into TLS and out of it${NOTE}`, () =>
  withServers('IP:127.0.0.1', async ({ tls, plain, requests }, expected) => {
    for (const from of [plain, tls]) {
      requests.length = 0;
      const node = await open(`${from}/redirect`, 'off');
      expect(Buffer.from(await contentOf(node)).equals(expected)).toBe(true);
      await closeImage(node);
      const other = from === plain ? 'https:' : 'http:';
      expect(requests.some((r) => r.startsWith(`GET ${other}/image bytes=`))).toBe(true);
    }
  }),
);

test.skipIf(!openssl)(`servers that do not speak what their name says are told in one line${NOTE}`, () =>
  withServers('IP:127.0.0.1', async ({ tls, plain }) => {
    const why = async (url: string): Promise<string> => {
      try {
        await open(url, 'off');
      } catch (error) {
        return (error as Error).message;
      }
      return 'opened';
    };
    expect(await why(`${plain.replace('http:', 'https:')}/image`)).toMatch(
      /^CURL: Error opening file: The TLS handshake failed/,
    );
    expect(await why(`${tls.replace('https:', 'http:')}/image`)).toBe(
      'CURL: Error opening file: Empty reply from server',
    );
  }),
);
