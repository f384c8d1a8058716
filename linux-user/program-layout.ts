// Where the parts of a program lie that has been loaded.

/** Guest addresses: code and data of the program's file, the first stack pointer, the strings above it. */
export interface ProgramLayout {
  readonly codeStart: number;
  readonly codeEnd: number;
  readonly dataStart: number;
  readonly dataEnd: number;
  readonly stackStart: number;
  readonly argStart: number;
  /** Also where the environment begins. */
  readonly argEnd: number;
  readonly envEnd: number;
}
