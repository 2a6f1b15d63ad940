import { expect, it } from "vitest";
import type { Row } from "../api/types";
import { LiveStore } from "./store";
import { row, step } from "./testing";
import { Expansion, type FlatTree, flatten } from "./tree";

const counters = (total: number, failed = 0) => ({ total, failed, pending: 0, running: 0, completed: total - failed, cancelled: 0, skipped: 0, retried: 0 });
const now = "2026-01-01T00:00:00Z";

function queue(rows: Row[]): LiveStore {
  const store = new LiveStore();
  store.setTopics(["queue"]);
  store.apply({ t: "snap", topic: "queue", seq: 1, now, rows });
  return store;
}

const tree = (store: LiveStore, expansion: Expansion) => flatten(store.roots(), store, expansion, (one) => one.counters.total);
const shape = (flat: FlatTree): string =>
  Array.from({ length: Math.min(flat.length, 20) }, (_, i) => flat.at(i)).map((item) => (item?.kind === "row" ? item.id : item?.kind === "worker" ? `w${item.index}` : "+")).join(" ");

it("a step opens by itself when it starts, and stays open behind that", () => {
  const store = queue([row(1), step(2, 1, 0, { status: "pending", counters: counters(2) })]);
  const expansion = new Expansion();
  expect(shape(tree(store, expansion))).toBe("1 2");
  store.apply({ t: "d", topic: "queue", seq: 2, now, rows: [step(2, 1, 0, { status: "running", counters: counters(2) })] });
  expect(shape(tree(store, expansion))).toBe("1 2 w0 w1");
  store.apply({ t: "d", topic: "queue", seq: 3, now, rows: [step(2, 1, 0, { status: "completed", counters: counters(2) })] });
  expect(shape(tree(store, expansion))).toBe("1 2 w0 w1");
});

it("unless the user closed it", () => {
  const store = queue([row(1), step(2, 1, 0, { status: "pending", counters: counters(2) })]);
  const expansion = new Expansion();
  expansion.set(2, false);
  store.apply({ t: "d", topic: "queue", seq: 2, now, rows: [step(2, 1, 0, { status: "running", counters: counters(2) })] });
  expect(shape(tree(store, expansion))).toBe("1 2");
});

it("runs that are over stay closed until they are opened", () => {
  const store = queue([row(1, { status: "completed" }), step(2, 1, 0, { status: "completed" })]);
  const expansion = new Expansion();
  expect(shape(tree(store, expansion))).toBe("1");
  expansion.set(1, true);
  expect(shape(tree(store, expansion))).toBe("1 2");
});

it("a million workers are one block", () => {
  const store = queue([row(1), step(2, 1, 0, { counters: counters(1_000_000) }), step(3, 1, 1, { status: "pending" })]);
  const flat = tree(store, new Expansion());
  expect(flat.length).toBe(1_000_003);
  expect(flat.at(500_002)).toEqual({ kind: "worker", step: 2, index: 500_000, depth: 2, of: 1_000_000 });
  expect(flat.indexOf(3)).toBe(1_000_002);
  expect(flat.ancestors(777).map((item) => item.id)).toEqual([1, 2]);
  expect(flat.at(1_000_003)).toBeUndefined();
});

it("jumps from failure to failure and stops at the end", () => {
  const rows = [row(1), step(2, 1, 0, { status: "running", counters: counters(5, 2) }), step(3, 1, 1, { status: "failed" })];
  const store = queue(rows);
  const flat = tree(store, new Expansion());
  const next = (from: number, direction: 1 | -1) => flat.next(from, direction, (item) => store.get(item.id)?.status === "failed", (id) => store.get(id)!.counters.failed);
  expect([next(0, 1), next(2, 1), next(3, 1), next(7, 1)]).toEqual([2, 3, 7, -1]);
  expect([next(7, -1), next(3, -1), next(2, -1)]).toEqual([3, 2, -1]);
});
