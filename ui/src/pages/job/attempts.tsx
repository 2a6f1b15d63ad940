// The attempts of a worker job: which process, how it ended, with what error.
import type { Node } from "../../api/types";
import { store } from "../../live";
import { Code, Panel } from "../../parts/panel";
import { Status } from "../../parts/status";
import { absoluteTime, durationText, lasted, Time, useNow } from "../../parts/time";
import type { Attempt, Looked } from "./types";

const OUTCOMES: Record<string, string> = {
  completed: "completed",
  failed: "failed for good",
  retried: "failed, to be tried again",
  snoozed: "asked to be woken later",
  released: "given back without a try",
  cancelled: "cancelled",
  lost: "lost: its process was gone or stopped; whatever it still brought was refused",
};

export function Attempts({ looked }: { looked: Looked }) {
  const { job, row } = looked;
  const now = useNow();
  const attempts = [...(job.attempts ?? [])].sort((a, b) => b.attempt - a.attempt);
  const took = lasted(row, now);
  const isUnlisted = row.attempt > 0 && !attempts.some((one) => one.attempt === row.attempt);
  return (
    <Panel title="Attempts" note={row.attempt === 0 ? "none yet" : undefined} flush={attempts.length > 0 || isUnlisted}>
      {attempts.length === 0 && !isUnlisted ? (
        <p class="dim">It has not been tried yet.</p>
      ) : (
        <ol class="attempts">
          {isUnlisted ? (
            <li>
              <span class="attempt-number">{row.attempt}</span>
              <span class="attempt-facts">
                <Status status={row.status === "pending" ? "queued" : row.status} />
                <Process id={row.claimed_by} />
                {took === null ? null : <span>{durationText(took)}</span>}
                <Time at={row.finished_at ?? row.started_at} />
              </span>
            </li>
          ) : null}
          {attempts.map((one) => (
            <li key={one.attempt} class={`o-${one.outcome}`}>
              <span class="attempt-number">{one.attempt}</span>
              <span class="attempt-facts">
                <strong>{OUTCOMES[one.outcome] ?? one.outcome}</strong>
                <Process id={one.process_id} />
                <Duration attempt={one} looked={looked} />
                {one.ended_at ? (
                  <span title={absoluteTime(one.ended_at)}>
                    ended <Time at={one.ended_at} />
                  </span>
                ) : null}
                <a href={`/jobs/${job.id}?tab=log&job=${job.id}&q=${encodeURIComponent(`attempt:${one.attempt}`)}`}>log</a>
              </span>
              {one.error ? (
                <div class="attempt-error">
                  <p class="error-text">
                    <strong>{one.error.type}</strong>: {one.error.message}
                  </p>
                  {one.error.traceback && one.error.traceback !== job.error?.traceback ? (
                    <details class="trace">
                      <summary>Traceback</summary>
                      <Code text={one.error.traceback} label={`Traceback of attempt ${one.attempt}`} />
                    </details>
                  ) : null}
                </div>
              ) : null}
            </li>
          ))}
        </ol>
      )}
    </Panel>
  );
}

function Duration({ attempt, looked }: { attempt: Attempt; looked: Looked }) {
  const start = attempt.started_at ?? (attempt.attempt === looked.row.attempt ? looked.row.started_at : null);
  if (!start || !attempt.ended_at) return null;
  return <span>{durationText(Date.parse(attempt.ended_at) - Date.parse(start))}</span>;
}

function Process({ id }: { id: number | null }) {
  if (id === null) return null;
  const node: Node | undefined = store.nodes.find((one) => one.id === id);
  return (
    <a href="/workers" title={node ? `${node.host}, pid ${node.pid}, version ${node.version}` : "This process is not there any more"}>
      process {id}
      {node ? ` on ${node.host}` : ", gone"}
    </a>
  );
}
