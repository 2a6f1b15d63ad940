// The steps of a run, and their slowest worker jobs, on a common axis of time.
import type { Row, StepSpan } from "../../api/types";
import { store, useLive } from "../../live";
import { useFetch } from "../../parts/fetching";
import { Empty, Failed, Loading } from "../../parts/states";
import { shownStatus, StatusIcon, statusWord } from "../../parts/status";
import { absoluteTime, clockTime, durationText, lasted, useNow } from "../../parts/time";

type Bar = Pick<Row, "id" | "name" | "status" | "started_at" | "finished_at">;

export function Timeline({ run }: { run: Row }) {
  useLive();
  const now = useNow();
  const isOpen = run.finished_at === null;
  const turn = isOpen ? Math.floor(now / 10_000) : 0;
  const { data, reason, reload } = useFetch<{ items: StepSpan[] } | StepSpan[]>(`/runs/${run.id}/timeline`, {}, turn);
  const spans = Array.isArray(data) ? data : data?.items;
  if (!spans) return reason ? <Failed reason={reason} onRetry={reload} /> : <Loading />;

  const start = Date.parse(run.started_at ?? run.created_at);
  const end = Math.max(start + 1, run.finished_at ? Date.parse(run.finished_at) : now);
  const rows: { bar: Bar; depth: number }[] = [];
  for (const span of spans) {
    const live = store.rows.get(span.job_id);
    rows.push({ bar: live ?? { ...span, id: span.job_id }, depth: 0 });
    for (const job of span.slowest) rows.push({ bar: job, depth: 1 });
  }
  if (rows.length === 0) return <Empty title="No steps yet." />;
  const ticks = ticksFor(end - start);
  const place = (at: number): string => `${Math.max(0, Math.min(100, (100 * (at - start)) / (end - start)))}%`;

  return (
    <div class="timeline" role="group" aria-label={`Timeline of ${run.name}`}>
      <div class="timeline-row axis" aria-hidden="true">
        <span class="timeline-name dim"><span title={absoluteTime(start)}>from {clockTime(start)}</span></span>
        <span class="timeline-track">
          {ticks.map((tick) => (
            <span key={tick} class="tick" style={{ left: place(start + tick) }}>
              {durationText(tick)}
            </span>
          ))}
        </span>
      </div>
      <ul>
        {rows.map(({ bar, depth }) => {
          const took = lasted(bar, now);
          const from = bar.started_at ? Date.parse(bar.started_at) : null;
          const to = bar.finished_at ? Date.parse(bar.finished_at) : Math.min(now, end);
          const text = `${bar.name}: ${statusWord(bar.status)}${took === null ? ", not started" : `, ${durationText(took)}`}`;
          return (
            <li key={`${bar.id}-${depth}`} class={`timeline-row depth-${depth}`}>
              <a class="timeline-name" href={`/jobs/${bar.id}`} title={text}>
                <StatusIcon status={shownStatus({ ...bar, cancelling: false, paused: false, queued: false, has_errors: false })} />
                <span class="ellipsis">{depth ? `#${bar.id}` : bar.name}</span>
                <span class="dim nowrap">{took === null ? "" : durationText(took)}</span>
              </a>
              <span class="timeline-track" aria-label={text} role="img">
                {ticks.map((tick) => (
                  <i key={tick} class="grid" style={{ left: place(start + tick) }} />
                ))}
                {from === null ? null : (
                  <b
                    class={`bar b-${bar.status}`}
                    title={text}
                    style={{ left: place(from), width: `max(3px, ${Math.max(0, (100 * (to - from)) / (end - start))}%)` }}
                  />
                )}
              </span>
            </li>
          );
        })}
      </ul>
    </div>
  );
}

/** Round marks, about six of them. */
export function ticksFor(span: number): number[] {
  const steps = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21600, 43200, 86400].map((s) => s * 1000);
  const step = steps.find((one) => span / one <= 6) ?? 86_400_000 * Math.ceil(span / 86_400_000 / 6);
  const ticks: number[] = [];
  for (let at = 0; at < span * 0.97; at += step) ticks.push(at);
  return ticks;
}
