/** Writes docs/ir.md, the description of the IR, from the op table and the pass table: `bun src/tools/ir-doc.ts`. */

import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { OPS, type OpName, type OpRow } from '../../tcg/ir/ops.ts';
import { EXIT_NAMES, FPROUND_NAMES, JUMP_NAMES } from '../../tcg/ir/print.ts';
import { COND_NAMES } from '../../tcg/ir/types.ts';
import { PASSES } from '../../tcg/opt/pipeline.ts';

const root = resolve(import.meta.dir, '../..');
const OPS_SOURCE = join(root, 'tcg/ir/ops.ts');

/** Where the document belongs. */
export const IR_DOC = join(root, 'docs/ir.md');

/** The op table's sections: headings and op names in the order of its source. */
function sections(): { heading: string; names: OpName[] }[] {
  const result: { heading: string; names: OpName[] }[] = [];
  for (const line of readFileSync(OPS_SOURCE, 'utf8').split('\n')) {
    const heading = /^ {2}\/\/ ---- (.*)$/.exec(line)?.[1];
    if (heading) result.push({ heading, names: [] });
    const name = /^ {2}(\w+): +\[/.exec(line)?.[1];
    if (name && name in OPS) result[result.length - 1]!.names.push(name as OpName);
  }
  return result;
}

function effects(row: OpRow): string {
  const { ends, effect, faults, commutes, writes } = row.flags;
  const words = [
    ends && 'ends',
    faults && 'may fault',
    writes && 'writes',
    commutes && 'commutes',
    effect && !ends && !faults && !writes && 'kept',
  ];
  return words.filter(Boolean).join(', ');
}

function opRow(row: OpRow): string {
  const imms = [row.imm, row.imm2].filter((kind) => kind !== null).map((kind) => `:${kind}`);
  const operands = row.ins.map((type, i) => `${'abc'[i]}:${type}`).join(', ');
  const text = row.text.replace(/\|/g, '\\|');
  return `| \`${row.name}${imms.join('')}\` | ${operands} | ${row.out ?? ''} | ${effects(row)} | ${text} |`;
}

/** The text of docs/ir.md. */
export function irDoc(): string {
  const code = (names: readonly string[]) => names.map((name) => `\`${name}\``).join(' ');
  const parts = [
    `# The intermediate representation

Written by \`bun src/tools/ir-doc.ts\` from the op table (\`tcg/ir/ops.ts\`) and the pass table (\`tcg/opt/pipeline.ts\`); do not
edit. ${Object.keys(OPS).length} ops, none of them named after a guest.

## Blocks and values

A block is a list of ops. Control enters at the first, moves by labels, and leaves by \`goto_tb\`, \`goto_ptr\`, \`exit_tb\`,
\`poll\` or an exception; it never runs off the end. Values are

- **globals**: names for guest registers, fields of CPU state (\`eax\`);
- **temporaries**: values of one block, written any number of times (\`t0\`);
- **constants**: i32 as signed numbers, i64 as signed 64-bit integers, floats (never NaN), vectors as 16 bytes.

Types are \`i32\`, \`i64\`, \`f32\`, \`f64\` and \`v128\`. "Unspecified" in the tables means any result but no harm; "undefined" means
that the op must not be given such operands.

## Text form

One op per line: \`out = name:imm:imm2 a, b, c -> label  sync(globals)\`; \`call\` shows its helper as \`name(arguments)\`. The first
line, \`block PC temps N labels N\`, says how many temporaries and labels are in use. \`-d op\` and \`-d op_opt\` print blocks before
and after the passes; \`tcg/ir/parse.ts\` reads the form back. Immediates:

| kind | values |
|---|---|
| \`cond\` | ${code(COND_NAMES)}: \`u\` compares unsigned, \`tst\` compares a & b with 0 |
| \`memop\` | \`u\` or \`s\` (zero- or sign-extending), width in bits, then \`be\` for big-endian bytes, \`al\` for natural alignment required, \`rw\` for the load of a read-modify-write: \`s16be\` |
| \`exit\` | ${code(EXIT_NAMES)} |
| \`jump\` | ${code(JUMP_NAMES)}: how control came to leave, for regions that follow calls |
| \`fpround\` | ${code(FPROUND_NAMES)} |
| \`lane\`, \`index\` | lane width in bits; number of a lane |
| \`bits\` | first bit, number of bits |
| \`offset\`, \`pc\`, \`word\` | offset in CPU state; guest address; a word of the guest's own |

## CPU state

\`sync(…)\` on an op lists the globals stored to CPU state before it. On an \`insn_start\` it also stores the PC: CPU state is
precise there, and a fault further on is replayed from that instruction. A \`poll\` stores its list only when it leaves, a
\`checkpoint\` each time its count has run out: loops that begin with one need no point in each round.
`,
    '## Passes\n',
    '| pass | what it does |\n|---|---|',
    ...PASSES.map((pass) => `| \`${pass.name}\` | ${pass.text} |`),
    '\n## Ops',
  ];
  for (const { heading, names } of sections()) {
    parts.push(`\n### ${heading[0]!.toUpperCase()}${heading.slice(1)}\n`);
    parts.push('| op | operands | result | effects | meaning |\n|---|---|---|---|---|');
    for (const name of names) parts.push(opRow(OPS[name]));
  }
  return parts.join('\n') + '\n';
}

if (import.meta.main) writeFileSync(IR_DOC, irDoc());
