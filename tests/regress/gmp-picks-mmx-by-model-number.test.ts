// GMP chooses functions by family and model number: a CPU without MMX must not call itself a later P6 model.
//
// The `max` model advertised no MMX, but family 6 model 15 (Core 2). Debian's libgmp looks at these numbers and not at the
// feature bits, chose its MMX functions, and `expr` and `factor` died of SIGILL at the first PXOR.
import { expect, test } from 'bun:test';
import { cpuidLeaf } from '../../targets/x86/cpuid.ts';
import { selectModel } from '../../targets/x86/model-option.ts';
import { modelAt, X86_MODELS } from '../../targets/x86/models.ts';

/** First model number of family 6 for which GMP expects MMX (Pentium II). */
const FIRST_WITH_MMX = 3;
const MMX = 1 << 23;

for (const { name } of X86_MODELS) {
  const { index, warnings } = selectModel(name);
  // A model some of whose features do not execute yet says so when it is chosen.
  if (warnings.length > 0) continue;
  test(`${name}: the model number promises no more than the feature bits`, () => {
    const [signature, , , features] = cpuidLeaf(modelAt(index), 1);
    const family = (signature >> 8) & 15;
    const number = (signature >> 4) & 15;
    if (family === 6 && number >= FIRST_WITH_MMX) expect(features & MMX).not.toBe(0);
  });
}
