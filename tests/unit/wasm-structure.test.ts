// The nesting made of a control-flow graph must lead through the same nodes as the graph, whatever the conditions say.
import { expect, test } from 'bun:test';
import { SCRIPT, type Successors, structure } from '../../tcg/wasm/structure.ts';
import fc, { numRuns } from '../setup/properties.ts';

const MAX_STEPS = 60;

/** The nodes visited by walking the graph; `decide` answers conditions. Leaves end it. */
function walkGraph(successors: Successors, decide: (node: number, visit: number) => boolean): number[] {
  const path: number[] = [];
  for (let node = 0; path.length < MAX_STEPS; ) {
    path.push(node);
    const next = successors[node]!;
    if (next.length === 0) break;
    node = next.length === 1 ? next[0]! : next[decide(node, path.length) ? 0 : 1]!;
  }
  return path;
}

/** The script as code with jump targets, the way WebAssembly defines nesting. */
function walkScript(
  script: readonly number[],
  leaves: ReadonlySet<number>,
  decide: (node: number, visit: number) => boolean,
) {
  const lengths: number[] = [];
  const at: number[] = [];
  for (let i = 0; i < script.length; ) {
    at.push(i);
    const code = script[i]!;
    let length = 1;
    if (code === SCRIPT.CONDITION) length = 3;
    else if (code === SCRIPT.BR_TABLE) length = 2 + script[i + 1]!;
    else if (code === SCRIPT.CODE || code === SCRIPT.BR || code === SCRIPT.BR_IF || code === SCRIPT.SELECT_TARGET)
      length = 2;
    lengths.push(length);
    i += length;
  }
  // The instruction behind the end of each construct.
  const endOf = new Map<number, number>();
  const open: number[] = [];
  at.forEach((i, n) => {
    if (script[i] === SCRIPT.BLOCK || script[i] === SCRIPT.LOOP || script[i] === SCRIPT.IF) open.push(n);
    if (script[i] === SCRIPT.END) endOf.set(open.pop()!, n);
  });
  expect(open).toEqual([]);

  const path: number[] = [];
  let stack: number[] = [];
  let condition = false;
  let selector = -1;
  let n = 0;
  const branch = (depth: number) => {
    const target = stack[stack.length - 1 - depth]!;
    if (script[at[target]!] === SCRIPT.LOOP) {
      stack = stack.slice(0, stack.length - depth);
      n = target + 1;
    } else {
      stack = stack.slice(0, stack.length - 1 - depth);
      n = endOf.get(target)! + 1;
    }
  };
  for (let steps = 0; path.length < MAX_STEPS; steps++) {
    if (steps > MAX_STEPS * 100) throw new Error('runs without coming to a node');
    if (n >= at.length) throw new Error('falls off its end');
    const i = at[n]!;
    const operand = script[i + 1]!;
    switch (script[i]) {
      case SCRIPT.CODE:
        path.push(operand);
        if (leaves.has(operand)) return path;
        n++;
        break;
      case SCRIPT.CONDITION:
        condition = decide(operand, path.length) !== (script[i + 2] === 1);
        n++;
        break;
      case SCRIPT.BLOCK:
      case SCRIPT.LOOP:
        stack.push(n++);
        break;
      case SCRIPT.IF:
        if (condition) stack.push(n++);
        else n = endOf.get(n)! + 1;
        break;
      case SCRIPT.END:
        stack.pop();
        n++;
        break;
      case SCRIPT.BR:
        branch(operand);
        break;
      case SCRIPT.BR_IF:
        if (condition) branch(operand);
        else n++;
        break;
      case SCRIPT.SELECT_TARGET:
        selector = operand;
        n++;
        break;
      case SCRIPT.BR_TABLE:
        branch(script[i + 2 + selector]!);
        break;
    }
  }
  return path;
}

/** Graphs with a first node nobody branches to, as the lowering makes them. */
const graphs: fc.Arbitrary<Successors> = fc.integer({ min: 1, max: 14 }).chain((count) => {
  const target = fc.integer({ min: 1, max: count });
  const next = fc.oneof(
    { weight: 1, arbitrary: fc.constant([]) },
    { weight: 3, arbitrary: fc.tuple(target) },
    { weight: 5, arbitrary: fc.tuple(target, target) },
  );
  return fc
    .tuple(fc.tuple(target), fc.array(next, { minLength: count, maxLength: count }))
    .map(([first, rest]) => [[...first], ...rest.map((list) => [...list])]);
});

test('the script visits the nodes of the graph, reducible or not', () => {
  fc.assert(
    fc.property(graphs, fc.integer(), (graph, seed) => {
      const decide = (node: number, visit: number) => (Math.imul(seed ^ (node * 7919), visit * 2 + 1) >>> 11) % 2 === 0;
      const leaves = new Set(graph.flatMap((next, node) => (next.length === 0 ? [node] : [])));
      const expected = walkGraph(graph, decide);
      const script = structure(graph.map((next) => [...next]));
      expect(walkScript(script, leaves, decide)).toEqual(expected);
    }),
    { numRuns: numRuns(3000) },
  );
});

test('a straight line needs no constructs', () => {
  expect(structure([[1], [2], []])).toEqual([SCRIPT.CODE, 0, SCRIPT.CODE, 1, SCRIPT.CODE, 2]);
});

test('a loop with its test at the end is one loop and one conditional branch', () => {
  expect(structure([[1], [1, 2], []])).toEqual([
    SCRIPT.CODE, 0, SCRIPT.LOOP, SCRIPT.CODE, 1, SCRIPT.CONDITION, 1, 0, SCRIPT.BR_IF, 0, SCRIPT.CODE, 2, SCRIPT.END,
  ]); // biome-ignore format: as in the script
});

test('a graph of a thousand diamonds neither nests nor recurses too deep', () => {
  const graph: Successors = [];
  const diamonds = 1000;
  for (let k = 0; k < diamonds; k++) {
    const base = 3 * k;
    graph.push([base + 1, base + 2], [base + 3], [base + 3]);
  }
  graph.push([]);
  const script = structure(graph);
  const leaves = new Set([3 * diamonds]);
  const decide = (_node: number, visit: number) => visit % 3 === 0;
  expect(walkScript(script, leaves, decide).slice(0, 20)).toEqual(walkGraph(graph, decide).slice(0, 20));
});

test('one loop with two entries gets a table branch, the code around it none', () => {
  // 0 decides whether to enter the loop {1, 2} at 1 or 2; 3 leaves.
  const script = structure([[1, 2], [2], [1, 3], []]);
  expect(script.filter((code, i) => code === SCRIPT.BR_TABLE && script[i + 1] === 2).length).toBe(1);
});
