// The standard option --trace. There are no trace events in this program, and whoever asks for one by name is told so.
import { strerror } from '../../block/errors.ts';
import { closeFd, OPEN, openPath, readWhole } from '../../block/libc.ts';
import { parseKeyValueList } from '../../block/options.ts';
import { ExitError, sayError } from './common.ts';

function enable(pattern: string): void {
  if (!/[*?]/.test(pattern.replace(/^-/, ''))) sayError(`warning: trace event '${pattern}' does not exist`);
}

/** Handles `[[enable=]PATTERN][,events=FILE][,file=FILE]`; true if it only asked for the list of events, which is empty. */
export function traceOption(text: string): boolean {
  if (text === 'help' || text === '?') return true;
  const options = new Map(parseKeyValueList(text, 'enable'));
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
      sayError(`failed to open events file '${events}': ${strerror(list)}`);
      throw new ExitError(1);
    }
    for (const line of Buffer.from(list).toString().split('\n')) if (line && !line.startsWith('#')) enable(line);
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
