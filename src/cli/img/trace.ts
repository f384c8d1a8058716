// The standard option --trace. There are no trace events in this program, and whoever asks for one by name is told so.
import { strerror } from '../../block/errors.ts';
import { closeFd, OPEN, openPath, readWhole, writeText } from '../../block/libc.ts';
import { parseKeyValueList } from '../../block/options.ts';
import { ExitError, sayError, TOOL, warnOfFlag } from './common.ts';

/** `where` is said before the warning: the line of a file. */
function enable(pattern: string, where = ' '): void {
  const name = pattern.replace(/^-/, '');
  if (!/[*?]/.test(name)) writeText(2, `${TOOL}:${where}warning: trace event '${name}' does not exist\n`);
}

/** Handles `[[enable=]PATTERN][,events=FILE][,file=FILE]`; true if it only asked for the list of events, which is empty. */
export function traceOption(text: string): boolean {
  if (text === 'help' || text === '?') return true;
  const options = new Map(parseKeyValueList(text, 'enable', warnOfFlag));
  for (const name of options.keys()) {
    if (['enable', 'events', 'file'].includes(name)) continue;
    sayError(`Invalid parameter '${name}'`);
    throw new ExitError(1);
  }
  const pattern = options.get('enable');
  if (pattern !== undefined) enable(pattern);
  const events = options.get('events');
  if (events !== undefined) {
    const list = readWhole(events);
    if (typeof list === 'number') {
      writeText(2, `${TOOL}:${events}: ${strerror(list)}\n`);
      throw new ExitError(1);
    }
    for (const [i, line] of Buffer.from(list).toString().split('\n').entries())
      if (line && !line.startsWith('#')) enable(line, `${events}:${i + 1}: `);
  }
  const log = options.get('file');
  if (log !== undefined) {
    const fd = openPath(log, OPEN.RDWR | OPEN.CREAT);
    if (fd < 0) {
      sayError(`Error opening logfile ${log}: ${strerror(-fd)}`);
      throw new ExitError(1);
    }
    closeFd(fd);
  }
  return false;
}
