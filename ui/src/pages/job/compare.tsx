// Two runs of one definition side by side: its text, each step, and what became of the documents.
import { useState } from "preact/hooks";
import { get, reasonOf } from "../../api/client";
import type { Job, Page } from "../../api/types";
import { useFetch } from "../../parts/fetching";
import { Panel } from "../../parts/panel";
import { Empty, Failed, Loading } from "../../parts/states";
import { shownStatus, Status } from "../../parts/status";
import { type Column, DataTable } from "../../parts/table";
import { absoluteTime, count, durationText, Time } from "../../parts/time";
import { numberOf, setQuery } from "../../router";
import { countDelta, diffLines, percentDelta, rateDelta, secondsDelta, type Tone, toneOf } from "./delta";
import type { Change, Comparison, JobDetail, RunSide, StepDelta, TracedDocument } from "./types";

const SLACK = 0.05;

export function Compare({ run, isOver, query }: { run: JobDetail; isOver: boolean; query: URLSearchParams }) {
  const runs = useFetch<Page<Job>>(run.definition_id === null ? null : "/runs", { definition: run.definition_id, limit: 100, with_child_runs: true });
  const others = runs.data?.items.filter((one) => one.id !== run.id) ?? [];
  const asked = numberOf(query, "with");
  const before = others.find((one) => one.id < run.id);
  const other = asked ?? run.rerun_of ?? before?.id ?? others[0]?.id ?? null;
  const { data, reason, loading, reload } = useFetch<Comparison>(other === null ? null : `/runs/${run.id}/compare/${other}`);
  if (run.definition_id === null) return <Empty title="It has no definition to compare by." />;
  if (!runs.data && other === null) return runs.reason ? <Failed reason={runs.reason} onRetry={runs.reload} /> : <Loading />;
  if (other === null) {
    return (
      <Panel title="Compare">
        <Empty title="There is no other run of this definition.">Run it once more to have something to compare with.</Empty>
      </Panel>
    );
  }
  return (
    <>
      <div class="compare-pick">
        <label>
          Compare #{run.id} with{" "}
          <select class="field" value={String(other)} onChange={(event) => setQuery({ with: event.currentTarget.value })}>
            {others.some((one) => one.id === other) ? null : <option value={String(other)}>#{other}</option>}
            {others.map((one) => (
              <option key={one.id} value={String(one.id)}>
                #{one.id}, {one.status}
                {one.id === run.rerun_of ? ", repeated by this one" : one.rerun_of === run.id ? ", repeats this one" : ""}, {absoluteTime(one.created_at).replace(/ \(.*/, "")}
              </option>
            ))}
          </select>
        </label>
        <a href={`/runs/${other}`}>Open #{other}</a>
        {isOver ? null : <span class="dim">This run is still under way: figures are so far.</span>}
      </div>
      {!data ? reason ? <Failed reason={reason} onRetry={reload} /> : <Loading what="Comparing" /> : null}
      {data ? (
        <div aria-busy={loading}>
          <Sides data={data} />
          <StepDeltas steps={data.steps} />
          <DefinitionDiff data={data} />
          <DocumentChanges key={`${data.old.run_id} ${data.new.run_id}`} data={data} />
        </div>
      ) : null}
    </>
  );
}

function Sides({ data }: { data: Comparison }) {
  const side = (name: string, one: RunSide) => (
    <div>
      <dt>{name}</dt>
      <dd>
        <a href={`/runs/${one.run_id}`}>#{one.run_id}</a> <Status status={shownStatus({ status: one.status, has_errors: one.has_errors, cancelling: false, paused: false, queued: false })} />
        <span class="dim">
          revision {one.revision}, {one.seconds === null ? "not ended" : durationText(one.seconds * 1000)}, <Time at={one.started_at} />
        </span>
      </dd>
    </div>
  );
  const seconds = data.old.seconds !== null && data.new.seconds !== null ? data.new.seconds - data.old.seconds : null;
  return (
    <dl class="panel sheet sides">
      {side("older", data.old)}
      {side("newer", data.new)}
      <div>
        <dt>newer minus older</dt>
        <dd>
          <Delta text={secondsDelta(seconds)} percent={percentDelta(data.old.seconds, data.new.seconds)} tone={toneOf(seconds, true, data.old.seconds, SLACK)} />
        </dd>
      </div>
    </dl>
  );
}

const SIGNS: Record<Tone, string> = { better: "better", worse: "worse", same: "" };

function Delta({ text, percent = "", tone }: { text: string; percent?: string; tone: Tone }) {
  return (
    <span class={`delta ${tone}`} title={SIGNS[tone]}>
      {text}
      {percent ? <span class="dim"> {percent}</span> : null}
      {tone === "same" ? null : <span class="delta-word"> {SIGNS[tone]}</span>}
    </span>
  );
}

function StepDeltas({ steps }: { steps: readonly StepDelta[] }) {
  const columns: Column<StepDelta>[] = [
    { name: "step", head: "Step", cell: (one) => <a href={`/jobs/${(one.new ?? one.old)!.step_id}`}>{one.name}</a> },
    {
      name: "status",
      head: "Older → newer",
      cell: (one) => (
        <span class="both">
          {one.old ? <Status status={one.old.status} reason={one.old.reused ? "reused" : null} /> : <span class="dim">not there</span>} <span aria-hidden="true">→</span>{" "}
          {one.new ? <Status status={one.new.status} reason={one.new.reused ? "reused" : null} /> : <span class="dim">not there</span>}
        </span>
      ),
    },
    {
      name: "seconds",
      head: "Time",
      numeric: true,
      cell: (one) => <Delta text={secondsDelta(one.seconds)} percent={percentDelta(one.old?.seconds, one.new?.seconds)} tone={one.old?.reused || one.new?.reused ? "same" : toneOf(one.seconds, true, one.old?.seconds ?? null, SLACK)} />,
    },
    { name: "rate", head: "Jobs/s", numeric: true, minor: true, cell: (one) => <Delta text={rateDelta(one.per_second)} percent={percentDelta(one.old?.per_second, one.new?.per_second)} tone={toneOf(one.per_second, false, one.old?.per_second ?? null, SLACK)} /> },
    { name: "total", head: "Jobs", numeric: true, minor: true, cell: (one) => <Delta text={countDelta(one.total)} tone="same" /> },
    { name: "failed", head: "Failed", numeric: true, cell: (one) => <Delta text={countDelta(one.failed)} tone={toneOf(one.failed, true)} /> },
    { name: "documents", head: "Documents", numeric: true, minor: true, cell: (one) => <Delta text={countDelta(one.documents)} tone="same" /> },
  ];
  return (
    <Panel title="Steps" note="newer minus older" flush>
      <DataTable label="steps" columns={columns} rows={steps} keyOf={(one) => one.name} />
    </Panel>
  );
}

function DefinitionDiff({ data }: { data: Comparison }) {
  const lines = diffLines(data.diff);
  return (
    <Panel title="Definition" note={data.same_definition || !lines.length ? "the same text" : `revision ${data.old.revision} → ${data.new.revision}`} flush={lines.length > 0}>
      {lines.length ? (
        <pre class="diff" tabIndex={0} role="region" aria-label="Difference of the definitions">
          {lines.map((line, index) => (
            <span key={index} class={`diff-${line.kind}`}>
              {line.text}
              {"\n"}
            </span>
          ))}
        </pre>
      ) : (
        <p class="dim">Both ran {data.definition_id}, revision {data.new.revision}.</p>
      )}
    </Panel>
  );
}

const CHANGES: readonly Change[] = ["added", "changed", "vanished", "unchanged"];

function DocumentChanges({ data }: { data: Comparison }) {
  const [shown, setShown] = useState<Change>(() => CHANGES.find((change) => data.documents[change] > 0) ?? "added");
  const [further, setFurther] = useState<Record<string, { items: TracedDocument[]; next: string | null }>>({});
  const [reason, setReason] = useState<string | null>(null);
  const page = further[shown] ?? data.listed.find((one) => one.change === shown) ?? { items: [], next: null };
  const more = async (): Promise<void> => {
    try {
      const found = await get<{ items: TracedDocument[]; next: string | null }>(`/runs/${data.old.run_id}/compare/${data.new.run_id}/documents/${shown}`, { cursor: page.next, limit: 100 });
      setFurther({ ...further, [shown]: { items: [...page.items, ...found.items], next: found.next } });
      setReason(null);
    } catch (error) {
      setReason(reasonOf(error));
    }
  };
  const columns: Column<TracedDocument>[] = [
    { name: "title", head: "Document", cell: (one) => <a href={`/documents/${encodeURIComponent(one.document_id)}`}>{one.title || one.source_id}</a> },
    { name: "source", head: "Source", minor: true, cell: (one) => <span class="mono one-line" title={one.source_id}>{one.source_type} {one.source_id}</span> },
    { name: "revision", head: "Revision", numeric: true, minor: true, cell: (one) => count(one.revision) },
    { name: "job", head: "Made by", cell: (one) => <a class="nowrap" href={`/jobs/${one.job_id}`}>#{one.job_id}, attempt {one.attempt}</a> },
    { name: "log", head: "Lines", cell: (one) => <a href={`/jobs/${one.job_id}?tab=log&job=${one.job_id}`}>log</a> },
  ];
  return (
    <Panel
      title="Documents"
      flush
      actions={
        <div class="segments words" role="group" aria-label="Which documents">
          {CHANGES.map((change) => (
            <button key={change} type="button" aria-pressed={shown === change} onClick={() => setShown(change)}>
              {change} {count(data.documents[change] ?? 0)}
            </button>
          ))}
        </div>
      }
    >
      <DataTable label={`documents ${shown}`} columns={columns} rows={page.items} keyOf={(one) => one.document_id} reason={reason} onRetry={() => void more()} onMore={page.next !== null ? () => void more() : null} />
    </Panel>
  );
}
