// What `-d in_asm,op,op_opt,out_asm,exec,cpu` prints of a block on its way through the stages.
import type { Guest } from '../../targets/target.ts';
import type { Block } from '../../tcg/ir/block.ts';
import { printBlock } from '../../tcg/ir/print.ts';
import { printModule } from '../../tcg/wasm/wat-print.ts';
import { LOG, log, logFilterAllows, logMask, writeLog } from '../log/log.ts';
import type { Entry } from './code-cache.ts';
import type { BlockHooks } from './options.ts';

/** Disassembles one instruction for `in_asm`: text and length in bytes. */
export type Disassembler = (bytes: Uint8Array, pc: number) => { text: string; length: number };

/** The hooks of the execution loop; in CpuOptions null when nothing is logged, so that they cost nothing. */
export class BlockLog implements BlockHooks {
  private filtered = false;

  /** @param disassemble what in_asm prints with; the guest's own when absent. */
  constructor(private readonly disassemble: Disassembler | null = null) {}

  /** A block as the translator made it, before any pass. */
  translated(guest: Guest, bytes: Uint8Array, block: Block, end: number): void {
    this.filtered = !logFilterAllows(block.pc);
    if (this.filtered) return;
    if (logMask & LOG.in_asm) {
      const lines = ['----------------', `IN: `];
      const disassemble = this.disassemble ?? guest.disassemble;
      for (let pc = block.pc; pc < end; ) {
        const at = guest.codeAddress?.(pc) ?? pc;
        const { text, length } = disassemble(bytes.slice(at, end), pc);
        const hex = [...bytes.slice(at, at + length)].map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
        lines.push(`0x${at.toString(16).padStart(8, '0')}:  ${hex.padEnd(24)} ${text}`);
        pc += length;
      }
      writeLog(lines.join('\n') + '\n\n');
    }
    if (logMask & LOG.op) writeLog(`OP:\n${printBlock(block)}\n`);
  }

  /** The same block after the passes. */
  optimized(block: Block): void {
    if (this.filtered) return;
    if (logMask & LOG.op_opt) writeLog(`OP after optimization:\n${printBlock(block)}\n`);
  }

  /** A finished module. */
  compiled(bytes: Uint8Array): void {
    if (logMask & LOG.out_asm) writeLog(`OUT: [size=${bytes.length}]\n${printModule(bytes)}\n`);
  }

  /** The loop enters generated code (with chaining, only the first of a run of blocks is seen). */
  enter(guest: Guest, view: DataView, env: number, entry: Entry): void {
    if (!logFilterAllows(entry.pc)) return;
    log('exec', `Trace 0: ${entry.slot} [${entry.pc.toString(16).padStart(8, '0')}/${entry.flags.toString(16)}]\n`);
    if (logMask & LOG.cpu) writeLog(guest.dump(view, env));
  }
}
