// The tree run → step → worker as one flat list: rows one by one, a step's worker jobs as a block that is never spelled out.
import type { Row } from "../api/types";

/** What the tree reads of the store. */
export interface TreeSource {
  get(id: number): Row | undefined;
  childrenOf(id: number): readonly number[];
}

/** What is open: the user's word first, else what the rows do by themselves. */
export class Expansion {
  private readonly chosen = new Map<number, boolean>();
  private readonly opened = new Set<number>();
  version = 0;

  /** Steps and runs open when they run, and stay open behind that; what the user closed stays closed. */
  notice(row: Row): void {
    if (row.status === "running" && row.kind !== "worker" && !this.opened.has(row.id)) {
      this.opened.add(row.id);
      this.version++;
    }
  }

  isOpen(id: number): boolean {
    return this.chosen.get(id) ?? this.opened.has(id);
  }

  set(id: number, open: boolean): void {
    if (this.isOpen(id) !== open) this.version++;
    this.chosen.set(id, open);
  }
}

export interface RowItem {
  kind: "row";
  id: number;
  depth: number;
  /** Place among its siblings, from 1, and how many there are. */
  place: number;
  of: number;
  parent: number | null;
  expandable: boolean;
  open: boolean;
}

export interface WorkerItem {
  kind: "worker";
  step: number;
  /** Place within the block, from 0. */
  index: number;
  depth: number;
  of: number;
}

/** The end of the list, where older runs are fetched. */
export interface MoreItem {
  kind: "more";
}

export type TreeItem = RowItem | WorkerItem | MoreItem;

interface Segment {
  start: number;
  length: number;
  item: RowItem | MoreItem | { kind: "block"; step: number; depth: number };
}

/** The flat list. `at` answers in the logarithm of the number of rows, whatever the number of workers. */
export class FlatTree {
  readonly length: number;
  private readonly places = new Map<number, number>();
  private readonly blocks = new Map<number, Segment>();

  constructor(private readonly segments: readonly Segment[]) {
    const end = segments.at(-1);
    this.length = end ? end.start + end.length : 0;
    for (const segment of segments) {
      if (segment.item.kind === "row") this.places.set(segment.item.id, segment.start);
      if (segment.item.kind === "block") this.blocks.set(segment.item.step, segment);
    }
  }

  at(index: number): TreeItem | undefined {
    if (index < 0 || index >= this.length) return undefined;
    let low = 0;
    let high = this.segments.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.segments[middle]!.start <= index) low = middle;
      else high = middle - 1;
    }
    const segment = this.segments[low]!;
    if (segment.item.kind !== "block") return segment.item;
    return { kind: "worker", step: segment.item.step, index: index - segment.start, depth: segment.item.depth, of: segment.length };
  }

  /** Where a run or step is, or -1. */
  indexOf(id: number): number {
    return this.places.get(id) ?? -1;
  }

  /** First place of a step's workers and their number; null when they are not shown. */
  block(step: number): { start: number; length: number } | null {
    return this.blocks.get(step) ?? null;
  }

  /** The rows above an item, outermost first. */
  ancestors(index: number): RowItem[] {
    const item = this.at(index);
    const found: RowItem[] = [];
    let parent = item?.kind === "worker" ? item.step : item?.kind === "row" ? item.parent : null;
    while (parent !== null && parent !== undefined) {
      const above = this.at(this.indexOf(parent));
      if (above?.kind !== "row") break;
      found.unshift(above);
      parent = above.parent;
    }
    return found;
  }

  /** The next item from `from` on (exclusive) in a direction that is a failure, by a test for rows and one for blocks. */
  next(from: number, direction: 1 | -1, isHit: (row: RowItem) => boolean, hits: (step: number) => number): number {
    const inBlock = (segment: Segment): number => {
      if (segment.item.kind !== "block") return -1;
      const count = Math.min(hits(segment.item.step), segment.length);
      if (count === 0) return -1;
      if (direction === 1) {
        const first = Math.max(from + 1, segment.start);
        return first < segment.start + count ? first : -1;
      }
      const last = Math.min(from - 1, segment.start + count - 1);
      return last >= segment.start ? last : -1;
    };
    const ordered = direction === 1 ? this.segments : [...this.segments].reverse();
    for (const segment of ordered) {
      if (direction === 1 && segment.start + segment.length - 1 <= from) continue;
      if (direction === -1 && segment.start >= from) continue;
      if (segment.item.kind === "row" && isHit(segment.item)) return segment.start;
      const place = inBlock(segment);
      if (place >= 0) return place;
    }
    return -1;
  }
}

/** How many worker jobs of a step are shown, by the filter on that step. */
export type WorkerCount = (step: Row) => number;

export function flatten(
  roots: readonly number[],
  source: TreeSource,
  expansion: Expansion,
  workersOf: WorkerCount,
  options: { more?: boolean } = {},
): FlatTree {
  const segments: Segment[] = [];
  let start = 0;
  const push = (item: Segment["item"], length = 1): void => {
    segments.push({ start, length, item });
    start += length;
  };
  const visit = (id: number, depth: number, place: number, of: number, parent: number | null): void => {
    const row = source.get(id);
    if (!row) return;
    expansion.notice(row);
    const children = source.childrenOf(id);
    const workers = row.kind === "step" ? workersOf(row) : 0;
    const expandable = row.kind === "manager" || row.counters.total > 0 || children.length > 0;
    const open = expandable && expansion.isOpen(id);
    push({ kind: "row", id, depth, place, of, parent, expandable, open });
    if (!open) return;
    if (workers > 0) push({ kind: "block", step: id, depth: depth + 1 }, workers);
    children.forEach((child, index) => visit(child, depth + 1, index + 1, children.length, id));
  };
  roots.forEach((id, index) => visit(id, 0, index + 1, roots.length, null));
  if (options.more) push({ kind: "more" });
  return new FlatTree(segments);
}
