// Where the steps of a definition stand, by what they wait for.
import { graphlib, layout } from "@dagrejs/dagre";
import type { Graph, StepNode } from "../types";

export interface PlacedStep {
  step: StepNode;
  /** Upper left corner. */
  x: number;
  y: number;
}

export interface PlacedEdge {
  source: string;
  target: string;
  path: string;
}

export interface Placed {
  width: number;
  height: number;
  steps: PlacedStep[];
  edges: PlacedEdge[];
}

export const STEP_WIDTH = 168;
export const STEP_HEIGHT = 46;

export function placeSteps(graph: Graph): Placed {
  const g = new graphlib.Graph();
  g.setGraph({ rankdir: "TB", nodesep: 22, ranksep: 34, marginx: 12, marginy: 12 });
  g.setDefaultEdgeLabel(() => ({}));
  for (const step of graph.steps) g.setNode(step.name, { width: STEP_WIDTH, height: STEP_HEIGHT });
  for (const edge of graph.edges) if (edge.source !== edge.target) g.setEdge(edge.source, edge.target);
  layout(g);
  const size = g.graph() as { width?: number; height?: number };
  return {
    width: size.width ?? 0,
    height: size.height ?? 0,
    steps: graph.steps.map((step) => {
      const node = g.node(step.name) as { x: number; y: number };
      return { step, x: node.x - STEP_WIDTH / 2, y: node.y - STEP_HEIGHT / 2 };
    }),
    edges: graph.edges
      .filter((edge) => edge.source !== edge.target)
      .map((edge) => ({ ...edge, path: curve((g.edge(edge.source, edge.target) as { points: Point[] }).points) })),
  };
}

interface Point {
  x: number;
  y: number;
}

function curve(points: readonly Point[]): string {
  const [first, ...rest] = points;
  if (!first || !rest.length) return "";
  let path = `M${first.x} ${first.y}`;
  for (let at = 0; at < rest.length - 1; at++) {
    const here = rest[at]!;
    const next = rest[at + 1]!;
    path += ` Q${here.x} ${here.y} ${(here.x + next.x) / 2} ${(here.y + next.y) / 2}`;
  }
  const last = rest.at(-1)!;
  return `${path} L${last.x} ${last.y}`;
}
