// Random backing chains whose layers differ in size, version and clusters, and one command for the whole chain with wemu-img and
// with qemu-img, which must leave the same content: bun tests/block/chains.ts [seed] [chains] [part of a command]
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PROGRAM_LIMIT } from '../setup/limits.ts';
import { Random } from './differential.ts';
import { run } from './helpers.ts';
import { neutral } from './parity.ts';

const IMG = [process.execPath, join(import.meta.dir, '../../src/cli/img.ts')];
const COMMANDS_PER_CHAIN = 6;

interface Layer {
  name: string;
  format: 'qcow2' | 'raw';
  below: Layer | undefined;
  cluster: number;
  size: number;
  /** Whether its data is in an external data file. */
  outside: boolean;
  /** What it showed when each snapshot was made. */
  snapshots: Map<string, Buffer>;
}

interface Chain {
  /** From the lowest to the top. */
  layers: Layer[];
  /** Images outside the chain: another base, and a target for `convert -n`. */
  others: Layer[];
  /** The commands that make it. */
  script: string[];
}

interface Case {
  args: string[];
  /** The image that the command is about. */
  image: Layer;
  /** What images must show afterwards if the command succeeds; where the command promises nothing, both sides are only compared. */
  promises: (content: (layer: Layer) => Buffer) => Map<string, Buffer>;
}

const pick = <T>(r: Random, values: readonly T[]): T => values[r.below(values.length)]!;

const quoted = (args: readonly string[]): string =>
  args.map((a) => (/^[\w./:=,+-]+$/.test(a) ? a : `'${a}'`)).join(' ');

/** A size of a disk in bytes, near another one or any. */
function randomSize(r: Random, near: number, cluster: number): number {
  const most = cluster > 1 << 18 ? 7 << 20 : 2 << 20;
  switch (r.below(10)) {
    case 0:
      return 0;
    case 1:
    case 2:
      return near;
    case 3:
      return Math.max(0, near + 512 * (r.below(9) - 4));
    case 4:
      return 1 + r.below(70000);
    case 5:
      return cluster * r.below(Math.floor(most / cluster) + 1);
    case 6:
      return 1 + r.below(most);
    default:
      return 512 * r.below(most / 512);
  }
}

function randomOptions(r: Random, name: string): { options: string[]; cluster: number; outside: boolean } {
  const cluster = 512 << pick(r, [0, 1, 2, 3, 5, 7, 7, 7, 8, 11, 12]);
  const options = [`cluster_size=${cluster}`];
  if (r.below(3) === 0) return { options: ['compat=0.10', ...options], cluster, outside: false };
  options.push('compat=1.1');
  if (cluster >= 16384 && r.below(2) === 0) options.push('extended_l2=on');
  if (r.below(8) === 0) options.push('lazy_refcounts=on');
  if (r.below(5) === 0) options.push(`refcount_bits=${1 << r.below(7)}`);
  if (r.below(6) === 0) options.push('compression_type=zstd');
  const outside = r.below(7) === 0;
  if (outside) options.push(`data_file=${name}.data`);
  return { options, cluster, outside };
}

/** A random qemu-io command for an image of this size. */
function randomWrite(r: Random, size: number, cluster: number, packs: boolean): string {
  const unit = pick(r, [1, 512, 4096, cluster, cluster]);
  const at = Math.floor(r.below(size) / unit) * unit;
  const most = pick(r, [cluster, 4 * cluster, size, 65536]);
  let bytes = Math.min(size - at, 1 + r.below(most));
  if (r.below(2) === 0) bytes = Math.min(size - at, Math.ceil(bytes / unit) * unit);
  if (r.below(6) === 0) bytes = size - at;
  const pattern = 1 + r.below(255);
  switch (r.below(9)) {
    case 0:
    case 1:
      return `write -q -z ${at} ${bytes}`;
    case 2:
      return `write -q -z -u ${at} ${bytes}`;
    case 3:
    case 4:
      return `discard -q ${at} ${bytes}`;
    case 5: {
      if (!packs) return `write -q -P ${pattern} ${at} ${bytes}`;
      const start = Math.floor(at / cluster) * cluster;
      return `write -q -c -P ${pattern} ${start} ${Math.min(cluster, size - start)}`;
    }
    case 6:
      return `write -q -P 0 ${at} ${bytes}`;
    default:
      return `write -q -P ${pattern} ${at} ${bytes}`;
  }
}

