// What failed in a run or step, by cause: look at the jobs, retry them, or look past them.
import { type ErrorFamily, isOver } from "../../api/types";
import { useFetch } from "../../parts/fetching";
import { Icon } from "../../parts/icon";
import { Code, Panel } from "../../parts/panel";
import { Empty, Failed, Loading } from "../../parts/states";
import { count, Time } from "../../parts/time";
import { useFresh } from "./data";
import { isPossible } from "./deeds";
import { carryOut, setIgnored } from "./perform";
import type { Looked } from "./types";

export function Families({ looked }: { looked: Looked }) {
  const { job, row, run, runRow } = looked;
  const { data, reason, reload } = useFetch<ErrorFamily[]>(`/runs/${job.manager_id}/families`);
  useFresh(`${row.counters.failed} ${row.status}`, reload, 3000);
  const families = data?.filter((one) => job.kind === "manager" || one.steps.includes(job.name));
  if (!families) return <Panel title="Errors by cause">{reason ? <Failed reason={reason} onRetry={reload} /> : <Loading />}</Panel>;
  const idOf = new Map((run.steps ?? []).map((step) => [step.name, step.id]));
  const listed = families.reduce((sum, one) => sum + one.count, 0);
  const canRetry = isPossible("retry-failed", runRow);
  return (
    <Panel title="Errors by cause" note={families.length ? `${count(listed)} failed ${listed === 1 ? "job" : "jobs"} in ${count(families.length)} ${families.length === 1 ? "family" : "families"}${job.kind === "step" ? "; a family may reach over steps" : ""}` : null} flush>
      {families.length === 0 ? (
        <Empty title={row.counters.failed ? "No causes are known." : "Nothing failed."}>{isOver(row.status) ? null : "Failures show up here while the run goes on."}</Empty>
      ) : (
        <ul class="family-list">
          {families.map((one) => (
            <li key={one.family} class={one.ignored ? "ignored" : ""}>
              <div class="family-head">
                <strong class="family-count">×{count(one.count)}</strong>
                <div class="grow">
                  <p class="error-text">
                    {one.sample ? (
                      <>
                        <strong>{one.sample.type}</strong>: {one.sample.message}
                      </>
                    ) : (
                      one.family
                    )}
                  </p>
                  <p class="family-facts dim">
                    {one.steps.map((name) => (
                      <a key={name} href={`/jobs/${idOf.get(name) ?? job.manager_id}?family=${encodeURIComponent(one.family)}`}>
                        {name}
                      </a>
                    ))}
                    <a href={`/jobs/${one.first_job}`}>first #{one.first_job}</a>
                    {one.last_failed_at ? (
                      <span>
                        last <Time at={one.last_failed_at} />
                      </span>
                    ) : null}
                    {one.ignored ? <span class="flag">ignored</span> : null}
                  </p>
                </div>
                <div class="family-actions">
                  <button type="button" class="button" disabled={!canRetry} title={canRetry ? undefined : "A run that has ended can be retried"} onClick={() => void carryOut("retry-failed", runRow, { family: one.family, jobs: one.count })}>
                    <Icon name="retry" size={13} /> Retry {count(one.count)}…
                  </button>
                  <button type="button" class="button" onClick={async () => (await setIgnored(job.manager_id, one.family, !one.ignored)) && reload()}>
                    {one.ignored ? "Heed" : "Ignore"}
                  </button>
                </div>
              </div>
              <details class="trace">
                <summary>Cause and traceback</summary>
                <p class="dim mono">{one.family}</p>
                {one.sample?.traceback ? <Code text={one.sample.traceback} label={`Traceback of #${one.first_job}`} /> : null}
              </details>
            </li>
          ))}
        </ul>
      )}
      {reason ? <p class="field-problem">Not up to date: {reason}</p> : null}
    </Panel>
  );
}
