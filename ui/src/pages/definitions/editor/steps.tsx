// The steps of the text that is being written: as a graph, or as a list in the order they can run.
import type { ComponentType } from "preact";
import { useEffect, useState } from "preact/hooks";
import { Empty, Failed, Loading } from "../../../parts/states";
import { recall, remember } from "../../../parts/taste";
import type { Checked, Finding, Graph, StepNode } from "../types";
import { wavesOf } from "./waves";

interface Props {
  checked: Checked | null;
  reason: string | null;
  onJump: (step: StepNode) => void;
}

type GraphView = ComponentType<{ graph: Graph; findings: readonly Finding[]; onJump: (step: StepNode) => void }>;

export function Steps({ checked, reason, onJump }: Props) {
  const [asList, setAsList] = useState(() => recall("steps.list") === "yes");
  if (!checked) return reason ? <Failed reason={reason} /> : <Loading what="Reading the steps" />;
  if (checked.graph.steps.length === 0)
    return (
      <Empty title="No steps yet.">
        A step is a table <code>[step.NAME]</code> with a <code>type</code>.
      </Empty>
    );
  return (
    <div class="steps">
      <div class="steps-head">
        <span class="dim">{checked.graph.steps.length === 1 ? "1 step" : `${checked.graph.steps.length} steps`}</span>
        <span class="grow" />
        <div class="segments words" role="group" aria-label="View of the steps">
          <button type="button" aria-pressed={!asList} onClick={() => (setAsList(false), remember("steps.list", null))}>
            Graph
          </button>
          <button type="button" aria-pressed={asList} onClick={() => (setAsList(true), remember("steps.list", "yes"))}>
            List
          </button>
        </div>
      </div>
      {asList ? <StepList checked={checked} onJump={onJump} /> : <LazyGraph checked={checked} onJump={onJump} />}
    </div>
  );
}

function LazyGraph({ checked, onJump }: { checked: Checked; onJump: (step: StepNode) => void }) {
  const [loaded, setLoaded] = useState<{ View: GraphView } | null>(null);
  const [failed, setFailed] = useState(false);
  useEffect(() => {
    import("./graph").then(
      (found) => setLoaded({ View: found.default }),
      () => setFailed(true),
    );
  }, []);
  if (failed) return <StepList checked={checked} onJump={onJump} />;
  if (!loaded) return <Loading />;
  return <loaded.View graph={checked.graph} findings={checked.findings} onJump={onJump} />;
}

function StepList({ checked, onJump }: { checked: Checked; onJump: (step: StepNode) => void }) {
  const { waves, stuck } = wavesOf(checked.graph);
  const known = new Set(checked.graph.steps.map((step) => step.name));
  const item = (step: StepNode) => {
    const missing = step.depends.filter((name) => !known.has(name));
    return (
      <li key={step.name}>
        <button type="button" class="step-item" onClick={() => onJump(step)}>
          <b>{step.name}</b> <span class="dim">{step.type || "no type"}</span>
          <span class="small dim">
            {step.depends.length ? `after ${step.depends.join(", ")}` : "at once"}
            {step.condition ? `, if ${step.condition}` : ""}
            {step.always_run ? ", always runs" : ""}
            {step.on_error !== "continue" ? `, on error: ${step.on_error}` : ""}
          </span>
          {missing.length ? <span class="small finding-mark error">there is no step {missing.join(", ")}</span> : null}
          {step.description ? <span class="small">{step.description}</span> : null}
        </button>
      </li>
    );
  };
  return (
    <ol class="waves">
      {waves.map((wave, index) => (
        <li key={index}>
          <h3>{index === 0 ? "First" : "Then"}{wave.length > 1 ? ", side by side" : ""}</h3>
          <ul>{wave.map(item)}</ul>
        </li>
      ))}
      {stuck.length ? (
        <li>
          <h3 class="finding-mark error">Never: they wait for each other</h3>
          <ul>{stuck.map(item)}</ul>
        </li>
      ) : null}
    </ol>
  );
}
