// Makes the entry of a helper module whose helpers have vectors or floats in their signature.

import { boxedName, type HelperRow } from './target.ts';

/** Types that go through boxes. */
const inBox = (type: string | null) => type === 'v128' || type === 'f32' || type === 'f64';

/**
 * Source of an entry that exports everything of `index` and, for helpers with vectors or floats in their signature, the form
 * that TypeScript can call (see boxedName).
 */
export function boxedEntry(index: string, helpers: readonly HelperRow[]): string {
  const boxed = helpers.filter(({ args, result }) => inBox(result) || args.some(inBox));
  const functions = boxed.map(({ name, args, result }) => {
    const scalars = args.flatMap((type, i) => (inBox(type) ? [] : [`, a${i}: ${type}`])).join('');
    let box = 0;
    const values = args.map((type, i) => (inBox(type) ? `load<${type}>(boxes, ${16 * box++})` : `a${i}`));
    const call = `${name}(${['env', ...values].join(', ')})`;
    const returns = inBox(result) || result === null ? 'void' : result;
    const body = inBox(result) ? `store<${result}>(boxes, ${call});` : result === null ? `${call};` : `return ${call};`;
    return `export function ${boxedName(name)}(env: usize, boxes: usize${scalars}): ${returns} { ${body} }`;
  });
  const names = boxed.map(({ name }) => name).join(', ');
  return `export * from '${index}';\nimport { ${names} } from '${index}';\n${functions.join('\n')}\n`;
}