/** What qemu-img reads from an image, or the error. */
function contentOf(dir: string, { name, format }: Layer, extra: string[] = []): Buffer {
  const out = join(dir, '../content');
  rmSync(out, { force: true });
  const p = Bun.spawnSync(['qemu-img', 'convert', '-f', format, '-O', 'raw', ...extra, name, out], { cwd: dir });
  return p.exitCode === 0 ? readFileSync(out) : Buffer.from(`cannot be read: ${p.stderr}`);
}

/** Makes a chain in a folder. */
function makeChain(r: Random, dir: string): Chain {
  const script: string[] = [];
  const can = (args: string[]): boolean => {
    script.push(quoted(args));
    return Bun.spawnSync(args, { cwd: dir }).exitCode === 0;
  };
  const must = (args: string[]): void => {
    script.push(quoted(args));
    run(args, dir);
  };
  const make = (name: string, below: Layer | undefined, near: number, raw: boolean): Layer => {
    const { options, cluster, outside } = randomOptions(r, name);
    const size = randomSize(r, near, raw ? 4096 : cluster);
    const format = raw ? 'raw' : 'qcow2';
    const layer: Layer = { name, format, below, cluster, size, outside: outside && !raw, snapshots: new Map() };
    if (raw) must(['truncate', '-s', String(size), name]);
    else {
      const over = below ? ['-b', below.name, '-F', below.format] : [];
      must(['qemu-img', 'create', '-q', '-f', 'qcow2', '-o', options.join(','), ...over, name, String(size)]);
    }
    for (let round = r.below(3); round >= 0; round--) {
      const writes: string[] = [];
      if (layer.size > 0)
        for (let n = r.below(5); n >= 0; n--)
          writes.push('-c', randomWrite(r, layer.size, raw ? 512 : cluster, !outside && !raw));
      // (What is allocated already cannot be compressed.)
      if (writes.length > 0) can(['qemu-io', '-f', layer.format, ...writes, name]);
      if (raw || round === 0 || r.below(2) === 0) continue;
      const snapshot = `s${round}`;
      if (can(['qemu-img', 'snapshot', '-c', snapshot, name])) layer.snapshots.set(snapshot, contentOf(dir, layer));
      if (r.below(3) > 0) continue;
      const other = randomSize(r, layer.size, cluster);
      if (can(['qemu-img', 'resize', '-q', '--shrink', name, String(other)])) layer.size = other;
    }
    return layer;
  };
  const layers: Layer[] = [];
  for (let i = 0, count = 2 + r.below(4); i < count; i++)
    layers.push(make(`l${i}`, layers.at(-1), layers.at(-1)?.size ?? 1 << 20, i === 0 && r.below(4) === 0));
  const others = [
    make('u', undefined, layers.at(-1)!.size, r.below(3) === 0),
    make('t', r.below(3) === 0 ? pick(r, layers) : undefined, layers.at(-1)!.size, false),
  ];
  return { layers, others, script };
}

/**
 * What qemu-img 7.2 says of zeroes in version 2 images with a backing file; and nothing where -c had nothing to write onto an
 * external data file: docs/disk.md. (And it takes the present size for a snapshot's.)
 */
const UNABLE = /Operation not supported|^$/;

/** One content over the beginning of another. */
const over = (a: Buffer, b: Buffer): Buffer => Buffer.concat([a, b.subarray(a.length)]);

/** What is left of a content, or with zeroes behind it. */
function resized(a: Buffer, size: number): Buffer {
  const out = Buffer.alloc(Math.ceil(size / 512) * 512);
  a.copy(out);
  return out;
}

const flag = (r: Random, odds: number, ...words: string[]): string[] => (r.below(odds) === 0 ? words : []);

type Generator = (r: Random, chain: Chain, image: Layer) => Case;

const unchanged =
  (...layers: Layer[]): Case['promises'] =>
  (content) =>
    new Map(layers.map((l) => [l.name, content(l)]));

function below(layer: Layer): Layer[] {
  const out: Layer[] = [];
  for (let at = layer.below; at; at = at.below) out.push(at);
  return out;
}

/** Whether something of what an image shows is in external data files, whose holes qemu-img 7.2 takes for data: docs/disk.md. */
const hasOutside = (image: Layer): boolean => [image, ...below(image)].some((l) => l.outside);

