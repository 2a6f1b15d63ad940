// Schedules: what runs by itself, when next, and what became of each slot.
import { useEffect, useRef, useState } from "preact/hooks";
import { post, reasonOf } from "../../api/client";
import { useFetch } from "../../parts/fetching";
import { Icon } from "../../parts/icon";
import { Empty, Failed, Loading, Partial } from "../../parts/states";
import { absoluteTime, Time, timeZone, useNow } from "../../parts/time";
import { toast } from "../../parts/toast";
import { setQuery } from "../../router";
import type { PageProps } from "../../router";
import { useFreshness } from "../definitions/shared";
import { countdown, inZone, scheduleWords } from "../definitions/words";
import { Backfill } from "./backfill";
import { OutcomeText } from "./outcome";
import type { Fire, ScheduleView } from "./types";
import { CAUSES, jitterText, misfireText, overlapText } from "./words";
import "./schedules.css";

export default function Schedules({ query }: PageProps) {
  const { data, reason, reload } = useFetch<{ items: ScheduleView[] }>("/schedules");
  useFreshness(reload);
  const [backfilled, setBackfilled] = useState<ScheduleView | null>(null);
  const text = query.get("find") ?? "";
  const open = query.get("schedule");
  const all = data?.items ?? null;
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const shown = all?.filter((one) => words.every((word) => `${one.name} ${one.definition_id} ${one.words} ${one.timezone} ${one.state}`.toLowerCase().includes(word))).sort((a, b) => a.name.localeCompare(b.name)) ?? [];
  return (
    <div class="page schedules">
      <div class="page-head">
        <h1>Schedules</h1>
        <input type="search" class="field" data-focus-key placeholder="Find a schedule" aria-label="Find a schedule" value={text} onInput={(event) => setQuery({ find: event.currentTarget.value })} />
        <span class="grow" />
        <span class="dim small">Local times are {timeZone()}</span>
      </div>
      {reason && all ? <Partial onRetry={reload}>This may be out of date: {reason} </Partial> : null}
      {all === null ? (
        reason ? (
          <Failed reason={reason} onRetry={reload} />
        ) : (
          <Loading what="Loading schedules" />
        )
      ) : all.length === 0 ? (
        <Empty title="Nothing runs by itself.">
          A <a href="/definitions">definition</a> with a line <code>schedule = "15 5 * * *"</code> runs every day at 05:15; with <code>auto_start = true</code> when the server starts.
        </Empty>
      ) : shown.length === 0 ? (
        <Empty title="No schedule fits.">
          <button type="button" class="button" onClick={() => setQuery({ find: null })}>
            Clear the search
          </button>
        </Empty>
      ) : (
        <table class="table schedule-table" aria-label="Schedules">
          <thead>
            <tr>
              <th scope="col">Definition</th>
              <th scope="col">When</th>
              <th scope="col">Next</th>
              <th scope="col">State</th>
              <th scope="col">Last slot</th>
              <th scope="col">
                <span class="unseen">Actions</span>
              </th>
            </tr>
          </thead>
          {shown.map((schedule) => (
            <ScheduleRows key={schedule.definition_id} schedule={schedule} isOpen={open === schedule.definition_id} onChanged={reload} onBackfill={() => setBackfilled(schedule)} />
          ))}
        </table>
      )}
      {backfilled ? <Backfill schedule={backfilled} onClose={() => setBackfilled(null)} onDone={reload} /> : null}
    </div>
  );
}

interface RowProps {
  schedule: ScheduleView;
  isOpen: boolean;
  onChanged: () => void;
  onBackfill: () => void;
}

