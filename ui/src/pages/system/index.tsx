// How the installation stands: is it healthy, what did it do, how large is it.
import { useEffect, useRef, useState } from "preact/hooks";
import { connection, store, useLive } from "../../live";
import { useFetch } from "../../parts/fetching";
import { Pairs, Panel } from "../../parts/panel";
import { Failed, Loading, Partial } from "../../parts/states";
import { StatusIcon } from "../../parts/status";
import { DataTable } from "../../parts/table";
import { absoluteTime, clockTime, count, durationText, Time, timeZone, useNow } from "../../parts/time";
import { setQuery } from "../../router";
import type { PageProps } from "../../router";
import { useFresh } from "../job/data";
import { type Activity, chartOf, sizeText, STACK, type StorageFacts } from "./figures";
import "./system.css";

const ANEW_MS = 10_000;

export default function System({ query }: PageProps) {
  useLive();
  const now = useNow();
  const turn = String(Math.floor(now / ANEW_MS));
  const facts = useFetch<StorageFacts>("/system");
  const health = useFetch<{ status: string; process_id: number }>("/health");
  useFresh(turn, facts.reload, ANEW_MS);
  useFresh(turn, health.reload, ANEW_MS);
  return (
    <div class="page">
      <div class="page-head">
        <h1>System</h1>
      </div>
      {facts.data && facts.reason ? <Partial onRetry={facts.reload}>Not up to date: {facts.reason} </Partial> : null}
      <Health facts={facts.data} status={health.data?.status ?? null} reason={health.reason} />
      <ActivityPanel query={query} turn={turn} />
      <Storage facts={facts.data} reason={facts.reason} onRetry={facts.reload} />
      <LiveFacts now={now} />
    </div>
  );
}

function Health({ facts, status, reason }: { facts: StorageFacts | null; status: string | null; reason: string | null }) {
  const isWell = status === "ok" && reason === null;
  const drift = facts?.drift ?? null;
  const alive = store.nodes.filter((node) => node.alive);
  const executing = alive.filter((node) => node.slots > 0);
  return (
    <dl class="health">
      <Tile name="Server" good={status === null && reason === null ? null : isWell} value={isWell ? "well" : reason ? "in trouble" : "…"} note={reason ?? (isWell ? "does its work" : "")} />
      <Tile
        name="Drift of counters"
        good={drift === null ? null : drift === 0}
        value={drift === null ? "…" : count(drift)}
        note={drift === null ? "" : drift === 0 ? (facts!.audited_at ? <>as it must be; recounted <Time at={facts!.audited_at} /></> : "as it must be; not recounted yet") : "must be 0: please report it, with the log lines auditor.drift"}
      />
      <Tile name="Processes" good={store.has("queue") ? executing.length > 0 : null} value={store.has("queue") ? count(alive.length) : "…"} note={executing.length ? <a href="/workers">{count(executing.reduce((sum, node) => sum + node.slots, 0))} slots</a> : store.has("queue") ? "nobody executes jobs" : ""} />
      <Tile
        name="Oldest transaction"
        good={!facts || (facts.backend === "sqlite" && facts.oldest_transaction_s === null) ? null : (facts.oldest_transaction_s ?? 0) < 60}
        value={!facts ? "…" : facts.oldest_transaction_s === null ? (facts.backend === "sqlite" ? "–" : "none") : durationText(facts.oldest_transaction_s * 1000)}
        note={facts?.backend === "sqlite" ? "SQLite keeps no count" : "an old one keeps space from being used again"}
      />
    </dl>
  );
}

function Tile({ name, value, note, good }: { name: string; value: string; note: preact.ComponentChildren; good: boolean | null }) {
  return (
    <div class={`panel tile ${good === false ? "bad" : ""}`}>
      <dt>
        {good === null ? null : <StatusIcon status={good ? "completed" : "failed"} />} {name}
      </dt>
      <dd>
        <strong>{value}</strong>
        <span class="dim">{note}</span>
      </dd>
    </div>
  );
}

