// What each command of wemu-img is for, its options one by one, and examples: the text of `wemu-img COMMAND --help`.

/** The help on one command. */
export interface CommandHelp {
  /** Options and operands, as qemu-img's own help shows them: scripts look there for what a version can do. */
  syntax: string;
  /** What it does, in one line. */
  about: string;
  /** Each option as it is given, and what it does. */
  options: readonly (readonly [string, string])[];
  /** What else is good to know. */
  notes?: readonly string[];
  examples: readonly string[];
}

type Option = readonly [string, string];

const FORMAT: Option = ['-f fmt', 'format of the image; without it the first bytes decide'];
const OBJECT: Option = ['--object objectdef', 'make a secret or throttle group that the options of an image refer to'];
const IMAGE_OPTS: Option = ['--image-opts', 'names are lists of options: driver=qcow2,file.filename=disk.qcow2'];
const SHARE: Option = ['-U, --force-share', 'open it while others write to it; what is read may be inconsistent'];
const QUIET: Option = ['-q', 'say nothing but errors'];
const OUTPUT: Option = ['--output=human|json', 'text for people (the default) or JSON for programs'];
const CACHE: Option = ['-t cache', 'cache mode of what is written: writeback (the default), none, writethrough, ...'];
const SOURCE_CACHE: Option = ['-T src_cache', 'cache mode of what is only read'];
const PROGRESS: readonly Option[] = [
  ['-p', 'show how far it is (without -p, SIGUSR1 prints that once)'],
  ['--progress=json', 'the same as lines of JSON on standard error'],
];
const RATE: Option = ['-r rate_limit', 'bytes per second at most'];

const RAW_NOTE = 'Give -f raw for a raw disk that a guest writes to: the guest decides what its first bytes look like.';

