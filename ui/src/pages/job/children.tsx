// The jobs of a step: the strip over all of them, and a table of those that are asked for.
import { useEffect, useRef } from "preact/hooks";
import { type ErrorFamily, isOver, type Job, type JobStatus, rowOf } from "../../api/types";
import { connection, store } from "../../live";
import { Chips } from "../../parts/chips";
import { useFetch, usePages } from "../../parts/fetching";
import { Icon } from "../../parts/icon";
import { useKeys } from "../../parts/keys";
import { copyText, Panel } from "../../parts/panel";
import { reasonWord, shownStatus, Status, STATUSES } from "../../parts/status";
import { type Column, DataTable } from "../../parts/table";
import { count, durationText, lasted, Time, useNow } from "../../parts/time";
import { listOf, numberOf, setQuery } from "../../router";
import { useFresh } from "./data";
import { isPossible } from "./deeds";
import type { Places } from "./heat";
import { Heat } from "./heat-strip";
import { carryOut } from "./perform";
import type { Looked } from "./types";

const PAGE = 100;
const MOST_WATCHED = 500;
const MOST_IN_LOG = 40;
const ORDERS = [
  ["failed_first", "failed first"],
  ["created", "in order"],
  ["slowest", "slowest first"],
] as const;

export function Children({ looked, query }: { looked: Looked; query: URLSearchParams }) {
  const { job, row, runRow } = looked;
  const now = useNow();
  const statuses = listOf(query, "status") as JobStatus[];
  const family = query.get("family");
  const first = numberOf(query, "from");
  const last = numberOf(query, "to");
  const places: Places | null = first !== null && last !== null ? { first, last } : null;
  const order = ORDERS.some(([name]) => name === query.get("order")) ? query.get("order")! : places || !row.counters.failed ? "created" : "failed_first";
  const pages = usePages<Job>(`/jobs/${job.id}/children`, { status: statuses, family, order, first_place: first, last_place: last, limit: PAGE });
  const families = useFetch<ErrorFamily[]>(row.counters.failed ? `/runs/${job.manager_id}/families` : null);
  const own = (families.data ?? []).filter((one) => one.steps.includes(job.name));
  // a longer list stays as it is: its rows are kept up to date one by one
  const mayReload = !isOver(row.status) && (pages.rows?.length ?? 0) <= PAGE;
  useFresh(mayReload ? `${row.counters.failed} ${row.counters.running} ${row.counters.total} ${row.status}` : row.status, pages.reload, 3000);
  useFresh(String(row.counters.failed), families.reload, 5000);

  const rows = pages.rows?.filter((one) => one.kind === "worker") ?? null;
  const watched = rows?.slice(0, MOST_WATCHED).filter((one) => !isOver(one.status)).map((one) => one.id) ?? [];
  useEffect(() => connection.watch(watched), [watched.join()]);
  useEffect(() => () => connection.watch([]), []);

  const box = useRef<HTMLDivElement>(null);
  const jump = (step: 1 | -1): void => {
    const links = [...(box.current?.querySelectorAll<HTMLElement>("a[data-failed]") ?? [])];
    if (!links.length) {
      if (row.counters.failed) setQuery({ order: "failed_first", status: null, from: null, to: null });
      return;
    }
    const at = links.indexOf(document.activeElement as HTMLElement);
    const next = links[at < 0 ? (step > 0 ? 0 : links.length - 1) : (at + step + links.length) % links.length]!;
    next.focus();
    next.scrollIntoView({ block: "center" });
  };
  useKeys({ n: () => jump(1), p: () => jump(-1), Escape: () => places && setQuery({ from: null, to: null }) });

  const live = (one: Job) => store.workers.get(one.id) ?? rowOf(one);
  const columns: Column<Job>[] = [
    {
      name: "job",
      head: "Job",
      cell: (one) => (
        <a href={`/jobs/${one.id}`} class="mono" data-failed={live(one).status === "failed" ? "" : undefined}>
          #{one.id}
        </a>
      ),
    },
    { name: "status", head: "Status", cell: (one) => <Status status={shownStatus(live(one))} reason={live(one).status_reason} /> },
    { name: "attempt", head: "Attempt", numeric: true, minor: true, cell: (one) => <span class={live(one).attempt > 1 ? "" : "dim"}>{live(one).attempt} / {one.max_attempts}</span> },
    {
      name: "took",
      head: "Took",
      numeric: true,
      cell: (one) => {
        const took = lasted(live(one), now);
        return <span class="nowrap">{took === null ? <span class="dim">–</span> : durationText(took)}</span>;
      },
    },
    { name: "started", head: "Started", minor: true, cell: (one) => <span class="nowrap"><Time at={live(one).started_at} /></span> },
    { name: "documents", head: "Documents", numeric: true, minor: true, cell: (one) => <span class={one.document_count ? "" : "dim"}>{count(one.document_count)}</span> },
    {
      name: "error",
      head: "Last error, or word",
      cell: (one) => {
        const text = one.error ? `${one.error.type}: ${one.error.message}` : live(one).message || (one.status_reason ? reasonWord(one.status_reason) : "");
        return (
          <span class={`one-line ${one.error ? "bad-text" : "dim"}`} title={text}>
            {text || "–"}
          </span>
        );
      },
    },
  ];

  const shown = STATUSES.filter((status) => row.counters[status] > 0 || statuses.includes(status));
  const hasFilter = statuses.length > 0 || family !== null || places !== null;
  const familyCount = own.find((one) => one.family === family)?.count;
  return (
    <>
      <Heat row={row} places={places} onSelect={(chosen) => setQuery({ from: chosen?.first ?? null, to: chosen?.last ?? null })} />
      <Panel
        title="Jobs"
        note={rows ? (pages.more || pages.loading ? `${count(rows.length)} shown` : count(rows.length)) : undefined}
        flush
        actions={
          <>
            <button type="button" class="button" disabled={!row.counters.failed} title="Next failed job (n; p for the one before)" onClick={() => jump(1)}>
              <Icon name="down" size={13} /> Next failed
            </button>
            <select class="field small" aria-label="Order of jobs" value={order} onChange={(event) => setQuery({ order: event.currentTarget.value })}>
              {ORDERS.map(([value, text]) => (
                <option key={value} value={value}>
                  {text}
                </option>
              ))}
            </select>
          </>
        }
      >
        <div class="child-filters">
          <Chips<JobStatus>
            label="Status of jobs"
            chosen={statuses}
            chips={shown.map((status) => ({ value: status, text: status, count: row.counters[status], class: `s-${status}` }))}
            onChange={(chosen) => setQuery({ status: chosen })}
          />
          {own.length ? (
            <select class="field small family-select" aria-label="Cause of the failure" value={family ?? ""} onChange={(event) => setQuery({ family: event.currentTarget.value })}>
              <option value="">all causes</option>
              {family !== null && !own.some((one) => one.family === family) ? <option value={family}>{family}</option> : null}
              {own.map((one) => (
                <option key={one.family} value={one.family}>
                  {count(one.count)} × {one.sample?.message ?? one.family}
                </option>
              ))}
            </select>
          ) : null}
          {hasFilter ? (
            <button type="button" class="link-button" onClick={() => setQuery({ status: null, family: null, from: null, to: null })}>
              Clear
            </button>
          ) : null}
        </div>
        {places || family ? (
          <div class="selection" role="status">
            {places ? (
              <strong>
                Jobs {count(places.first + 1)}–{count(Math.min(places.last + 1, Math.max(places.last, row.counters.total)))}
              </strong>
            ) : null}
            {places ? (
              <button type="button" class="link-button" onClick={() => setQuery({ status: ["failed"] })}>
                Only failed
              </button>
            ) : null}
            {rows?.length ? (
              <>
                <a class="link-button" href={`/jobs/${job.id}?tab=log&q=${encodeURIComponent(rows.slice(0, MOST_IN_LOG).map((one) => `worker:${one.id}`).join(" "))}`}>
                  Log of {rows.length > MOST_IN_LOG ? `the first ${MOST_IN_LOG}` : "these"}
                </a>
                <button type="button" class="link-button" onClick={() => void copyText(rows.map((one) => one.id).join("\n"), `${count(rows.length)} numbers`)}>
                  Copy numbers
                </button>
              </>
            ) : null}
            {family !== null && isPossible("retry-failed", runRow) ? (
              <button type="button" class="button" onClick={() => void carryOut("retry-failed", runRow, { family, jobs: familyCount })}>
                <Icon name="retry" size={13} /> Retry this family…
              </button>
            ) : null}
          </div>
        ) : null}
        <div ref={box}>
          <DataTable label="jobs" columns={columns} rows={rows} keyOf={(one) => one.id} reason={pages.reason} onRetry={pages.reload} empty={hasFilter ? "None fits the filter." : null} onMore={pages.more} />
        </div>
      </Panel>
    </>
  );
}