/** Whether our answer is right where theirs takes holes for data: zeroes are zeroes, the sizes not larger. */
function knowsHoles(ours: string, theirs: string, drawn: Case, content: Buffer): boolean {
  if (!hasOutside(drawn.image)) return false;
  if (drawn.args[0] === 'map') {
    const ranges: { start: number; length: number; zero: boolean }[] = JSON.parse(ours.replaceAll(': N', ': 0'));
    return ranges.every((e) => !e.zero || content.subarray(e.start, e.start + e.length).every((v) => v === 0));
  }
  const [a, b] = [ours, theirs].map((text) => text.match(/\d+/g)?.map(Number) ?? []);
  return drawn.args[0] === 'measure' && a!.length === b!.length && a!.every((v, i) => v <= b![i]!);
}

const CREATION = [
  'cluster_size=512',
  'cluster_size=4096',
  'cluster_size=2M',
  'compat=0.10',
  'compat=0.10,cluster_size=1024',
  'extended_l2=on',
  'extended_l2=on,cluster_size=16k',
  'refcount_bits=1',
  'compression_type=zstd',
  'preallocation=metadata',
  'data_file=out.data',
];

const COMMANDS: Record<string, [number, Generator]> = {
  commit: [
    5,
    (r, _, image) => {
      const into = r.below(2) === 0 ? pick(r, below(image)) : undefined;
      const base = into ?? image.below!;
      const args = ['commit', ...flag(r, 3, '-d'), ...(into ? ['-b', into.name] : []), '-f', 'qcow2', image.name];
      const promises: Case['promises'] = (content) =>
        new Map([
          [image.name, content(image)],
          [base.name, over(content(image), content(base))],
        ]);
      return { args, image, promises };
    },
  ],
  rebase: [
    5,
    (r, { others }, image) => {
      const onto = r.below(5) === 0 ? undefined : pick(r, [...below(image), others[0]!]);
      const to = onto ? ['-b', onto.name, '-F', onto.format] : ['-b', ''];
      return { args: ['rebase', '-f', 'qcow2', ...to, image.name], image, promises: unchanged(image) };
    },
  ],
  'rebase -u': [
    1,
    (r, { others }, image) => {
      const onto = r.below(5) === 0 ? undefined : pick(r, [...below(image), others[0]!]);
      const to = onto ? ['-b', onto.name, '-F', onto.format] : ['-b', ''];
      return { args: ['rebase', '-u', '-f', 'qcow2', ...to, image.name], image, promises: () => new Map() };
    },
  ],
  convert: [
    5,
    (r, { others }, image) => {
      const snapshot = image.snapshots.size > 0 && r.below(3) === 0 ? pick(r, [...image.snapshots.keys()]) : undefined;
      const into = r.below(5) === 0 ? others[1]! : undefined;
      const format = into || r.below(3) ? 'qcow2' : 'raw';
      const args = ['convert', '-f', image.format, '-O', format];
      if (snapshot !== undefined) args.push('-l', snapshot);
      if (format === 'qcow2') args.push(...flag(r, 4, '-c'));
      args.push(
        ...flag(r, 3, '-S', pick(r, ['0', '512', '4k', '64k', '1M'])),
        ...flag(r, 5, '-m', '1'),
        ...flag(r, 5, '-W'),
      );
      const drawn =
        format === 'qcow2' && !into && r.below(3) === 0 ? pick(r, [...below(image), others[0]!]) : undefined;
      // (qemu-img takes the present size for a snapshot's; which is right shows only over the image's own backing file.)
      const backing = drawn && snapshot !== undefined ? image.below : drawn;
      if (into) args.push('-n');
      else if (format === 'qcow2') args.push(...flag(r, 2, '-o', pick(r, CREATION)));
      if (backing) {
        if (r.below(2)) args.push('-B', backing.name, '-F', backing.format);
        else args.push('-o', `backing_file=${backing.name},backing_fmt=${backing.format}`);
      }
      // (Behind one another, with sizes in whole sectors.)
      const second = snapshot === undefined && !backing && r.below(8) === 0 ? pick(r, below(image)) : undefined;
      if (second) args.splice(1, 2);
      // How much of what lies below the top layer goes into compressed clusters over another backing file depends on how qemu-img
      // cuts its requests.
      if (backing && backing !== image.below && args.includes('-c')) args.splice(args.indexOf('-c'), 1);
      args.push(image.name, ...(second ? [second.name] : []), into ? into.name : 'out');
      const promises: Case['promises'] = (content) => {
        const first = snapshot === undefined ? content(image) : image.snapshots.get(snapshot)!;
        const shown = second ? Buffer.concat([first, content(second)]) : first;
        const known = new Map([[image.name, content(image)]]);
        // Over another backing file only what this layer holds is copied.
        if (!backing || backing === image.below)
          known.set(into ? into.name : 'out', into ? over(shown, content(into)) : shown);
        return known;
      };
      return { args, image, promises };
    },
  ],
  resize: [
    4,
    (r, _, image) => {
      const size = randomSize(r, image.size, image.cluster);
      const args = ['resize', '-f', image.format, ...(r.below(4) ? ['--shrink'] : [])];
      args.push(
        ...flag(r, 4, `--preallocation=${pick(r, ['off', 'metadata', 'falloc', 'full'])}`),
        image.name,
        String(size),
      );
      return { args, image, promises: (content) => new Map([[image.name, resized(content(image), size)]]) };
    },
  ],
  map: [
    2,
    (r, _, image) => {
      const json = r.below(2) === 0 || hasOutside(image);
      const args = ['map', '-f', image.format, ...(json ? ['--output=json'] : []), image.name];
      return { args, image, promises: unchanged(image) };
    },
  ],
  measure: [
    2,
    (r, _, image) => {
      const args = [
        'measure',
        '-f',
        image.format,
        '-O',
        pick(r, ['qcow2', 'qcow2', 'raw']),
        ...flag(r, 2, '--output=json'),
      ];
      if (args.includes('qcow2')) args.push(...flag(r, 3, '-o', pick(r, CREATION)));
      return { args: [...args, image.name], image, promises: unchanged(image) };
    },
  ],
  compare: [
    2,
    (r, { layers, others }, image) => {
      const other = pick(r, [...layers, ...others]);
      const args = ['compare', '-f', image.format, '-F', other.format, ...flag(r, 3, '-s'), image.name, other.name];
      return { args, image, promises: unchanged(image) };
    },
  ],
  snapshot: [
    3,
    (r, _, image) => {
      const name = image.snapshots.size > 0 ? pick(r, [...image.snapshots.keys()]) : 'none';
      const apply = r.below(2) === 0;
      const promises: Case['promises'] = (content) =>
        new Map([[image.name, apply ? (image.snapshots.get(name) ?? content(image)) : content(image)]]);
      return { args: ['snapshot', apply ? '-a' : '-d', name, image.name], image, promises };
    },
  ],
  amend: [
    2,
    (r, _, image) => {
      const size = randomSize(r, image.size, image.cluster);
      const what = [
        'compat=0.10',
        'compat=1.1',
        'lazy_refcounts=on',
        'lazy_refcounts=off',
        `refcount_bits=${1 << r.below(7)}`,
      ];
      const option = pick(r, [...what, 'compat=0.10', `size=${size}`]);
      const args = ['amend', '-f', image.format, '-o', option, image.name];
      const promises: Case['promises'] = (content) => {
        const now = content(image);
        return new Map([[image.name, option.startsWith('size') && size > 0 ? resized(now, size) : now]]);
      };
      return { args, image, promises };
    },
  ],
};

