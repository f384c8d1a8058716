// Images on web servers, read-only: range requests with read-ahead.
import { BlockNode, type BlockStatus, type NodeFlags, type OpenContext } from './driver.ts';
import { BlockError, ERRNO } from './errors.ts';
import { OptionReader } from './options.ts';

const DEFAULT_READAHEAD = 256 * 1024;
const DEFAULT_TIMEOUT = 5;

interface Connection {
  url: string;
  headers: Record<string, string>;
  timeoutMs: number;
  verify: boolean;
}

async function request(c: Connection, method: string, range?: string): Promise<Response> {
  const headers = range === undefined ? c.headers : { ...c.headers, Range: range };
  try {
    return await fetch(c.url, {
      method,
      headers,
      signal: AbortSignal.timeout(c.timeoutMs),
      ...(c.verify ? {} : { tls: { rejectUnauthorized: false } }),
    });
  } catch (error) {
    const name = (error as Error).name;
    if (name === 'TimeoutError') throw new BlockError('CURL: Error opening file: Timeout was reached', ERRNO.EIO);
    throw new BlockError(`CURL: Error opening file: ${(error as Error).message}`, ERRNO.EIO);
  }
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
    if (response.status !== 206 && !(response.status === 200 && offset === 0)) {
      await response.body?.cancel();
      throw new BlockError(`CURL: Error reading file: server answered ${response.status}`, ERRNO.EIO);
    }
    // The server decides how much it sends; take no more than was asked for.
    const data = new Uint8Array(end - offset);
    let got = 0;
    for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
      const n = Math.min(chunk.length, data.length - got);
      data.set(chunk.subarray(0, n), got);
      got += n;
      if (got === data.length) break;
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

export async function openHttp(name: string, context: OpenContext): Promise<BlockNode> {
  if (!context.flags.readOnly) {
    throw new BlockError('curl block device does not support writes', ERRNO.EROFS);
  }
  const r = new OptionReader(context.options);
  const url = r.string('url');
  const readahead = r.size('readahead') ?? DEFAULT_READAHEAD;
  const verify = r.bool('sslverify') ?? true;
  const timeout = r.number('timeout') ?? DEFAULT_TIMEOUT;
  const cookie = r.string('cookie');
  r.bool('force-range');
  for (const secret of ['cookie-secret', 'password-secret', 'proxy-username', 'proxy-password-secret']) {
    if (r.string(secret) !== undefined)
      throw new BlockError(`${name} option '${secret}' is not supported`, ERRNO.EOPNOTSUPP);
  }
  const username = r.string('username');
  if (url === undefined) throw new BlockError("curl block driver requires an 'url' option");
  if (!url.startsWith(`${name}://`))
    throw new BlockError(`${name} curl driver cannot handle the URL '${url}' (does not start with '${name}://')`);
  if (readahead % 512 !== 0) throw new BlockError('HTTP_READAHEAD_SIZE is not a multiple of 512');
  if (timeout > 10000) throw new BlockError('timeout parameter is too large or negative');
  const headers: Record<string, string> = {};
  if (cookie !== undefined) headers['Cookie'] = cookie;
  if (username !== undefined) headers['Authorization'] = `Basic ${Buffer.from(`${username}:`).toString('base64')}`;
  const connection: Connection = { url, headers, timeoutMs: (timeout || 10000) * 1000, verify };
  const head = await request(connection, 'HEAD');
  await head.body?.cancel();
  if (head.status >= 400)
    throw new BlockError(`CURL: Error opening file: The requested URL returned error: ${head.status}`, ERRNO.EIO);
  const length = Number(head.headers.get('content-length') ?? Number.NaN);
  if (!Number.isSafeInteger(length) || length < 0)
    throw new BlockError("CURL: Error opening file: Server didn't report file size.", ERRNO.EIO);
  if ((head.headers.get('accept-ranges') ?? '').toLowerCase() !== 'bytes') {
    throw new BlockError("CURL: Error opening file: Server does not support 'range' (byte ranges).", ERRNO.EIO);
  }
  return new HttpNode(context.flags, name, length, connection, readahead);
}
