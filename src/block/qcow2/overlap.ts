// Keeps writes off metadata: where tables lie, and refusing to write or allocate there (the overlap-check options).
import { BlockError } from '../errors.ts';
import type { OptionReader } from '../options.ts';
import { loadL1, MAX_L1_BYTES } from './l1.ts';
import { entryOffset, type Guard, type Qcow2State, type Section } from './state.ts';

/** Kinds of metadata that can be guarded: option name, and how messages call it. */
const SECTIONS: Record<Section, string> = {
  'main-header': 'qcow2_header',
  'active-l1': 'active L1 table',
  'active-l2': 'active L2 table',
  'refcount-table': 'refcount table',
  'refcount-block': 'refcount block',
  'snapshot-table': 'snapshot table',
  'inactive-l1': 'inactive L1 table',
  'inactive-l2': 'inactive L2 table',
  'bitmap-directory': 'bitmap directory',
};

const CONSTANT: readonly Section[] = [
  'main-header',
  'active-l1',
  'refcount-table',
  'snapshot-table',
  'bitmap-directory',
];
/** What costs no reading, as the places are in memory anyway. */
const CACHED: readonly Section[] = [...CONSTANT, 'active-l2', 'refcount-block', 'inactive-l1'];

const TEMPLATES: Record<string, readonly Section[]> = {
  none: [],
  constant: CONSTANT,
  cached: CACHED,
  all: Object.keys(SECTIONS) as Section[],
};

/** What overlap checks can be switched for, one by one. */
export const OVERLAP_SECTIONS: readonly string[] = Object.keys(SECTIONS);

/** Reads the options; a template's sections can be switched one by one. */
export function readOverlapOptions(r: OptionReader): Set<Section> {
  const short = r.string('overlap-check');
  const long = r.string('overlap-check.template');
  if (short !== undefined && long !== undefined && short !== long) {
    throw new BlockError(
      `Conflicting values for qcow2 options 'overlap-check' ('${short}') and 'overlap-check.template' ('${long}')`,
    );
  }
  const template = short ?? long ?? 'cached';
  if (!Object.hasOwn(TEMPLATES, template)) {
    throw new BlockError(
      `Unsupported value '${template}' for qcow2 option 'overlap-check'. Allowed are any of the following: none, constant, cached, all`,
    );
  }
  const out = new Set(TEMPLATES[template]);
  for (const section of Object.keys(SECTIONS) as Section[]) {
    const on = r.bool(`overlap-check.${section}`);
    if (on === true) out.add(section);
    else if (on === false) out.delete(section);
  }
  return out;
}

export class OverlapGuard implements Guard {
  /** Clusters of L2 tables and refcount blocks, made when first needed; kept up to date by whoever makes a table. */
  private tables: Map<number, Section> | undefined;
  /** L2 tables of the snapshots, and the list they were read for. */
  private inactive: { list: readonly unknown[]; clusters: Set<number> } | undefined;

  constructor(
    private readonly s: Qcow2State,
    private readonly sections: ReadonlySet<Section>,
  ) {}

  forget(): void {
    this.tables = undefined;
  }

  note(section: 'active-l2' | 'refcount-block', offset: number, present: boolean): void {
    if (!this.tables || !this.sections.has(section)) return;
    const cluster = offset / this.s.clusterSize;
    if (present) this.tables.set(cluster, section);
    else this.tables.delete(cluster);
  }

  private findTables(): Map<number, Section> {
    const { s } = this;
    const tables = new Map<number, Section>();
    if (this.sections.has('active-l2')) {
      for (let i = 0; i < s.l1.length; i += 2) {
        const offset = entryOffset(s.l1[i]!, s.l1[i + 1]!);
        if (offset !== 0) tables.set(Math.floor(offset / s.clusterSize), 'active-l2');
      }
    }
    if (this.sections.has('refcount-block')) {
      for (const offset of s.refTable)
        if (offset !== 0) tables.set(Math.floor(offset / s.clusterSize), 'refcount-block');
    }
    return tables;
  }

  /** The section a byte range of the file touches, of those at known places. */
  private overlapping(offset: number, bytes: number, ignore: readonly Section[]): Section | undefined {
    const { s } = this;
    const end = offset + bytes;
    const guarded = (section: Section, start: number, length: number): boolean =>
      length > 0 && offset < start + length && start < end && this.sections.has(section) && !ignore.includes(section);
    if (guarded('main-header', 0, s.clusterSize)) return 'main-header';
    if (guarded('active-l1', s.header.l1Offset, s.l1.length * 4)) return 'active-l1';
    if (guarded('refcount-table', s.header.refTableOffset, s.refTable.length * 8)) return 'refcount-table';
    if (guarded('snapshot-table', s.header.snapshotOffset, s.snapshots.length > 0 ? 1 : 0)) return 'snapshot-table';
    const { bitmaps } = s.header;
    if (bitmaps && guarded('bitmap-directory', bitmaps.directoryOffset, bitmaps.directorySize))
      return 'bitmap-directory';
    for (const { l1Offset, l1Size } of s.snapshots)
      if (guarded('inactive-l1', l1Offset, l1Size * 8)) return 'inactive-l1';
    const tables = (this.tables ??= this.findTables());
    for (let c = Math.floor(offset / s.clusterSize); c * s.clusterSize < end; c++) {
      const section = tables.get(c);
      if (section && !ignore.includes(section)) return section;
    }
    return undefined;
  }

  private async inactiveTables(): Promise<Set<number>> {
    const { s } = this;
    if (this.inactive?.list === s.snapshots) return this.inactive.clusters;
    const clusters = new Set<number>();
    for (const { l1Offset, l1Size } of s.snapshots) {
      if (l1Size * 8 > MAX_L1_BYTES) continue;
      const l1 = await loadL1(s, l1Offset, l1Size);
      for (let i = 0; i < l1.length; i += 2) {
        const offset = entryOffset(l1[i]!, l1[i + 1]!);
        if (offset !== 0) clusters.add(Math.floor(offset / s.clusterSize));
      }
    }
    this.inactive = { list: s.snapshots, clusters };
    return clusters;
  }

  overlaps(offset: number, bytes: number): boolean {
    if (this.sections.size === 0) return false;
    if (this.sections.has('inactive-l2') && this.s.snapshots.length > 0) return true;
    return this.overlapping(offset, bytes, []) !== undefined;
  }

  check(offset: number, bytes: number, ignore: readonly Section[] = []): Promise<void> | undefined {
    if (this.sections.size === 0 || bytes <= 0) return undefined;
    const section = this.overlapping(offset, bytes, ignore);
    if (section) return this.refuse(section);
    const inactive = this.sections.has('inactive-l2') && !ignore.includes('inactive-l2') && this.s.snapshots.length > 0;
    return inactive ? this.checkInactive(offset, bytes) : undefined;
  }

  private async checkInactive(offset: number, bytes: number): Promise<void> {
    const { clusterSize } = this.s;
    const tables = await this.inactiveTables();
    for (let c = Math.floor(offset / clusterSize); c * clusterSize < offset + bytes; c++) {
      if (tables.has(c)) await this.refuse('inactive-l2');
    }
  }

  private async refuse(section: Section): Promise<void> {
    throw await this.s.corruption(`Preventing invalid write on metadata (overlaps with ${SECTIONS[section]})`);
  }
}
