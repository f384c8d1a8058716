// Which lock bytes are held on which file: the same as qemu-io holds, for formats, chains, data files and filters.
import { expect, test } from 'bun:test';
import fs from 'node:fs';
import { closeImage, openImage } from '../../src/block/graph.ts';
import { parseKeyValueList } from '../../src/block/options.ts';
import { TEST_LIMIT } from '../setup/limits.ts';
import { hasQemu, inScratch, QEMU_NOTE, run } from './helpers.ts';

/** Options of what is opened; @ stands for the folder. */
const OPENED = [
  'driver=raw,file.filename=@/raw',
  'driver=file,filename=@/raw',
  'driver=qcow2,file.filename=@/base',
  'driver=qcow2,file.filename=@/over-raw',
  'driver=qcow2,file.filename=@/over-qcow2',
  'driver=qcow2,file.filename=@/over-over',
  'driver=raw,offset=4096,size=4096,file.filename=@/raw',
  'driver=raw,offset=4096,file.filename=@/raw',
  'driver=qcow2,file.filename=@/with-data',
  'driver=qcow2,file.driver=raw,file.file.filename=@/base',
  'driver=raw,file.filename=@/raw,file.locking=off',
  'driver=qcow2,file.filename=@/base,file.locking=on',
  'driver=copy-on-read,file.driver=qcow2,file.file.filename=@/over-raw',
  'driver=preallocate,file.driver=file,file.filename=@/raw',
  'driver=raw,file.driver=preallocate,file.file.driver=file,file.file.filename=@/raw',
  'driver=qcow2,file.driver=preallocate,file.file.driver=file,file.file.filename=@/base',
  'driver=qcow2,file.driver=blkdebug,file.image.driver=file,file.image.filename=@/base',
  'driver=blkdebug,image.driver=file,image.filename=@/raw,take-child-perms.0=resize',
  'driver=blkdebug,image.driver=file,image.filename=@/raw,unshare-child-perms.0=write,unshare-child-perms.1=resize',
  'driver=qcow2,file.filename=@/over-raw,backing.driver=raw,backing.file.filename=@/raw,backing.file.locking=off',
];
const READ_ONLY = [
  'driver=qcow2,force-share=on,file.filename=@/base',
  'driver=qcow2,force-share=on,file.filename=@/over-qcow2',
  'driver=raw,force-share=on,file.filename=@/raw',
];

function images(dir: string): void {
  for (const command of [
    'create -q -f raw raw 1M',
    'create -q -f qcow2 base 1M',
    'create -q -f qcow2 -b raw -F raw over-raw',
    'create -q -f qcow2 -b base -F qcow2 over-qcow2',
    'create -q -f qcow2 -b over-raw -F qcow2 over-over',
    `create -q -f qcow2 -o data_file=${dir}/data with-data 1M`,
  ])
    run(['qemu-img', ...command.split(' ')], dir);
}

/** Lock bytes a process holds by file name, as `base: 100 101 201`. */
function held(pid: number | 'self', dir: string): string[] {
  const files = new Map<string, Set<number>>();
  for (const fd of fs.readdirSync(`/proc/${pid}/fd`)) {
    let path: string;
    let info: string;
    try {
      path = fs.readlinkSync(`/proc/${pid}/fd/${fd}`);
      if (!path.startsWith(`${dir}/`)) continue;
      info = fs.readFileSync(`/proc/${pid}/fdinfo/${fd}`, 'latin1');
    } catch {
      continue;
    }
    const bytes = files.get(path) ?? new Set<number>();
    files.set(path, bytes);
    for (const [, first, last] of info.matchAll(/^lock:\t.*OFDLCK .* (\d+) (\d+)$/gm))
      for (let at = Number(first); at <= Number(last); at++) bytes.add(at);
  }
  return [...files].map(([path, bytes]) => `${path.slice(dir.length + 1)}: ${[...bytes].sort().join(' ')}`).sort();
}

async function theirs(dir: string, options: string, readOnly: boolean): Promise<string[]> {
  const io = Bun.spawn(['qemu-io', ...(readOnly ? ['-r'] : []), '--image-opts', options], {
    stdin: 'pipe',
    stdout: 'pipe',
    stderr: 'inherit',
  });
  // The prompt says that the image is open.
  await io.stdout.getReader().read();
  const bytes = held(io.pid, dir);
  io.stdin.write('quit\n');
  io.stdin.end();
  await io.exited;
  return bytes;
}

async function ours(dir: string, options: string, readOnly: boolean): Promise<string[]> {
  const node = await openImage({ options: new Map(parseKeyValueList(options)), readOnly });
  const bytes = held('self', dir);
  await closeImage(node);
  return bytes;
}

test.skipIf(!hasQemu)(
  `the same bytes are locked${QEMU_NOTE}`,
  () =>
    inScratch(async (dir) => {
      images(dir);
      for (const [list, modes] of [
        [OPENED, [false, true]],
        [READ_ONLY, [true]],
      ] as const) {
        for (const text of list) {
          for (const readOnly of modes) {
            if (readOnly && /copy-on-read|take-child-perms/.test(text)) continue;
            const options = text.replaceAll('@', dir);
            const what = `${readOnly ? '-r ' : ''}${text}`;
            const [a, b] = [await theirs(dir, options, readOnly), await ours(dir, options, readOnly)];

            expect([what, ...b]).toEqual([what, ...a]);
          }
        }
      }
    }),
  TEST_LIMIT,
);
