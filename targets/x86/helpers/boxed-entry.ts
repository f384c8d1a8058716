// Makes the entry of a helper module whose helpers have vectors in their signature.

import { boxedName, type HelperRow } from '../../target.ts';

/**
 * Source of an entry that exports everything of `index` and, for helpers with vectors in their signature, the form that
 * TypeScript can call (see boxedName).
 */
export function boxedEntry(index: string, helpers: readonly HelperRow[]): string {
  const vectors = helpers.filter(({ args, result }) => result === 'v128' || args.includes('v128'));
  const functions = vectors.map(({ name, args, result }) => {
    const scalars = args.flatMap((type, i) => (type === 'v128' ? [] : [`, a${i}: ${type}`])).join('');
    let box = 0;
    const values = args.map((type, i) => (type === 'v128' ? `v128.load(boxes, ${16 * box++})` : `a${i}`));
    const call = `${name}(env, ${values.join(', ')})`;
    const returns = result === 'v128' || result === null ? 'void' : result;
    const body = result === 'v128' ? `v128.store(boxes, ${call});` : result === null ? `${call};` : `return ${call};`;
    return `export function ${boxedName(name)}(env: usize, boxes: usize${scalars}): ${returns} { ${body} }`;
  });
  const names = vectors.map(({ name }) => name).join(', ');
  return `export * from '${index}';\nimport { ${names} } from '${index}';\n${functions.join('\n')}\n`;
}
