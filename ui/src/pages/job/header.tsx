// The head of the page: where it belongs, how it stands, what can be done.
import { useState } from "preact/hooks";
import { isOver, type Row } from "../../api/types";
import { store } from "../../live";
import { Dialog } from "../../parts/dialog";
import { Icon, type IconName } from "../../parts/icon";
import { Menu, type MenuEntry } from "../../parts/menu";
import { ProgressBar } from "../../parts/progress";
import { shownStatus, Status } from "../../parts/status";
import { absoluteTime, count, durationText, lasted, Time, useNow } from "../../parts/time";
import { askedToCancel } from "../queue/commands";
import { copyText } from "../../parts/panel";
import { type Deed, isPossible, questionOf } from "./deeds";
import { carryOut, perform } from "./perform";
import type { Looked } from "./types";

const DEEDS: Record<Exclude<Deed, "resume-from">, { text: string; icon: IconName; danger?: boolean }> = {
  cancel: { text: "Cancel", icon: "stop", danger: true },
  pause: { text: "Pause", icon: "pause" },
  resume: { text: "Resume", icon: "play" },
  "retry-failed": { text: "Retry failed", icon: "retry" },
  rerun: { text: "Run again", icon: "play" },
  delete: { text: "Delete", icon: "trash", danger: true },
};

