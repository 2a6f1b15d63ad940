// State of the queue page that is no link's business: what is open, where the cursor is, how each step's workers are shown.
import { get, reasonOf } from "../../api/client";
import { type Job, type Page, type Row, rowOf } from "../../api/types";
import { repaint, store } from "../../live";
import { Expansion, FlatTree, flatten } from "../../live/tree";
import { StepWorkers } from "./workers";

export interface RunFilter {
  statuses: readonly string[];
  definition: string | null;
  since: string | null;
  text: string;
}

export type Cursor = { kind: "row"; id: number } | { kind: "worker"; step: number; index: number };

const SPANS: Record<string, number> = { "1h": 3600, "24h": 86_400, "7d": 604_800, "30d": 2_592_000 };

/** The moment a word as `24h` stands for, to the minute so that the address stays the same. */
export function sinceTime(since: string | null, now: number): string | null {
  const seconds = since ? SPANS[since] : undefined;
  return seconds === undefined ? null : new Date(Math.floor((now - seconds * 1000) / 60_000) * 60_000).toISOString();
}

export function fits(run: Row, filter: RunFilter, now: number): boolean {
  if (filter.statuses.length && !filter.statuses.includes(run.status)) return false;
  if (filter.definition && run.definition_id !== filter.definition) return false;
  const since = sinceTime(filter.since, now);
  if (since && Date.parse(run.created_at) < Date.parse(since)) return false;
  if (filter.text) {
    const text = filter.text.toLowerCase();
    return run.name.toLowerCase().includes(text) || (run.definition_id ?? "").toLowerCase().includes(text) || `#${run.id}` === text || String(run.id) === text;
  }
  return true;
}

interface OlderRuns {
  key: string;
  next: string | null;
  loading: boolean;
  started: boolean;
  reason: string | null;
  failedAt: number;
}

const RETRY_MS = 4000;

function newOlder(key: string): OlderRuns {
  return { key, next: null, loading: false, started: false, reason: null, failedAt: 0 };
}

export class QueueModel {
  readonly expansion = new Expansion();
  readonly chosen = new Set<number>();
  cursor: Cursor | null = null;
  tree: FlatTree = new FlatTree([]);
  readonly workers = new Map<number, StepWorkers>();
  older: OlderRuns = newOlder("");
  private readonly asked = new Set<number>();

  workersOf(row: Row): StepWorkers {
    let found = this.workers.get(row.id);
    if (!found) this.workers.set(row.id, (found = new StepWorkers(row.id, row)));
    return found;
  }

  build(roots: readonly number[], more: boolean): void {
    this.tree = flatten(roots, store, this.expansion, (step) => this.workersOf(step).count(step), { more });
  }

  indexOfCursor(): number {
    const { cursor } = this;
    if (!cursor) return -1;
    if (cursor.kind === "row") return this.tree.indexOf(cursor.id);
    const block = this.tree.block(cursor.step);
    return block && block.length > 0 ? block.start + Math.min(cursor.index, block.length - 1) : this.tree.indexOf(cursor.step);
  }

  cursorAt(index: number): Cursor | null {
    const item = this.tree.at(index);
    if (item?.kind === "row") return { kind: "row", id: item.id };
    if (item?.kind === "worker") return { kind: "worker", step: item.step, index: item.index };
    return null;
  }

  rowOf(cursor: Cursor | null): Row | null {
    if (!cursor) return null;
    if (cursor.kind === "row") return store.get(cursor.id) ?? null;
    return this.workers.get(cursor.step)?.at(cursor.index) ?? null;
  }

  open(id: number, open: boolean): void {
    this.expansion.set(id, open);
    const row = store.rows.get(id);
    if (open && row?.kind === "manager" && store.childrenOf(id).length === 0) void this.loadSteps(row);
    repaint();
  }

  /** The steps of a run that no topic brings. */
  async loadSteps(run: Row): Promise<void> {
    if (this.asked.has(run.id)) return;
    this.asked.add(run.id);
    try {
      const job = await get<Job>(`/runs/${run.id}`);
      store.putExtra((job.steps ?? []).map((step, position) => ({ ...rowOf(step), position })));
    } catch {
      this.asked.delete(run.id);
    }
    repaint();
  }

  /** The next page of runs that fit the filter, behind those of the live view. */
  async loadOlder(filter: RunFilter): Promise<void> {
    const key = JSON.stringify(filter);
    if (this.older.key !== key) this.older = newOlder(key);
    const older = this.older;
    if (older.loading || (older.started && older.next === null) || Date.now() - older.failedAt < RETRY_MS) return;
    older.loading = true;
    try {
      const page = await get<Page<Job>>("/runs", { ...restFilter(filter), cursor: older.next, limit: 100 });
      store.putExtra(page.items.map(rowOf));
      older.next = page.next;
      older.reason = null;
      older.started = true;
    } catch (error) {
      older.reason = reasonOf(error);
      older.failedAt = Date.now();
    }
    older.loading = false;
    repaint();
  }
}

export function restFilter(filter: RunFilter): Record<string, string | string[] | null> {
  return { status: [...filter.statuses], definition: filter.definition, text: filter.text || null, since: sinceTime(filter.since, store.now()) };
}
