// What a terminal shows: the characters and control sequences that programs send to an xterm, turned into rows of text.

const ESC = '\x1b';

/** The sequences of ECMA-48 that start with ESC; what is complete is consumed, what is cut off waits for more. */
const SEQUENCES: readonly [RegExp, 'csi' | 'string' | 'charset' | 'escape'][] = [
  [/^\x1b\[[0-?]*[ -/]*[@-~]/, 'csi'],
  [/^\x1b[\]P^_X][^\x07\x1b]*(?:\x07|\x1b\\)/, 'string'],
  [/^\x1b[ #%()*+][0-~]/, 'charset'],
  [/^\x1b[0-Z\\^-~]/, 'escape'],
];

/** Sequences that are seen only in colours, shapes and what keys send. */
const INVISIBLE = new Set(['m', 'q', 'n', 'c', 't', 'u', 'p', '=', '>', 'g']);

/** A terminal's screen. Characters are one cell wide. */
export class Screen {
  private cells: string[][] = [];
  row = 0;
  column = 0;
  private top = 0;
  private bottom: number;
  /** The cursor stands behind the last column: the next character starts a row. */
  private wraps = false;
  private saved: [row: number, column: number] = [0, 0];
  private other: string[][] | null = null;
  private insert = false;
  private rest = '';
  /** Control sequences nobody has taught this class. */
  readonly unknown = new Set<string>();

  constructor(
    private columns: number,
    private rows: number,
  ) {
    this.cells = this.blank();
    this.bottom = rows - 1;
  }

  /** What is to be seen, rows without the spaces at their ends, and where the cursor stands. */
  text(): string {
    const lines = this.cells.map((cells) => cells.join('').trimEnd());
    return `${lines.join('\n').trimEnd()}\n[cursor ${this.row},${this.column}]`;
  }

  /** The row of the cursor up to the cursor. */
  beforeCursor(): string {
    return this.cells[this.row]!.slice(0, this.column).join('');
  }

  resize(columns: number, rows: number): void {
    const fit = (cells: string[][]): string[][] => {
      // Rows above the cursor go first where there are too many.
      const from = Math.max(0, Math.min(cells.length - rows, this.row - rows + 1));
      const kept = cells.slice(from, from + rows).map((line) => [...line, ...this.emptyRow(columns)].slice(0, columns));
      while (kept.length < rows) kept.push(this.emptyRow(columns));
      return kept;
    };
    this.row -= Math.max(0, Math.min(this.cells.length - rows, this.row - rows + 1));
    this.cells = fit(this.cells);
    if (this.other) this.other = fit(this.other);
    [this.columns, this.rows] = [columns, rows];
    [this.top, this.bottom] = [0, rows - 1];
    this.column = Math.min(this.column, columns - 1);
    this.wraps = false;
  }

  feed(text: string): void {
    let left = this.rest + text;
    this.rest = '';
    while (left !== '') {
      if (left[0] === ESC) {
        const found = SEQUENCES.map(([pattern, kind]) => ({ match: pattern.exec(left)?.[0], kind })).find(
          (s) => s.match,
        );
        if (!found) {
          this.rest = left;
          return;
        }
        left = left.slice(found.match!.length);
        if (found.kind === 'csi') this.control(found.match!);
        else if (found.kind === 'escape') this.escape(found.match![1]!);
        continue;
      }
      this.character(left[0]!);
      left = left.slice(1);
    }
  }

  private emptyRow(columns = this.columns): string[] {
    return new Array<string>(columns).fill(' ');
  }

  private blank(): string[][] {
    return Array.from({ length: this.rows }, () => this.emptyRow());
  }

  private character(c: string): void {
    switch (c) {
      case '\r':
        this.moveTo(this.row, 0);
        return;
      case '\n':
      case '\v':
      case '\f':
        this.lineFeed();
        return;
      case '\b':
        this.moveTo(this.row, this.column - 1);
        return;
      case '\t':
        this.moveTo(this.row, (this.column & ~7) + 8);
        return;
    }
    if (c < ' ' || c === '\x7f') return;
    if (this.wraps) {
      this.column = 0;
      this.lineFeed();
    }
    const line = this.cells[this.row]!;
    if (this.insert) {
      line.splice(this.column, 0, c);
      line.length = this.columns;
    } else {
      line[this.column] = c;
    }
    if (this.column === this.columns - 1) this.wraps = true;
    else this.column++;
  }

  private moveTo(row: number, column: number): void {
    this.row = Math.max(0, Math.min(row, this.rows - 1));
    this.column = Math.max(0, Math.min(column, this.columns - 1));
    this.wraps = false;
  }

  private lineFeed(): void {
    this.wraps = false;
    if (this.row === this.bottom) this.scroll(this.top, 1);
    else if (this.row < this.rows - 1) this.row++;
  }

  /** Moves the rows from `first` to the region's end up by `count`, or down. */
  private scroll(first: number, count: number): void {
    for (let n = Math.min(Math.abs(count), this.rows); n > 0; n--) {
      if (count > 0) {
        this.cells.splice(first, 1);
        this.cells.splice(this.bottom, 0, this.emptyRow());
      } else {
        this.cells.splice(this.bottom, 1);
        this.cells.splice(first, 0, this.emptyRow());
      }
    }
  }

  private escape(c: string): void {
    if (c === '7') this.saved = [this.row, this.column];
    else if (c === '8') this.moveTo(...this.saved);
    else if (c === 'D') this.lineFeed();
    else if (c === 'E') {
      this.column = 0;
      this.lineFeed();
    } else if (c === 'M') {
      if (this.row === this.top) this.scroll(this.top, -1);
      else this.moveTo(this.row - 1, this.column);
    } else if (!INVISIBLE.has(c)) this.unknown.add(`ESC ${c}`);
  }

  private erase(row: number, from: number, to: number): void {
    this.cells[row]!.fill(' ', from, to);
  }

  private control(sequence: string): void {
    const final = sequence.at(-1)!;
    const inner = sequence.slice(2, -1);
    const numbers = inner
      .replace(/[^0-9;]/g, '')
      .split(';')
      .map(Number);
    const count = Math.max(1, numbers[0]!);
    const line = this.cells[this.row]!;
    if (/^[?>=!]/.test(inner) && !/[hlJK]/.test(final)) return;
    switch (final) {
      case 'A':
        this.moveTo(this.row - count, this.column);
        return;
      case 'B':
      case 'e':
        this.moveTo(this.row + count, this.column);
        return;
      case 'C':
      case 'a':
        this.moveTo(this.row, this.column + count);
        return;
      case 'D':
        this.moveTo(this.row, this.column - count);
        return;
      case 'E':
        this.moveTo(this.row + count, 0);
        return;
      case 'F':
        this.moveTo(this.row - count, 0);
        return;
      case 'G':
      case '`':
        this.moveTo(this.row, count - 1);
        return;
      case 'd':
        this.moveTo(count - 1, this.column);
        return;
      case 'H':
      case 'f':
        this.moveTo(count - 1, Math.max(1, numbers[1] ?? 1) - 1);
        return;
      case 'J':
        if (numbers[0] === 0) this.erase(this.row, this.column, this.columns);
        else if (numbers[0] === 1) this.erase(this.row, 0, this.column + 1);
        for (let row = 0; row < this.rows; row++) {
          if (numbers[0]! >= 2 || (numbers[0] === 0 ? row > this.row : row < this.row))
            this.erase(row, 0, this.columns);
        }
        return;
      case 'K':
        if (numbers[0] === 0) this.erase(this.row, this.column, this.columns);
        else this.erase(this.row, 0, numbers[0] === 1 ? this.column + 1 : this.columns);
        return;
      case 'X':
        this.erase(this.row, this.column, Math.min(this.columns, this.column + count));
        return;
      case 'P':
        line.splice(this.column, count);
        line.push(...this.emptyRow(this.columns - line.length));
        return;
      case '@':
        line.splice(this.column, 0, ...this.emptyRow(count));
        line.length = this.columns;
        return;
      case 'L':
      case 'M':
        if (this.row >= this.top && this.row <= this.bottom) this.scroll(this.row, final === 'L' ? -count : count);
        return;
      case 'S':
      case 'T':
        this.scroll(this.top, final === 'S' ? count : -count);
        return;
      case 'r':
        this.top = count - 1;
        this.bottom = (numbers[1] || this.rows) - 1;
        this.moveTo(0, 0);
        return;
      case 's':
        this.saved = [this.row, this.column];
        return;
      case 'h':
      case 'l':
        this.mode(inner, final === 'h');
        return;
    }
    if (!INVISIBLE.has(final)) this.unknown.add(sequence);
  }

  private mode(inner: string, on: boolean): void {
    if (inner === '4') this.insert = on;
    if (inner !== '?1049' && inner !== '?47' && inner !== '?1047') return;
    if (on && !this.other) {
      this.other = this.cells;
      this.saved = [this.row, this.column];
      this.cells = this.blank();
    } else if (!on && this.other) {
      this.cells = this.other;
      this.other = null;
      this.moveTo(...this.saved);
    }
  }
}
