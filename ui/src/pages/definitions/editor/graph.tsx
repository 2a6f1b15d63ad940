// The steps as a graph; arrow keys move along it, Enter goes to the step's text.
import { useMemo, useRef, useState } from "preact/hooks";
import type { Finding, Graph, StepNode } from "../types";
import { placeSteps, STEP_HEIGHT, STEP_WIDTH } from "./graph-layout";
import { wavesOf } from "./waves";

interface Props {
  graph: Graph;
  findings: readonly Finding[];
  onJump: (step: StepNode) => void;
}

export default function StepGraph({ graph, findings, onJump }: Props) {
  const key = JSON.stringify(graph);
  const placed = useMemo(() => placeSteps(graph), [key]);
  const stuck = useMemo(() => new Set(wavesOf(graph).stuck.map((step) => step.name)), [key]);
  const [current, setCurrent] = useState<string | null>(null);
  const box = useRef<HTMLDivElement>(null);
  const focused = placed.steps.some(({ step }) => step.name === current) ? current : (placed.steps[0]?.step.name ?? null);
  const go = (name: string | undefined): void => {
    if (name === undefined) return;
    setCurrent(name);
    box.current?.querySelector<HTMLElement>(`[data-step="${CSS.escape(name)}"]`)?.focus();
  };
  const onKeyDown = (event: KeyboardEvent, step: StepNode): void => {
    const rows = [...placed.steps].sort((a, b) => a.y - b.y || a.x - b.x);
    const at = rows.findIndex((one) => one.step === step);
    const here = rows[at]!;
    const near = (steps: string[]): string | undefined => rows.filter((one) => steps.includes(one.step.name)).sort((a, b) => Math.abs(a.x - here.x) - Math.abs(b.x - here.x))[0]?.step.name;
    if (event.key === "ArrowUp") go(near(graph.edges.filter((edge) => edge.target === step.name).map((edge) => edge.source)));
    else if (event.key === "ArrowDown") go(near(graph.edges.filter((edge) => edge.source === step.name).map((edge) => edge.target)));
    else if (event.key === "ArrowRight") go(rows[at + 1]?.step.name);
    else if (event.key === "ArrowLeft") go(rows[at - 1]?.step.name);
    else if (event.key === "Home") go(rows[0]?.step.name);
    else if (event.key === "End") go(rows.at(-1)?.step.name);
    else return;
    event.preventDefault();
  };
  return (
    <div class="graph-box">
      <div ref={box} class="graph" role="group" aria-label="Steps and what they wait for" style={{ width: `${placed.width}px`, height: `${placed.height}px` }}>
        <svg width={placed.width} height={placed.height} viewBox={`0 0 ${placed.width} ${placed.height}`} aria-hidden="true">
          <defs>
            <marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">
              <path d="M0 .5 7.5 4 0 7.5z" class="arrow" />
            </marker>
          </defs>
          {placed.edges.map((edge) => (
            <path key={`${edge.source} ${edge.target}`} d={edge.path} class={`edge ${focused === edge.source || focused === edge.target ? "near" : ""} ${stuck.has(edge.source) && stuck.has(edge.target) ? "wrong" : ""}`} marker-end="url(#arrow)" />
          ))}
        </svg>
        {placed.steps.map(({ step, x, y }) => {
          const isStuck = stuck.has(step.name);
          const worst = isStuck ? "error" : worstOf(step, findings);
          const more = moreOf(step, isStuck);
          return (
            <button
              key={step.name}
              type="button"
              class={`step-node ${worst ?? ""}`}
              style={{ left: `${x}px`, top: `${y}px`, width: `${STEP_WIDTH}px`, height: `${STEP_HEIGHT}px` }}
              tabIndex={step.name === focused ? 0 : -1}
              data-step={step.name}
              title={[`${step.name}: ${step.type || "no type"}`, ...more].join("; ")}
              onClick={() => (setCurrent(step.name), onJump(step))}
              onFocus={() => setCurrent(step.name)}
              onKeyDown={(event) => onKeyDown(event, step)}
            >
              <span class="node-name ellipsis">{step.name}</span>
              {step.condition ? <span class="node-mark">if</span> : null}
              <span class="node-type ellipsis">{step.type || "no type"}</span>
              {worst ? <span class={`node-mark ${worst}`}>{worst}</span> : null}
              <span class="unseen">{more.join("; ")}</span>
            </button>
          );
        })}
      </div>
    </div>
  );
}

export function worstOf(step: StepNode, findings: readonly Finding[]): "error" | "warning" | null {
  const own = findings.filter((one) => one.key === `step.${step.name}` || one.key.startsWith(`step.${step.name}.`));
  return own.some((one) => one.severity === "error") ? "error" : own.length ? "warning" : null;
}

function moreOf(step: StepNode, isStuck: boolean): string[] {
  const parts: string[] = [];
  if (step.depends.length) parts.push(`after ${step.depends.join(", ")}`);
  if (step.condition) parts.push(`if ${step.condition}`);
  if (step.on_error !== "continue") parts.push(`on error: ${step.on_error}`);
  if (step.always_run) parts.push("always runs");
  if (isStuck) parts.push("in a cycle: it can never start");
  return parts;
}
