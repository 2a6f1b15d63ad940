// When each step of a run was at work, with its slowest jobs: one row a step, one lane for jobs that did not overlap.
import { useEffect, useRef, useState } from "preact/hooks";
import type { Row, StepSpan } from "../../api/types";
import { store } from "../../live";
import { useFetch } from "../../parts/fetching";
import { Icon } from "../../parts/icon";
import { Panel } from "../../parts/panel";
import { Empty, Failed, Loading } from "../../parts/states";
import { shownStatus, StatusIcon, statusWord } from "../../parts/status";
import { absoluteTime, clockTime, count, durationText, useNow } from "../../parts/time";
import { markOf, useFresh } from "./data";
import { type Bar, type Fold, fold, lanesOf, ticksOf } from "./timeline";

const SLOWEST = 30;
const LANES = 4;

export function Timeline({ run }: { run: Row }) {
  const now = useNow();
  const { data, reason, reload } = useFetch<StepSpan[]>(`/runs/${run.id}/timeline`, { slowest: SLOWEST });
  useFresh(markOf(run), reload, 5000);
  const [open, setOpen] = useState<ReadonlySet<number>>(new Set());
  const [width, setWidth] = useState(600);
  const track = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const element = track.current;
    if (!element) return;
    setWidth(element.clientWidth);
    const observer = new ResizeObserver(() => setWidth(Math.max(60, element.clientWidth)));
    observer.observe(element);
    return () => observer.disconnect();
  }, [data === null]);
  if (!data) {
    return <Panel title="Timeline">{reason ? <Failed reason={reason} onRetry={reload} /> : <Loading />}</Panel>;
  }
  if (!data.length) {
    return (
      <Panel title="Timeline">
        <Empty title="No steps yet." />
      </Panel>
    );
  }
  const start = Date.parse(run.started_at ?? run.created_at);
  const end = Math.max(start + 10, run.finished_at ? Date.parse(run.finished_at) : now);
  const span = end - start;
  const ticks = ticksOf(span, Math.max(2, Math.floor(width / 90)));
  const place = (at: number): string => `${Math.max(0, Math.min(100, (100 * (at - start)) / span))}%`;
  const barOf = (one: { id: number; status: Bar["status"]; started_at: string | null; finished_at: string | null }): Bar | null =>
    one.started_at === null ? null : { id: one.id, status: one.status, start: Date.parse(one.started_at), end: Math.max(Date.parse(one.started_at), one.finished_at ? Date.parse(one.finished_at) : Math.min(now, end)) };

  return (
    <Panel title="Timeline" note={<span title={absoluteTime(start)}>from {clockTime(start)}, {durationText(span)} in all; of each step the {SLOWEST} slowest jobs</span>} flush>
      <div class="gantt">
        <div class="gantt-row axis" aria-hidden="true">
          <span />
          <div class="gantt-track" ref={track}>
            {ticks.map((tick) => (
              <span key={tick} class="gantt-tick" style={{ left: place(start + tick) }}>
                {tick === 0 ? "0" : durationText(tick)}
              </span>
            ))}
          </div>
        </div>
        <ul>
          {data.map((step) => {
            const live = store.rows.get(step.job_id);
            const stepBar = barOf(live ?? { ...step, id: step.job_id });
            const bars = step.slowest.map(barOf).filter((one): one is Bar => one !== null);
            const isOpen = open.has(step.job_id);
            const lanes = isOpen ? bars.map((bar) => [bar]) : lanesOf(bars, LANES);
            const status = live?.status ?? step.status;
            const took = stepBar ? durationText(stepBar.end - stepBar.start) : "not started";
            return (
              <li key={step.job_id}>
                <div class="gantt-row step">
                  <span class="gantt-name">
                    <button
                      type="button"
                      class={`icon-button twist-button ${isOpen ? "open" : ""}`}
                      aria-expanded={isOpen}
                      aria-label={`Slowest jobs of ${step.name}`}
                      disabled={!bars.length}
                      onClick={() => {
                        const next = new Set(open);
                        if (!next.delete(step.job_id)) next.add(step.job_id);
                        setOpen(next);
                      }}
                    >
                      <Icon name="chevron" size={12} />
                    </button>
                    <StatusIcon status={live ? shownStatus(live) : status} />
                    <a class="ellipsis" href={`/jobs/${step.job_id}`}>
                      {step.name}
                    </a>
                    <span class="dim nowrap">{took}</span>
                  </span>
                  <div class="gantt-track">
                    {ticks.map((tick) => (
                      <i key={tick} class="gantt-grid" style={{ left: place(start + tick) }} />
                    ))}
                    {stepBar ? <b class={`gantt-bar g-${status}`} title={`${step.name}: ${statusWord(status)}, ${took}`} style={{ left: place(stepBar.start), width: `max(3px, ${(100 * (stepBar.end - stepBar.start)) / span}%)` }} /> : null}
                  </div>
                </div>
                {lanes.map((lane, index) => (
                  <div key={index} class="gantt-row lane">
                    <span class="gantt-name">
                      {isOpen ? (
                        <>
                          <StatusIcon status={lane[0]!.status} />
                          <a class="mono" href={`/jobs/${lane[0]!.id}`}>
                            #{lane[0]!.id}
                          </a>
                          <span class="dim nowrap">{durationText(lane[0]!.end - lane[0]!.start)}</span>
                        </>
                      ) : index === 0 ? (
                        <span class="dim">slowest jobs</span>
                      ) : null}
                    </span>
                    <div class="gantt-track">
                      {fold(lane, width / span).map((one) => (
                        <FoldBar key={one.bars[0]!.id} fold={one} isLink={!isOpen} left={place(one.start)} width={`max(3px, ${(100 * (one.end - one.start)) / span}%)`} stepId={step.job_id} />
                      ))}
                    </div>
                  </div>
                ))}
              </li>
            );
          })}
        </ul>
      </div>
      {reason ? <p class="field-problem">Not up to date: {reason}</p> : null}
    </Panel>
  );
}

function FoldBar({ fold: one, isLink, left, width, stepId }: { fold: Fold; isLink: boolean; left: string; width: string; stepId: number }) {
  const single = one.bars.length === 1;
  const took = durationText(one.end - one.start);
  const text = single ? `#${one.bars[0]!.id}: ${statusWord(one.worst)}, ${took}` : `${count(one.bars.length)} jobs in ${took}, the worst ${statusWord(one.worst)}`;
  const style = { left, width };
  if (!isLink) return <b class={`gantt-bar small g-${one.worst}`} title={text} style={style} />;
  return <a class={`gantt-bar small g-${one.worst} ${single ? "" : "many"}`} href={single ? `/jobs/${one.bars[0]!.id}` : `/jobs/${stepId}?order=slowest`} title={text} aria-label={text} style={style} />;
}
