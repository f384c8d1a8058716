// Images on web servers, read-only: range requests with read-ahead.
import { BlockNode, type BlockStatus, type NodeFlags } from './driver.ts';
import type { OpenContext } from './driver-row.ts';
import { BlockError, ERRNO } from './errors.ts';
import { OptionReader } from './options.ts';
import { secretText } from './secret.ts';

const DEFAULT_READAHEAD = 256 * 1024;
const DEFAULT_TIMEOUT = 5;

interface Connection {
  url: string;
  headers: Record<string, string>;
  timeoutMs: number;
  verify: boolean;
  /** The proxy to go through with a name and password; without those the environment's is used. */
  proxy: string | undefined;
}

/** Codes of certificates that are not believed. */
const NOT_TRUSTED = /CERT|CRL|LEAF_SIGNATURE|HOSTNAME_MISMATCH/;

/** The first line of an error, without what the runtime has to say to programmers. */
function plainReason(error: Error & { code?: string }): string {
  if (error.code === 'ERR_TLS_CERT_ALTNAME_INVALID') return 'the certificate is for another host name';
  return (error.message ?? String(error))
    .split('\n')[0]!
    .replace(/^E[A-Z]+: /, '')
    .replace(/ fetching "[^"]*"/, '')
    .replace(/\.? For more information.*/, '');
}

/** What the tools say of a failed connection. */
function failure(c: Connection, error: unknown): BlockError {
  const e = error as Error & { code?: string };
  const host = URL.canParse(c.url) ? new URL(c.url) : undefined;
  const port = host?.port || (host?.protocol === 'https:' ? '443' : '80');
  const text =
    e.name === 'TimeoutError'
      ? 'Timeout was reached'
      : !host
        ? 'URL using bad/illegal format or missing URL'
        : e.code === 'ConnectionRefused' || e.code === 'ECONNREFUSED'
          ? `Failed to connect to ${host.hostname} port ${port}: Couldn't connect to server`
          : e.code === 'ENOTFOUND' || e.code === 'EAI_AGAIN'
            ? `Could not resolve host: ${host.hostname}`
            : e.code === 'ECONNRESET'
              ? 'Empty reply from server'
              : NOT_TRUSTED.test(e.code ?? '')
                ? `server certificate verification failed: ${plainReason(e)}`
                : plainReason(e);
  return opening(text);
}

/** Answers that tell where else to look. */
const REDIRECTS: readonly number[] = [301, 302, 303, 307, 308];

/** Redirects followed, one after the other. */
const MAX_REDIRECTS = 30;

/** Headers that are for the server that was named, and for no other. */
const PRIVATE: readonly string[] = ['Cookie', 'Authorization'];

async function request(c: Connection, method: string, range?: string): Promise<Response> {
  // The bytes are wanted as they are in the file, not packed for the way.
  const headers = { ...c.headers, 'Accept-Encoding': 'identity', ...(range === undefined ? {} : { Range: range }) };
  const signal = AbortSignal.timeout(c.timeoutMs);
  let { url } = c;
  for (let redirects = 0; ; redirects++) {
    let response: Response;
    try {
      response = await fetch(url, {
        method,
        headers,
        decompress: false,
        redirect: 'manual',
        signal,
        ...(c.proxy === undefined ? {} : { proxy: c.proxy }),
        ...(c.verify ? {} : { tls: { rejectUnauthorized: false } }),
      });
    } catch (error) {
      throw failure({ ...c, url }, error);
    }
    const place = REDIRECTS.includes(response.status) ? response.headers.get('location') : null;
    if (place === null) return response;
    await dropBody(response);
    if (redirects === MAX_REDIRECTS) throw opening('Number of redirects hit maximum amount');
    if (!URL.canParse(place, url)) throw opening('URL using bad/illegal format or missing URL');
    const next = new URL(place, url);
    // Anything else could be a file of ours.
    if (next.protocol !== 'http:' && next.protocol !== 'https:') throw opening('Unsupported protocol');
    if (next.origin !== new URL(url).origin) for (const name of PRIVATE) delete headers[name as keyof typeof headers];
    url = next.href;
  }
}

function opening(text: string): BlockError {
  return new BlockError(`CURL: Error opening file: ${text}`, ERRNO.EIO);
}

/** Gives up what is left of an answer; that its connection broke meanwhile is nobody's concern. */
async function dropBody(response: Response): Promise<void> {
  await response.body?.cancel().catch(() => {});
}

/** What tells one version of a file from another, if the server says; tags that only promise the same meaning do not. */
function versionOf(response: Response): string | undefined {
  const tag = response.headers.get('etag');
  if (tag !== null && !tag.startsWith('W/')) return tag;
  return response.headers.get('last-modified') ?? undefined;
}

/** Whether an answer holds the bytes from `offset` on. */
function startsAt(response: Response, offset: number): boolean {
  if (response.status === 200) return offset === 0;
  if (response.status !== 206) return false;
  const given = response.headers.get('content-range');
  return given === null || new RegExp(`^bytes ${offset}-`).test(given);
}

class HttpNode extends BlockNode {
  readonly kind = 'protocol';
  /** The most recent stretch fetched. */
  private window = { start: 0, data: new Uint8Array(0) };

  constructor(
    flags: NodeFlags,
    readonly driverName: string,
    readonly length: number,
    private readonly connection: Connection,
    private readonly readahead: number,
    /** The version that was opened. */
    private readonly version: string | undefined,
  ) {
    super(flags);
    this.filename = connection.url;
  }

