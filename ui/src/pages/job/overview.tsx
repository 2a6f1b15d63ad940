// The first thing to see of a run, a step or a worker job.
import { isOver, type Job, type JobError, type Page, type Row, rowOf } from "../../api/types";
import { store } from "../../live";
import { useFetch } from "../../parts/fetching";
import { Code, Pairs, Panel } from "../../parts/panel";
import { ProgressBar } from "../../parts/progress";
import { Empty } from "../../parts/states";
import { shownStatus, Status } from "../../parts/status";
import { type Column, DataTable } from "../../parts/table";
import { count, durationText, lasted, Time, useNow } from "../../parts/time";
import { Attempts } from "./attempts";
import { Children } from "./children";
import { markOf } from "./data";
import { isPossible } from "./deeds";
import { carryOut } from "./perform";
import type { Looked } from "./types";
import { WhyPanel } from "./why-panel";

export function RunOverview({ looked }: { looked: Looked }) {
  const { job, row, run } = looked;
  return (
    <>
      {isOver(row.status) ? null : <WhyPanel id={job.id} mark={markOf(row)} />}
      {job.error ? <ErrorPanel error={job.error} title="Why it failed" /> : null}
      <Steps run={run} />
      <ChildRuns steps={run.steps ?? []} runId={job.id} />
      <Panel title="Facts">
        <Pairs
          pairs={[
            ["created", <Time at={job.created_at} />],
            ["started", <Time at={job.started_at} />],
            ["ended", <Time at={job.finished_at} />],
            ["priority", count(job.priority)],
            job.definition_id !== null && ["definition", <a href={`/definitions/${encodeURIComponent(job.definition_id)}${job.revision ? `?revision=${job.revision}` : ""}`}>{job.definition_id}{job.revision ? `, revision ${job.revision}` : ""}</a>],
            job.cancel_requested_at !== null && ["told to stop", <Time at={job.cancel_requested_at} />],
            row.paused && ["paused", <Time at={job.paused_at} />],
            job.parent_id !== null && ["started by", <a href={`/jobs/${job.parent_id}`}>job #{job.parent_id}</a>],
            job.rerun_of !== null && ["repeats", <><a href={`/runs/${job.rerun_of}`}>#{job.rerun_of}</a> · <a href={`/runs/${job.id}?tab=compare&with=${job.rerun_of}`}>compare</a></>],
            ["repeated by", <RepeatedBy job={job} />],
          ]}
        />
      </Panel>
    </>
  );
}

/** Runs of the same definition that took over from this one, among the newest. */
function RepeatedBy({ job }: { job: Job }) {
  const { data } = useFetch<Page<Job>>(job.definition_id === null ? null : "/runs", { definition: job.definition_id, limit: 100 });
  const found = data?.items.filter((one) => one.rerun_of === job.id) ?? [];
  if (!found.length) return <span class="dim">–</span>;
  return (
    <>
      {found.slice(0, 6).map((one, index) => (
        <span key={one.id}>
          {index ? ", " : ""}
          <a href={`/runs/${one.id}`}>#{one.id}</a>
        </span>
      ))}
    </>
  );
}

function Steps({ run }: { run: Looked["run"] }) {
  const now = useNow();
  const steps = (run.steps ?? []).map((step) => ({ step, row: store.rows.get(step.id) ?? rowOf(step) }));
  const columns: Column<(typeof steps)[number]>[] = [
    { name: "step", head: "Step", cell: ({ step }) => <a href={`/jobs/${step.id}`}>{step.name}</a> },
    { name: "status", head: "Status", cell: ({ row }) => <Status status={shownStatus(row)} reason={row.status_reason} /> },
    { name: "progress", head: "Progress", minor: true, cell: ({ row, step }) => (row.counters.total ? <div class="cell-bar"><ProgressBar counters={row.counters} label={`Progress of ${step.name}`} /></div> : <span class="dim">–</span>) },
    { name: "done", head: "Done", numeric: true, cell: ({ row }) => (row.counters.total ? <span class="nowrap">{count(row.counters.total - row.counters.pending - row.counters.running)} / {count(row.counters.total)}</span> : <span class="dim">–</span>) },
    { name: "failed", head: "Failed", numeric: true, cell: ({ row }) => (row.counters.failed ? <a class="bad-text" href={`/jobs/${row.id}?status=failed`}>{count(row.counters.failed)}</a> : <span class="dim">0</span>) },
    { name: "retried", head: "Retried", numeric: true, minor: true, cell: ({ row }) => <span class={row.counters.retried ? "" : "dim"}>{count(row.counters.retried)}</span> },
    { name: "documents", head: "Documents", numeric: true, minor: true, cell: ({ row }) => <span class={row.documents ? "" : "dim"}>{count(row.documents)}</span> },
    { name: "took", head: "Took", numeric: true, cell: ({ row }) => <Took row={row} now={now} /> },
    { name: "type", head: "Type", minor: true, cell: ({ step }) => <a href={`/workers?tab=types&type=${encodeURIComponent(step.worker_type ?? "")}`}>{step.worker_type}</a> },
  ];
  return (
    <Panel title="Steps" note={`${count(steps.length)}, in the order of the file`} flush>
      <DataTable label="steps" columns={columns} rows={steps} keyOf={({ step }) => step.id} />
    </Panel>
  );
}

function Took({ row, now }: { row: Row; now: number }) {
  const took = lasted(row, now);
  return <span class="nowrap">{took === null ? <span class="dim">–</span> : durationText(took)}</span>;
}

function ChildRuns({ steps, runId }: { steps: readonly Job[]; runId: number }) {
  const now = useNow();
  const ids = [...new Set([...store.childrenOf(runId), ...steps.flatMap((step) => [...store.childrenOf(step.id)])])];
  const runs = ids.map((id) => store.rows.get(id)).filter((row): row is Row => row?.kind === "manager" && row.id !== runId);
  if (!runs.length) return null;
  const columns: Column<Row>[] = [
    { name: "run", head: "Run", cell: (row) => <a href={`/runs/${row.id}`}>{row.name} #{row.id}</a> },
    { name: "status", head: "Status", cell: (row) => <Status status={shownStatus(row)} reason={row.status_reason} /> },
    { name: "jobs", head: "Jobs", numeric: true, cell: (row) => count(row.counters.total) },
    { name: "failed", head: "Failed", numeric: true, cell: (row) => count(row.counters.failed) },
    { name: "took", head: "Took", numeric: true, cell: (row) => <Took row={row} now={now} /> },
  ];
  return (
    <Panel title="Runs that it started" note={count(runs.length)} flush>
      <DataTable label="child runs" columns={columns} rows={runs} keyOf={(row) => row.id} />
    </Panel>
  );
}

export function ErrorPanel({ error, title }: { error: JobError; title: string }) {
  return (
    <Panel title={title} note={error.family ? <span title="Errors of one cause are one family">family: {error.family}</span> : null}>
      <p class="error-text">
        <strong>{error.type}</strong>: {error.message}
      </p>
      {error.traceback ? (
        <details class="trace">
          <summary>Traceback</summary>
          <Code text={error.traceback} label="Traceback" />
        </details>
      ) : null}
    </Panel>
  );
}

export function StepOverview({ looked, query }: { looked: Looked; query: URLSearchParams }) {
  const { job, row } = looked;
  return (
    <>
      {isOver(row.status) ? null : <WhyPanel id={job.id} mark={markOf(row)} />}
      {job.error ? <ErrorPanel error={job.error} title="Why it failed" /> : null}
      {row.counters.total > 0 ? (
        <Children looked={looked} query={query} />
      ) : (
        <Panel title="Jobs">
          <Empty title={row.status === "pending" ? "Its jobs are not planned yet." : isOver(row.status) ? "It had no jobs." : "Its jobs are being planned."} />
        </Panel>
      )}
    </>
  );
}

export function JobOverview({ looked }: { looked: Looked }) {
  const { job, row, runRow } = looked;
  const family = job.error?.family ?? null;
  const result = Object.entries(job.result ?? {}).filter(([, value]) => !(Array.isArray(value) && value.length === 0));
  return (
    <>
      {row.status === "pending" ? <WhyPanel id={job.id} mark={markOf(row)} always /> : null}
      {job.error ? <ErrorPanel error={job.error} title={row.status === "failed" ? "Why it failed" : "Last error"} /> : null}
      {family !== null && row.status === "failed" && isPossible("retry-failed", runRow) ? (
        <p class="hint">
          <button type="button" class="button" onClick={() => void carryOut("retry-failed", runRow, { family })}>
            Retry all jobs with this error…
          </button>
          <a href={`/jobs/${job.step_id}?family=${encodeURIComponent(family)}`}>Show them</a>
        </p>
      ) : null}
      <Attempts looked={looked} />
      <div class="columns">
        <Panel title="Inputs" note="the payload; placeholders of secrets stay placeholders">
          {Object.keys(job.config).length ? <Code text={JSON.stringify(job.config, null, 2)} label="Payload" /> : <p class="dim">It has none.</p>}
        </Panel>
        <Panel title="Result">
          <Results entries={result} />
        </Panel>
      </div>
      <Panel title="Facts">
        <Pairs
          pairs={[
            ["created", <Time at={job.created_at} />],
            ["may start", <Time at={job.available_at} />],
            ["started", <Time at={row.started_at} />],
            ["ended", <Time at={row.finished_at} />],
            ["failed attempts", count(job.failures)],
            ["lost attempts", <span title="Its process was gone or stopped while it held the job">{count(job.rescues)}</span>],
            ["priority", count(job.priority)],
            row.claimed_by !== null && ["held by", <a href="/workers">process {row.claimed_by}</a>],
            job.spawned_by !== null && ["made by", <a href={`/jobs/${job.spawned_by}`}>#{job.spawned_by}</a>],
            job.depth > 0 && ["generations from the plan", count(job.depth)],
          ]}
        />
      </Panel>
    </>
  );
}

function Results({ entries }: { entries: [string, unknown][] }) {
  if (!entries.length) return <p class="dim">Nothing was handed in.</p>;
  return (
    <Pairs
      wide
      pairs={entries.map(([name, value]) => [
        name.replaceAll("_", " "),
        name === "document_ids" && Array.isArray(value) ? (
          <ul class="id-list">
            {value.map((id) => (
              <li key={String(id)}>
                <a href={`/documents/${encodeURIComponent(String(id))}`}>{String(id)}</a>
              </li>
            ))}
          </ul>
        ) : (
          <code>{typeof value === "string" ? value : JSON.stringify(value)}</code>
        ),
      ])}
    />
  );
}
