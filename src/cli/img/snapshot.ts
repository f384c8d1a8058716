// wemu-img snapshot: lists, creates, applies and deletes internal snapshots.
import { BlockError, ERRNO, errnoOf, failingAs, strerror } from '../../block/errors.ts';
import { closeImage } from '../../block/graph.ts';
import type { Qcow2Node } from '../../block/qcow2/open.ts';
import { type OptionRow, openNamed, parseArgs, print, reportError, sayError, usageError } from './common.ts';
import { snapshotTable } from './snapshot-list.ts';

export async function snapshot(argv: readonly string[]): Promise<number> {
  let action: 'l' | 'a' | 'c' | 'd' | undefined;
  const only = (short: 'l' | 'a' | 'c' | 'd'): OptionRow => ({
    short,
    argument: short !== 'l',
    check: () => {
      if (action !== undefined) usageError("Cannot mix '-l', '-a', '-c', '-d'");
      action = short;
    },
  });
  const args = await parseArgs(argv, [
    only('l'),
    only('a'),
    only('c'),
    only('d'),
    { short: 'q' },
    { short: 'U', long: 'force-share' },
  ]);
  if (args.positional.length !== 1) usageError('Expecting one image file name');
  const node = await openNamed({
    name: args.positional[0]!,
    imageOpts: args.has('image-opts'),
    readOnly: action === 'l',
    forceShare: args.has('U'),
    unmap: true,
  });
  try {
    if (action === 'l') {
      const list = node.snapshotList;
      if (list.length > 0) print(`Snapshot list:\n${snapshotTable(list)}`);
      return 0;
    }
    return action === undefined ? 0 : await change(node as Qcow2Node, action, args.last(action)!);
  } finally {
    await closeImage(node);
  }
}

async function change(node: Qcow2Node, action: string, name: string): Promise<number> {
  const verb = { a: 'apply', c: 'create', d: 'delete' }[action];
  const ops = await import('../../block/qcow2/snapshot.ts');
  try {
    if (node.driverName !== 'qcow2') {
      if (action === 'c') throw new BlockError(strerror(ERRNO.EOPNOTSUPP), ERRNO.EOPNOTSUPP);
      if (action === 'a') throw new BlockError('Block driver does not support snapshots', ERRNO.EOPNOTSUPP);
      throw new BlockError('snapshot not found', ERRNO.ENOENT);
    }
    if (action === 'c') {
      await node.s.quiet(() => ops.createSnapshot(node.s, name));
      return 0;
    }
    // They would not know what the snapshot changes.
    if (action === 'a' && node.s.header.bitmaps) throw new BlockError('Device has active dirty bitmaps', ERRNO.EBUSY);
    if (action === 'a' && node.s.hasDataFile)
      throw new BlockError(`Failed to load snapshot: ${strerror(ERRNO.EOPNOTSUPP)}`, ERRNO.EOPNOTSUPP);
    // Only a name says what is deleted: an id could be the name of another snapshot.
    const found = action === 'd' ? ops.findSnapshotByName(node.s, name) : ops.findSnapshot(node.s, name);
    if (!found) {
      if (action === 'd') sayError(`Could not delete snapshot '${name}': snapshot not found`);
      else sayError(`Could not apply snapshot '${name}': Failed to load snapshot: ${strerror(ERRNO.ENOENT)}`);
      return 1;
    }
    await node.s.quiet(() =>
      action === 'a'
        ? failingAs('Failed to load snapshot', () => ops.applySnapshot(node.s, found))
        : ops.deleteSnapshot(node.s, found),
    );
    return 0;
  } catch (error) {
    if (!(error instanceof BlockError)) throw error;
    const text = action === 'c' ? `-${errnoOf(error)} (${strerror(errnoOf(error))})` : error.message;
    reportError(new BlockError(text, error.errno), `Could not ${verb} snapshot '${name}': `);
    return 1;
  }
}