export function Header({ looked }: { looked: Looked }) {
  const { job, row, run, runRow } = looked;
  const now = useNow();
  const took = lasted(row, now);
  const title = job.kind === "worker" ? `Job #${job.id}` : job.name;
  const parent = job.parent_id !== null && job.kind === "worker" && job.parent_id !== job.step_id ? job.parent_id : null;
  return (
    <header class="job-head">
      <nav class="crumbs" aria-label="Where it belongs">
        <a href={`/?run=${job.manager_id}`}>Queue</a>
        {job.kind === "manager" && run.parent_id !== null ? <Crumb href={`/jobs/${run.parent_id}`} text={`job #${run.parent_id}`} /> : null}
        {job.kind !== "manager" ? <Crumb href={`/runs/${run.id}`} text={`${run.name} #${run.id}`} /> : null}
        {job.kind === "worker" && job.step_id !== null ? <Crumb href={`/jobs/${job.step_id}`} text={job.step_name ?? `#${job.step_id}`} /> : null}
        {parent === null ? null : <Crumb href={`/jobs/${parent}`} text={`#${parent}`} />}
      </nav>
      <div class="job-title">
        <h1>
          {title} {job.kind === "worker" ? null : <span class="dim mono">#{job.id}</span>}
        </h1>
        <Status status={shownStatus(row, askedToCancel.has(row.id))} reason={row.status_reason} />
        {runRow.paused && job.kind !== "manager" && !isOver(row.status) ? <span class="flag">run paused</span> : null}
        {row.has_errors && row.status !== "completed" ? <span class="flag bad">has errors</span> : null}
        <span class="grow" />
        <Actions looked={looked} />
      </div>
      {row.message && row.message !== job.name ? <p class="job-message">{row.message}</p> : null}
      <dl class="job-figures">
        <Figure name={isOver(row.status) ? "took" : "for"} value={took === null ? "–" : durationText(took)} title={row.started_at ? `started ${absoluteTime(row.started_at)}${row.finished_at ? `, ended ${absoluteTime(row.finished_at)}` : ""}` : undefined} />
        <Figure name={row.started_at ? "started" : row.available_at ? "may start" : "created"} value={<Time at={row.started_at ?? row.available_at ?? row.created_at} />} />
        {row.counters.total > 0 ? <Counts row={row} /> : null}
        {row.documents ? <Figure name="documents" value={count(row.documents)} href="?tab=documents" /> : null}
        {job.kind === "worker" ? <Figure name="attempt" value={`${row.attempt} of ${job.max_attempts}`} title="Attempts begun; failures that are allowed" /> : null}
        {job.kind === "worker" && row.worker_type ? <Figure name="type" value={row.worker_type} /> : null}
        {job.kind === "manager" && job.definition_id ? <Figure name="definition" value={job.definition_id} href={`/definitions/${encodeURIComponent(job.definition_id)}`} /> : null}
        {job.rerun_of !== null ? <Figure name="repeats" value={`#${job.rerun_of}`} href={`/runs/${job.rerun_of}`} /> : null}
      </dl>
      {row.counters.total > 0 ? <ProgressBar counters={row.counters} label={`Progress of ${job.name}`} /> : null}
    </header>
  );
}

function Crumb({ href, text }: { href: string; text: string }) {
  return (
    <>
      <Icon name="chevron" size={11} />
      <a href={href}>{text}</a>
    </>
  );
}

function Figure({ name, value, title, href, tone }: { name: string; value: preact.ComponentChildren; title?: string; href?: string; tone?: string }) {
  return (
    <div class={tone} title={title}>
      <dt>{name}</dt>
      <dd>{href ? <a href={href.startsWith("?") ? location.pathname + href : href}>{value}</a> : value}</dd>
    </div>
  );
}

const PARTS = ["failed", "running", "pending", "completed", "cancelled", "skipped", "retried"] as const;

function Counts({ row }: { row: Row }) {
  const { counters } = row;
  return (
    <>
      <Figure name="jobs" value={count(counters.total)} />
      {PARTS.filter((part) => counters[part] > 0).map((part) => (
        <Figure key={part} name={part} value={count(counters[part])} tone={`c-${part}`} title={part === "retried" ? "Attempts that were tried again; beside the sum" : undefined} />
      ))}
    </>
  );
}

function Actions({ looked }: { looked: Looked }) {
  const { job, run, runRow } = looked;
  const [choosing, setChoosing] = useState(false);
  const isRun = job.kind === "manager";
  const button = (deed: Exclude<Deed, "resume-from">) =>
    isPossible(deed, runRow) ? (
      <button key={deed} type="button" class={DEEDS[deed].danger ? "button danger-text" : "button"} onClick={() => void carryOut(deed, runRow)}>
        <Icon name={DEEDS[deed].icon} size={13} /> {DEEDS[deed].text}
      </button>
    ) : null;
  const entries: MenuEntry[] = [
    { text: "Copy the address", icon: "link", run: () => void copyText(location.origin + location.pathname, "Address") },
  ];
  if (isRun) {
    entries.unshift({ text: "Resume from a step…", icon: "play", disabled: !isPossible("resume-from", runRow), run: () => setChoosing(true) });
    entries.push({ text: "Delete…", icon: "trash", danger: true, disabled: !isPossible("delete", runRow), run: () => void carryOut("delete", runRow) });
  }
  if (job.kind === "step") {
    entries.unshift({ text: `Run again from ${job.name}…`, icon: "play", disabled: !isPossible("resume-from", runRow), run: () => void carryOut("resume-from", runRow, { step: job.name }) });
  }
  const family = job.kind === "worker" ? job.error?.family : null;
  if (family && job.status === "failed") {
    entries.unshift({ text: "Retry all jobs with this error…", icon: "retry", disabled: !isPossible("retry-failed", runRow), run: () => void carryOut("retry-failed", runRow, { family }) });
  }
  return (
    <div class="job-actions">
      {isRun ? (["resume", "pause", "cancel", "retry-failed", "rerun"] as const).map(button) : null}
      <a class="button" href={`/?run=${job.manager_id}${job.kind === "step" ? `&step=${encodeURIComponent(job.name)}` : job.kind === "worker" ? `&job=${job.id}` : ""}`}>
        <Icon name="queue" size={13} /> In the queue
      </a>
      <Menu label="More actions" entries={entries} />
      {choosing ? <ChooseStep steps={(run.steps ?? []).map((step) => store.rows.get(step.id)?.name ?? step.name)} run={runRow} onClose={() => setChoosing(false)} /> : null}
    </div>
  );
}

function ChooseStep({ steps, run, onClose }: { steps: readonly string[]; run: Row; onClose: () => void }) {
  const [step, setStep] = useState(steps[0] ?? "");
  const question = questionOf("resume-from", run, { step });
  return (
    <Dialog title={`Resume ${run.name} #${run.id} from a step`} onClose={onClose}>
      <label class="stacked">
        <span>Step</span>
        <select class="field" value={step} onChange={(event) => setStep(event.currentTarget.value)}>
          {steps.map((one) => (
            <option key={one}>{one}</option>
          ))}
        </select>
      </label>
      <p>{question.body}</p>
      <div class="dialog-buttons">
        <button type="button" class="button" onClick={onClose}>
          Keep as it is
        </button>
        <button
          type="button"
          class="button primary"
          disabled={!step}
          onClick={() => {
            onClose();
            void perform("resume-from", run, { step });
          }}
        >
          {question.confirm}
        </button>
      </div>
    </Dialog>
  );
}
