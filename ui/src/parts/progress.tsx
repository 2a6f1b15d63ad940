// Progress of a job: one bar of segments by status, with a name for screen readers.
import type { Counters } from "../api/types";
import { count } from "./time";

/** `label` null: the same is said in words beside it. */
export function ProgressBar({ counters, label }: { counters: Counters; label: string | null }) {
  const { total } = counters;
  const done = total - counters.pending - counters.running;
  const percent = total ? Math.floor((100 * done) / total) : 0;
  const part = (n: number): string => `${total ? (100 * n) / total : 0}%`;
  return (
    <div
      class="progress"
      {...(label === null
        ? { "aria-hidden": true }
        : {
            role: "progressbar",
            "aria-label": label,
            "aria-valuemin": 0,
            "aria-valuemax": 100,
            "aria-valuenow": percent,
            "aria-valuetext": `${count(done)} of ${count(total)}`,
          })}
      title={`${count(done)} of ${count(total)} (${percent} %)`}
    >
      <i class="p-failed" style={{ width: part(counters.failed) }} />
      <i class="p-completed" style={{ width: part(counters.completed) }} />
      <i class="p-other" style={{ width: part(counters.cancelled + counters.skipped) }} />
      <i class="p-running" style={{ width: part(counters.running) }} />
    </div>
  );
}
