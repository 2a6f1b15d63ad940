// The queue: every run with its steps and worker jobs, live, and the log beside it.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { type JobStatus, isOver, type Row } from "../../api/types";
import { connection, store, useLive, useRestart } from "../../live";
import { Chips } from "../../parts/chips";
import { Icon } from "../../parts/icon";
import { Menu } from "../../parts/menu";
import { Split } from "../../parts/split";
import { Empty, Loading, Partial } from "../../parts/states";
import { STATUSES } from "../../parts/status";
import { recall, remember } from "../../parts/taste";
import { count } from "../../parts/time";
import { listOf, navigate, numberOf, setQuery } from "../../router";
import type { PageProps } from "../../router";
import { settle } from "./commands";
import { Inspector } from "./inspector";
import { LogPane } from "./log-pane";
import { type Cursor, fits, QueueModel, type RunFilter } from "./model";
import { Timeline } from "./timeline";
import { Tree } from "./tree";
import "./queue.css";

const LIVE_RUNS = 100;
const model = new QueueModel();

export default function Queue({ query }: PageProps) {
  useLive();
  settle();
  const runId = numberOf(query, "run");
  const isTimeline = query.get("view") === "timeline";
  const [narrowPane, setNarrowPane] = useState<"tree" | "log">("tree");
  const filter = useMemo<RunFilter>(
    () => ({ statuses: listOf(query, "status"), definition: query.get("definition"), since: query.get("since"), text: query.get("find") ?? "" }),
    [query.get("status"), query.get("definition"), query.get("since"), query.get("find")],
  );
  const hasFilter = filter.statuses.length > 0 || filter.definition !== null || filter.since !== null || filter.text !== "";

  const all = store.roots();
  const now = store.now();
  const roots = hasFilter ? all.filter((id) => fits(store.rows.get(id)!, filter, now)) : all;
  const olderOf = model.older.key === JSON.stringify(filter) ? model.older : null;
  const more = hasFilter ? !olderOf?.started || olderOf.next !== null : all.length >= LIVE_RUNS && (!olderOf?.started || olderOf.next !== null);
  model.build(roots, more);
  useEffect(() => {
    if (hasFilter) void model.loadOlder(filter);
  }, [filter]);
  useRestart(useRef(() => model.workers.clear()).current);

  const first = roots.find((id) => store.rows.get(id)!.status === "running") ?? roots[0];
  const selected = store.rows.get(runId ?? first ?? -1) ?? null;
  const placed = useRef<number | null>(null);
  if (selected && placed.current !== selected.id && (model.cursor === null || runId !== null)) {
    placed.current = selected.id;
    if (model.rowOf(model.cursor)?.manager_id !== selected.id) model.cursor = { kind: "row", id: selected.id };
  }
  const select = (cursor: Cursor): void => {
    const row = model.rowOf(cursor) ?? (cursor.kind === "worker" ? store.rows.get(cursor.step) : null);
    if (!row) return;
    const isWorker = row.kind === "worker";
    setQuery({ run: row.kind === "manager" ? row.id : row.manager_id, step: row.kind === "step" ? row.name : null, job: isWorker ? row.id : null, line: null });
  };

  const isWaiting = !store.has("queue") && all.length === 0;
  const treePane = isWaiting ? (
    <Loading what={connection.link === "live" ? "Loading the queue" : "Connecting"} />
  ) : roots.length === 0 && !olderOf?.loading ? (
    hasFilter ? (
      <Empty title="No run fits the filter.">
        <button type="button" class="button" onClick={() => setQuery({ status: null, definition: null, since: null, find: null })}>
          Clear the filter
        </button>
      </Empty>
    ) : (
      <Empty title="Nothing has run yet.">
        Run a definition from <a href="/definitions">Definitions</a>, or with <code>quaero run FILE</code>.
      </Empty>
    )
  ) : isTimeline && selected ? (
    <Timeline run={selected} />
  ) : (
    <Tree model={model} select={select} onMore={() => void model.loadOlder(filter)} />
  );

  return (
    <div class={`queue show-${narrowPane}`}>
      <div class="queue-head">
        <h1>Queue</h1>
        <Totals />
        <span class="grow" />
        <div class="segments words" role="group" aria-label="View">
          <button type="button" aria-pressed={!isTimeline} onClick={() => setQuery({ view: null })}>
            Tree
          </button>
          <button type="button" aria-pressed={isTimeline} onClick={() => setQuery({ view: "timeline" })}>
            Timeline
          </button>
        </div>
        <div class="segments words narrow-only" role="group" aria-label="Pane">
          <button type="button" aria-pressed={narrowPane === "tree"} onClick={() => setNarrowPane("tree")}>
            Runs
          </button>
          <button type="button" aria-pressed={narrowPane === "log"} onClick={() => setNarrowPane("log")}>
            Log
          </button>
        </div>
      </div>
      <Split
        name="queue"
        label="Width of the tree"
        initial={52}
        first={
          <>
            <RunFilters filter={filter} all={all} hasFilter={hasFilter} />
            {olderOf?.reason ? <Partial
                onRetry={() => {
                  model.older.failedAt = 0;
                  void model.loadOlder(filter);
                }}
              >Older runs are missing: {olderOf.reason} </Partial> : null}
            {runId !== null && !selected && !isWaiting ? <Partial>Run #{runId} is not in the list. <a href={`/runs/${runId}`}>Open it</a></Partial> : null}
            <div class="tree-box">{treePane}</div>
            <Inspector model={model} row={model.rowOf(model.cursor) ?? selected} filter={filter} />
          </>
        }
        second={selected ? <LogPane key={selected.id} run={selected} query={query} /> : <Empty title="No run selected.">Its log appears here.</Empty>}
      />
    </div>
  );
}

/** What the whole queue has to do and how fast it gets on. */
function Totals() {
  const samples = useRef<{ at: number; done: Map<number, number> }[]>([]).current;
  let runs = 0;
  let running = 0;
  let pending = 0;
  const done = new Map<number, number>();
  for (const row of store.rows.values()) {
    if (row.kind !== "manager") continue;
    done.set(row.id, row.counters.completed + row.counters.failed);
    if (isOver(row.status)) continue;
    runs++;
    running += row.counters.running;
    pending += row.counters.pending;
  }
  const now = Date.now();
  if (!samples.length || now - samples.at(-1)!.at >= 1000) samples.push({ at: now, done });
  while (samples.length > 11) samples.shift();
  const oldest = samples[0]!;
  let ended = 0;
  for (const [id, before] of oldest.done) ended += Math.max(0, (done.get(id) ?? before) - before);
  const perSecond = now - oldest.at >= 3000 ? (ended * 1000) / (now - oldest.at) : null;
  const slots = store.nodes.filter((node) => node.alive).reduce((sum, node) => sum + node.slots, 0);
  return (
    <dl class="totals">
      <Total text={runs === 1 ? "open run" : "open runs"} value={count(runs)} />
      <Total text={slots ? `of ${count(slots)} slots busy` : "running"} value={count(running)} />
      <Total text="pending" value={count(pending)} />
      {perSecond === null ? null : <Total text="jobs/s" value={perSecond >= 10 ? count(Math.round(perSecond)) : perSecond.toFixed(1)} />}
    </dl>
  );
}

function Total({ text, value }: { text: string; value: string }) {
  return (
    <div>
      <dd>{value}</dd>
      <dt>{text}</dt>
    </div>
  );
}

const SINCE = [
  ["", "any time"],
  ["1h", "last hour"],
  ["24h", "last 24 hours"],
  ["7d", "last 7 days"],
  ["30d", "last 30 days"],
] as const;

function RunFilters({ filter, all, hasFilter }: { filter: RunFilter; all: readonly number[]; hasFilter: boolean }) {
  const rows = all.map((id) => store.rows.get(id)!) as Row[];
  const definitions = [...new Set(rows.map((row) => row.definition_id).filter((id): id is string => Boolean(id)))].sort();
  if (filter.definition && !definitions.includes(filter.definition)) definitions.unshift(filter.definition);
  const counts = new Map<string, number>();
  for (const row of rows) counts.set(row.status, (counts.get(row.status) ?? 0) + 1);
  const shown = STATUSES.filter((status) => status !== "skipped" && (counts.has(status) || filter.statuses.includes(status)));
  return (
    <div class="filters" role="search" aria-label="Which runs">
      <input type="search" class="field" placeholder="Find a run" aria-label="Find a run by name, definition or number" value={filter.text} onInput={(event) => setQuery({ find: event.currentTarget.value })} />
      <select class="field" aria-label="Definition" value={filter.definition ?? ""} onChange={(event) => setQuery({ definition: event.currentTarget.value })}>
        <option value="">all definitions</option>
        {definitions.map((id) => (
          <option key={id}>{id}</option>
        ))}
      </select>
      <select class="field" aria-label="Created" value={filter.since ?? ""} onChange={(event) => setQuery({ since: event.currentTarget.value })}>
        {SINCE.map(([value, text]) => (
          <option key={value} value={value}>
            {text}
          </option>
        ))}
      </select>
      <SavedFilters hasFilter={hasFilter} />
      <Chips<JobStatus>
        label="Status of runs"
        chosen={filter.statuses as JobStatus[]}
        chips={shown.map((status) => ({ value: status, text: status, count: counts.get(status) ?? 0, class: `s-${status}` }))}
        onChange={(chosen) => setQuery({ status: chosen })}
      />
    </div>
  );
}

const FILTER_KEYS = ["status", "definition", "since", "find"];

/** Filters under a name, kept in this browser. */
function SavedFilters({ hasFilter }: { hasFilter: boolean }) {
  const [saved, setSaved] = useState<{ name: string; query: string }[]>(() => JSON.parse(recall("queue.filters") ?? "[]"));
  const keep = (next: { name: string; query: string }[]): void => {
    setSaved(next);
    remember("queue.filters", next.length ? JSON.stringify(next) : null);
  };
  const current = new URLSearchParams(location.search);
  for (const key of [...current.keys()]) if (!FILTER_KEYS.includes(key)) current.delete(key);
  const text = current.toString();
  const known = saved.find((one) => one.query === text);
  const name = [...current.values()].join(" · ");
  if (!hasFilter && saved.length === 0) return null;
  return (
    <>
      <Menu
        label="Saved filters"
        text="Saved"
        entries={[
          ...saved.map((one) => ({ text: one.name, icon: "chevron" as const, run: () => void navigate(`/?${one.query}`) })),
          ...(hasFilter && !known ? [{ text: `Save “${name}”`, icon: "check" as const, run: () => keep([...saved, { name, query: text }]) }] : []),
          ...(known ? [{ text: `Forget “${known.name}”`, icon: "trash" as const, run: () => keep(saved.filter((one) => one !== known)) }] : []),
        ]}
      />
      {hasFilter ? (
        <button type="button" class="icon-button" aria-label="Clear the filter" title="Clear the filter" onClick={() => setQuery({ status: null, definition: null, since: null, find: null })}>
          <Icon name="close" size={13} />
        </button>
      ) : null}
    </>
  );
}
