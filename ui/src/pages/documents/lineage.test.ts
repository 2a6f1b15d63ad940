import { expect, it } from "vitest";
import { fitted, graphOf, neighbour, type Placed, revealed, zoomed } from "./lineage";
import { layoutOf } from "./lineage-layout";
import type { Lineage, LineageNode } from "./types";

const node = (id: string, more: Partial<LineageNode> = {}): LineageNode => ({
  document_id: id, source_type: "local_dir", source_id: id, title: id, revision: 1, content_hash: "h", stale: false,
  manager_id: 7, step_name: "index", worker_type: "local_dir", job_id: 9, attempt: 1, made_at: null, derived_from: [], ...more,
});
const lineage = (top: LineageNode, used_by: LineageNode[] = []): Lineage => ({ ...top, runs: [], used_by });
const pairs = (given: Lineage, most?: number): string[] => graphOf(given, most).edges.map((edge) => `${edge.from} > ${edge.to}${edge.isStale ? " stale" : ""}`);

it("run, step, document, and what was made from it; each once", () => {
  const shared = node("a", { stale: true });
  const top = node("report", { step_name: "write", derived_from: [shared, node("b", { derived_from: [node("a")] })] });
  expect(pairs(lineage(top, [node("summary", { manager_id: 8, step_name: "sum" })]))).toEqual([
    "run 7 > run 7 write", "run 7 write > report", "run 7 > run 7 index", "run 7 index > a", "a > report stale", "run 7 index > b", "b > report",
    "a > b", "run 8 > run 8 sum", "run 8 sum > summary", "report > summary",
  ]);
  const graph = graphOf(lineage(top));
  expect(graph.nodes.filter((one) => one.isFocus).map((one) => one.id)).toEqual(["report"]);
  expect(graph.nodes.find((one) => one.id === "a")!.isStale).toBe(true);
});

it("a circle ends, and a document without a run stands alone", () => {
  const top = node("a", { manager_id: null, step_name: null });
  top.derived_from = [node("b", { manager_id: null, step_name: null, derived_from: [top] })];
  expect(pairs(lineage(top))).toEqual(["b > a", "a > b"]);
  expect(pairs(lineage(node("x", { manager_id: null, step_name: null })))).toEqual([]);
});

it("a large graph leaves out what lies farthest and says how much", () => {
  const top = node("top", { derived_from: [node("near", { derived_from: Array.from({ length: 50 }, (_, i) => node(`far ${i}`)) })] });
  const graph = graphOf(lineage(top), 10);
  expect(graph.nodes.filter((one) => one.kind === "document")).toHaveLength(10);
  expect(graph.leftOut).toBe(42);
  expect(graph.edges.every((edge) => graph.nodes.some((one) => one.id === edge.from) && graph.nodes.some((one) => one.id === edge.to))).toBe(true);
});

it("the layout goes from left to right and nothing overlaps", () => {
  const top = node("report", { step_name: "write", derived_from: Array.from({ length: 12 }, (_, i) => node(`source ${i}`)) });
  const graph = graphOf(lineage(top, [node("summary", { step_name: "sum" })]));
  const { places, paths } = layoutOf(graph);
  expect(paths).toHaveLength(graph.edges.length);
  for (const edge of graph.edges) expect(places.get(edge.from)!.x).toBeLessThan(places.get(edge.to)!.x);
  const boxes = [...places.values()];
  for (const [i, a] of boxes.entries()) {
    for (const b of boxes.slice(i + 1)) expect(Math.abs(a.x - b.x) >= (a.width + b.width) / 2 || Math.abs(a.y - b.y) >= (a.height + b.height) / 2).toBe(true);
  }
});

it("arrow keys go to the nearest node in their direction", () => {
  const at = (x: number, y: number): Placed => ({ x, y, width: 10, height: 10 });
  const places = new Map([["a", at(0, 0)], ["b", at(100, 0)], ["c", at(90, 200)], ["d", at(0, 50)]]);
  expect(neighbour(places, "a", "right")).toBe("b");
  expect(neighbour(places, "a", "down")).toBe("d");
  expect(neighbour(places, "a", "left")).toBeNull();
  expect(neighbour(places, "c", "up")).toBe("b");
});

it("fits, zooms around a point, and brings a node into view", () => {
  expect(fitted({ width: 200, height: 100 }, { width: 100, height: 100 })).toEqual({ scale: 0.5, x: 0, y: 25 });
  expect(fitted({ width: 50, height: 50 }, { width: 100, height: 100 }).scale).toBe(1);
  const view = zoomed({ x: 0, y: 0, scale: 1 }, 2, { x: 50, y: 50 });
  expect(view).toEqual({ scale: 2, x: -50, y: -50 });
  expect(zoomed(view, 100, { x: 0, y: 0 }).scale).toBe(2.5);
  expect(revealed({ x: 0, y: 0, scale: 1 }, { x: 500, y: 50, width: 40, height: 20 }, { width: 200, height: 100 })).toEqual({ scale: 1, x: -336, y: 0 });
});
