// What the server said last: plain data outside the views. Frames go in, views read; nothing here touches the DOM.
import type { Node, Row } from "../api/types";
import { LogBuffer } from "./log";
import { type Frame, runOfTopic, topicList } from "./protocol";

export type Todo = { kind: "resync"; topic: string } | { kind: "restart" } | { kind: "reload" };

const MAX_WATCHED_ROWS = 4000;
const MAX_FORGOTTEN = 500;

export class LiveStore {
  epoch: string | null = null;
  serverVersion = "";
  /** Server's clock minus ours, in milliseconds. */
  clockSkew = 0;
  /** Runs and steps by id: all the live topics know. */
  readonly rows = new Map<number, Row>();
  /** Worker jobs that are or were on screen. */
  readonly workers = new Map<number, Row>();
  readonly logs = new Map<string, LogBuffer>();
  readonly refusals = new Map<string, string>();
  nodes: Node[] = [];
  /** Ids that were deleted, so that pages fetched before don't show them again. */
  readonly gone = new Set<number>();
  /** Child run → the run it was shown under. */
  readonly adopted = new Map<number, number>();
  /** Rises with every change of rows; with every change of lines. */
  rowsVersion = 0;
  linesVersion = 0;
  readonly seqs = new Map<string, number>();
  private readonly idsOf = new Map<string, Set<number>>();
  private topics = new Set<string>();
  private readonly awaiting = new Set<string>();
  private byParent = new Map<number, number[]>();
  private indexVersion = -1;

  constructor(private readonly bundle = "") {}

  /** Which topics to hold; what the others brought is dropped. */
  setTopics(topics: readonly string[]): void {
    this.topics = new Set(topics);
    for (const topic of [...this.idsOf.keys(), ...this.seqs.keys()]) if (!this.topics.has(topic)) this.drop(topic);
  }

  topicsText(): string {
    return topicList(this.topics, this.seqs);
  }

  has(topic: string): boolean {
    return this.seqs.has(topic);
  }

  /** Take in one frame; the answer is what the connection has to do about it. */
  apply(frame: Frame, ourNow: number = Date.now()): Todo | null {
    if ("now" in frame) this.clockSkew = Date.parse(frame.now) - ourNow || 0;
    switch (frame.t) {
      case "hello":
        return this.greet(frame);
      case "snap":
        if (!this.topics.has(frame.topic)) return null;
        this.awaiting.delete(frame.topic);
        this.refusals.delete(frame.topic);
        this.replace(frame.topic, frame.rows);
        this.seqs.set(frame.topic, frame.seq);
        if (frame.nodes) this.nodes = frame.nodes;
        if (frame.lines) {
          this.logOf(frame.topic).restart(frame.lines, frame.last ?? frame.lines.at(-1)?.seq ?? 0);
          this.linesVersion++;
        }
        this.rowsVersion++;
        return null;
      case "d": {
        if (!this.topics.has(frame.topic) || this.awaiting.has(frame.topic)) return null;
        const own = this.seqs.get(frame.topic);
        if (own !== undefined && frame.seq <= own) return null;
        if (own === undefined || frame.seq > own + 1) {
          this.awaiting.add(frame.topic);
          return { kind: "resync", topic: frame.topic };
        }
        this.seqs.set(frame.topic, frame.seq);
        for (const id of frame.gone ?? []) this.forget(id);
        for (const row of frame.rows ?? []) this.put(frame.topic, row);
        if (frame.nodes) this.nodes = frame.nodes;
        if (frame.rows?.length || frame.gone?.length || frame.nodes) this.rowsVersion++;
        if (frame.lines?.length || frame.skipped) {
          this.logOf(frame.topic).append(frame.lines ?? [], frame.skipped);
          this.linesVersion++;
        }
        return null;
      }
      case "w":
        this.putWorkers(frame.rows);
        return null;
      case "no":
        this.refusals.set(frame.topic, frame.reason);
        this.drop(frame.topic);
        this.rowsVersion++;
        return null;
      case "beat":
        return null;
    }
  }

  putWorkers(rows: readonly Row[]): void {
    for (const row of rows) {
      if (row.kind !== "worker") {
        if (this.rows.has(row.id)) this.rows.set(row.id, row);
        continue;
      }
      this.workers.delete(row.id);
      this.workers.set(row.id, row);
    }
    for (const id of this.workers.keys()) {
      if (this.workers.size <= MAX_WATCHED_ROWS) break;
      this.workers.delete(id);
    }
    if (rows.length) this.rowsVersion++;
  }

