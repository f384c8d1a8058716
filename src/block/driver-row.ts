// What a driver is for the registry (drivers.ts): its row, and what it is given to open and to create images.
import type { BlockNode, MeasureInfo, NodeFlags, Preallocation } from './driver.ts';
import type { OptionTree } from './options.ts';

/** A child, opened for its parent or referred to by name and then not the parent's to close. */
export interface OpenedChild {
  node: BlockNode;
  owned: boolean;
}

/** What a driver is opened with. */
export interface OpenContext {
  flags: NodeFlags;
  options: OptionTree;
  filename: string;
  /** The format was found by its signature, not given. */
  guessed?: boolean;
  /** Somebody above is going to write. */
  writes: boolean;
  /** The backing file must not be opened (info, unsafe rebase). */
  noBacking: boolean;
  /** Opens further children of the node: data files. */
  openChild: (role: string, filename: string | undefined, parent: OpenContext) => Promise<OpenedChild | undefined>;
}

/** What an image is created with, and the means its format has for it. */
export interface CreateContext {
  filename: string;
  /** Options by name as texts, checked against the driver's table (create-options.ts). */
  options: Map<string, string>;
  /** Bytes of the disk. */
  size: number;
  /** The image lies on a device, which is there already. */
  onDevice: boolean;
  /** Throws unless files of that name can be made. */
  checkFile: (filename: string) => void;
  /**
   * Makes an empty file of that many bytes, or sees that there is a device that is large enough. `claimed` is called once nobody
   * else can have anything against its content being changed.
   */
  makeFile: (
    filename: string,
    bytes: number,
    preallocation: Preallocation,
    options?: Map<string, string>,
    claimed?: () => void,
  ) => Promise<void>;
  /** Removes what was made, as far as it is a file; keeps quiet about failures. */
  removeFile: (filename: string) => void;
  /** Does something with a file that was made, which others must not resize meanwhile. */
  withFile: (filename: string, body: (file: BlockNode) => Promise<void>) => Promise<void>;
  /** The options that name a file to its protocol's driver. */
  fileOptions: (filename: string) => OptionTree;
  /** Opens the image as far as it has been made, without its backing file and without anything being flushed. */
  openUnfinished: (options: OptionTree) => Promise<BlockNode>;
}

/**
 * A format, protocol or filter: one row of the registry. A new one is a file of its own and a row; what its images can be created and
 * amended with is a table in create-options.ts.
 */
export interface Driver {
  name: string;
  kind: 'format' | 'protocol' | 'filter';
  /** Child roles in the order they are opened; the first is required. */
  childRoles?: readonly string[];
  /** 0..100: how sure the first bytes make it that the image is of this format. */
  probe?: (head: Uint8Array, filename: string) => number;
  /** Turns `proto:rest` into options of a protocol driver. */
  parseFilename?: (filename: string, options: OptionTree) => void;
  /** Options that change what a node shows: it cannot be named by a plain file name then. */
  strongOptions?: readonly string[];
  /**
   * Opens a node; options it knows are taken out of the tree, and those left over are refused by the caller. `file` is the first child,
   * which stays the caller's if this fails.
   */
  open: (context: OpenContext, file: BlockNode | undefined) => Promise<BlockNode>;
  /** Makes an image of a format, or storage alone. What it can be told is a table in create-options.ts. */
  create?: (context: CreateContext) => Promise<void>;
  /** Bytes an image of `size` bytes with the content of `source` would take. Options as for create. */
  measure?: (options: Map<string, string>, source: BlockNode | undefined, size: number) => Promise<MeasureInfo>;
  supportsBacking?: boolean;
  /** Takes writes of whole clusters with REQ.COMPRESSED. */
  supportsCompression?: boolean;
  /** Known by its signature, and refused by name. */
  recognisedOnly?: boolean;
}
