// Turns a control-flow graph into nested blocks, loops and branches. Knows neither IR nor WebAssembly's binary form.

/*
 * The method is Norman Ramsey's "Beyond Relooper" (ICFP 2022): a node's code comes in the place its immediate dominator
 * gives it; nodes with several forward predecessors get a block to leave by, targets of back edges a loop. Loops with
 * several entries are first given one: a node that branches by a selector.
 */

/** Successors of each node: none (it leaves), one, or two: where a true condition goes, then where a false one goes. */
export type Successors = number[][];

/** What to emit, as a flat list of numbers: one of these, then its operands. */
export const SCRIPT = {
  /** node: its code without its branch. */
  CODE: 0,
  /** node, invert: its condition, or the opposite if `invert` is 1. */
  CONDITION: 1,
  BLOCK: 2,
  LOOP: 3,
  /** Consumes a condition. */
  IF: 4,
  END: 5,
  /** depth. */
  BR: 6,
  /** depth; consumes a condition. */
  BR_IF: 7,
  /** number: what the next BR_TABLE goes by. */
  SELECT_TARGET: 8,
  /** count, then as many depths; the last also serves all larger numbers. */
  BR_TABLE: 9,
} as const;

/** A node that is not the caller's: sets the selector, or branches by it. */
interface Extra {
  readonly selects: number | null;
}

class Structure {
  private readonly order: number[] = [];
  /** Position in reverse postorder, -1 for unreachable nodes. */
  private position: number[] = [];
  private dominator: number[] = [];
  private children: number[][] = [];
  private isMerge: boolean[] = [];
  private isLoop: boolean[] = [];
  private readonly script: number[] = [];
  /** Where in the script the last BR is. */
  private lastBranch = -1;
  /** Enclosing constructs, outermost first: node whose code follows the block, or -1 - header of the loop; null an `if`. */
  private readonly context: (number | null)[] = [];
  private readonly extras = new Map<number, Extra>();

  constructor(private readonly successors: Successors) {}

  run(): number[] {
    this.number();
    this.findDominators();
    if (!this.isReducible()) {
      const nodes = [...this.order];
      this.singleEntries(nodes, 0);
      this.number();
      this.findDominators();
      if (!this.isReducible()) throw new Error('loop entries could not be merged');
    }
    this.classify();
    this.tree(0);
    return this.script;
  }

  // ---- the graph

  /** Numbers the reachable nodes in reverse postorder. */
  private number(): void {
    const { successors, order } = this;
    order.length = 0;
    this.position = successors.map(() => -1);
    const seen = successors.map(() => false);
    const stack: [node: number, next: number][] = [[0, 0]];
    seen[0] = true;
    while (stack.length > 0) {
      const top = stack[stack.length - 1]!;
      const next = successors[top[0]]![top[1]++];
      if (next === undefined) {
        order.push(top[0]);
        stack.pop();
      } else if (!seen[next]) {
        seen[next] = true;
        stack.push([next, 0]);
      }
    }
    order.reverse();
    for (let i = 0; i < order.length; i++) this.position[order[i]!] = i;
  }

  /** Immediate dominators by the iterative method of Cooper, Harvey and Kennedy. */
  private findDominators(): void {
    const { successors, order, position } = this;
    const predecessors: number[][] = successors.map(() => []);
    for (const node of order) for (const next of successors[node]!) predecessors[next]!.push(node);
    const dominator = successors.map(() => -1);
    dominator[0] = 0;
    for (let changed = true; changed; ) {
      changed = false;
      for (const node of order) {
        if (node === 0) continue;
        let best = -1;
        for (const from of predecessors[node]!) {
          if (dominator[from] === -1) continue;
          if (best === -1) {
            best = from;
            continue;
          }
          let other = from;
          while (best !== other) {
            while (position[best]! > position[other]!) best = dominator[best]!;
            while (position[other]! > position[best]!) other = dominator[other]!;
          }
        }
        if (dominator[node] !== best) {
          dominator[node] = best;
          changed = true;
        }
      }
    }
    this.dominator = dominator;
  }

  private dominates(above: number, node: number): boolean {
    while (this.position[node]! > this.position[above]!) node = this.dominator[node]!;
    return node === above;
  }

  /** Whether every edge back goes to a node that dominates where it comes from. */
  private isReducible(): boolean {
    for (const node of this.order) {
      for (const next of this.successors[node]!) {
        if (this.position[next]! <= this.position[node]! && !this.dominates(next, node)) return false;
      }
    }
    return true;
  }

