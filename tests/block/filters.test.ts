// Filters against qemu-io: how long a file with the preallocate filter is meanwhile and afterwards, what copy-on-read copies down to
// its bottom node, what a guessed raw image may be made to look like, and what zero detection and discards leave behind.
import { expect, test } from 'bun:test';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { createImage } from '../../src/block/create-image.ts';
import type { BlockNode } from '../../src/block/driver.ts';
import { closeImage, openImage } from '../../src/block/graph.ts';
import { parseKeyValueList } from '../../src/block/options.ts';
import { hasQemu, inScratch, QEMU_NOTE, run } from './helpers.ts';

const open = (options: string, extra: object = {}): Promise<BlockNode> =>
  openImage({ options: new Map(parseKeyValueList(options)), ...extra });

/** qemu-io with an image open, command by command. */
class Io {
  private readonly io: Bun.Subprocess<'pipe', 'pipe', 'inherit'>;
  private readonly output: AsyncIterator<Uint8Array>;

  constructor(options: string) {
    this.io = Bun.spawn(['qemu-io', '--image-opts', options], { stdin: 'pipe', stdout: 'pipe', stderr: 'inherit' });
    this.output = (this.io.stdout as unknown as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]();
  }

  /** Waits for the prompt. */
  async ready(): Promise<void> {
    for (let text = ''; !text.endsWith('qemu-io> '); ) {
      const { value, done } = await this.output.next();
      if (done) throw new Error(`qemu-io ended: ${text}`);
      text += Buffer.from(value).toString();
    }
  }

  async command(line: string): Promise<void> {
    this.io.stdin.write(`${line}\n`);
    this.io.stdin.flush();
    await this.ready();
  }

  async quit(): Promise<void> {
    this.io.stdin.write('quit\n');
    this.io.stdin.end();
    await this.io.exited;
  }
}

for (const options of [
  '',
  'prealloc-size=1M,prealloc-align=64k',
  'prealloc-size=1M,prealloc-align=4k',
  'prealloc-size=0,prealloc-align=4M',
  'prealloc-size=10M,prealloc-align=3M',
]) {
  test.skipIf(!hasQemu)(
    `a file under the preallocate filter is as long as qemu-io makes it: ${options}${QEMU_NOTE}`,
    () =>
      inScratch(async (dir) => {
        const spec = (name: string): string => {
          run(['qemu-img', 'create', '-q', '-f', 'qcow2', join(dir, name), '64M']);
          return `driver=qcow2,file.driver=preallocate,file.file.driver=file,file.file.filename=${join(dir, name)}${options && `,file.${options.replace(',', ',file.')}`}`;
        };
        const io = new Io(spec('theirs'));
        await io.ready();
        const node = await open(spec('ours'));
        const sizes = { theirs: [] as number[], ours: [] as number[] };
        const measure = (): void => {
          for (const name of ['theirs', 'ours'] as const) sizes[name].push(statSync(join(dir, name)).size);
        };
        measure();
        for (const [at, bytes] of [
          [0, 65536],
          [65536, 65536],
          [1 << 20, 2 << 20],
          [5 << 20, 512],
          [8 << 20, 3 << 20],
        ] as const) {
          await io.command(`write -q ${at} ${bytes}`);
          await node.write(at, new Uint8Array(bytes).fill(1));
          measure();
        }
        await io.command('flush');
        await node.flush();
        measure();
        await io.quit();
        await closeImage(node);
        measure();
        expect(sizes.ours).toEqual(sizes.theirs);
      }),
  );
}

test.skipIf(!hasQemu)(`copy-on-read copies from layers down to its bottom node as qemu-io does${QEMU_NOTE}`, () =>
  inScratch(async (dir) => {
    const maps: string[] = [];
    for (const tool of ['theirs', 'ours']) {
      const at = (name: string): string => join(dir, `${name}-${tool}`);
      const make = (name: string, base?: string): string =>
        run([
          'qemu-img',
          'create',
          '-q',
          '-f',
          'qcow2',
          ...(base ? ['-b', at(base), '-F', 'qcow2'] : []),
          at(name),
          '1M',
        ]);
      make('base');
      make('middle', 'base');
      make('top', 'middle');
      run(['qemu-io', '-c', 'write -q -P 1 0 512k', at('base')]);
      run(['qemu-io', '-c', 'write -q -P 2 128k 128k', '-c', 'write -q -P 3 640k 64k', at('middle')]);
      run(['qemu-io', '-c', 'write -q -P 4 192k 64k', at('top')]);
      const options = `driver=copy-on-read,bottom=mid,file.driver=qcow2,file.file.filename=${at('top')},file.backing.driver=qcow2,file.backing.node-name=mid,file.backing.file.filename=${at('middle')}`;
      if (tool === 'theirs') run(['qemu-io', '-c', 'read -q 0 1000k', '--image-opts', options]);
      else {
        const node = await open(options);
        await node.read(0, new Uint8Array(1000 << 10));
        await closeImage(node);
      }
      maps.push(
        run(['qemu-img', 'map', at('top')])
          .replaceAll(dir, '')
          .replaceAll(`-${tool}`, ''),
      );
      run(['qemu-img', 'check', at('top')]);
    }
    // (Where in the file a cluster is, is each tool's own affair.)
    const places = maps.map((text) => text.replace(/^(\S+ +\S+ +)\S+/gm, '$1'));
    expect(places[1]).toBe(places[0]!);
    expect(places[1]).toContain('/base');
  }),
);