/** The commands, in the order they are listed. */
export const COMMAND_HELP: Readonly<Record<string, CommandHelp>> = {
  amend: {
    syntax: '[--object objectdef] [--image-opts] [-p] [-q] [-f fmt] [-t cache] [--force] -o options filename',
    about: 'Changes format options of an image that is there.',
    options: [
      ['-o options', 'what to change: name=value,name=value; -f qcow2 -o help lists what can be'],
      FORMAT,
      CACHE,
      ['--force', 'allow what would make encrypted data unreadable (there is no encryption here)'],
      ...PROGRESS,
      QUIET,
      IMAGE_OPTS,
      OBJECT,
    ],
    notes: [
      'A backing file is changed by rebase, the size by resize. What cannot be changed at all (as the cluster size)',
      'can be had by convert.',
    ],
    examples: [
      'wemu-img amend -f qcow2 -o help',
      'wemu-img amend -o compat=0.10 disk.qcow2          # for programs that know version 2 only',
      'wemu-img amend -o lazy_refcounts=on disk.qcow2',
    ],
  },
  bench: {
    syntax:
      '[-c count] [-d depth] [-f fmt] [--flush-interval=flush_interval] [-i aio] [-n] [--no-drain] [-o offset] [--pattern=pattern] [-q] [-s buffer_size] [-S step_size] [-t cache] [-w] [-U] filename',
    about: 'Sends many requests to an image, and says how long they took.',
    options: [
      ['-w', 'write instead of read: the content is lost'],
      ['-c count', 'how many requests (75000)'],
      ['-d depth', 'how many at the same time (64)'],
      ['-s buffer_size', 'bytes of each request (4096)'],
      ['-S step_size', 'bytes from the start of one to the start of the next (its size)'],
      ['-o offset', 'where the first one goes (0)'],
      ['--pattern=pattern', 'the byte that is written, 0 to 255 (0)'],
      ['--flush-interval=n', 'flush after every n writes, when those before have ended'],
      ['--no-drain', 'flush without waiting for them'],
      ['-i aio', 'threads, native or io_uring: all are the same here, but native wants -t none'],
      ['-n', 'the same as -i native'],
      ['-t cache', 'cache mode: writeback (the default), none, writethrough, directsync, unsafe'],
      FORMAT,
      SHARE,
      ['-q', 'accepted; there is nothing to leave out'],
      IMAGE_OPTS,
      OBJECT,
    ],
    notes: ['Places wrap around at the end of the image; a request that reaches over it ends the run with an error.'],
    examples: [
      'wemu-img bench -f raw disk.raw',
      'wemu-img bench -w -t none -d 1 -c 1000 --flush-interval=1 scratch.qcow2',
    ],
  },
  bitmap: {
    syntax:
      '(--merge SOURCE | --add | --remove | --clear | --enable | --disable)... [-b source_file [-F source_fmt]] [-g granularity] [--object objectdef] [--image-opts | -f fmt] filename bitmap',
    about: 'Changes the bitmaps in a qcow2 image that note what was written (for incremental backups).',
    options: [
      ['--add', 'make the bitmap; it is enabled unless --disable follows'],
      ['--remove', 'remove it'],
      ['--clear', 'make it say that nothing was written'],
      ['--enable', 'from now on writes are noted'],
      ['--disable', 'writes are not noted any more'],
      ['--merge SOURCE', 'add what the bitmap SOURCE has noted'],
      ['-b, --source-file file', 'the image that has SOURCE, if it is another one'],
      ['-F, --source-format fmt', 'format of that image'],
      ['-g, --granularity bytes', 'of a new bitmap: bytes that one bit stands for (a cluster, 4k to 64k)'],
      FORMAT,
      IMAGE_OPTS,
      OBJECT,
    ],
    notes: ['Actions are done in the order they are given. info lists the bitmaps of an image.'],
    examples: [
      'wemu-img bitmap --add -f qcow2 disk.qcow2 since-monday',
      'wemu-img bitmap --add --disable --merge since-monday disk.qcow2 copy',
    ],
  },
  check: {
    syntax:
      '[--object objectdef] [--image-opts] [-q] [-f fmt] [--output=ofmt] [-r [leaks | all]] [-T src_cache] [-U] filename',
    about: 'Looks for damage in the tables of a qcow2 image, and repairs it.',
    options: [
      ['-r, --repair leaks', 'give back clusters that nothing uses; this cannot do harm'],
      ['-r, --repair all', 'repair all that is wrong; make a copy of the image before'],
      OUTPUT,
      ['-f, --format fmt', 'format of the image; without it the first bytes decide'],
      SOURCE_CACHE,
      SHARE,
      QUIET,
      IMAGE_OPTS,
      OBJECT,
    ],
    notes: [
      'Exit codes: 0 nothing is wrong (any more), 1 the check could not be done, 2 there is damage, 3 clusters are',
      'leaked but nothing else is wrong, 63 the format cannot be checked.',
    ],
    examples: ['wemu-img check disk.qcow2', 'wemu-img check -r all disk.qcow2'],
  },
  commit: {
    syntax: '[--object objectdef] [--image-opts] [-q] [-f fmt] [-t cache] [-b base] [-r rate_limit] [-d] [-p] filename',
    about: 'Writes what an overlay has of its own into its backing file.',
    options: [
      ['-b base', 'write it into this image further down in the chain; those between become useless'],
      ['-d', 'do not empty the overlay afterwards (so with -b)'],
      RATE,
      FORMAT,
      CACHE,
      ...PROGRESS,
      QUIET,
      IMAGE_OPTS,
      OBJECT,
    ],
    notes: ['The backing file grows if it is smaller than the overlay. Other overlays on it become useless.'],
    examples: ['wemu-img commit overlay.qcow2', 'wemu-img commit -d -b base.qcow2 overlay.qcow2'],
  },
  compare: {
    syntax:
      '[--object objectdef] [--image-opts] [-f fmt] [-F fmt] [-T src_cache] [-p] [-q] [-s] [-U] filename1 filename2',
    about: 'Says whether two images have the same content, whatever their formats are.',
    options: [
      ['-f fmt', 'format of the first image'],
      ['-F fmt', 'format of the second image'],
      ['-s', 'be strict: sizes and what is allocated must be the same, too'],
      SOURCE_CACHE,
      SHARE,
      ...PROGRESS,
      ['-q', 'say nothing but errors: the exit code tells'],
      IMAGE_OPTS,
      OBJECT,
    ],
    notes: [
      'If one image is longer, the rest of it must read as zeroes.',
      'Exit codes: 0 the same, 1 different, 2 an image could not be opened, 3 what is allocated could not be found out,',
      '4 data could not be read.',
    ],
    examples: ['wemu-img compare -p disk.raw disk.qcow2'],
  },
  convert: {
    syntax:
      '[--object objectdef] [--image-opts] [--target-image-opts] [--target-is-zero] [--bitmaps] [-U] [-C] [-c] [-p] [-q] [-n] [-f fmt] [-t cache] [-T src_cache] [-O output_fmt] [-B backing_file [-F backing_fmt]] [-o options] [-l snapshot_param] [-S sparse_size] [-r rate_limit] [-m num_coroutines] [-W] [--salvage] filename [filename2 [...]] output_filename',
    about: 'Copies an image to a new one, perhaps in another format; several are put one behind the other.',
    options: [
      ['-f fmt', 'format of what is read; without it the first bytes decide'],
      ['-O output_fmt', 'format of the new image (raw)'],
      ['-o options', 'options of the new image: name=value,...; -O qcow2 -o help lists them'],
      ['-c', 'compress (qcow2)'],
      ['-B backing_file', 'the new image is an overlay on this one, and holds only what differs'],
      ['-F backing_fmt', 'format of that backing file'],
      ['-l snapshot_param', 'copy a snapshot inside the image instead of the image'],
      ['-S sparse_size', 'zeroes from this many bytes on become a hole (4k); 0: write everything'],
      ['-n', 'the target is there already (a device, say), and is written over'],
      ['--target-is-zero', 'with -n: it reads as zeroes, so that zeroes need not be written'],
      ['--target-image-opts', 'with -n: the target is a list of options'],
      ['--bitmaps', 'copy the bitmaps, too'],
      ['--skip-broken-bitmaps', 'with --bitmaps: leave out those that cannot be trusted'],
      ['--salvage', 'what cannot be read becomes zeroes, instead of ending the command'],
      ['-C', 'let the system copy within a file system where it can'],
      ['-m num_coroutines', 'how many requests at the same time, 1 to 16 (8)'],
      ['-W', 'write in any order, which is faster with -m'],
      RATE,
      ['-t cache', 'cache mode of the target: unsafe (the default), none, writeback, ...'],
      SOURCE_CACHE,
      SHARE,
      ...PROGRESS,
      QUIET,
      ['--image-opts', 'names of what is read are lists of options: driver=qcow2,file.filename=disk.qcow2'],
      OBJECT,
    ],
    notes: [RAW_NOTE],
    examples: [
      'wemu-img convert -p -f raw -O qcow2 disk.raw disk.qcow2',
      'wemu-img convert -c -O qcow2 disk.qcow2 small.qcow2',
      'wemu-img convert -l before-upgrade -O raw disk.qcow2 old.raw',
      'wemu-img convert -n -O raw disk.qcow2 /dev/sdX',
    ],
  },
  create: {
    syntax: '[--object objectdef] [-q] [-f fmt] [-b backing_file [-F backing_fmt]] [-u] [-o options] filename [size]',
    about: 'Makes an empty image, or an overlay on another image.',
    options: [
      ['-f fmt', 'format of the image (raw)'],
      ['-o options', 'name=value,name=value; -f qcow2 -o help lists those of a format'],
      ['-b backing_file', 'the image that shows where nothing was written; never written to'],
      ['-F backing_fmt', 'format of that image; needed with -b'],
      ['-u', 'do not open the backing file; a size must be given then'],
      QUIET,
      OBJECT,
    ],
    notes: [
      'A file of that name is overwritten. The size may have one of the suffixes k, M, G, T, P, E; an overlay has its',
      "backing file's size if none is given. A name of a backing file is meant from where the image is.",
    ],
    examples: [
      'wemu-img create -f qcow2 disk.qcow2 20G',
      'wemu-img create -f qcow2 -b base.qcow2 -F qcow2 overlay.qcow2',
      'wemu-img create -f raw -o preallocation=full disk.raw 1G',
    ],
  },
  dd: {
    syntax:
      '[--image-opts] [-U] [-f fmt] [-O output_fmt] [bs=block_size] [count=blocks] [skip=blocks] if=input of=output',
    about: 'Copies a part of an image to a new one.',
    options: [
      ['if=input', 'the image to read'],
      ['of=output', 'the image to make'],
      ['bs=block_size', 'bytes of a block (512)'],
      ['count=blocks', 'how many blocks to copy (all)'],
      ['skip=blocks', 'how many blocks to leave out at the beginning (0)'],
      ['-f fmt', 'format of the input; without it the first bytes decide'],
      ['-O output_fmt', 'format of the output (raw)'],
      SHARE,
      IMAGE_OPTS,
      OBJECT,
    ],
    examples: ['wemu-img dd -O raw bs=1M count=1 if=disk.qcow2 of=first-megabyte.raw'],
  },
  info: {
    syntax: '[--object objectdef] [--image-opts] [-f fmt] [--output=ofmt] [--backing-chain] [--safe] [-U] filename',
    about: 'Shows what an image is: format, sizes, backing file, snapshots, bitmaps.',
    options: [
      ['--backing-chain', 'show all images below it, too'],
      OUTPUT,
      ['-f, --format fmt', 'format of the image; without it the first bytes decide'],
      ['--safe', 'open no second file, whatever the image says (not in qemu-img)'],
      SHARE,
      IMAGE_OPTS,
      OBJECT,
    ],
    notes: ["Of a running guest's image -U must be given."],
    examples: ['wemu-img info disk.qcow2', 'wemu-img info -U --backing-chain --output=json overlay.qcow2'],
  },
  map: {
    syntax:
      '[--object objectdef] [--image-opts] [-f fmt] [--start-offset=offset] [--max-length=len] [--output=ofmt] [-U] filename',
    about: 'Shows which parts of an image hold data, and where that lies in which file of the chain.',
    options: [
      ['-s, --start-offset=offset', 'where to begin (0)'],
      ['-l, --max-length=len', 'how many bytes to look at (all)'],
      ['--output=human|json', 'data in plain files only (the default), or all of it as JSON'],
      ['-f, --format fmt', 'format of the image; without it the first bytes decide'],
      SHARE,
      IMAGE_OPTS,
      OBJECT,
    ],
    notes: ['Only JSON shows zeroes, holes and compressed data.'],
    examples: ['wemu-img map --output=json disk.qcow2'],
  },
  measure: {
    syntax:
      '[--output=ofmt] [-O output_fmt] [-o options] [--size N | [--object objectdef] [--image-opts] [-f fmt] [-l snapshot_param] filename]',
    about: 'Says how large the file of a new image would be, of a size or with the content of another image.',
    options: [
      ['--size N', 'of an empty image of this size'],
      ['-O output_fmt', 'format it would have (raw)'],
      ['-o options', 'options it would have'],
      ['-l snapshot_param', 'with the content of a snapshot inside the image'],
      OUTPUT,
      ['-f fmt', 'format of the image that is there'],
      SHARE,
      IMAGE_OPTS,
      OBJECT,
    ],
    notes: ['"required size" is for the content, "fully allocated size" for the whole disk once it is full.'],
    examples: ['wemu-img measure -O qcow2 --size 20G', 'wemu-img measure -O qcow2 disk.raw'],
  },
  snapshot: {
    syntax: '[--object objectdef] [--image-opts] [-U] [-q] [-l | -a snapshot | -c snapshot | -d snapshot] filename',
    about: 'Lists, makes, applies or deletes snapshots inside a qcow2 image.',
    options: [
      ['-l', 'list them'],
      ['-c snapshot', 'make one of this name'],
      ['-a snapshot', 'go back to it (id or name): what was written since is lost'],
      ['-d snapshot', 'delete it (by its name)'],
      SHARE,
      QUIET,
      IMAGE_OPTS,
      OBJECT,
    ],
    notes: ['A running guest knows nothing of it: do not change the image while one uses it.'],
    examples: [
      'wemu-img snapshot -c before-upgrade disk.qcow2',
      'wemu-img snapshot -a before-upgrade disk.qcow2',
      'wemu-img snapshot -l disk.qcow2',
    ],
  },
  rebase: {
    syntax:
      '[--object objectdef] [--image-opts] [-U] [-q] [-f fmt] [-t cache] [-T src_cache] [-p] [-u] [-c] -b backing_file [-F backing_fmt] filename',
    about: 'Puts an overlay on another backing file; its content stays as it is.',
    options: [
      ['-b backing_file', "the new backing file; '' for none"],
      ['-F backing_fmt', 'its format'],
      ['-u', 'change the name only, as for a backing file that was moved: nothing is compared or copied'],
      ['-c, --compress', 'compress what must be copied (not in qemu-img 7.2)'],
      FORMAT,
      CACHE,
      ['-T src_cache', 'cache mode of the backing files'],
      ['-U, --force-share', 'open the new backing file while others write to it'],
      ...PROGRESS,
      QUIET,
      IMAGE_OPTS,
      OBJECT,
    ],
    notes: ['With -u the content changes if the new backing file has another content than the old one.'],
    examples: [
      'wemu-img rebase -b new-base.qcow2 -F qcow2 overlay.qcow2',
      'wemu-img rebase -u -b ../images/base.qcow2 -F qcow2 overlay.qcow2',
      "wemu-img rebase -b '' overlay.qcow2                # all content comes into the image itself",
    ],
  },
  resize: {
    syntax:
      '[--object objectdef] [--image-opts] [-f fmt] [--preallocation=prealloc] [-q] [--shrink] filename [+ | -]size',
    about: 'Makes the disk that an image holds larger or smaller.',
    options: [
      ['--shrink', 'allow it to become smaller: what lies behind the new end is lost'],
      ['--preallocation=prealloc', 'take space for what is new: off (the default), metadata, falloc, full'],
      FORMAT,
      QUIET,
      IMAGE_OPTS,
      OBJECT,
    ],
    notes: [
      'The size comes last: bytes, or with one of the suffixes k, M, G, T, P, E; with + or - it is added or taken away.',
      'Make file systems and partitions smaller before, and larger afterwards.',
    ],
    examples: ['wemu-img resize disk.qcow2 +10G', 'wemu-img resize -f raw --shrink disk.raw 5G'],
  },
};
