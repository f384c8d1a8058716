// Shared by the disk layer's tests: scratch folders, images, tools that may be absent.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { copyImages } from '../../src/block/convert.ts';
import { createImage } from '../../src/block/create-image.ts';
import type { BlockNode } from '../../src/block/driver.ts';
import { closeImage, openImage } from '../../src/block/graph.ts';
import type { Qcow2Node } from '../../src/block/qcow2/open.ts';

/** Runs a body with a scratch folder that is removed afterwards. */
export async function inScratch<T>(body: (dir: string) => Promise<T> | T): Promise<T> {
  const dir = mkdtempSync(join(tmpdir(), 'wemu-block-'));
  try {
    return await body(dir);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

export const hasQemu = Bun.which('qemu-img') !== null && Bun.which('qemu-io') !== null;

/** Said in the names of tests that need qemu-img and qemu-io. */
export const QEMU_NOTE = hasQemu ? '' : ' [skipped: qemu-img or qemu-io is not installed]';

/**
 * Measures how long something takes: processor time, since on a busy machine the clock tells little, or a twentieth of the
 * clock's if that is more, so that waiting for ever counts too.
 */
export function stopwatch(): () => number {
  const wall = performance.now();
  const cpu = process.cpuUsage();
  return () => {
    const { user, system } = process.cpuUsage(cpu);
    return Math.max((user + system) / 1000, (performance.now() - wall) / 20);
  };
}

/** Runs a command; throws with its output when it fails. */
export function run(cmd: string[], cwd?: string): string {
  const p = Bun.spawnSync(cmd, cwd === undefined ? {} : { cwd });
  const text = p.stdout.toString() + p.stderr.toString();
  if (p.exitCode !== 0) throw new Error(`${cmd.join(' ')}: exit ${p.exitCode}\n${text.slice(0, 2000)}`);
  return text;
}

/** Creates and opens a qcow2 image. */
export async function freshQcow2(path: string, size: number, options = '', extra: object = {}): Promise<BlockNode> {
  await createImage({ filename: path, format: 'qcow2', optionTexts: options ? [options] : [], size });
  return openImage({ filename: path, options: new Map([['driver', 'qcow2']]), unmap: true, noFlush: true, ...extra });
}

/** Closes a qcow2 image, and opens it for reading and `check`. */
export async function reopenToCheck(node: BlockNode, path: string): Promise<Qcow2Node> {
  await closeImage(node);
  const options = new Map([['driver', 'qcow2']]);
  return (await openImage({ filename: path, options, readOnly: true, check: true })) as Qcow2Node;
}

/** The whole content of a node. */
export async function contentOf(node: BlockNode): Promise<Uint8Array> {
  const b = new Uint8Array(node.length);
  await node.read(0, b);
  return b;
}

/** A request as a promise, whether it has ended or failed at once or does so later. */
export async function eventually(request: () => unknown): Promise<void> {
  await request();
}

/** Copies a whole image into a new one, as `convert` does it. */
export function copyWhole(source: BlockNode, target: BlockNode, compressed = false): Promise<void> {
  return copyImages({
    sources: [source],
    target,
    length: target.length,
    compressed,
    minSparse: 4096,
    parallel: 8,
    outOfOrder: false,
    targetIsZero: true,
    targetBacking: undefined,
    rate: 0,
    progress: () => {},
  });
}
