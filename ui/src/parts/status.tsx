// A status as a shape, a colour and a word; the same at all three levels of the tree.
import type { JobStatus, Row } from "../api/types";
import { isOver } from "../api/types";

export type Shown = JobStatus | "cancelling" | "paused" | "queued" | "partial";

export const STATUSES: readonly JobStatus[] = ["pending", "running", "completed", "failed", "cancelled", "skipped"];

const WORDS: Record<Shown, string> = {
  pending: "pending",
  running: "running",
  completed: "completed",
  failed: "failed",
  cancelled: "cancelled",
  skipped: "skipped",
  cancelling: "cancelling…",
  paused: "paused",
  queued: "queued",
  partial: "completed with errors",
};

const REASONS: Record<string, string> = {
  error: "an error",
  permanent: "a permanent error",
  exhausted: "all attempts used",
  crash_loop: "its process died too often",
  timeout: "out of time",
  tolerance: "too many failures",
  dependency: "a step before it failed",
  condition: "its condition did not hold",
  user: "by a person",
  fatal: "a step failed that must not",
  reused: "taken over from an earlier run",
};

/** What a row is shown as: its status, and what people have asked of it. */
export function shownStatus(row: Pick<Row, "status" | "cancelling" | "paused" | "queued" | "has_errors">, asked = false): Shown {
  if (!isOver(row.status)) {
    if (row.cancelling || asked) return "cancelling";
    if (row.paused) return "paused";
    if (row.queued) return "queued";
  }
  return row.status === "completed" && row.has_errors ? "partial" : row.status;
}

export function statusWord(shown: Shown): string {
  return WORDS[shown];
}

export function reasonWord(reason: string | null): string {
  return reason === null ? "" : (REASONS[reason] ?? reason);
}

export function StatusIcon({ status }: { status: Shown }) {
  return (
    <svg class={`status-icon s-${status}`} width="14" height="14" viewBox="0 0 14 14" role="img" aria-label={WORDS[status]}>
      <title>{WORDS[status]}</title>
      {shape(status)}
    </svg>
  );
}

function shape(status: Shown) {
  switch (status) {
    case "pending":
      return <circle cx="7" cy="7" r="4.6" class="line dotted" />;
    case "queued":
      return (
        <>
          <circle cx="7" cy="7" r="4.6" class="line" />
          <path d="M7 4.4V7l1.8 1.2" class="line" />
        </>
      );
    case "running":
      return (
        <>
          <circle cx="7" cy="7" r="4.9" class="line faint" />
          <path d="M7 2.1a4.9 4.9 0 0 1 4.9 4.9" class="line spin" />
          <circle cx="7" cy="7" r="1.9" class="fill" />
        </>
      );
    case "completed":
      return (
        <>
          <circle cx="7" cy="7" r="6" class="fill" />
          <path d="m4.3 7.2 1.9 1.9 3.6-3.9" class="mark" />
        </>
      );
    case "partial":
      return (
        <>
          <circle cx="7" cy="7" r="6" class="fill" />
          <path d="M7 3.8v3.8M7 9.7v.3" class="mark" />
        </>
      );
    case "failed":
      return (
        <>
          <path d="M4.4 1h5.2L13 4.4v5.2L9.6 13H4.4L1 9.6V4.4z" class="fill" />
          <path d="m4.8 4.8 4.4 4.4M9.2 4.8 4.8 9.2" class="mark" />
        </>
      );
    case "cancelled":
    case "cancelling":
      return (
        <>
          <circle cx="7" cy="7" r="5.2" class="line" />
          <path d="m3.5 10.5 7-7" class="line" />
        </>
      );
    case "skipped":
      return <path d="M3 3.5 6.5 7 3 10.5M7.5 3.5 11 7l-3.5 3.5" class="line" />;
    case "paused":
      return (
        <>
          <circle cx="7" cy="7" r="5.4" class="line" />
          <path d="M5.6 4.9v4.2M8.4 4.9v4.2" class="line" />
        </>
      );
  }
}

export function Status({ status, reason = null }: { status: Shown; reason?: string | null }) {
  return (
    <span class={`status s-${status}`}>
      <StatusIcon status={status} />
      <span>
        {WORDS[status]}
        {reason ? <span class="dim">: {reasonWord(reason)}</span> : null}
      </span>
    </span>
  );
}
