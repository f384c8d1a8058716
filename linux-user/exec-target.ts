// What a process is about to become: the result of looking at the file given to exec.

/** What is to be run in the end, after all scripts have been followed. */
export interface ExecTarget {
  /** Name of the guest, or null for a program of the host. */
  readonly guest: string | null;
  /** Host path of the program. */
  readonly file: string;
  /** Name the first file was executed by: AT_EXECFN, and comm after its last slash. */
  readonly execFn: string;
  readonly argv: readonly string[];
  /** Whether the file gives its caller rights (set-user-ID, set-group-ID, capabilities), where its file system lets it. */
  readonly privileged: boolean;
}
