// Every command of wemu-img on a damaged image, run within this process so that hundreds of thousands can be.
import { rmSync } from 'node:fs';
import { amend } from '../../src/cli/img/amend.ts';
import { bench } from '../../src/cli/img/bench.ts';
import { bitmap } from '../../src/cli/img/bitmap.ts';
import { check } from '../../src/cli/img/check.ts';
import { commit } from '../../src/cli/img/commit.ts';
import { asBlockError, ExitError, reportError } from '../../src/cli/img/common.ts';
import { compare } from '../../src/cli/img/compare.ts';
import { convert } from '../../src/cli/img/convert.ts';
import { create } from '../../src/cli/img/create.ts';
import { dd } from '../../src/cli/img/dd.ts';
import { info } from '../../src/cli/img/info.ts';
import { map } from '../../src/cli/img/map.ts';
import { measure } from '../../src/cli/img/measure.ts';
import { rebase } from '../../src/cli/img/rebase.ts';
import { resize } from '../../src/cli/img/resize.ts';
import type { Command } from '../../src/cli/img/run.ts';
import { snapshot } from '../../src/cli/img/snapshot.ts';
import type { Random } from './differential.ts';

const COMMANDS: Record<string, Command> = {
  amend,
  bench,
  bitmap,
  check,
  commit,
  compare,
  convert,
  create,
  dd,
  info,
  map,
  measure,
  rebase,
  resize,
  snapshot,
};

/** Files the command lines make. */
const MADE = ['out', 'overlay', 'out.data'];

/** Command lines; `mutant` is the damaged image, `other` a sound one, `full` a sound one of other content. */
const LINES = [
  'info mutant',
  'info --output=json --backing-chain mutant',
  'info --safe mutant',
  'check mutant',
  'check --output=json mutant',
  'check -r leaks mutant',
  'check -r all mutant',
  'check -q -r all mutant ; check -q -r all mutant',
  'map mutant',
  'map --output=json mutant',
  'map --output=json -s 1M -l 2M mutant',
  'convert -O raw mutant out',
  'convert -O qcow2 mutant out',
  'convert -c -O qcow2 mutant out',
  'convert -c -W -m 8 -O qcow2 -o compression_type=zstd,cluster_size=4096 mutant out',
  'convert -n -O qcow2 mutant full',
  'convert -n -O qcow2 full mutant',
  'convert -n -c -O qcow2 full mutant',
  'convert -n --target-is-zero -W -O qcow2 full mutant',
  'convert -l one -O qcow2 mutant out',
  'convert -l snapshot.name=two -O raw mutant out',
  'convert --salvage -q -O raw mutant out',
  'convert -C -O raw mutant out',
  'convert --bitmaps -O qcow2 mutant out',
  'convert --bitmaps --skip-broken-bitmaps -O qcow2 mutant out',
  'convert -O qcow2 -B sample.base -F raw mutant out',
  'compare mutant other',
  'compare -s other mutant',
  'compare -U mutant mutant',
  'snapshot -l mutant',
  'snapshot -c fresh mutant ; snapshot -l mutant',
  'snapshot -a one mutant',
  'snapshot -d one mutant ; snapshot -d two mutant',
  'snapshot -a two mutant ; bench -w -c 20 -d 4 mutant',
  'resize mutant 6M',
  'resize --shrink mutant 1M',
  'resize --preallocation=metadata mutant 6M',
  'resize --preallocation=falloc mutant 5M',
  'resize --preallocation=full mutant 5M',
  'amend -o compat=0.10 mutant',
  'amend -o compat=1.1,lazy_refcounts=on mutant',
  'amend -o refcount_bits=16 mutant',
  'amend -o refcount_bits=1 mutant',
  'amend -o refcount_bits=64 mutant',
  'amend -o size=6M mutant',
  'amend -o backing_file=other,backing_fmt=qcow2 mutant',
  'amend -o data_file=out.data mutant',
  'bitmap --add mutant fresh',
  'bitmap --add -g 512 --disable mutant fresh',
  'bitmap --remove mutant b',
  'bitmap --clear --enable mutant b',
  'bitmap --merge second mutant b',
  'bitmap --merge b -b mutant -F qcow2 withbits mine',
  'bitmap --add --merge mine -b withbits -F qcow2 mutant fresh',
  'rebase -u -b other -F qcow2 mutant',
  'rebase -b other -F qcow2 mutant',
  'rebase -F qcow2 -b  mutant',
  'rebase -c -F raw -b sample.base mutant',
  'create -q -f qcow2 -b mutant -F qcow2 overlay ; rebase -b other -F qcow2 overlay',
  'commit mutant',
  'commit -d mutant',
  'create -q -f qcow2 -b mutant -F qcow2 overlay ; bench -w -c 20 -d 4 -S 90000 overlay ; commit overlay',
  'measure -O qcow2 mutant',
  'measure -O raw --output=json mutant',
  'measure -O qcow2 -l one mutant',
  'dd if=mutant of=out bs=64k count=40',
  'dd -O qcow2 if=mutant of=out bs=1000 skip=10 count=3000',
  'bench -c 40 -d 8 -S 70000 mutant',
  'bench -w -c 60 -d 8 -s 5000 -S 70000 --flush-interval=20 mutant',
  'create -q -f qcow2 mutant 1M',
  'convert --image-opts -O raw driver=qcow2,file.filename=mutant,l2-cache-size=64k,overlap-check=all out',
  'convert -n --target-image-opts full driver=qcow2,file.filename=mutant,lazy-refcounts=on,overlap-check.template=none',
  'convert -O qcow2 mutant other out',
];

/** Whether a line changes one of the sound images, which must then be made anew. */
const SPOILS = /convert -n .* mutant full$|-F qcow2 withbits mine|commit/;

export interface LineResult {
  line: string;
  spoils: boolean;
}

/** A command line. */
export function randomLine(r: Random): LineResult {
  const line = LINES[r.below(LINES.length)]!;
  return { line, spoils: SPOILS.test(line) };
}

/** Runs the commands of a line as wemu-img would; throws what is no answer to a damaged image. */
export async function runLine(line: string): Promise<void> {
  try {
    for (const text of line.split(' ; ')) {
      const [name, ...args] = text.split(' ');
      // Random images are not probed: what is no qcow2 image any more would be copied as it is.
      const formats = /^(create|bench|snapshot)$/.test(name!) || args.includes('--image-opts') ? [] : ['-f', 'qcow2'];
      if (name === 'bench') formats.push('-f', 'qcow2');
      if (args.some((a) => a.includes('target-image-opts'))) formats.splice(0);
      if (text.startsWith('create -q -f qcow2 mutant')) formats.splice(0);
      try {
        await COMMANDS[name!]!([...formats, ...args]);
      } catch (error) {
        if (error instanceof ExitError) continue;
        if (error instanceof RangeError && !/memory|allocat/i.test(error.message)) throw error;
        reportError(asBlockError(error));
      }
    }
  } finally {
    for (const file of MADE) rmSync(file, { force: true });
  }
}
