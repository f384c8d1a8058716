// Runs the conformance suite against every driver and filter.
import { join } from 'node:path';
import { createImage } from '../../src/block/create-image.ts';
import type { BlockNode } from '../../src/block/driver.ts';
import { openImage } from '../../src/block/graph.ts';
import type { OptionTree } from '../../src/block/options.ts';
import { createThrottleGroup } from '../../src/block/throttle.ts';
import { conformance, type Subject } from './conformance.ts';

const FLAGS = { unmap: true, noFlush: true };

function open(options: Record<string, string>): Promise<BlockNode> {
  return openImage({ options: new Map(Object.entries(options)) as OptionTree, ...FLAGS });
}

function plain(
  name: string,
  format: string,
  options: string,
  layers: (path: string) => Record<string, string>,
): Subject {
  const reopen = (dir: string): Promise<BlockNode> => open(layers(join(dir, 'image')));
  return {
    name,
    open: async (dir, size) => {
      await createImage({ filename: join(dir, 'image'), format, optionTexts: options ? [options] : [], size });
      return reopen(dir);
    },
    reopen,
  };
}

createThrottleGroup('conformance', new Map([['x-iops-total', '1000000']]));

const qcow2 = (options: string): Subject =>
  plain(`qcow2 ${options || 'defaults'}`, 'qcow2', options, (path) => ({ driver: 'qcow2', 'file.filename': path }));

const SUBJECTS: Subject[] = [
  plain('file', 'raw', '', (path) => ({ driver: 'file', filename: path })),
  plain('file, direct', 'raw', '', (path) => ({
    driver: 'file',
    filename: path,
    'cache.direct': process.env['WEMU_NO_DIRECT'] ? 'off' : 'on',
  })),
  plain('raw', 'raw', '', (path) => ({ driver: 'raw', 'file.filename': path })),
  {
    name: 'raw with offset and size',
    open: async (dir, size) => {
      await createImage({ filename: join(dir, 'image'), format: 'raw', size: size + 3072 });
      return open({ driver: 'raw', offset: '1024', size: String(size), 'file.filename': join(dir, 'image') });
    },
  },
  qcow2(''),
  qcow2('compat=0.10'),
  qcow2('cluster_size=512'),
  qcow2('cluster_size=2M'),
  qcow2('extended_l2=on'),
  qcow2('extended_l2=on,cluster_size=16k'),
  qcow2('lazy_refcounts=on'),
  qcow2('refcount_bits=1'),
  qcow2('refcount_bits=64,cluster_size=4k'),
  qcow2('preallocation=metadata'),
  qcow2('preallocation=falloc'),
  qcow2('preallocation=full'),
  {
    name: 'qcow2 with a data file',
    open: async (dir, size) => {
      const data = join(dir, 'data');
      await createImage({ filename: join(dir, 'image'), format: 'qcow2', optionTexts: [`data_file=${data}`], size });
      return open({ driver: 'qcow2', 'file.filename': join(dir, 'image') });
    },
    reopen: (dir) => open({ driver: 'qcow2', 'file.filename': join(dir, 'image') }),
  },
  {
    name: 'qcow2 with a raw data file',
    open: async (dir, size) => {
      const data = join(dir, 'data');
      await createImage({
        filename: join(dir, 'image'),
        format: 'qcow2',
        optionTexts: [`data_file=${data},data_file_raw=on`],
        size,
      });
      return open({ driver: 'qcow2', 'file.filename': join(dir, 'image') });
    },
    reopen: (dir) => open({ driver: 'qcow2', 'file.filename': join(dir, 'image') }),
  },
  {
    name: 'qcow2 over a backing file',
    open: async (dir, size) => {
      const base = join(dir, 'base');
      await createImage({ filename: base, format: 'raw', size: 1 << 20 });
      await createImage({
        filename: join(dir, 'image'),
        format: 'qcow2',
        backingFile: base,
        backingFormat: 'raw',
        size,
      });
      return open({ driver: 'qcow2', 'file.filename': join(dir, 'image') });
    },
    reopen: (dir) => open({ driver: 'qcow2', 'file.filename': join(dir, 'image') }),
  },
  plain('throttle', 'raw', '', (path) => ({
    driver: 'throttle',
    'throttle-group': 'conformance',
    'file.driver': 'raw',
    'file.file.filename': path,
  })),
  plain('copy-on-read', 'qcow2', '', (path) => ({
    driver: 'copy-on-read',
    'file.driver': 'qcow2',
    'file.file.filename': path,
  })),
  plain('preallocate', 'qcow2', '', (path) => ({
    driver: 'qcow2',
    'file.driver': 'preallocate',
    'file.file.filename': path,
  })),
  plain('blkdebug', 'raw', '', (path) => ({ driver: 'blkdebug', 'image.driver': 'file', 'image.filename': path })),
  {
    name: 'null-co',
    open: (_dir, size) => open({ driver: 'null-co', size: String(size), 'read-zeroes': 'on' }),
    skip: {
      reason: 'keeps nothing',
      tests: [
        'what is written is read back, at any alignment',
        'zeroes overwrite data, with and without giving space up',
        'a discard changes nothing outside its range',
        'requests at the same time do not disturb each other',
        'reads behind the end give zeroes',
      ],
    },
  },
];

for (const subject of SUBJECTS) conformance(subject);