/** Draws a command whose name begins with `only`. */
function randomCase(r: Random, chain: Chain, only: string): Case {
  const rows = Object.entries(COMMANDS).filter(([name]) => name.startsWith(only));
  const drawn = pick(
    r,
    rows.flatMap(([, [weight, make]]) => new Array<Generator>(weight).fill(make)),
  );
  const above = chain.layers.slice(1);
  return drawn(r, chain, r.below(3) ? above.at(-1)! : pick(r, above));
}

/** What info says that must be alike. */
function factsOf(dir: string, name: string, format: string): string {
  const p = Bun.spawnSync(['qemu-img', 'info', '-f', format, '--output=json', name], { cwd: dir });
  if (p.exitCode !== 0) return `info: ${p.stderr}`;
  const info = JSON.parse(p.stdout.toString());
  const { corrupt, ...features } = info['format-specific']?.data ?? {};
  const snapshots = (info.snapshots ?? []).map((s: { id: string; name: string }) => `${s.id} ${s.name}`);
  return JSON.stringify([
    info['virtual-size'],
    info['backing-filename'],
    info['backing-filename-format'],
    features,
    snapshots,
  ]);
}

/** What a command has left behind: a text to compare, contents by name, and what check says of changed images. */
interface Left {
  dir: string;
  output: string;
  code: number;
  contents: Map<string, Buffer>;
  /** Images whose file is another now. */
  changed: Layer[];
  unsound: string[];
}