  // ---- loops with several entries

  /** Gives every loop among `nodes` one entry; `entry` is how control comes in, if it is one of them. */
  private singleEntries(nodes: readonly number[], entry: number): void {
    const inside = new Set(nodes);
    for (const loop of this.components(nodes, inside)) {
      const members = new Set(loop);
      const entries: number[] = [];
      for (const node of loop) if (node === entry || this.hasOutsidePredecessor(node, members)) entries.push(node);
      let header = entries[0]!;
      let rest = loop;
      if (entries.length > 1) {
        const added = this.mergeEntries(entries, members);
        header = added[0]!;
        rest = [...loop, ...added];
        if (members.has(entry)) throw new Error('the entry of a function must not be inside a loop of several entries');
      }
      this.singleEntries(
        rest.filter((node) => node !== header),
        -1,
      );
    }
  }

  private hasOutsidePredecessor(node: number, members: ReadonlySet<number>): boolean {
    for (let from = 0; from < this.successors.length; from++) {
      if (this.successors[from]!.includes(node) && !members.has(from) && this.position[from] !== -1) return true;
    }
    return false;
  }

  /** The strongly connected parts among `nodes` that have an edge inside (Tarjan's method, with a stack of its own). */
  private components(nodes: readonly number[], inside: ReadonlySet<number>): number[][] {
    const found: number[][] = [];
    const index = new Map<number, number>();
    const low = new Map<number, number>();
    const open: number[] = [];
    const isOpen = new Set<number>();
    for (const root of nodes) {
      if (index.has(root)) continue;
      const stack: [node: number, next: number][] = [[root, 0]];
      while (stack.length > 0) {
        const top = stack[stack.length - 1]!;
        const node = top[0];
        if (top[1] === 0) {
          index.set(node, index.size);
          low.set(node, index.get(node)!);
          open.push(node);
          isOpen.add(node);
        }
        const next = this.successors[node]![top[1]++];
        if (next !== undefined) {
          if (!inside.has(next)) continue;
          if (!index.has(next)) stack.push([next, 0]);
          else if (isOpen.has(next)) low.set(node, Math.min(low.get(node)!, index.get(next)!));
          continue;
        }
        stack.pop();
        const parent = stack[stack.length - 1];
        if (parent) low.set(parent[0], Math.min(low.get(parent[0])!, low.get(node)!));
        if (low.get(node) !== index.get(node)) continue;
        const component = open.splice(open.indexOf(node));
        for (const member of component) isOpen.delete(member);
        if (component.length > 1 || this.successors[node]!.includes(node)) found.push(component);
      }
    }
    return found;
  }

  /**
   * Makes one node that branches by the selector, and for each entry a node that sets it, once for edges from inside the
   * loop and once for edges from outside. Returns the new nodes that belong to the loop, the branching one first.
   */
  private mergeEntries(entries: readonly number[], members: ReadonlySet<number>): number[] {
    const { successors } = this;
    const last = successors.length;
    const branching = last;
    successors.push([...entries]);
    this.extras.set(branching, { selects: null });
    const added = [branching];
    const addSetter = (number: number): number => {
      const node = successors.length;
      successors.push([branching]);
      this.extras.set(node, { selects: number });
      return node;
    };
    for (let k = 0; k < entries.length; k++) {
      let fromInside = -1;
      let fromOutside = -1;
      for (let from = 0; from < last; from++) {
        const next = successors[from]!;
        for (let edge = 0; edge < next.length; edge++) {
          if (next[edge] !== entries[k]) continue;
          if (members.has(from)) {
            if (fromInside < 0) added.push((fromInside = addSetter(k)));
            next[edge] = fromInside;
          } else {
            if (fromOutside < 0) fromOutside = addSetter(k);
            next[edge] = fromOutside;
          }
        }
      }
    }
    return added;
  }

  // ---- the code

  private classify(): void {
    const { successors, order, position } = this;
    this.children = successors.map(() => []);
    this.isMerge = successors.map(() => false);
    this.isLoop = successors.map(() => false);
    const forward = successors.map(() => 0);
    for (const node of order) {
      if (node !== 0) this.children[this.dominator[node]!]!.push(node);
      const next = successors[node]!;
      const same = next.length === 2 && next[0] === next[1];
      for (let edge = same ? 1 : 0; edge < next.length; edge++) {
        const to = next[edge]!;
        if (position[to]! <= position[node]!) this.isLoop[to] = true;
        else if (++forward[to]! > 1) this.isMerge[to] = true;
      }
      // A table of targets needs something to branch to.
      if (this.extras.get(node)?.selects === null) for (const to of next) this.isMerge[to] = true;
    }
  }

