// Dead letters: jobs of all runs that failed for good, by cause. Look at them, retry them, or look past them.
import { useState } from "preact/hooks";
import { post, reasonOf } from "../../api/client";
import type { ErrorFamily, Page } from "../../api/types";
import { store, useLive } from "../../live";
import { Dialog } from "../../parts/dialog";
import { useFetch } from "../../parts/fetching";
import { Icon } from "../../parts/icon";
import { Code } from "../../parts/panel";
import { Empty, Failed, Loading, Partial } from "../../parts/states";
import { count, Time } from "../../parts/time";
import { toast } from "../../parts/toast";
import { setQuery } from "../../router";
import type { PageProps } from "../../router";
import { useFresh } from "../job/data";
import { type Cause, causesOf, fits } from "./letters";
import "../job/job.css";
import "./dead-letters.css";

const MOST = 1000;

export default function DeadLetters({ query }: PageProps) {
  useLive();
  const withIgnored = query.get("ignored") === "yes";
  const text = query.get("find") ?? "";
  const definition = query.get("definition");
  const { data, reason, reload } = useFetch<Page<ErrorFamily>>("/dead-letters", withIgnored ? { limit: MOST } : { limit: MOST, ignored: false });
  let failed = 0;
  for (const row of store.rows.values()) if (row.kind === "manager") failed += row.counters.failed;
  useFresh(String(failed), reload, 5000);
  const [asked, setAsked] = useState<{ cause: Cause; runs: ErrorFamily[] } | null>(null);

  const families = data ? data.items : [];
  const definitions = [...new Set(families.map((one) => one.definition_id))].sort();
  // Chosen before they are put together: what is shown is what is acted on.
  const all = causesOf(definition === null ? families : families.filter((one) => one.definition_id === definition));
  const causes = all.filter((cause) => fits(cause, text));
  const jobs = causes.reduce((sum, cause) => sum + cause.count, 0);
  const ignore = async (runs: readonly ErrorFamily[], ignored: boolean): Promise<void> => {
    const reasons: string[] = [];
    for (const one of runs) {
      if (one.ignored === ignored) continue;
      try {
        await post(`/dead-letters/${ignored ? "ignore" : "heed"}`, { run_id: one.manager_id, family: one.family });
      } catch (error) {
        reasons.push(`#${one.manager_id}: ${reasonOf(error)}`);
      }
    }
    if (reasons.length) toast("error", reasons[0]!);
    else toast("done", ignored ? "Ignored. The jobs stay failed." : "Heeded again.");
    reload();
  };

  return (
    <div class="page dead-letters">
      <div class="page-head">
        <h1>Dead letters</h1>
        <span class="dim">{data ? `${count(jobs)} failed ${jobs === 1 ? "job" : "jobs"}, ${count(causes.length)} ${causes.length === 1 ? "cause" : "causes"}` : ""}</span>
        <span class="grow" />
        <input type="search" class="field" data-focus-key placeholder="Find a cause" aria-label="Find by message, step, run or definition" value={text} onInput={(event) => setQuery({ find: event.currentTarget.value })} />
        <select class="field" aria-label="Definition" value={definition ?? ""} onChange={(event) => setQuery({ definition: event.currentTarget.value })}>
          <option value="">all definitions</option>
          {definition !== null && !definitions.includes(definition) ? <option>{definition}</option> : null}
          {definitions.map((id) => (
            <option key={id}>{id}</option>
          ))}
        </select>
        <label class="check">
          <input type="checkbox" checked={withIgnored} onChange={(event) => setQuery({ ignored: event.currentTarget.checked ? "yes" : null })} /> show ignored
        </label>
      </div>
      {data && reason ? <Partial onRetry={reload}>Not up to date: {reason} </Partial> : null}
      {data && data.items.length >= MOST ? <Partial>There are more than {count(MOST)} families; the most frequent are shown.</Partial> : null}
      {!data ? (
        reason ? <Failed reason={reason} onRetry={reload} /> : <Loading />
      ) : causes.length === 0 ? (
        <div class="panel">
          {all.length ? (
            <Empty title="No cause fits the filter.">
              <button type="button" class="button" onClick={() => setQuery({ find: null, definition: null })}>
                Clear the filter
              </button>
            </Empty>
          ) : (
            <Empty title="No dead letters.">Jobs that failed for good would be listed here by cause.</Empty>
          )}
        </div>
      ) : (
        causes.map((cause) => <CauseView key={cause.family} cause={cause} onRedrive={(runs) => setAsked({ cause, runs })} onIgnore={(runs, ignored) => void ignore(runs, ignored)} />)
      )}
      {asked ? <Redrive cause={asked.cause} runs={asked.runs} onClose={() => setAsked(null)} onDone={reload} /> : null}
    </div>
  );
}

interface CauseProps {
  cause: Cause;
  onRedrive: (runs: ErrorFamily[]) => void;
  onIgnore: (runs: ErrorFamily[], ignored: boolean) => void;
}