function leftBy(
  tool: string[],
  dir: string,
  template: string,
  chain: Chain,
  { args }: Case,
  before: (l: Layer) => Buffer,
): Left {
  rmSync(dir, { recursive: true, force: true });
  run(['cp', '-r', '--sparse=always', template, dir]);
  const p = Bun.spawnSync([...tool, ...args], { cwd: dir, env: { ...process.env, TZ: 'UTC' }, timeout: PROGRAM_LIMIT });
  const left: Left = {
    dir,
    output: neutral(`${p.stdout}${p.stderr}`).replace(/\n?.*warning: '[^']*' is incomplete/, ''),
    code: p.exitCode ?? -1,
    contents: new Map(),
    changed: [],
    unsound: [],
  };
  const same = (file: string): boolean => {
    const [a, b] = [join(dir, file), join(template, file)];
    return existsSync(a) === existsSync(b) && (!existsSync(a) || readFileSync(a).equals(readFileSync(b)));
  };
  const changed = new Set(
    readdirSync(dir)
      .filter((f) => !same(f))
      .map((f) => f.replace('.data', '')),
  );
  const out: Layer[] = [];
  if (existsSync(join(dir, 'out')) && left.code === 0) {
    const format = args[args.indexOf('-O') + 1] as Layer['format'];
    out.push({ ...chain.others[1]!, name: 'out', below: undefined, format, snapshots: new Map() });
  }
  for (const layer of [...chain.layers, ...chain.others, ...out]) {
    const affected = [layer, ...below(layer)].some((l) => changed.has(l.name));
    left.contents.set(layer.name, affected ? contentOf(dir, layer) : before(layer));
    if (!changed.has(layer.name) || layer.format === 'raw') continue;
    left.changed.push(layer);
    for (const name of layer.snapshots.keys())
      left.contents.set(`${layer.name}@${name}`, contentOf(dir, layer, ['-l', name]));
    const check = Bun.spawnSync(['qemu-img', 'check', '-f', layer.format, layer.name], { cwd: dir });
    if (check.exitCode !== 0)
      left.unsound.push(`check of ${layer.name}: exit ${check.exitCode} ${check.stdout}${check.stderr}`);
  }
  return left;
}

/** Where two contents differ first. */
function differ(a: Buffer | undefined, b: Buffer): string {
  if (!a) return 'is missing';
  if (a.equals(b)) return '';
  if (a.toString('latin1', 0, 40).startsWith('cannot be read')) return a.toString();
  if (a.length !== b.length) return `has ${a.length} bytes, not ${b.length}`;
  const at = a.findIndex((v, i) => v !== b[i]);
  return `has ${a[at]}, not ${b[at]}, at ${at}`;
}

function broken(left: Left, promises: Map<string, Buffer>): string[] {
  return [...promises].flatMap(([name, wanted]) => {
    const text = differ(left.contents.get(name), wanted);
    return text === '' ? [] : [`${name} ${text}`];
  });
}

export interface ChainsRequest {
  seed: number;
  chains: number;
  only?: string;
  found: (text: string) => void;
  /** Called where qemu-img changes content that it must not, or leaves an unsound image, and wemu-img does not. */
  theirs?: (text: string) => void;
}

