// How far a command is: `-p`, --progress=json, SIGUSR1.
import { writeText } from '../../block/libc.ts';
import { type Args, ExitError, note, type OptionRow, sayError, twoDecimals } from './common.ts';

/**
 * Progress on the terminal: `-p` prints a line, --progress=json prints objects. SIGUSR1 prints how far the command is once, at once,
 * in the same form to standard error; with `-p`, which tells already, it does nothing.
 */
export class Progress {
  private last = -1;
  private readonly onSignal: () => void;
  private fraction = 0;
  private ended = false;

  constructor(private readonly mode: 'off' | 'line' | 'json') {
    this.onSignal = () => {
      if (this.ended) return;
      if (this.mode === 'json') writeText(2, this.object());
      else if (this.mode === 'off') writeText(2, `    (${twoDecimals(this.fraction * 100)}/100%)\n`);
    };
    process.on('SIGUSR1', this.onSignal);
    this.update(0);
  }

  /** Fraction of the whole work done, 0..1. */
  update(fraction: number): void {
    this.fraction = Math.min(1, fraction);
    const hundredths = Math.floor(this.fraction * 100);
    if (this.mode === 'off' || hundredths === this.last) return;
    this.last = hundredths;
    if (this.mode === 'line') note(`    (${twoDecimals(this.fraction * 100)}/100%)\r`);
    else writeText(2, this.object());
  }

  private object(): string {
    return `${JSON.stringify({ progress: this.fraction })}\n`;
  }

  end(complete: boolean): void {
    if (complete) this.update(1);
    if (this.mode === 'line') note('\n');
    // (The handler stays: without one the signal would end what is left to do.)
    this.ended = true;
  }
}

export const PROGRESS_ROWS: readonly OptionRow[] = [{ short: 'p' }, { long: 'progress', argument: true }];

/** Whether the options ask for a line of progress, which ends even where it never began. */
export const wantsLine = (args: Args): boolean => args.has('p') && !args.has('q') && !args.has('progress');

/** The progress display the options ask for. */
export function progressOf(args: Args): Progress {
  const machine = args.last('progress');
  if (machine !== undefined && machine !== 'json') {
    sayError('--progress must be used with json as argument.');
    throw new ExitError(1);
  }
  if (machine) return new Progress('json');
  return new Progress(wantsLine(args) ? 'line' : 'off');
}
