/** Who may import whom: the layers of the source tree and the arrows between them, enforced for every file. */

import { expect, test } from 'bun:test';
import type { Import } from './source-files.ts';
import { importsOf, sourceFiles } from './source-files.ts';

/**
 * The layers, most specific first: a file belongs to the first whose pattern its path starts with (`*` stands for one
 * folder name). `may` lists the layers it may import besides itself; `name:types` allows only `import type`; `anything`
 * allows all that is not closed to it. An arrow not listed is forbidden.
 */
const LAYERS: readonly { name: string; paths: readonly string[]; may: readonly string[] }[] = [
  { name: 'util', paths: ['src/util/'], may: [] },
  { name: 'log', paths: ['src/log/'], may: ['util'] },
  { name: 'softfloat', paths: ['src/softfloat/'], may: ['util'] },
  { name: 'host', paths: ['src/host/'], may: ['util'] },
  { name: 'memory', paths: ['src/memory/'], may: ['host', 'util', 'log'] },
  { name: 'loader', paths: ['src/loader/'], may: ['host', 'util', 'memory'] },
  {
    name: 'block-driver',
    paths: ['driver', 'options', 'errors', 'bytes', 'qdict', 'warnings'].map((file) => `src/block/${file}.ts`),
    may: ['util', 'log'],
  },
  { name: 'block', paths: ['src/block/'], may: ['block-driver', 'host', 'util', 'log'] },

  { name: 'ir', paths: ['tcg/ir/'], may: ['util'] },
  { name: 'opt', paths: ['tcg/opt/'], may: ['ir', 'util'] },
  { name: 'engine', paths: ['tcg/engine.ts'], may: ['ir', 'util'] },
  { name: 'interp', paths: ['tcg/interp/'], may: ['ir', 'engine', 'util'] },
  { name: 'wasm-writer', paths: ['tcg/wasm/module-writer', 'tcg/wasm/opcodes', 'tcg/wasm/wat-print'], may: ['util'] },
  { name: 'wasm', paths: ['tcg/wasm/'], may: ['wasm-writer', 'ir', 'engine', 'util'] },

  { name: 'guest-registry', paths: ['targets/registry.ts'], may: ['guest', 'guest-state', 'guest-interface'] },
  {
    name: 'guest-interface',
    paths: [
      'targets/decode/',
      'targets/state-layout.ts',
      'targets/target.ts',
      'targets/float-guard.ts',
      'targets/boxed-entry.ts',
      'targets/finite-field.ts',
    ],
    may: ['ir', 'util'],
  },
  {
    // What an ABI must know of its guest: state, flags, what signal frames hold and how segments are loaded.
    name: 'guest-state',
    paths: [
      ...['state', 'flags', 'mode', 'vectors', 'models', 'features', 'fpscr', 'cpuid', 'x87-state', 'x87-reset'].map(
        (name) => `targets/*/${name}.ts`,
      ),
      'targets/*/helpers/segment-helpers.ts',
    ],
    may: ['guest-interface', 'guest:types', 'ir', 'util'],
  },
  {
    name: 'guest',
    paths: ['targets/*/'],
    may: ['guest-state', 'guest-interface', 'ir', 'softfloat', 'util', 'memory:types'],
  },

  {
    name: 'exec',
    paths: ['src/exec/'],
    may: ['ir', 'opt', 'engine', 'interp', 'wasm-writer', 'wasm', 'guest-interface', 'memory', 'host', 'log', 'util'],
  },
  { name: 'gdb', paths: ['src/gdb/'], may: ['exec', 'memory', 'guest-interface', 'util'] },

  { name: 'abi-registry', paths: ['linux-user/abi/registry.ts'], may: ['abi', 'abi-interface'] },
  {
    name: 'abi-interface',
    paths: [
      ...['linux-user/abi/interface.ts', 'linux-user/abi/signal-interface.ts', 'linux-user/siginfo.ts'],
      'linux-user/cpu.ts',
    ],
    may: ['memory', 'util'],
  },
  { name: 'abi', paths: ['linux-user/abi/'], may: ['abi-interface', 'guest-state', 'memory', 'host', 'util'] },
  {
    name: 'linux-run',
    paths: ['linux-user/process-loop.ts'],
    may: ['linux', 'abi-interface', 'exec', 'guest-interface', 'memory', 'host', 'log', 'loader', 'util'],
  },
  { name: 'linux', paths: ['linux-user/'], may: ['abi-interface', 'memory', 'host', 'log', 'loader', 'util'] },

  { name: 'hw', paths: ['src/hw/'], may: ['block-driver', 'log', 'util'] },
  {
    name: 'system',
    paths: ['src/system/'],
    may: ['exec', 'hw', 'memory', 'block-driver', 'block', 'guest-interface', 'log', 'util'],
  },
  {
    name: 'monitor',
    paths: ['src/monitor/'],
    may: ['system', 'hw', 'exec', 'block-driver', 'block', 'memory', 'log', 'util'],
  },

  { name: 'tests', paths: ['tests/'], may: ['anything'] },
  { name: 'tools', paths: ['src/tools/'], may: ['anything'] },
  { name: 'cli', paths: ['src/cli/'], may: ['anything'] },
  { name: 'library', paths: ['src/index.ts'], may: ['anything'] },
];

