// A block with SSE arithmetic looks at MXCSR and is left, to be looked up anew, where it is not as expected. Single-stepping
// took that for the end of the instruction: #DB came with nothing done, and the instruction never ran.
import { expect, test } from 'bun:test';
import { MEMORY_MAP, regsFrom } from '../oracle/insn-case.ts';
import { caseOf, runCases } from './wemu-case.ts';

const TF_IMAGE = [0x68, 0x02, 0x01, 0, 0, 0x9d]; // push 102h; popf
const SIGTRAP = 5;

test('addss traps behind itself whatever MXCSR says', () => {
  for (const mxcsr of [0x1f80, 0x1fa0, 0x7f80]) {
    const image = new Uint8Array(512);
    const view = new DataView(image.buffer);
    view.setUint16(0, 0x37f, true);
    view.setUint32(24, mxcsr, true);
    view.setFloat32(160, 1.5, true);
    view.setFloat32(176, 2, true);
    const insn = caseOf([...TF_IMAGE, 0xf3, 0x0f, 0x58, 0xc1], {
      regs: regsFrom({ esp: MEMORY_MAP.STACK }),
      fpu: { format: 'fxsave', image },
    });
    const [result] = runCases([insn], ['-cpu', 'development']);
    expect([result!.signal?.signo, result!.signal?.eipOffset]).toEqual([SIGTRAP, 10]);
    expect(new DataView(result!.fpu!.buffer).getFloat32(160, true)).toBe(3.5);
  }
});