const SPANS = [
  ["1", "hour", 30],
  ["24", "day", 48],
  ["168", "week", 56],
  ["720", "month", 60],
] as const;

function ActivityPanel({ query, turn }: { query: URLSearchParams; turn: string }) {
  const span = SPANS.find(([hours]) => hours === query.get("hours")) ?? SPANS[1];
  const asTable = query.get("as") === "table";
  const { data, reason, reload } = useFetch<{ activity: Activity[] }>("/statistics", { hours: span[0], buckets: span[2] });
  useFresh(turn, reload, ANEW_MS);
  const activity = data?.activity ?? null;
  const present = STACK.filter((status) => activity?.some((one) => one.counts[status]));
  return (
    <Panel
      title="Activity"
      note="runs by the time they began"
      flush={asTable}
      actions={
        <>
          <div class="segments words" role="group" aria-label="Span">
            {SPANS.map(([hours, text]) => (
              <button key={hours} type="button" aria-pressed={hours === span[0]} onClick={() => setQuery({ hours: hours === "24" ? null : hours })}>
                {text}
              </button>
            ))}
          </div>
          <div class="segments words" role="group" aria-label="Shown as">
            <button type="button" aria-pressed={!asTable} onClick={() => setQuery({ as: null })}>
              chart
            </button>
            <button type="button" aria-pressed={asTable} onClick={() => setQuery({ as: "table" })}>
              table
            </button>
          </div>
        </>
      }
    >
      {!activity ? (
        reason ? <Failed reason={reason} onRetry={reload} /> : <Loading />
      ) : asTable ? (
        <DataTable
          label="spans with runs"
          keyOf={(one) => one.at}
          rows={[...activity].reverse().filter((one) => Object.values(one.counts).some(Boolean))}
          columns={[
            { name: "at", head: "From", cell: (one) => absoluteTime(one.at) },
            { name: "all", head: "Runs", numeric: true, cell: (one) => count(Object.values(one.counts).reduce((sum, n) => sum + n, 0)) },
            ...present.map((status) => ({ name: status, head: status, numeric: true, cell: (one: Activity) => (one.counts[status] ? count(one.counts[status]) : <span class="dim">0</span>) })),
          ]}
          empty="Nothing began in this span."
        />
      ) : (
        <>
          <ActivityChart activity={activity} hours={Number(span[0])} />
          <ul class="legend" aria-label="Colours">
            {present.map((status) => (
              <li key={status}>
                <i class={`swatch a-${status}`} aria-hidden="true" />
                <StatusIcon status={status} /> {status}
              </li>
            ))}
            {present.length ? null : <li>Nothing began in this span.</li>}
          </ul>
        </>
      )}
    </Panel>
  );
}

const HEIGHT = 130;
const LEFT = 34;

function ActivityChart({ activity, hours }: { activity: readonly Activity[]; hours: number }) {
  const box = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(600);
  useEffect(() => {
    const observer = new ResizeObserver(() => setWidth(Math.max(200, box.current!.clientWidth)));
    observer.observe(box.current!);
    return () => observer.disconnect();
  }, []);
  const chart = chartOf(activity, width - LEFT, HEIGHT);
  const total = chart.bars.reduce((sum, bar) => sum + bar.total, 0);
  const every = Math.max(1, Math.ceil(activity.length / Math.max(2, Math.floor((width - LEFT) / 100))));
  const label = (at: string): string => (hours <= 24 ? clockTime(at).slice(0, 5) : new Date(at).toLocaleDateString(undefined, { day: "numeric", month: "short" }));
  return (
    <div ref={box} class="chart">
      <svg width={width} height={HEIGHT + 26} role="img" aria-label={`${count(total)} runs began in the ${hours === 1 ? "last hour" : `last ${hours} hours`}; the table has the numbers`}>
        {chart.marks.map((mark) => {
          const y = 4 + HEIGHT - (mark / chart.top) * HEIGHT;
          return (
            <g key={mark}>
              <line x1={LEFT} x2={width} y1={y} y2={y} class="chart-line" />
              <text x={LEFT - 6} y={y + 4} text-anchor="end" class="chart-text">
                {count(mark)}
              </text>
            </g>
          );
        })}
        {chart.bars.map((bar, index) => (
          <g key={bar.at}>
            {bar.segments.map((segment) => (
              <rect key={segment.status} x={LEFT + bar.x} y={4 + segment.y} width={bar.width} height={segment.height} class={`a-${segment.status}`} />
            ))}
            <rect x={LEFT + bar.x} y={4} width={bar.width} height={HEIGHT} class="chart-hit">
              <title>{`${absoluteTime(bar.at)}: ${bar.total ? bar.segments.map((one) => `${count(one.count)} ${one.status}`).join(", ") : "none"}`}</title>
            </rect>
            {index % every === 0 ? (
              <text x={LEFT + bar.x} y={HEIGHT + 20} class="chart-text">
                {label(bar.at)}
              </text>
            ) : null}
          </g>
        ))}
      </svg>
    </div>
  );
}

