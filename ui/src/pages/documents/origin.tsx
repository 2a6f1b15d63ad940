import { store } from "../../live";

interface Props {
  origin: { manager_id: number | null; step_name: string | null; job_id: number | null; attempt: number | null; worker_type?: string | null };
}

/** Which run, step and job made something, with the way to its log lines. */
export function OriginLinks({ origin }: Props) {
  const { manager_id: run, step_name: step, job_id: job, attempt } = origin;
  if (run === null) return <span class="dim">by no run</span>;
  const name = store.rows.get(run)?.name;
  const scope = `/?run=${run}${step === null ? "" : `&step=${encodeURIComponent(step)}`}`;
  return (
    <span class="origin">
      <a href={`/runs/${run}`} title={name}>
        run #{run}
      </a>
      {step === null ? null : (
        <>
          <i aria-hidden="true">›</i>
          <a href={scope} title={origin.worker_type ?? undefined}>
            {step}
          </a>
        </>
      )}
      {job === null ? null : (
        <>
          <i aria-hidden="true">›</i>
          <a href={`/jobs/${job}`}>job #{job}</a>
          {attempt !== null && attempt > 1 ? <span class="dim">attempt {attempt}</span> : null}
          <a class="to-log" href={`${scope}&job=${job}`}>
            log lines
          </a>
        </>
      )}
    </span>
  );
}
