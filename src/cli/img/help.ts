// What wemu-img --help, wemu-img COMMAND --help and --version say.
import { allDrivers } from '../../block/drivers.ts';
import { COMMAND_HELP, type CommandHelp } from './command-help.ts';

const VERSION_LINE = 'wemu-img version 7.2.0 (wemu)';

export function versionText(): string {
  return `${VERSION_LINE}\n`;
}

/** (Scripts look for this line to see what there is.) */
function formatsLine(): string {
  const names = allDrivers()
    .filter((d) => !d.recognisedOnly)
    .map((d) => d.name)
    .sort();
  return `Supported formats: ${names.join(' ')}\n`;
}

/** Two columns; a row whose first one is too wide has the second on a line of its own. */
function columns(rows: readonly (readonly [string, string])[], width: number): string {
  return rows
    .map(([name, text]) =>
      name.length < width ? `  ${name.padEnd(width)}${text}\n` : `  ${name}\n  ${' '.repeat(width)}${text}\n`,
    )
    .join('');
}

/** The help on one command. */
function commandText(name: string, h: CommandHelp): string {
  const notes = h.notes ? `\n${h.notes.join('\n')}\n` : '';
  return `usage: wemu-img ${name} ${h.syntax}

${h.about}

Options
${columns(h.options, 24)}${notes}
Examples
${h.examples.map((line) => `  ${line}\n`).join('')}
'wemu-img --help' says what may stand in the place of filename, fmt, size, cache and the like.
${formatsLine()}`;
}

/** The help on a command, or on wemu-img as a whole. */
export function helpText(command?: string): string {
  if (command !== undefined && Object.hasOwn(COMMAND_HELP, command))
    return `${VERSION_LINE}\n${commandText(command, COMMAND_HELP[command]!)}`;
  const commands = Object.entries(COMMAND_HELP);
  return `${VERSION_LINE}
usage: wemu-img [standard options] command [command options]
Disk image utility: creates, converts and inspects images; options, output and exit codes as in qemu-img 7.2.

    '-h', '--help'       display this help and exit
    '-V', '--version'    output version information and exit
    '-T', '--trace'      [[enable=]<pattern>][,events=<file>][,file=<file>]
                         accepted for scripts; there are no trace events

Commands ('wemu-img COMMAND --help' says what the options of one are)
${columns(
  commands.map(([name, { about }]) => [name, about] as const),
  10,
)}
Command syntax:
${commands.map(([name, { syntax }]) => `  ${name} ${syntax}\n`).join('')}
What stands in the place of
${columns(
  [
    ['filename', 'a file, protocol:name, json:{...}, or with --image-opts a list of options'],
    ['fmt, output_fmt', 'a format; images to be read are looked at to find theirs where it is not given'],
    ['size, N, offset', 'bytes, or with one of the suffixes k, M, G, T, P, E (powers of 1024)'],
    ['options', "name=value,name=value; '-o help' lists those of a format; a comma in a value is doubled"],
    ['cache, src_cache', 'how the page cache is used, and what a flush is:'],
    ['  writeback', 'cached; a flush brings all to the disk (the default but for convert)'],
    ['  none', 'not cached (O_DIRECT); a flush brings all to the disk'],
    ['  writethrough', 'cached; each write is on the disk when it ends'],
    ['  directsync', 'not cached; each write is on the disk when it ends'],
    ['  unsafe', 'cached; never flushed (the default of convert)'],
    ['snapshot_param', 'the id or name of a snapshot, or snapshot.id=...,snapshot.name=...'],
    ['objectdef', "secret,id=... or throttle-group,id=...; '--object help' and '--object secret,help' list them"],
    ['ofmt', 'human or json'],
  ],
  18,
)}
Examples
  wemu-img create -f qcow2 disk.qcow2 20G
  wemu-img info disk.qcow2
  wemu-img convert -p -f raw -O qcow2 disk.raw disk.qcow2

${formatsLine()}`;
}
