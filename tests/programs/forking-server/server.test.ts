// A small TCP server that forks for each connection serves native clients the same natively and under wemu.

import { afterAll, expect } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { nativeUnavailable, wemuCommand } from '../../oracle/runner.ts';
import { TEST_LIMIT } from '../../setup/limits.ts';
import { testWith } from '../../setup/needs.ts';
import { oraclePath } from '../../setup/oracles.ts';

const scratch = mkdtempSync(join(tmpdir(), 'wemu-forking-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** A connection that is asked by lines. */
class Client {
  received = Buffer.alloc(0);
  private notify: () => void = () => {};
  private ended = false;
  private readonly socket;

  constructor(port: number) {
    this.socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    this.socket.on('data', (data: Buffer) => {
      this.received = Buffer.concat([this.received, data]);
      this.notify();
    });
    for (const event of ['end', 'close', 'error'])
      this.socket.on(event, () => {
        this.ended = true;
        this.notify();
      });
  }

  send(text: string): this {
    this.socket.write(text);
    return this;
  }

  /** Waits until so many bytes have come in all, or the server has closed its side. */
  async until(bytes: number): Promise<string> {
    while (this.received.length < bytes && !this.ended) {
      await new Promise<void>((resolve) => {
        this.notify = resolve;
      });
    }
    return this.received.toString('latin1');
  }

  async end(): Promise<string> {
    this.socket.end();
    const text = await this.until(Number.POSITIVE_INFINITY);
    this.socket.destroy();
    return text;
  }
}

/** What a series of clients saw, and what the server said at its end. */
async function session(command: string[]): Promise<unknown> {
  const server = Bun.spawn(command, { stdin: 'ignore', stdout: 'pipe', stderr: 'pipe' });
  const log: unknown[] = [];
  try {
    const reader = server.stdout.getReader();
    const first = Buffer.from((await reader.read()).value ?? []).toString();
    const port = Number(/^port (\d+)\n$/.exec(first)?.[1]);
    // Several at once, answered in the order in which they are asked, not in that of their arrival.
    const clients = Array.from({ length: 8 }, () => new Client(port));
    for (const [n, client] of [...clients.entries()].reverse()) {
      log.push(await client.send(`echo client ${n}\n`).until(`client ${n}\n`.length));
    }
    clients[0]!.send('big 3000000\n');
    clients[1]!.send('count 2000\nwho\n');
    clients[2]!.send('sum 1 2.5 -0.25 1e3 0.1\nnonsense\n');
    clients[3]!.send('exit 7\n');
    clients[4]!.send('crash\n');
    clients[5]!.send('quit\n');
    clients[6]!.send(`${'echo pipelined\n'.repeat(500)}`);
    // The last is silent until the server has been told to end.
    const [last, ...others] = [clients[7]!, ...clients.slice(0, 7)];
    for (const client of others) {
      const text = await client.end();
      log.push([text.length, Bun.hash(text).toString(16), text.slice(-60)]);
    }
    // Many short ones.
    for (let round = 0; round < 3; round++) {
      const short = Array.from({ length: 8 }, (_, n) => new Client(port).send(`sum ${n} ${round}\n`));
      log.push(await Promise.all(short.map((client) => client.end())));
    }
    server.kill('SIGTERM');
    log.push(await last.send('echo still served\n').end());
    let rest = '';
    for (let read = await reader.read(); !read.done; read = await reader.read()) rest += Buffer.from(read.value);
    log.push(rest, await server.exited, await new Response(server.stderr).text());
  } finally {
    if (server.exitCode === null) server.kill('SIGKILL');
  }
  return log;
}

testWith(
  ['gcc-i386', { met: nativeUnavailable() === undefined, reason: nativeUnavailable() ?? '' }],
  'a server that forks for each connection',
  async () => {
    const program = join(scratch, 'server');
    const source = join(import.meta.dir, 'server.c');
    const built = Bun.spawnSync([oraclePath('gcc-i386')!, '-O1', '-static', '-o', program, source]);
    if (!built.success) throw new Error(String(built.stderr));
    const wemu = wemuCommand();
    if ('missing' in wemu) throw new Error(wemu.missing);
    const native = await session([program]);
    expect((native as unknown[]).slice(-3)).toEqual(['started 32, failed 1, killed 1\n', 0, '']);
    expect(await session([...wemu.command, program])).toEqual(native);
  },
  TEST_LIMIT,
);
