// Where a document comes from, as a graph: run → step → document → what was made from it.
import type { Lineage, LineageNode } from "./types";

export interface GraphNode {
  id: string;
  kind: "run" | "step" | "document";
  title: string;
  note: string;
  /** Of runs and steps; where a document is shown depends on the page. */
  href: string | null;
  /** The document that is asked about. */
  isFocus: boolean;
  isStale: boolean;
}

export interface GraphEdge {
  from: string;
  to: string;
  isStale: boolean;
}

export interface LineageGraph {
  nodes: GraphNode[];
  edges: GraphEdge[];
  /** Documents that are not in the graph, for it would be too large; the list has them. */
  leftOut: number;
}

export const MOST_DOCUMENTS = 120;

export function graphOf(lineage: Lineage, most = MOST_DOCUMENTS): LineageGraph {
  const nodes = new Map<string, GraphNode>();
  const edges = new Map<string, GraphEdge>();
  const leftOut = new Set<string>();
  let documents = 0;
  const connect = (from: string, to: string, isStale: boolean): void => {
    const key = `${from}\n${to}`;
    edges.set(key, { from, to, isStale: isStale || (edges.get(key)?.isStale ?? false) });
  };
  const add = (node: LineageNode, isFocus: boolean): boolean => {
    const id = node.document_id;
    if (nodes.has(id)) return true;
    if (documents >= most) {
      leftOut.add(id);
      return false;
    }
    documents++;
    nodes.set(id, { id, kind: "document", title: node.title, note: `${node.source_type} · rev. ${node.revision}`, href: null, isFocus, isStale: false });
    if (node.manager_id !== null) {
      const run = `run ${node.manager_id}`;
      if (!nodes.has(run)) nodes.set(run, { id: run, kind: "run", title: `Run #${node.manager_id}`, note: "", href: `/runs/${node.manager_id}`, isFocus: false, isStale: false });
      if (node.step_name !== null) {
        const step = `${run} ${node.step_name}`;
        if (!nodes.has(step)) nodes.set(step, { id: step, kind: "step", title: node.step_name, note: node.worker_type ?? "", href: `/?run=${node.manager_id}&step=${encodeURIComponent(node.step_name)}`, isFocus: false, isStale: false });
        connect(run, step, false);
        connect(step, id, false);
      } else connect(run, id, false);
    }
    return true;
  };
  // Level by level: what is left out of a large graph is what lies farthest.
  add(lineage, true);
  let level: LineageNode[] = [lineage];
  const seen = new Set<string>();
  while (level.length) {
    const above: LineageNode[] = [];
    for (const node of level) {
      if (seen.has(node.document_id) || !nodes.has(node.document_id)) continue;
      seen.add(node.document_id);
      for (const source of node.derived_from) {
        if (!add(source, false)) continue;
        if (source.stale) nodes.get(source.document_id)!.isStale = true;
        connect(source.document_id, node.document_id, source.stale);
        above.push(source);
      }
    }
    level = above;
  }
  for (const made of lineage.used_by) {
    if (!add(made, false)) continue;
    if (made.stale) nodes.get(made.document_id)!.isStale = true;
    connect(lineage.document_id, made.document_id, made.stale);
  }
  return { nodes: [...nodes.values()], edges: [...edges.values()], leftOut: leftOut.size };
}

export interface Placed {
  x: number;
  y: number;
  width: number;
  height: number;
}

export type Direction = "left" | "right" | "up" | "down";

/** The nearest node in a direction, for the arrow keys: sideways counts double. */
export function neighbour(places: ReadonlyMap<string, Placed>, from: string, direction: Direction): string | null {
  const here = places.get(from);
  if (!here) return null;
  let best: string | null = null;
  let bestCost = Number.POSITIVE_INFINITY;
  for (const [id, there] of places) {
    if (id === from) continue;
    const dx = there.x - here.x;
    const dy = there.y - here.y;
    const [ahead, aside] = direction === "left" ? [-dx, dy] : direction === "right" ? [dx, dy] : direction === "up" ? [-dy, dx] : [dy, dx];
    if (ahead <= 1) continue;
    const cost = ahead + 2 * Math.abs(aside);
    if (cost < bestCost) [best, bestCost] = [id, cost];
  }
  return best;
}

export interface View {
  x: number;
  y: number;
  scale: number;
}

const SMALLEST = 0.15;
const LARGEST = 2.5;

/** Everything in the middle, never larger than life. */
export function fitted(graph: { width: number; height: number }, box: { width: number; height: number }): View {
  const scale = Math.max(SMALLEST, Math.min(1, box.width / Math.max(1, graph.width), box.height / Math.max(1, graph.height)));
  return { scale, x: (box.width - graph.width * scale) / 2, y: (box.height - graph.height * scale) / 2 };
}

/** Larger or smaller around a point of the box, which stays where it is. */
export function zoomed(view: View, factor: number, at: { x: number; y: number }): View {
  const scale = Math.max(SMALLEST, Math.min(LARGEST, view.scale * factor));
  const by = scale / view.scale;
  return { scale, x: at.x - (at.x - view.x) * by, y: at.y - (at.y - view.y) * by };
}

/** Moved as little as needed to have a node in the box. */
export function revealed(view: View, node: Placed, box: { width: number; height: number }, margin = 16): View {
  const shift = (start: number, length: number, room: number): number => {
    if (start < margin) return margin - start;
    if (start + length > room - margin) return Math.max(margin - start, room - margin - start - length);
    return 0;
  };
  const left = (node.x - node.width / 2) * view.scale + view.x;
  const top = (node.y - node.height / 2) * view.scale + view.y;
  return { ...view, x: view.x + shift(left, node.width * view.scale, box.width), y: view.y + shift(top, node.height * view.scale, box.height) };
}
