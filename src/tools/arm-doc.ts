/** Writes the tables of docs/arm.md that come from the source: `bun src/tools/arm-doc.ts`. */

import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { DECODERS } from '../../targets/arm/insns.ts';
import { ARM_MODELS, hwcapNames } from '../../targets/arm/models.ts';
import { REFUSED_EXTENSIONS } from '../../targets/arm/refused.ts';
import { RULES, type UnpredictableRule } from '../../targets/arm/unpredictable.ts';

/** Where the document is. */
export const ARM_DOC = join(resolve(import.meta.dir, '../..'), 'docs/arm.md');

/** Rows that name a rule: how many, and some of them. */
function rowsWith(rule: string): string {
  const named = Object.values(DECODERS).flatMap((decoder) =>
    decoder.rows().filter(({ unpredictable }) => unpredictable.some((name) => name.split('-', 1)[0] === rule)),
  );
  const mnemonics = [...new Set(named.map(({ mnemonic }) => mnemonic))];
  const some = mnemonics.slice(0, 4).join(', ');
  return mnemonics.length > 4 ? `${some} and ${mnemonics.length - 4} more` : some;
}

function unpredictableTable(): string {
  const lines = Object.entries(RULES as Record<string, UnpredictableRule>).map(
    ([name, { text, does }]) => `| \`${name}\` | ${text} | ${does ?? '**UNDEFINED**'} | ${rowsWith(name)} |`,
  );
  return ['| rule | when | what happens | instructions |', '|---|---|---|---|', ...lines].join('\n');
}

function modelTable(): string {
  const lines = ARM_MODELS.map((model) => `| \`${model.name}\` | ${model.text} | ${hwcapNames(model).join(' ')} |`);
  return ['| model | what it is | Features of /proc/cpuinfo, AT_HWCAP and AT_HWCAP2 |', '|---|---|---|', ...lines].join(
    '\n',
  );
}

const PARTS: Readonly<Record<string, () => string>> = {
  models: modelTable,
  refused: () => REFUSED_EXTENSIONS.map((extension) => `- ${extension}`).join('\n'),
  unpredictable: unpredictableTable,
};

/** The document with the parts between `<!-- name -->` and `<!-- end -->` as the source has them. */
export function withTables(text: string): string {
  return Object.entries(PARTS).reduce((sum, [name, part]) => {
    const [begin, end] = [`<!-- ${name} -->\n`, '\n<!-- end -->'];
    const from = sum.indexOf(begin);
    if (from < 0) throw new Error(`${ARM_DOC} has no part ${name}`);
    return sum.slice(0, from + begin.length) + part() + sum.slice(sum.indexOf(end, from));
  }, text);
}

if (import.meta.main) writeFileSync(ARM_DOC, withTables(readFileSync(ARM_DOC, 'utf8')));