/** Layers that only these may import; `anything` does not reach them otherwise. */
const CLOSED: Record<string, readonly string[]> = {
  'guest-registry': ['cli', 'tools', 'library', 'tests'],
  'abi-registry': ['cli', 'tools', 'library', 'tests'],
  cli: ['tests', 'tools', 'library'],
  tools: ['tests', 'cli'],
  library: ['tests'],
  tests: [],
};

function layerOf(file: string) {
  return LAYERS.find((layer) =>
    layer.paths.some((path) => new RegExp(`^${path.replace(/[.]/g, '\\.').replace('*', '[^/]+')}`).test(file)),
  );
}

/** The guest a file in targets/<guest>/ belongs to. */
function guestOf(file: string): string | undefined {
  const layer = layerOf(file)?.name;
  return layer === 'guest' || layer === 'guest-state' ? file.split('/')[1] : undefined;
}

/** Why an import is forbidden; undefined when it is allowed. */
function complaint({ from, to, typeOnly }: Import): string | undefined {
  const fromLayer = layerOf(from);
  const toLayer = layerOf(to);
  if (!fromLayer || !toLayer) return `${from} -> ${to}: ${fromLayer ? to : from} belongs to no layer`;
  if (guestOf(from) !== undefined && guestOf(to) !== undefined && guestOf(from) !== guestOf(to)) {
    return `${from} -> ${to}: a guest must not know another guest`;
  }
  if (fromLayer === toLayer) return undefined;
  const closedTo = CLOSED[toLayer.name];
  const allowed =
    (fromLayer.may.includes('anything') && (!closedTo || closedTo.includes(fromLayer.name))) ||
    fromLayer.may.includes(toLayer.name) ||
    (typeOnly && fromLayer.may.includes(`${toLayer.name}:types`));
  return allowed ? undefined : `${from} -> ${to}: ${fromLayer.name} may not import ${toLayer.name}`;
}

/** One cycle of files, as the list of its members, or undefined. */
function findCycle(imports: readonly Import[]): string[] | undefined {
  const targetsOf = new Map<string, string[]>();
  for (const { from, to } of imports) targetsOf.set(from, [...(targetsOf.get(from) ?? []), to]);
  const state = new Map<string, 'open' | 'done'>();
  const path: string[] = [];
  const visit = (file: string): string[] | undefined => {
    if (state.get(file) === 'done') return undefined;
    if (state.get(file) === 'open') return [...path.slice(path.indexOf(file)), file];
    state.set(file, 'open');
    path.push(file);
    for (const to of targetsOf.get(file) ?? []) {
      const cycle = visit(to);
      if (cycle) return cycle;
    }
    path.pop();
    state.set(file, 'done');
    return undefined;
  };
  for (const file of targetsOf.keys()) {
    const cycle = visit(file);
    if (cycle) return cycle;
  }
  return undefined;
}