function Storage({ facts, reason, onRetry }: { facts: StorageFacts | null; reason: string | null; onRetry: () => void }) {
  if (!facts) return <Panel title="Storage">{reason ? <Failed reason={reason} onRetry={onRetry} /> : <Loading />}</Panel>;
  const days = [...facts.log_days].sort();
  return (
    <Panel title="Storage" note={`${facts.backend === "sqlite" ? "SQLite" : "PostgreSQL"} ${facts.server_version}`}>
      <Pairs
        pairs={[
          ["database", <span class="mono">{facts.database}</span>],
          ["size", sizeText(facts.size)],
          facts.free !== null && ["of it free", `${sizeText(facts.free)}${facts.size ? `, ${Math.round((100 * facts.free) / facts.size)} %` : ""}`],
          facts.wal_size !== null && ["write-ahead log", sizeText(facts.wal_size)],
          ["log lines", sizeText(facts.logs_size)],
          ["days of log lines", days.length ? `${count(days.length)}, from ${days[0]}` : "none"],
          ["schema", count(facts.schema)],
          ...Object.entries(facts.rows).map(([name, n]) => [`${name.replaceAll("_", " ")}, about`, count(n)] as const),
          ["counters recounted", facts.audited_at ? <Time at={facts.audited_at} /> : "not yet"],
          ["drift found", facts.drift === 0 ? "0, as it must be" : <strong class="bad-text">{count(facts.drift)}: must be 0</strong>],
        ]}
      />
    </Panel>
  );
}

const LINKS = { live: "live", connecting: "connecting", stale: "stale", lost: "lost, reconnecting" } as const;

function LiveFacts({ now }: { now: number }) {
  const { link, lastFrameAt } = connection;
  const ours = now - store.clockSkew;
  const skew = Math.round(store.clockSkew / 100) / 10;
  let lines = 0;
  for (const log of store.logs.values()) lines += log.items.length;
  return (
    <Panel title="Live connection of this page">
      <Pairs
        pairs={[
          ["state", LINKS[link]],
          ["last word of the server", lastFrameAt === null ? "none yet" : `${durationText(Math.max(0, ours - lastFrameAt))} ago`],
          ["server", store.serverVersion || "–"],
          ["subscribed to", [...store.seqs].map(([topic, seq]) => `${topic} at ${count(seq)}`).join(", ") || "nothing yet"],
          ["held", `${count(store.rows.size)} runs and steps, ${count(store.workers.size)} jobs, ${count(lines)} log lines`],
          ["clock of the server", Math.abs(skew) < 1 ? "as here" : `${skew > 0 ? "ahead" : "behind"} by ${Math.abs(skew)} s`],
          ["time zone of this page", timeZone()],
          connection.refusal !== null && ["refused", connection.refusal],
        ]}
      />
    </Panel>
  );
}
