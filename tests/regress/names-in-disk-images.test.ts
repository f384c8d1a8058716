// Names of snapshots and bitmaps were text where qemu-img has bytes, and an id could be taken for a name.
//
// - A snapshot whose name is no UTF-8 was read as if it had other (longer) bytes: the next change of the table wrote those,
//   and freed clusters by the length they would have had. It could not be named on a command line either.
// - `snapshot -d 1` deleted the snapshot with the id 1, though one with the name 1 was meant: qemu-img goes by names alone.
// - `bitmap --add` took an empty name, after which nothing could open the image any more.
import { expect, test } from 'bun:test';
import { join } from 'node:path';
import { closeImage, openImage } from '../../src/block/graph.ts';
import type { Qcow2Node } from '../../src/block/qcow2/open.ts';
import { createSnapshot, deleteSnapshot, findSnapshotByName } from '../../src/block/qcow2/snapshot.ts';
import { freshQcow2, inScratch } from '../block/helpers.ts';

/** What bytes that are no UTF-8 are kept as: here 0xff. */
const BROKEN = `a${String.fromCharCode(0xdcff)}b`;
const IMG = [process.execPath, join(import.meta.dir, '../../src/cli/img.ts')];

function img(dir: string, ...args: string[]): { code: number; text: string } {
  const p = Bun.spawnSync([...IMG, ...args], { cwd: dir });
  return { code: p.exitCode, text: p.stdout.toString() + p.stderr.toString() };
}

test('a name that is no UTF-8 stays what it is when the table is written again', () =>
  inScratch(async (dir) => {
    const path = join(dir, 'a');
    // Clusters of 512 bytes: a table of a few entries fills more than one.
    let node = (await freshQcow2(path, 1 << 20, 'cluster_size=512')) as Qcow2Node;
    for (let i = 0; i < 8; i++) await createSnapshot(node.s, BROKEN.repeat(10 + i));
    await closeImage(node);
    for (let i = 0; i < 8; i++) {
      node = (await openImage({ filename: path })) as Qcow2Node;
      expect(node.s.snapshots.map((sn) => sn.name)).toEqual(
        Array.from({ length: 8 - i }, (_, k) => BROKEN.repeat(10 + i + k)),
      );
      await deleteSnapshot(node.s, findSnapshotByName(node.s, BROKEN.repeat(10 + i))!);
      await closeImage(node);
    }
    node = (await openImage({ filename: path, readOnly: true })) as Qcow2Node;
    const result = await node.check('none', () => {});
    expect([result.corruptions, result.leaks]).toEqual([0, 0]);
    await closeImage(node);
  }));

test('what is deleted is named, not numbered', () =>
  inScratch((dir) => {
    img(dir, 'create', '-q', '-f', 'qcow2', 'a', '1M');
    for (const name of ['x', 'y', '1']) expect(img(dir, 'snapshot', '-c', name, 'a')).toEqual({ code: 0, text: '' });
    expect(img(dir, 'snapshot', '-d', '1', 'a').code).toBe(0);
    const list = img(dir, 'snapshot', '-l', 'a').text.split('\n').slice(2, -1);
    expect(list.map((line) => line.split(/ +/).slice(0, 2))).toEqual([
      ['1', 'x'],
      ['2', 'y'],
    ]);
    expect(img(dir, 'snapshot', '-d', '2', 'a').text).toBe(
      "wemu-img: Could not delete snapshot '2': snapshot not found\n",
    );
  }));

test('a bitmap has a name', () =>
  inScratch((dir) => {
    img(dir, 'create', '-q', '-f', 'qcow2', 'a', '1M');
    expect(img(dir, 'bitmap', '--add', 'a', '')).toEqual({
      code: 1,
      text: 'wemu-img: Operation add on bitmap  failed: Bitmap name cannot be empty\n',
    });
    expect(img(dir, 'info', 'a').code).toBe(0);
  }));
