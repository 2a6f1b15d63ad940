// What is selected in the tree: how it stands, what can be done to it, and which of its worker jobs are shown.
import { address } from "../../api/client";
import { type ErrorFamily, isOver, type JobStatus, type Row } from "../../api/types";
import { repaint, store, useLive } from "../../live";
import { Chips } from "../../parts/chips";
import { useFetch } from "../../parts/fetching";
import { Icon, type IconName } from "../../parts/icon";
import { Menu } from "../../parts/menu";
import { reasonWord, shownStatus, Status, STATUSES } from "../../parts/status";
import { count, durationText, lasted, Time, useNow } from "../../parts/time";
import { act, actOnAll, askedToCancel, canDo, type Deed } from "./commands";
import { type QueueModel, restFilter, type RunFilter } from "./model";
import { timeLeft } from "./tree";
import type { Order } from "./workers";

const DEEDS: Record<Deed, { text: string; icon: IconName; danger?: boolean }> = {
  cancel: { text: "Cancel", icon: "stop", danger: true },
  pause: { text: "Pause", icon: "pause" },
  resume: { text: "Resume", icon: "play" },
  "retry-failed": { text: "Retry failed", icon: "retry" },
  rerun: { text: "Run again", icon: "play" },
  delete: { text: "Delete", icon: "trash", danger: true },
};

export function Inspector({ model, row, filter }: { model: QueueModel; row: Row | null; filter: RunFilter }) {
  useLive();
  if (model.chosen.size > 0) return <Bulk model={model} filter={filter} />;
  if (!row) return null;
  return <Selected key={row.id} model={model} row={row} />;
}

function Bulk({ model, filter }: { model: QueueModel; filter: RunFilter }) {
  const runs = [...model.chosen].map((id) => store.rows.get(id)).filter((row): row is Row => row !== undefined);
  const clear = (): void => {
    model.chosen.clear();
    repaint();
  };
  const deeds: Deed[] = ["cancel", "pause", "resume", "retry-failed", "rerun", "delete"];
  return (
    <section class="inspector bulk" aria-label="Chosen runs">
      <strong>
        {count(runs.length)} {runs.length === 1 ? "run" : "runs"} chosen
      </strong>
      {deeds.map((deed) => {
        const possible = runs.filter((run) => canDo(deed, run)).length;
        return possible === 0 ? null : (
          <button key={deed} type="button" class={DEEDS[deed].danger ? "button danger-text" : "button"} onClick={() => void act(deed, runs).then(clear)}>
            <Icon name={DEEDS[deed].icon} size={13} /> {DEEDS[deed].text}
            {possible === runs.length ? "" : ` (${possible})`}
          </button>
        );
      })}
      <Menu
        label="Everything that fits the filter"
        text="All that match"
        entries={[
          { text: "Cancel all that match…", icon: "stop", danger: true, run: () => void actOnAll("cancel", restFilter(filter)) },
          { text: "Delete all that match…", icon: "trash", danger: true, run: () => void actOnAll("delete", restFilter(filter)) },
        ]}
      />
      <span class="grow" />
      <button type="button" class="link-button" onClick={clear}>
        Clear
      </button>
    </section>
  );
}