  protected override async doRead(offset: number, buffer: Uint8Array): Promise<void> {
    const w = this.window;
    if (offset >= w.start && offset + buffer.length <= w.start + w.data.length) {
      buffer.set(w.data.subarray(offset - w.start, offset - w.start + buffer.length));
      return;
    }
    const end = Math.min(this.length, offset + buffer.length + this.readahead);
    const response = await request(this.connection, 'GET', `bytes=${offset}-${end - 1}`);
    if (!startsAt(response, offset)) {
      await dropBody(response);
      const text =
        response.status >= 400
          ? `The requested URL returned error: ${response.status}`
          : `server answered ${response.status}`;
      throw new BlockError(`CURL: Error reading file: ${text}`, ERRNO.EIO);
    }
    const version = versionOf(response);
    if (this.version !== undefined && version !== undefined && version !== this.version) {
      // Pieces of two versions make no image.
      await dropBody(response);
      throw new BlockError('CURL: Error reading file: the file has changed on the server', ERRNO.EIO);
    }
    // The server decides how much it sends; take no more than was asked for.
    const data = new Uint8Array(end - offset);
    let got = 0;
    try {
      for await (const chunk of (response.body ?? []) as unknown as AsyncIterable<Uint8Array>) {
        const n = Math.min(chunk.length, data.length - got);
        data.set(chunk.subarray(0, n), got);
        got += n;
        if (got === data.length) break;
      }
    } catch (error) {
      throw failure(this.connection, error);
    }
    if (got < buffer.length) throw new BlockError('CURL: Error reading file: transfer ended early', ERRNO.EIO);
    buffer.set(data.subarray(0, buffer.length));
    this.window = { start: offset, data: data.subarray(0, got) };
  }

  protected override doBlockStatus(offset: number, bytes: number): Promise<BlockStatus> {
    return Promise.resolve({ bytes, data: true, zero: false, allocated: true, offset, file: this });
  }

  override allocatedSize(): Promise<undefined> {
    return Promise.resolve(undefined);
  }
}

/** The environment's proxy with a name and password put in; undefined if no name is given or there is no proxy. */
function proxyFor(scheme: string, username: string | undefined, password: string): string | undefined {
  const address = process.env[`${scheme}_proxy`] ?? process.env['all_proxy'];
  if (username === undefined || !address || !URL.canParse(address)) return undefined;
  const url = new URL(address);
  url.username = username;
  url.password = password;
  return url.href;
}

export async function openHttp(name: string, context: OpenContext): Promise<BlockNode> {
  if (!context.flags.readOnly && context.flags.autoReadOnly && !context.writes) context.flags.readOnly = true;
  if (!context.flags.readOnly) throw new BlockError('curl driver does not support writes', ERRNO.EROFS);
  const r = new OptionReader(context.options);
  const url = r.string('url');
  const readahead = r.size('readahead') ?? DEFAULT_READAHEAD;
  const verify = r.bool('sslverify') ?? true;
  const timeout = r.number('timeout') ?? DEFAULT_TIMEOUT;
  const cookie = r.string('cookie');
  const cookieSecret = r.string('cookie-secret');
  const username = r.string('username');
  const password = r.string('password-secret');
  const proxyName = r.string('proxy-username');
  const proxyPassword = r.string('proxy-password-secret');
  if (url === undefined) throw new BlockError("curl block driver requires an 'url' option");
  if (!url.startsWith(`${name}://`))
    throw new BlockError(`${name} curl driver cannot handle the URL '${url}' (does not start with '${name}://')`);
  if (readahead % 512 !== 0) throw new BlockError(`HTTP_READAHEAD_SIZE ${readahead} is not a multiple of 512`);
  if (timeout > 10000) throw new BlockError('timeout parameter is too large or negative');
  const headers: Record<string, string> = {};
  if (cookie !== undefined && cookieSecret !== undefined)
    throw new BlockError('curl driver cannot handle both cookie and cookie secret');
  const secret = (id: string | undefined): string => (id === undefined ? '' : secretText(id));
  const cookies = cookieSecret === undefined ? cookie : secret(cookieSecret);
  if (cookies !== undefined) headers['Cookie'] = cookies;
  const given = secret(password);
  if (username !== undefined)
    headers['Authorization'] = `Basic ${Buffer.from(`${username}:${given}`).toString('base64')}`;
  const connection: Connection = {
    url,
    headers,
    timeoutMs: (timeout || 10000) * 1000,
    verify,
    proxy: proxyFor(name, proxyName, secret(proxyPassword)),
  };
  const head = await request(connection, 'HEAD');
  await dropBody(head);
  if (head.status >= 400)
    throw new BlockError(`CURL: Error opening file: The requested URL returned error: ${head.status}`, ERRNO.EIO);
  const length = Number(head.headers.get('content-length') ?? Number.NaN);
  if (!Number.isSafeInteger(length) || length < 0)
    throw new BlockError("CURL: Error opening file: Server didn't report file size.", ERRNO.EIO);
  if ((head.headers.get('accept-ranges') ?? '').toLowerCase() !== 'bytes') {
    throw new BlockError("CURL: Error opening file: Server does not support 'range' (byte ranges).", ERRNO.EIO);
  }
  return new HttpNode(context.flags, name, length, connection, readahead, versionOf(head));
}