/** Draws chains and runs commands on copies of them; reports every difference. */
export function randomChains({ seed, chains, only = '', found, theirs = () => {} }: ChainsRequest): void {
  const root = mkdtempSync(join(tmpdir(), 'wemu-chains-'));
  try {
    for (let i = seed; i < seed + chains; i++) {
      const r = new Random(i);
      const template = join(root, 'template');
      rmSync(template, { recursive: true, force: true });
      mkdirSync(template);
      const chain = makeChain(r, template);
      const all = [...chain.layers, ...chain.others];
      // qemu-io 7.2 can give out clusters that compressed ones still use; such a chain shows nothing.
      const sound = (l: Layer): boolean =>
        l.format === 'raw' || Bun.spawnSync(['qemu-img', 'check', l.name], { cwd: template }).exitCode === 0;
      if (!all.every(sound)) continue;
      const known = new Map<string, Buffer>();
      const before = (l: Layer): Buffer => {
        const content = known.get(l.name) ?? contentOf(template, l);
        known.set(l.name, content);
        return content;
      };
      for (let n = 0; n < COMMANDS_PER_CHAIN; n++) {
        const drawn = randomCase(r, chain, only);
        const q = leftBy(['qemu-img'], join(root, 'q'), template, chain, drawn, before);
        const w = leftBy(IMG, join(root, 'w'), template, chain, drawn, before);
        const text = (lines: string[]): string =>
          `seed ${i}:\n${chain.script.join('\n')}\nimg ${quoted(drawn.args)}\n  ${lines.join('\n  ')}`;
        const wrong = verdict(q, w, drawn, before, (lines) => theirs(text(lines)));
        if (wrong.length > 0) found(text(wrong));
      }
    }
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

/** What is wrong here; what is wrong only there is handed to `theirs`. */
function verdict(
  q: Left,
  w: Left,
  drawn: Case,
  before: (l: Layer) => Buffer,
  theirs: (lines: string[]) => void,
): string[] {
  const promised = (left: Left): Map<string, Buffer> =>
    left.code === 0 || drawn.args[0] === 'compare' ? drawn.promises(before) : new Map();
  const wrong = [...broken(w, promised(w)), ...w.unsound].map((line) => `wemu-img: ${line}`);
  const wrongThere = [...broken(q, promised(q)), ...q.unsound];
  // What they cannot do and is done here as promised.
  const noBytes = before(drawn.image).length === 0 && drawn.args[0] === 'amend';
  const unable =
    UNABLE.test(q.output) ||
    (noBytes && /Cannot allocate memory/.test(q.output)) ||
    (drawn.args.includes('-l') && /smaller than input file/.test(q.output));
  if (q.code === 1 && w.code === 0 && wrong.length === 0 && unable && promised(w).size > 0) {
    theirs([q.output]);
    return [];
  }
  if (q.code === 0 && w.code === 0 && q.output !== w.output && wrong.length === 0)
    if (knowsHoles(w.output, q.output, drawn, before(drawn.image))) return [];
  // Of several requests under way any may be the one that fails first, and a copy that failed promises nothing.
  const fails = (left: Left): boolean => left.code === 1 && /error while writing at byte \d+:[^\n]*$/.test(left.output);
  if (fails(q) && fails(w) && q.output.replace(/\d+/, '') === w.output.replace(/\d+/, '')) return wrong;
  if (q.output !== w.output || q.code !== w.code)
    wrong.push(`--- qemu-img, exit ${q.code}\n${q.output}\n+++ wemu-img, exit ${w.code}\n${w.output}`);
  for (const { name, format } of new Map([...q.changed, ...w.changed].map((l) => [l.name, l])).values()) {
    // (Another size comes with the other content.)
    if (wrongThere.some((line) => line.startsWith(`${name} `))) continue;
    const [a, b] = [factsOf(q.dir, name, format), factsOf(w.dir, name, format)];
    if (a !== b) wrong.push(`info of ${name}: ${a} | ${b}`);
  }
  // Where they break what the command promises and we keep it, they are no measure of the content.
  if (wrongThere.length > 0) theirs(wrongThere);
  else
    for (const [name, content] of q.contents) {
      if (name.includes('@') && !w.contents.has(name)) continue;
      const text = differ(w.contents.get(name), content);
      if (text !== '') wrong.push(`${name} ${text} as with qemu-img`);
    }
  return wrong;
}

if (import.meta.main) {
  const [seed, chains, only] = process.argv.slice(2);
  let [differences, wrongThere] = [0, 0];
  randomChains({
    seed: Number(seed ?? 1),
    chains: Number(chains ?? 100),
    only: only ?? '',
    found: (text) => {
      console.log(`${text}\n`);
      differences++;
    },
    theirs: (text) => {
      if (process.env['WEMU_DEBUG']) console.log(`(theirs) ${text}\n`);
      wrongThere++;
    },
  });
  console.log(`${differences} differences; ${wrongThere} times qemu-img was wrong alone`);
  process.exitCode = differences > 0 ? 1 : 0;
}