test('a raw image whose format was guessed cannot be given the signature of another, at once or piece by piece', () =>
  inScratch(async (dir) => {
    const path = join(dir, 'a');
    await createImage({ filename: path, format: 'raw', size: 1 << 20 });
    const write = async (node: BlockNode, at: number, text: string): Promise<string> => {
      try {
        await node.write(at, Buffer.from(text, 'latin1'));
        return 'written';
      } catch (error) {
        return (error as Error).message;
      }
    };
    const real = process.stderr.write;
    const guessed = await openImage({ filename: path });
    process.stderr.write = real;
    expect(await write(guessed, 0, 'QFI\xfb\0\0\0\x03')).toBe('Operation not permitted');
    expect(await write(guessed, 0, 'KDMV')).toBe('Operation not permitted');
    expect(await write(guessed, 0, '# x\nversion=1\n')).toBe('Operation not permitted');
    expect(await write(guessed, 0x40, '\x7f\x10\xda\xbe')).toBe('Operation not permitted');
    expect(await write(guessed, 1, 'FI\xfb\0\0\0\x03')).toBe('written');
    expect(await write(guessed, 0, 'Q')).toBe('Operation not permitted');
    expect(await write(guessed, 0, 'X')).toBe('written');
    await closeImage(guessed);
    const told = await open(`driver=raw,file.filename=${path}`);
    expect(await write(told, 0, 'QFI\xfb\0\0\0\x03')).toBe('written');
    await closeImage(told);
  }));

for (const options of [
  'driver=qcow2,detect-zeroes=on',
  'driver=qcow2,discard=unmap,detect-zeroes=unmap',
  'driver=qcow2,discard=on',
  'driver=qcow2,discard=ignore',
  'driver=qcow2,discard=unmap,pass-discard-request=off',
  'driver=qcow2,discard=unmap,l2-cache-entry-size=512',
  'driver=qcow2,l2-cache-size=2k,refcount-cache-size=2k,l2-cache-entry-size=512,cache-clean-interval=1',
  'driver=qcow2,lazy-refcounts=on',
]) {
  test.skipIf(!hasQemu)(`writes of zeroes and discards leave what qemu-io leaves: ${options}${QEMU_NOTE}`, () =>
    inScratch(async (dir) => {
      const maps: string[] = [];
      for (const tool of ['theirs', 'ours']) {
        const path = join(dir, tool);
        run(['qemu-img', 'create', '-q', '-f', 'qcow2', '-o', 'cluster_size=4096', path, '8M']);
        run(['qemu-io', '-c', 'write -q -P 1 0 4M', path]);
        const spec = `${options},file.filename=${path}`;
        if (tool === 'theirs') {
          const commands = [
            'write -q -P 0 64k 64k',
            'write -q -P 0 5M 64k',
            'discard -q 1M 1M',
            'write -q -z -u 3M 64k',
          ];
          run(['qemu-io', ...commands.flatMap((c) => ['-c', c]), '--image-opts', spec]);
        } else {
          const node = await open(spec, { unmap: true });
          await node.write(64 << 10, new Uint8Array(65536));
          await node.write(5 << 20, new Uint8Array(65536));
          await node.discard(1 << 20, 1 << 20);
          await node.writeZeroes(3 << 20, 65536, 2);
          await closeImage(node);
        }
        const parts = JSON.parse(run(['qemu-img', 'map', '--output=json', path])) as Record<string, unknown>[];
        maps.push(JSON.stringify(parts.map(({ start, length, zero, data }) => ({ start, length, zero, data }))));
        run(['qemu-img', 'check', path]);
      }
      expect(maps[1]).toBe(maps[0]!);
    }),
  );
}