function CauseView({ cause, onRedrive, onIgnore }: CauseProps) {
  const [open, setOpen] = useState(false);
  const shown = open ? cause.runs : cause.runs.slice(0, 3);
  return (
    <section class={`panel sheet cause ${cause.isIgnored ? "ignored" : ""}`} aria-label={cause.sample?.message ?? cause.family}>
      <div class="family-head">
        <strong class="family-count">×{count(cause.count)}</strong>
        <div class="grow">
          <p class="error-text">
            {cause.sample ? (
              <>
                <strong>{cause.sample.type}</strong>: {cause.sample.message}
              </>
            ) : (
              cause.family
            )}
          </p>
          <p class="family-facts dim">
            <span>{cause.steps.length === 1 ? "step" : "steps"} {cause.steps.join(", ")}</span>
            {cause.lastFailedAt ? (
              <span>
                last <Time at={cause.lastFailedAt} />
              </span>
            ) : null}
            {cause.isIgnored ? <span class="flag">ignored</span> : null}
          </p>
        </div>
        <div class="family-actions">
          <button type="button" class="button" onClick={() => onRedrive(cause.runs)}>
            <Icon name="retry" size={13} /> Retry {count(cause.count)}…
          </button>
          <button type="button" class="button" onClick={() => onIgnore(cause.runs, !cause.isIgnored)}>
            {cause.isIgnored ? "Heed" : "Ignore"}
          </button>
        </div>
      </div>
      <ul class="cause-runs" aria-label="Runs with this cause">
        {shown.map((one) => (
          <li key={one.manager_id}>
            <span class="cause-count">×{count(one.count)}</span>
            <a href={`/runs/${one.manager_id}?tab=errors`}>
              {one.run_name} #{one.manager_id}
            </a>
            <a href={`/jobs/${one.first_job}`}>first job #{one.first_job}</a>
            <span class="dim">
              <Time at={one.last_failed_at} />
            </span>
            {one.ignored && !cause.isIgnored ? <span class="flag">ignored</span> : null}
            {cause.runs.length > 1 ? (
              <span class="cause-links">
                <button type="button" class="link-button" onClick={() => onRedrive([one])}>
                  retry…
                </button>
                <button type="button" class="link-button" onClick={() => onIgnore([one], !one.ignored)}>
                  {one.ignored ? "heed" : "ignore"}
                </button>
              </span>
            ) : null}
          </li>
        ))}
      </ul>
      {cause.runs.length > 3 ? (
        <button type="button" class="link-button cause-more" aria-expanded={open} onClick={() => setOpen(!open)}>
          {open ? "Fewer runs" : `All ${count(cause.runs.length)} runs`}
        </button>
      ) : null}
      <details class="trace">
        <summary>Cause and traceback</summary>
        <p class="dim mono">{cause.family}</p>
        {cause.sample?.traceback ? <Code text={cause.sample.traceback} label="Traceback" /> : null}
      </details>
    </section>
  );
}

/** Says how many jobs of which runs, then makes one new run for each. */
function Redrive({ cause, runs, onClose, onDone }: { cause: Cause; runs: readonly ErrorFamily[]; onClose: () => void; onDone: () => void }) {
  const [ignore, setIgnore] = useState(true);
  const [done, setDone] = useState<number | null>(null);
  const jobs = runs.reduce((sum, one) => sum + one.count, 0);
  const what = `${count(jobs)} ${jobs === 1 ? "job" : "jobs"}`;
  const carryOut = async (): Promise<void> => {
    const reasons: string[] = [];
    let made: number | null = null;
    setDone(0);
    for (const one of runs) {
      try {
        made = (await post<{ id: number }>(`/runs/${one.manager_id}/retry-failed`, { family: one.family })).id;
        if (ignore && !one.ignored) await post("/dead-letters/ignore", { run_id: one.manager_id, family: one.family });
      } catch (error) {
        reasons.push(`${one.run_name} #${one.manager_id}: ${reasonOf(error)}`);
      }
      setDone((n) => (n ?? 0) + 1);
    }
    if (reasons.length) toast("error", reasons.length === 1 ? reasons[0]! : `${reasons.length} of ${runs.length} runs refused. ${reasons[0]}`);
    const good = runs.length - reasons.length;
    if (good) toast("done", `${count(good)} new ${good === 1 ? "run" : "runs"} made.`, made === null ? undefined : { href: `/runs/${made}`, text: `Open #${made}` });
    onClose();
    onDone();
  };
  return (
    <Dialog title={`Retry ${what}?`} onClose={() => done === null && onClose()}>
      <p class="error-text">{cause.sample?.message ?? cause.family}</p>
      <p>
        {runs.length === 1 ? `One new run is made, of “${runs[0]!.run_name}” #${runs[0]!.manager_id}` : `${count(runs.length)} new runs are made, one for each run in which this failed`}: {what} that failed with this error, then every step behind them. What was completed is taken over with its documents. The old runs stay as they are. A run that is still under way is refused.
      </p>
      <label class="check">
        <input type="checkbox" checked={ignore} disabled={done !== null} onChange={(event) => setIgnore(event.currentTarget.checked)} /> ignore them here afterwards, so that only what fails anew is listed
      </label>
      <div class="dialog-buttons">
        <button type="button" class="button" disabled={done !== null} onClick={onClose}>
          Keep as it is
        </button>
        <button type="button" class="button primary" disabled={done !== null} onClick={() => void carryOut()}>
          {done === null ? `Retry ${what}` : `${count(done)} of ${count(runs.length)}…`}
        </button>
      </div>
    </Dialog>
  );
}