function ScheduleRows({ schedule, isOpen, onChanged, onBackfill }: RowProps) {
  const now = useNow();
  const [busy, setBusy] = useState(false);
  const box = useRef<HTMLTableSectionElement>(null);
  useEffect(() => {
    if (isOpen) box.current?.scrollIntoView({ block: "nearest" });
  }, []);
  const isPaused = schedule.state === "paused";
  const detail = `fires-${schedule.definition_id}`;
  const toggle = (): void => setQuery({ schedule: isOpen ? null : schedule.definition_id });
  const pause = async (): Promise<void> => {
    setBusy(true);
    try {
      await post(`/schedules/${encodeURIComponent(schedule.definition_id)}/${isPaused ? "resume" : "pause"}`);
      toast("done", isPaused ? `${schedule.name} runs by itself again.` : `${schedule.name} is paused: its times pass by. Runs under way go on.`);
    } catch (error) {
      toast("error", reasonOf(error));
    }
    setBusy(false);
    onChanged();
  };
  const isFiring = schedule.state === "active";
  const nextAt = schedule.next_at ?? schedule.next[0] ?? null;
  return (
    <tbody ref={box} class={isOpen ? "open" : ""}>
      <tr>
        <td class="schedule-name">
          <span class="schedule-title">
            <button type="button" class="icon-button twist-button" aria-expanded={isOpen} aria-controls={detail} aria-label={`Times and history of ${schedule.name}`} onClick={toggle}>
              <Icon name={isOpen ? "down" : "chevron"} size={13} />
            </button>
            <span>
              <a href={`/definitions/${encodeURIComponent(schedule.definition_id)}`}>{schedule.name}</a>
              <div class="dim small mono">{schedule.definition_id}</div>
            </span>
          </span>
        </td>
        <td class="schedule-when">
          {scheduleWords({ schedule: schedule.cron, auto_start: schedule.auto_start }, schedule)}
          <div class="dim small">
            {schedule.cron ? <span class="mono nowrap">{schedule.cron}</span> : null}
            {schedule.cron ? " · " : null}
            <span class="nowrap">{schedule.timezone}</span>
          </div>
        </td>
        <td class="schedule-next">
          {isFiring && nextAt ? (
            <>
              <time dateTime={nextAt} title={absoluteTime(nextAt)}>
                {countdown(nextAt, now)}
              </time>
              <div class="dim small nowrap">{inZone(nextAt, undefined, now)}</div>
            </>
          ) : (
            <span class="dim">–</span>
          )}
        </td>
        <td class="schedule-state">
          <StateText schedule={schedule} />
        </td>
        <td class="schedule-last">
          {schedule.last_outcome ? (
            <>
              <OutcomeText outcome={schedule.last_outcome} />
              <div class="dim small">
                <Time at={schedule.last_at} />
                {schedule.last_run_id !== null ? (
                  <>
                    {" · "}
                    <a href={`/?run=${schedule.last_run_id}`}>run #{schedule.last_run_id}</a>
                  </>
                ) : null}
              </div>
            </>
          ) : (
            <span class="dim">none yet</span>
          )}
        </td>
        <td class="schedule-deeds">
          <span>
            {schedule.state === "active" || isPaused ? (
              <button type="button" class="button" disabled={busy} onClick={() => void pause()}>
                {isPaused ? "Resume" : "Pause"}
                <span class="unseen"> {schedule.name}</span>
              </button>
            ) : null}
            {schedule.cron && (schedule.state === "active" || isPaused) ? (
              <button type="button" class="button" onClick={onBackfill}>
                Backfill…<span class="unseen"> {schedule.name}</span>
              </button>
            ) : null}
          </span>
        </td>
      </tr>
      {isOpen ? (
        <tr class="detail">
          <td colSpan={6} id={detail}>
            <Detail schedule={schedule} />
          </td>
        </tr>
      ) : null}
    </tbody>
  );
}

const STATES: Record<ScheduleView["state"], { text: string; title: string }> = {
  active: { text: "active", title: "" },
  paused: { text: "paused", title: "Its times pass by until it is resumed." },
  disabled: { text: "disabled", title: "Its definition says enabled = false." },
  removed: { text: "removed", title: "Its definition is gone, or has no schedule any more." },
};

function StateText({ schedule }: { schedule: ScheduleView }) {
  const { text, title } = STATES[schedule.state];
  return (
    <span class={`standing ${schedule.state === "active" ? "ready" : schedule.state}`} title={title || undefined}>
      <svg width="10" height="10" viewBox="0 0 10 10" aria-hidden="true">
        {schedule.state === "active" ? <circle cx="5" cy="5" r="4" class="fill" /> : null}
        {schedule.state === "paused" ? <path d="M3 1.5v7M7 1.5v7" class="line" /> : null}
        {schedule.state === "disabled" ? <circle cx="5" cy="5" r="3.5" class="line" /> : null}
        {schedule.state === "removed" ? <path d="m2 2 6 6M8 2 2 8" class="line" /> : null}
      </svg>
      <span>
        {text}
        {schedule.paused_at ? (
          <span class="dim small">
            {" "}
            <Time at={schedule.paused_at} />
          </span>
        ) : null}
      </span>
    </span>
  );
}