  /** Rows that came over REST and that no topic brings: older runs and their steps. */
  putExtra(rows: readonly Row[]): void {
    for (const row of rows) {
      if (this.gone.has(row.id) || this.rows.has(row.id)) continue;
      this.rows.set(row.id, row);
    }
    if (rows.length) this.rowsVersion++;
  }

  get(id: number): Row | undefined {
    return this.rows.get(id) ?? this.workers.get(id);
  }

  /** Steps of a run in their order; child runs of a step by id. */
  childrenOf(id: number): readonly number[] {
    if (this.indexVersion !== this.rowsVersion) this.index();
    return this.byParent.get(id) ?? [];
  }

  /** Ids of runs that no other run started, newest first. */
  roots(): readonly number[] {
    return this.childrenOf(0);
  }

  log(topic: string): LogBuffer | undefined {
    return this.logs.get(topic);
  }

  /** The server's time now, in milliseconds. */
  now(ourNow: number = Date.now()): number {
    return ourNow + this.clockSkew;
  }

  private greet(frame: { v: number; epoch: string; version: string; bundle: string }): Todo | null {
    const isRestart = this.epoch !== null && this.epoch !== frame.epoch;
    this.epoch = frame.epoch;
    this.serverVersion = frame.version;
    this.awaiting.clear();
    if (isRestart) this.seqs.clear();
    if (this.bundle && frame.bundle && frame.bundle !== this.bundle) return { kind: "reload" };
    return isRestart ? { kind: "restart" } : null;
  }

  private logOf(topic: string): LogBuffer {
    let log = this.logs.get(topic);
    if (!log) this.logs.set(topic, (log = new LogBuffer()));
    return log;
  }

  private replace(topic: string, rows: readonly Row[]): void {
    const before = this.idsOf.get(topic) ?? new Set();
    this.idsOf.set(topic, new Set());
    for (const row of rows) this.put(topic, row);
    for (const id of before) if (!this.isHeld(id)) this.rows.delete(id);
  }

  private put(topic: string, row: Row): void {
    if (row.kind === "worker") {
      this.putWorkers([row]);
      return;
    }
    const of = this.idsOf.get(topic) ?? new Set();
    this.idsOf.set(topic, of.add(row.id));
    this.gone.delete(row.id);
    this.rows.set(row.id, row);
    const shownUnder = runOfTopic(topic);
    if (shownUnder !== null && row.kind === "manager" && row.id !== shownUnder) this.adopted.set(row.id, shownUnder);
  }

  private forget(id: number): void {
    this.rows.delete(id);
    this.workers.delete(id);
    for (const ids of this.idsOf.values()) ids.delete(id);
    this.gone.add(id);
    for (const old of this.gone) {
      if (this.gone.size <= MAX_FORGOTTEN) break;
      this.gone.delete(old);
    }
  }

  private drop(topic: string): void {
    const ids = this.idsOf.get(topic);
    this.idsOf.delete(topic);
    this.seqs.delete(topic);
    this.awaiting.delete(topic);
    this.logs.delete(topic);
    for (const id of ids ?? []) if (topic === "queue" && !this.isHeld(id)) this.rows.delete(id);
    this.rowsVersion++;
  }

  private isHeld(id: number): boolean {
    for (const ids of this.idsOf.values()) if (ids.has(id)) return true;
    return false;
  }

  private index(): void {
    const byParent = new Map<number, number[]>();
    for (const row of this.rows.values()) {
      let parent = row.parent_id ?? 0;
      if (parent !== 0 && !this.rows.has(parent)) parent = this.adopted.get(row.id) ?? (row.kind === "manager" ? -1 : parent);
      const siblings = byParent.get(parent);
      if (siblings) siblings.push(row.id);
      else byParent.set(parent, [row.id]);
    }
    for (const [parent, ids] of byParent) {
      if (parent === 0) ids.sort((a, b) => b - a);
      else ids.sort((a, b) => this.place(a) - this.place(b) || a - b);
    }
    this.byParent = byParent;
    this.indexVersion = this.rowsVersion;
  }

  private place(id: number): number {
    const row = this.rows.get(id)!;
    return row.kind === "step" ? row.position : 1e6;
  }
}