const imports = sourceFiles().flatMap((file) => importsOf(file));

test('every import follows a listed arrow', () => {
  expect(imports.map(complaint).filter((text) => text !== undefined)).toEqual([]);
});

test('every source file belongs to a layer', () => {
  expect(sourceFiles().filter((file) => !layerOf(file))).toEqual([]);
});

test('no files import each other in a circle', () => {
  expect(findCycle(imports)?.join(' -> ')).toBeUndefined();
});

test('the layer table names only layers it has', () => {
  const names = new Set(LAYERS.map((layer) => layer.name));
  const used = LAYERS.flatMap((layer) => layer.may.map((name) => name.replace(':types', '')));
  const closed = Object.entries(CLOSED).flatMap(([name, openTo]) => [name, ...openTo]);
  expect([...used, ...closed].filter((name) => name !== 'anything' && !names.has(name))).toEqual([]);
});

test('the rules bite', () => {
  const of = (from: string, to: string, typeOnly = false) => complaint({ from, to, typeOnly });
  expect(of('src/util/hex.ts', 'src/log/log.ts')).toContain('may not import');
  expect(of('tcg/wasm/lower.ts', 'src/memory/guest-memory.ts')).toContain('may not import');
  expect(of('tcg/wasm/module-writer.ts', 'tcg/ir/ops.ts')).toContain('may not import');
  expect(of('targets/arm/translate/branch.ts', 'targets/x86/state.ts')).toContain('another guest');
  expect(of('targets/arm/mmu.ts', 'src/memory/page-table.ts')).toContain('may not import');
  expect(of('targets/arm/mmu.ts', 'src/memory/page-table.ts', true)).toBeUndefined();
  expect(of('src/exec/cpu-loop.ts', 'targets/x86/translate.ts')).toContain('may not import');
  expect(of('src/exec/cpu-loop.ts', 'targets/registry.ts')).toContain('may not import');
  expect(of('linux-user/syscalls/file.ts', 'targets/x86/state.ts')).toContain('may not import');
  expect(of('linux-user/abi/i386.ts', 'targets/x86/state.ts')).toBeUndefined();
  expect(of('src/block/raw.ts', 'tcg/ir/ops.ts')).toContain('may not import');
  expect(of('src/cli/user-mode.ts', 'targets/registry.ts')).toBeUndefined();
  expect(of('src/exec/cpu-loop.ts', 'src/cli/user-mode.ts')).toContain('may not import');
  expect(of('src/cli/user-mode.ts', 'tests/run.ts')).toContain('may not import');
  expect(of('src/elsewhere/x.ts', 'src/util/hex.ts')).toContain('no layer');
  const circle = [
    { from: 'a', to: 'b', typeOnly: false },
    { from: 'b', to: 'a', typeOnly: true },
  ];
  expect(findCycle(circle)).toEqual(['a', 'b', 'a']);
});

test('imports of every form are seen, those in comments are not', () => {
  const text = `
import { a } from './a.ts';
import type {
  B,
} from '../b.ts';
import './c.ts';
export * from "./d.ts";
export type { E } from './e.ts';
const f = await import('./f.ts');
new Worker(new URL('./g.ts', import.meta.url));
// import x from './no.ts';
/* import './no.ts' */
import { readFileSync } from 'node:fs';
`;
  const seen = importsOf('src/util/x.ts', text).map((i) => `${i.to}${i.typeOnly ? ' type' : ''}`);
  expect(seen.sort()).toEqual([
    'src/b.ts type',
    'src/util/a.ts',
    'src/util/c.ts',
    'src/util/d.ts',
    'src/util/e.ts type',
    'src/util/f.ts',
    'src/util/g.ts',
  ]);
});