function Detail({ schedule }: { schedule: ScheduleView }) {
  const now = useNow();
  const isOtherZone = schedule.timezone !== timeZone();
  return (
    <div class="schedule-detail">
      <section>
        <h3>Next times</h3>
        {schedule.state !== "active" ? (
          <p class="dim">{schedule.state === "paused" ? "None while it is paused." : STATES[schedule.state].title}</p>
        ) : schedule.next.length === 0 ? (
          <p class="dim">{schedule.cron ? "None are known." : "Only when the server starts."}</p>
        ) : (
          <table class="next-table" aria-label={`Next times of ${schedule.name}`}>
            <thead>
              <tr>
                <th scope="col">Local</th>
                {isOtherZone ? <th scope="col">{schedule.timezone}</th> : null}
                <th scope="col">
                  <span class="unseen">How long until then</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {schedule.next.map((at) => (
                <tr key={at}>
                  <td>
                    <time dateTime={at}>{inZone(at, undefined, now)}</time>
                  </td>
                  {isOtherZone ? <td>{inZone(at, schedule.timezone, now)}</td> : null}
                  <td class="dim">{countdown(at, now)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        )}
        <h3>Rules</h3>
        <dl class="rules">
          <dt>Missed</dt>
          <dd>{misfireText(schedule)}</dd>
          <dt>Overlap</dt>
          <dd>{overlapText(schedule)}</dd>
          <dt>Starts</dt>
          <dd>{jitterText(schedule)}</dd>
          <dt>From</dt>
          <dd class="mono">{schedule.home || "–"}</dd>
        </dl>
      </section>
      <section>
        <h3>What became of its times</h3>
        <Fires schedule={schedule} />
      </section>
    </div>
  );
}

const FIRST = 20;
const MOST = 200;

function Fires({ schedule }: { schedule: ScheduleView }) {
  const [limit, setLimit] = useState(FIRST);
  const { data, reason, reload } = useFetch<Fire[]>(`/schedules/${encodeURIComponent(schedule.definition_id)}/fires`, { limit });
  const first = useRef(true);
  useEffect(() => {
    if (first.current) first.current = false;
    else reload();
  }, [schedule.last_at, schedule.updated_at, schedule.last_run_id]);
  const now = useNow();
  if (!data) return reason ? <Failed reason={reason} onRetry={reload} /> : <Loading />;
  if (data.length === 0) return <p class="dim">Nothing yet.</p>;
  return (
    <div class="fire-box" tabIndex={0} role="region" aria-label={`History of ${schedule.name}`}>
      <table class="table fire-table" aria-label={`What became of the times of ${schedule.name}`}>
        <thead>
          <tr>
            <th scope="col">Due</th>
            <th scope="col">Outcome</th>
            <th scope="col">Cause</th>
            <th scope="col">Run</th>
          </tr>
        </thead>
        <tbody>
          {data.map((fire) => (
            <tr key={`${fire.due_at} ${fire.cause}`}>
              <td class="nowrap">
                <time dateTime={fire.due_at} title={`${absoluteTime(fire.due_at)}; dealt with ${absoluteTime(fire.fired_at)}`}>
                  {inZone(fire.due_at, undefined, now)}
                </time>
              </td>
              <td>
                <OutcomeText outcome={fire.outcome} />
                {fire.note ? <div class="dim small">{fire.note}</div> : null}
              </td>
              <td class="dim">{CAUSES[fire.cause]}</td>
              <td>{fire.run_id !== null ? <a href={`/?run=${fire.run_id}`}>#{fire.run_id}</a> : <span class="dim">–</span>}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {data.length === limit && limit < MOST ? (
        <button type="button" class="button more-button" onClick={() => setLimit(MOST)}>
          Show more
        </button>
      ) : null}
    </div>
  );
}
