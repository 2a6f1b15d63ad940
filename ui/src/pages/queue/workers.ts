// The worker jobs of a step as the tree shows them: ids by place, fetched in windows when they come on screen.
import { get, reasonOf } from "../../api/client";
import { type Job, type JobStatus, type Page, type Row, rowOf } from "../../api/types";
import { repaint, store } from "../../live";

export type Order = "created" | "failed_first" | "slowest";

export interface WorkerFilter {
  statuses: readonly JobStatus[];
  family: string | null;
  order: Order;
}

const WINDOW = 200;
const REFRESH_MS = 2000;
const RETRY_MS = 4000;

export class StepWorkers {
  filter: WorkerFilter;
  reason: string | null = null;
  private ids = new Map<number, number>();
  private loading = new Set<number>();
  private cursor: string | null = null;
  private sequential = 0;
  private atEnd = false;
  private loadedAt = 0;
  private mark = "";
  private turn = 0;
  private known: number | null = null;
  private failedAt = 0;
  /** When a window of places was last asked for: what the server does not have is not asked for again at once. */
  private askedAt = new Map<number, number>();

  constructor(
    readonly step: number,
    row: Row,
  ) {
    this.filter = { statuses: [], family: null, order: row.counters.failed > 0 ? "failed_first" : "created" };
  }

  setFilter(filter: Partial<WorkerFilter>): void {
    this.filter = { ...this.filter, ...filter };
    this.known = null;
    this.forget();
  }

  /** How many rows the step has under this filter, as far as is known. */
  count(row: Row): number {
    const { statuses, family } = this.filter;
    const all = statuses.length ? statuses.reduce((sum, status) => sum + row.counters[status], 0) : row.counters.total;
    if (family === null) return all;
    if (this.atEnd) return this.sequential;
    return Math.min(this.known ?? all, all);
  }

  /** The number of jobs of the chosen family, from the list of families. */
  setKnown(count: number): void {
    this.known = count;
  }

  at(index: number): Row | null {
    const id = this.ids.get(index);
    return id === undefined ? null : (store.workers.get(id) ?? null);
  }

  idAt(index: number): number | null {
    return this.ids.get(index) ?? null;
  }

  indexOf(id: number): number {
    for (const [index, one] of this.ids) if (one === id) return index;
    return -1;
  }

  /** These places are on screen: fetch what is missing, and fetch anew what the counters say has moved. */
  want(first: number, last: number, row: Row): void {
    const now = Date.now();
    if (now - this.failedAt < RETRY_MS) return;
    this.refreshIfMoved(first, last, row);
    if (this.isByPlace) {
      for (let page = Math.floor(first / WINDOW); page <= Math.floor(last / WINDOW); page++) {
        const end = Math.min((page + 1) * WINDOW, row.counters.total) - 1;
        const from = Math.max(first, page * WINDOW);
        const to = Math.min(last, end);
        let missing = false;
        for (let i = from; i <= to; i++) if (!this.isThere(i)) missing = true;
        if (missing && !this.loading.has(page) && now - (this.askedAt.get(page) ?? 0) > REFRESH_MS) void this.loadPlaces(page, end);
      }
    } else if (!this.atEnd && last >= this.sequential && !this.loading.has(-1)) {
      void this.loadNext(last);
    } else {
      for (let i = first; i <= Math.min(last, this.sequential - 1); i++) {
        if (!this.isThere(i) && !this.loading.has(-1) && now - this.loadedAt > REFRESH_MS) {
          this.forget();
          void this.loadNext(last);
          break;
        }
      }
    }
  }

  private get isByPlace(): boolean {
    return this.filter.order === "created" && !this.filter.statuses.length && this.filter.family === null;
  }

  private isThere(index: number): boolean {
    const id = this.ids.get(index);
    return id !== undefined && store.workers.has(id);
  }

  private forget(): void {
    this.turn++;
    this.ids = new Map();
    this.loading.clear();
    this.askedAt.clear();
    this.failedAt = 0;
    this.cursor = null;
    this.sequential = 0;
    this.atEnd = false;
    this.mark = "";
    this.reason = null;
  }

  private refreshIfMoved(first: number, last: number, row: Row): void {
    if (this.isByPlace || this.loading.size) return;
    const { failed, running, pending, completed, cancelled, skipped } = row.counters;
    const mark = this.filter.order === "failed_first" && !this.filter.statuses.length ? `${failed} ${running} ${pending}` : [failed, running, pending, completed, cancelled, skipped].join(" ");
    if (this.mark && mark !== this.mark && Date.now() - this.loadedAt > REFRESH_MS && first < WINDOW) {
      this.atEnd = false;
      void this.loadNext(last, true);
    }
    if (!this.mark || this.loading.size) this.mark = mark;
  }

  private async loadPlaces(page: number, end: number): Promise<void> {
    await this.load(page, { first_place: page * WINDOW, last_place: Math.max(end, page * WINDOW), limit: WINDOW }, (found) => {
      found.items.forEach((job, index) => this.ids.set(page * WINDOW + index, job.id));
    });
  }

  private async loadNext(upTo: number, anew = false): Promise<void> {
    const start = anew ? 0 : this.sequential;
    const { order, statuses, family } = this.filter;
    const query = { order, status: [...statuses], family, cursor: anew ? null : this.cursor, limit: WINDOW };
    const turn = this.turn;
    await this.load(-1, query, (found) => {
      if (anew) this.ids = new Map();
      found.items.forEach((job, index) => this.ids.set(start + index, job.id));
      this.sequential = start + found.items.length;
      this.cursor = found.next;
      this.atEnd = found.next === null;
    });
    if (turn === this.turn && !this.reason && !this.atEnd && upTo >= this.sequential) await this.loadNext(upTo);
  }

  private async load(page: number, query: Record<string, string | number | string[] | null>, take: (found: Page<Job>) => void): Promise<void> {
    const turn = this.turn;
    this.loading.add(page);
    this.askedAt.set(page, Date.now());
    this.loadedAt = Date.now();
    try {
      const found = await get<Page<Job>>(`/jobs/${this.step}/children`, query);
      if (turn !== this.turn) return;
      const onlyWorkers = { ...found, items: found.items.filter((job) => job.kind === "worker") };
      store.putWorkers(onlyWorkers.items.map(rowOf));
      take(onlyWorkers);
      this.reason = null;
    } catch (error) {
      this.failedAt = Date.now();
      if (turn === this.turn) this.reason = reasonOf(error);
    } finally {
      if (turn === this.turn) this.loading.delete(page);
      repaint();
    }
  }
}
