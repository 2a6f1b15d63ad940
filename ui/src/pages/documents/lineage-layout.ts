// Places of a lineage graph's nodes and the ways of its edges.
import { Graph, layout } from "@dagrejs/dagre";
import type { LineageGraph, Placed } from "./lineage";

const SIZES = {
  run: { width: 92, height: 30 },
  step: { width: 128, height: 38 },
  document: { width: 196, height: 42 },
} as const;

export interface PlacedGraph {
  places: Map<string, Placed>;
  /** One for each edge of the graph, in its order. */
  paths: string[];
  width: number;
  height: number;
}

export function layoutOf(graph: LineageGraph): PlacedGraph {
  const dagre = new Graph();
  dagre.setGraph({ rankdir: "LR", nodesep: 14, ranksep: 44, marginx: 14, marginy: 14 });
  dagre.setDefaultEdgeLabel(() => ({}));
  for (const node of graph.nodes) dagre.setNode(node.id, { ...SIZES[node.kind] });
  for (const edge of graph.edges) dagre.setEdge(edge.from, edge.to);
  layout(dagre);
  const places = new Map<string, Placed>();
  for (const node of graph.nodes) {
    const { x, y } = dagre.node(node.id) as { x: number; y: number };
    places.set(node.id, { x, y, ...SIZES[node.kind] });
  }
  const paths = graph.edges.map((edge) => {
    const { points } = dagre.edge(edge.from, edge.to) as { points: Point[] };
    const from = places.get(edge.from)!;
    const to = places.get(edge.to)!;
    // A circle has edges that go back; they keep the ends that dagre gave them.
    const ends = from.x < to.x ? [{ x: from.x + from.width / 2, y: from.y }, { x: to.x - to.width / 2, y: to.y }] : [points[0]!, points.at(-1)!];
    return wayThrough([ends[0]!, ...points.slice(1, -1).filter((point) => from.x >= to.x || (point.x > ends[0]!.x && point.x < ends[1]!.x)), ends[1]!]);
  });
  const { width = 0, height = 0 } = dagre.graph() as { width?: number; height?: number };
  return { places, paths, width, height };
}

interface Point {
  x: number;
  y: number;
}

/** A smooth line through the points: level at each. */
function wayThrough(points: readonly Point[]): string {
  const at = (n: number): string => n.toFixed(1);
  let path = `M${at(points[0]!.x)} ${at(points[0]!.y)}`;
  for (let i = 1; i < points.length; i++) {
    const from = points[i - 1]!;
    const to = points[i]!;
    const middle = (from.x + to.x) / 2;
    path += `C${at(middle)} ${at(from.y)} ${at(middle)} ${at(to.y)} ${at(to.x)} ${at(to.y)}`;
  }
  return path;
}