  /** Emits the code of `node` and of everything it dominates. Iterates where only one way goes on. */
  private tree(node: number): void {
    for (;;) {
      const header = this.isLoop[node]!;
      if (header) {
        this.script.push(SCRIPT.LOOP);
        this.context.push(-1 - node);
      }
      // Children are in reverse postorder: the first merge comes first, so its block is the innermost.
      const merges = this.children[node]!.filter((child) => this.isMerge[child]);
      for (let k = merges.length - 1; k >= 0; k--) {
        this.script.push(SCRIPT.BLOCK);
        this.context.push(merges[k]!);
      }
      const next = this.ownCode(node);
      if (merges.length === 0 && !header) {
        if (next < 0) return;
        node = next;
        continue;
      }
      if (next >= 0) this.tree(next);
      for (let k = 0; k < merges.length - 1; k++) {
        this.end();
        this.tree(merges[k]!);
      }
      const last = merges[merges.length - 1];
      if (last !== undefined) {
        this.end();
        if (!header) {
          node = last;
          continue;
        }
        this.tree(last);
      }
      this.end();
      return;
    }
  }

  /** Emits a node's code and branch; returns the node whose code goes right behind, or -1. */
  private ownCode(node: number): number {
    const { script, successors } = this;
    const next = successors[node]!;
    const extra = this.extras.get(node);
    if (extra) {
      if (extra.selects !== null) {
        script.push(SCRIPT.SELECT_TARGET, extra.selects);
        return this.branch(node, next[0]!);
      }
      script.push(SCRIPT.BR_TABLE, next.length);
      for (const to of next) script.push(this.depth(node, to));
      return -1;
    }
    script.push(SCRIPT.CODE, node);
    if (next.length === 0) return -1;
    if (next.length === 1 || next[0] === next[1]) return this.branch(node, next[0]!);
    const [taken, other] = next as [number, number];
    if (!this.isInline(node, taken)) {
      script.push(SCRIPT.CONDITION, node, 0, SCRIPT.BR_IF, this.depth(node, taken));
      return this.branch(node, other);
    }
    script.push(SCRIPT.CONDITION, node, 1);
    if (!this.isInline(node, other)) {
      script.push(SCRIPT.BR_IF, this.depth(node, other));
      return taken;
    }
    script.push(SCRIPT.IF);
    this.context.push(null);
    this.tree(other);
    this.end();
    return taken;
  }

  /** Whether the code of `to` has no other place than behind the branch from `node`. */
  private isInline(node: number, to: number): boolean {
    return this.position[to]! > this.position[node]! && !this.isMerge[to];
  }

  private branch(node: number, to: number): number {
    if (this.isInline(node, to)) return to;
    this.lastBranch = this.script.length;
    this.script.push(SCRIPT.BR, this.depth(node, to));
    return -1;
  }

  /** How many constructs lie between here and the one whose branch leads to `to`. */
  private depth(node: number, to: number): number {
    const wanted = this.position[to]! <= this.position[node]! ? -1 - to : to;
    for (let depth = 0; depth < this.context.length; depth++) {
      if (this.context[this.context.length - 1 - depth] === wanted) return depth;
    }
    throw new Error(`node ${to} has no place among the blocks around node ${node}`);
  }

  /** Ends the innermost construct; a branch to its end right in front is left out. */
  private end(): void {
    const { script } = this;
    const context = this.context.pop()!;
    const isBlock = context !== null && context >= 0;
    if (isBlock && this.lastBranch === script.length - 2 && script[this.lastBranch + 1] === 0) {
      script.length = this.lastBranch;
      this.lastBranch = -1;
    }
    script.push(SCRIPT.END);
  }
}

/**
 * The order and nesting in which to emit the nodes of a graph whose entry is node 0, as numbers of `SCRIPT`. Nodes that
 * cannot be reached are left out. May add nodes to `successors`. The entry must not be the target of a branch.
 */
export function structure(successors: Successors): number[] {
  return new Structure(successors).run();
}
