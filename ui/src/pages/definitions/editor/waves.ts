// The order of steps: waves that wait only for earlier ones; what a cycle holds up comes last.
import type { Graph, StepNode } from "../types";

export interface Waves {
  waves: StepNode[][];
  /** Steps in a cycle, or behind one: they can never start. */
  stuck: StepNode[];
}

export function wavesOf(graph: Graph): Waves {
  const known = new Set(graph.steps.map((step) => step.name));
  const done = new Set<string>();
  const waves: StepNode[][] = [];
  let left = graph.steps;
  while (left.length) {
    const ready = left.filter((step) => step.depends.every((name) => done.has(name) || !known.has(name)));
    if (!ready.length) break;
    waves.push(ready);
    for (const step of ready) done.add(step.name);
    left = left.filter((step) => !ready.includes(step));
  }
  return { waves, stuck: left };
}
