// What wemu-img --help and --version say.
import { allDrivers } from '../../block/drivers.ts';

const VERSION_LINE = 'wemu-img version 7.2.0 (wemu)';

const SYNTAX = `  amend [--object objectdef] [--image-opts] [-p] [-q] [-f fmt] [-t cache] [--force] -o options filename
  bench [-c count] [-d depth] [-f fmt] [--flush-interval=flush_interval] [-i aio] [-n] [--no-drain] [-o offset] [--pattern=pattern] [-q] [-s buffer_size] [-S step_size] [-t cache] [-w] [-U] filename
  bitmap (--merge SOURCE | --add | --remove | --clear | --enable | --disable)... [-b source_file [-F source_fmt]] [-g granularity] [--object objectdef] [--image-opts | -f fmt] filename bitmap
  check [--object objectdef] [--image-opts] [-q] [-f fmt] [--output=ofmt] [-r [leaks | all]] [-T src_cache] [-U] filename
  commit [--object objectdef] [--image-opts] [-q] [-f fmt] [-t cache] [-b base] [-r rate_limit] [-d] [-p] filename
  compare [--object objectdef] [--image-opts] [-f fmt] [-F fmt] [-T src_cache] [-p] [-q] [-s] [-U] filename1 filename2
  convert [--object objectdef] [--image-opts] [--target-image-opts] [--target-is-zero] [--bitmaps] [-U] [-C] [-c] [-p] [-q] [-n] [-f fmt] [-t cache] [-T src_cache] [-O output_fmt] [-B backing_file [-F backing_fmt]] [-o options] [-l snapshot_param] [-S sparse_size] [-r rate_limit] [-m num_coroutines] [-W] [--salvage] filename [filename2 [...]] output_filename
  create [--object objectdef] [-q] [-f fmt] [-b backing_file [-F backing_fmt]] [-u] [-o options] filename [size]
  dd [--image-opts] [-U] [-f fmt] [-O output_fmt] [bs=block_size] [count=blocks] [skip=blocks] if=input of=output
  info [--object objectdef] [--image-opts] [-f fmt] [--output=ofmt] [--backing-chain] [--safe] [-U] filename
  map [--object objectdef] [--image-opts] [-f fmt] [--start-offset=offset] [--max-length=len] [--output=ofmt] [-U] filename
  measure [--output=ofmt] [-O output_fmt] [-o options] [--size N | [--object objectdef] [--image-opts] [-f fmt] [-l snapshot_param] filename]
  snapshot [--object objectdef] [--image-opts] [-U] [-q] [-l | -a snapshot | -c snapshot | -d snapshot] filename
  rebase [--object objectdef] [--image-opts] [-U] [-q] [-f fmt] [-t cache] [-T src_cache] [-p] [-u] [-c] -b backing_file [-F backing_fmt] filename
  resize [--object objectdef] [--image-opts] [-f fmt] [--preallocation=prealloc] [-q] [--shrink] filename [+ | -]size`;

export function versionText(): string {
  return `${VERSION_LINE}\n`;
}

export function helpText(): string {
  const formats = allDrivers()
    .filter((d) => !d.recognisedOnly)
    .map((d) => d.name)
    .sort()
    .join(' ');
  return `${VERSION_LINE}
usage: wemu-img [standard options] command [command options]
Disk image utility: creates, converts and inspects images; options, output and exit codes as in qemu-img 7.2.

    '-h', '--help'       display this help and exit
    '-V', '--version'    output version information and exit
    '-T', '--trace'      [[enable=]<pattern>][,events=<file>][,file=<file>]
                         accepted for scripts; there are no trace events

Command syntax:
${SYNTAX}

What stands in the place of
  filename          a file, protocol:name, json:{...}, or with --image-opts a list of options (driver=qcow2,file.filename=...)
  fmt, output_fmt   a format; images to be read are looked at to find theirs where it is not given
  size, N, offset   bytes, or with one of the suffixes k, M, G, T, P, E (powers of 1024)
  options           name=value,name=value; '-o help' lists those of a format
  cache, src_cache  none, writeback, writethrough, directsync or unsafe; convert writes with unsafe unless told otherwise
  snapshot_param    the id or name of a snapshot, or snapshot.id=...,snapshot.name=...
  objectdef         secret,id=... or throttle-group,id=...; '--object help' lists the kinds, '--object secret,help' properties
  ofmt              human or json

Options of several commands
  -q                say nothing but errors
  -p                show progress (SIGUSR1 does once; --progress=json writes it to standard error as lines of JSON)
  -U                open images others write to; what is read may be inconsistent
  -u                create, rebase: take the backing file's name as it is, without opening it
  -c                convert, rebase: compress what is written
  -n                convert: the target is there already
  -S size           convert: runs of zeroes from this size on become holes (4k); 0 writes everything
  -W, -m number     convert: write in any order; requests in flight (8)
  -r leaks|all      check: mend leaked clusters only, or all that is wrong
  -s                compare: sizes and allocation count too
  -g size           bitmap: bytes that one bit stands for
  --safe            info: open no second file, whatever the image says

Supported formats: ${formats}
`;
}
