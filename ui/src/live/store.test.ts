import { describe, expect, it } from "vitest";
import type { Frame } from "./protocol";
import { LiveStore } from "./store";
import { line, row, step } from "./testing";

const now = "2026-01-01T00:00:00Z";
const hello = (epoch: string, bundle = ""): Frame => ({ t: "hello", v: 1, epoch, version: "1", bundle, now });

function joined(topics = ["queue"]): LiveStore {
  const store = new LiveStore("b1");
  store.setTopics(topics);
  store.apply(hello("e1"));
  for (const topic of topics) store.apply({ t: "snap", topic, seq: 10, now, rows: [row(1)], ...(topic === "queue" ? {} : { lines: [line(1)], last: 1 }) });
  return store;
}

describe("deltas", () => {
  it("the latest value of a row wins, and a deleted row is gone", () => {
    const store = joined();
    store.apply({ t: "d", topic: "queue", seq: 11, now, rows: [row(1, { status: "completed" }), row(2)] });
    expect(store.get(1)?.status).toBe("completed");
    store.apply({ t: "d", topic: "queue", seq: 12, now, gone: [1] });
    expect(store.roots()).toEqual([2]);
    store.putExtra([row(1)]);
    expect(store.get(1)).toBeUndefined();
  });

  it("a frame behind the own number is ignored", () => {
    const store = joined();
    expect(store.apply({ t: "d", topic: "queue", seq: 10, now, rows: [row(1, { status: "failed" })] })).toBeNull();
    expect(store.apply({ t: "d", topic: "queue", seq: 3, now, rows: [row(9)] })).toBeNull();
    expect(store.get(1)?.status).toBe("running");
    expect(store.get(9)).toBeUndefined();
  });

  it("a hole asks once for a snapshot and takes nothing in until it is there", () => {
    const store = joined();
    expect(store.apply({ t: "d", topic: "queue", seq: 12, now, rows: [row(9)] })).toEqual({ kind: "resync", topic: "queue" });
    expect(store.apply({ t: "d", topic: "queue", seq: 13, now, rows: [row(9)] })).toBeNull();
    expect(store.get(9)).toBeUndefined();
    store.apply({ t: "snap", topic: "queue", seq: 13, now, rows: [row(2)] });
    expect(store.roots()).toEqual([2]);
    expect(store.apply({ t: "d", topic: "queue", seq: 14, now, rows: [row(3)] })).toBeNull();
    expect(store.roots()).toEqual([3, 2]);
  });

  it("a delta of a topic without a snapshot is a hole, one of a foreign topic is nothing", () => {
    const store = new LiveStore();
    store.setTopics(["queue"]);
    expect(store.apply({ t: "d", topic: "queue", seq: 1, now })).toEqual({ kind: "resync", topic: "queue" });
    expect(store.apply({ t: "d", topic: "run.7", seq: 1, now })).toBeNull();
  });
});

describe("resuming", () => {
  it("asks to go on behind the last number", () => {
    expect(joined(["queue", "run.1"]).topicsText()).toBe("queue:10,run.1:10");
  });

  it("another epoch forgets the numbers, keeps the rows and tells", () => {
    const store = joined();
    expect(store.apply(hello("e2"))).toEqual({ kind: "restart" });
    expect(store.topicsText()).toBe("queue");
    expect(store.get(1)).toBeDefined();
  });

  it("the same epoch goes on", () => {
    const store = joined();
    expect(store.apply(hello("e1"))).toBeNull();
    expect(store.apply({ t: "d", topic: "queue", seq: 11, now, rows: [row(2)] })).toBeNull();
    expect(store.roots()).toEqual([2, 1]);
  });

  it("another bundle asks for a reload", () => {
    expect(joined().apply(hello("e1", "b2"))).toEqual({ kind: "reload" });
    expect(joined().apply(hello("e1", "b1"))).toBeNull();
  });
});

describe("rows", () => {
  it("a snapshot drops what no other topic holds", () => {
    const store = joined(["queue", "run.1"]);
    store.apply({ t: "d", topic: "queue", seq: 11, now, rows: [row(5)] });
    store.apply({ t: "snap", topic: "queue", seq: 20, now, rows: [] });
    expect(store.get(5)).toBeUndefined();
    expect(store.get(1)).toBeDefined();
  });

  it("steps come by position, child runs below the step that started them", () => {
    const store = joined(["queue", "run.1"]);
    store.apply({ t: "snap", topic: "run.1", seq: 1, now, lines: [], last: 0, rows: [row(1), step(4, 1, 1), step(3, 1, 0), row(8, { parent_id: 4 }), row(9, { parent_id: 77 })] });
    expect(store.childrenOf(1)).toEqual([3, 4, 9]);
    expect(store.childrenOf(4)).toEqual([8]);
    expect(store.roots()).toEqual([1]);
  });

  it("watched rows of workers are bounded", () => {
    const store = joined();
    store.putWorkers(Array.from({ length: 5000 }, (_, i) => row(i + 100, { kind: "worker" })));
    expect(store.workers.size).toBe(4000);
    expect(store.get(5099)).toBeDefined();
    expect(store.get(100)).toBeUndefined();
  });

  it("a refused topic says why", () => {
    const store = joined(["queue", "run.1"]);
    store.apply({ t: "no", topic: "run.1", reason: "no job 1" });
    expect(store.refusals.get("run.1")).toBe("no job 1");
    expect(store.topicsText()).toBe("queue:10,run.1");
  });
});