function Selected({ model, row }: { model: QueueModel; row: Row }) {
  const now = useNow();
  const run = row.kind === "manager" ? row : (store.rows.get(row.manager_id) ?? null);
  const took = lasted(row, now);
  const left = timeLeft(row, now);
  const asked = askedToCancel.has(row.id);
  const primary: Deed[] = run && row.kind === "manager" ? (isOver(run.status) ? ["retry-failed", "rerun"] : run.paused ? ["resume", "cancel"] : ["pause", "cancel"]) : [];
  const deeds = run ? primary.filter((deed) => canDo(deed, run)) : [];
  return (
    <section class="inspector" aria-label={`Selected: ${row.name}`}>
      <div class="inspector-line">
        <Status status={shownStatus(row, asked)} />
        <span class="inspector-title ellipsis" title={row.name}>
          <strong>{row.name}</strong> <span class="dim mono">#{row.id}</span>
        </span>
        <span class="grow" />
        {deeds.map((deed) => (
          <button key={deed} type="button" class={DEEDS[deed].danger ? "button danger-text" : "button"} onClick={() => void act(deed, [run!])}>
            <Icon name={DEEDS[deed].icon} size={13} /> {DEEDS[deed].text}
          </button>
        ))}
        <a class="button" href={row.kind === "manager" ? `/runs/${row.id}` : `/jobs/${row.id}`}>
          <Icon name="open" size={13} /> Details
        </a>
        {run && row.kind === "manager" ? (
          <Menu
            label="More"
            entries={[
              { text: "Run again", icon: "play", disabled: !canDo("rerun", run), run: () => void act("rerun", [run]) },
              { text: "Delete…", icon: "trash", danger: true, disabled: !canDo("delete", run), run: () => void act("delete", [run]) },
            ]}
          />
        ) : null}
      </div>
      <div class="inspector-line facts">
        {row.status_reason ? <span>{reasonWord(row.status_reason)}</span> : null}
        {row.worker_type ? <span>{row.worker_type}</span> : null}
        {row.definition_id && row.kind === "manager" ? <a href={`/definitions/${encodeURIComponent(row.definition_id)}`}>{row.definition_id}</a> : null}
        {row.started_at ? (
          <span>
            started <Time at={row.started_at} />
          </span>
        ) : row.available_at ? (
          <span>
            may start <Time at={row.available_at} />
          </span>
        ) : (
          <span>
            created <Time at={row.created_at} />
          </span>
        )}
        {took === null ? null : <span>{isOver(row.status) ? "took" : "for"} {durationText(took)}</span>}
        {left === null ? null : <span>about {durationText(left)} to go</span>}
        {row.documents ? <span>{count(row.documents)} documents</span> : null}
        {row.counters.retried ? <span>{count(row.counters.retried)} retried</span> : null}
        {row.kind === "worker" && row.attempt > 1 ? <span>attempt {row.attempt}</span> : null}
        {row.rerun_of ? <a href={`/?run=${row.rerun_of}`}>repeats #{row.rerun_of}</a> : null}
        {row.message ? <span class="ellipsis">{row.message}</span> : null}
        {row.kind === "step" ? (
          <a class="nowrap" download href={address(`/runs/${row.manager_id}/logs/download`, { step: row.name })}>
            <Icon name="download" size={12} /> log
          </a>
        ) : null}
      </div>
      {row.kind === "step" && row.counters.total > 0 ? <WorkerControls model={model} step={row} /> : null}
    </section>
  );
}

const ORDERS: readonly { value: Order; text: string }[] = [
  { value: "failed_first", text: "failed first" },
  { value: "created", text: "in order" },
  { value: "slowest", text: "slowest first" },
];

function WorkerControls({ model, step }: { model: QueueModel; step: Row }) {
  const workers = model.workersOf(step);
  const failed = step.counters.failed;
  // fetched anew as failures come, but not for each of them
  const families = useFetch<{ items: ErrorFamily[] } | ErrorFamily[]>(failed ? `/runs/${step.manager_id}/families` : null, {}, Math.ceil(Math.log2(failed + 1) * 4));
  const found = (Array.isArray(families.data) ? families.data : (families.data?.items ?? [])).filter((one) => one.steps.includes(step.name));
  const change = (filter: Parameters<typeof workers.setFilter>[0]): void => {
    workers.setFilter(filter);
    model.open(step.id, true);
  };
  const statuses = STATUSES.filter((status) => step.counters[status] > 0 || workers.filter.statuses.includes(status));
  return (
    <>
      <div class="inspector-line">
        <Chips<JobStatus>
          label="Show worker jobs that are"
          chosen={workers.filter.statuses as JobStatus[]}
          chips={statuses.map((status) => ({ value: status, text: status, count: step.counters[status], class: `s-${status}` }))}
          onChange={(chosen) => change({ statuses: chosen, family: null })}
        />
        <span class="grow" />
        <select class="field small" aria-label="Order of worker jobs" value={workers.filter.order} onChange={(event) => change({ order: event.currentTarget.value as Order })}>
          {ORDERS.map((order) => (
            <option key={order.value} value={order.value}>
              {order.text}
            </option>
          ))}
        </select>
      </div>
      {found.length ? (
        <div class="inspector-line families" role="group" aria-label="Errors by cause">
          {found.slice(0, 6).map((family) => (
            <button
              key={family.family}
              type="button"
              class="chip family"
              aria-pressed={workers.filter.family === family.family}
              title={family.sample ? `${family.sample.type}: ${family.sample.message}` : family.family}
              onClick={() => {
                const on = workers.filter.family !== family.family;
                change({ family: on ? family.family : null, statuses: [] });
                if (on && family.steps.length === 1) workers.setKnown(family.count);
                repaint();
              }}
            >
              <span class="ellipsis">{family.sample?.message ?? family.family}</span>
              <span class="chip-count">×{count(family.count)}</span>
            </button>
          ))}
          {workers.filter.family ? <RetryFamily step={step} family={workers.filter.family} /> : null}
        </div>
      ) : null}
    </>
  );
}

function RetryFamily({ step, family }: { step: Row; family: string }) {
  const run = store.rows.get(step.manager_id);
  if (!run || !canDo("retry-failed", run)) return null;
  return (
    <button type="button" class="button" onClick={() => void act("retry-failed", [run], { family })}>
      <Icon name="retry" size={13} /> Retry these
    </button>
  );
}
