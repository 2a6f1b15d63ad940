// Shapes of the API, as documented in docs/json.md.

export type JobKind = "manager" | "step" | "worker";
export type JobStatus = "pending" | "running" | "completed" | "failed" | "cancelled" | "skipped";
export type Level = "debug" | "info" | "warning" | "error";

export interface Counters {
  total: number;
  pending: number;
  running: number;
  completed: number;
  failed: number;
  cancelled: number;
  skipped: number;
  retried: number;
}

export interface JobError {
  type: string;
  message: string;
  traceback?: string | null;
  family?: string | null;
}

export interface Job {
  id: number;
  kind: JobKind;
  job_type: string;
  name: string;
  status: JobStatus;
  status_reason: string | null;
  has_errors: boolean;
  manager_id: number;
  parent_id: number | null;
  step_id: number | null;
  rerun_of: number | null;
  definition_id: string | null;
  step_name: string | null;
  worker_type: string | null;
  available_at: string | null;
  attempt: number;
  max_attempts: number;
  claimed_by: number | null;
  counters: Counters;
  percent: number;
  document_count: number;
  error: JobError | null;
  message: string;
  created_at: string;
  started_at: string | null;
  finished_at: string | null;
  cancel_requested_at: string | null;
  paused_at: string | null;
  steps?: Job[];
}

/** How a job stands: a row of the live view. */
export interface Row {
  id: number;
  kind: JobKind;
  parent_id: number | null;
  manager_id: number;
  name: string;
  worker_type: string | null;
  position: number;
  status: JobStatus;
  status_reason: string | null;
  has_errors: boolean;
  attempt: number;
  counters: Counters;
  documents: number;
  message: string;
  created_at: string;
  started_at: string | null;
  finished_at: string | null;
  available_at: string | null;
  paused: boolean;
  cancelling: boolean;
  queued: boolean;
  definition_id: string | null;
  rerun_of: number | null;
  claimed_by: number | null;
}

export interface Line {
  seq: number;
  line: number;
  ts: string;
  level: Level;
  message: string;
  manager_id: number;
  step_id: number | null;
  job_id: number;
  parent_id: number | null;
  step_name: string | null;
  worker_type: string | null;
  originator: string;
  phase: string;
  attempt: number;
  fields: Record<string, unknown>;
}

export interface Node {
  id: number;
  host: string;
  pid: number;
  version: string;
  slots: number;
  alive: boolean;
  draining: boolean;
  leader: boolean;
}

export interface ErrorFamily {
  family: string;
  count: number;
  manager_id: number;
  definition_id: string;
  run_name: string;
  steps: string[];
  first_job: number;
  sample: JobError | null;
  last_failed_at: string | null;
  ignored: boolean;
}

export interface StepSpan {
  job_id: number;
  name: string;
  status: JobStatus;
  started_at: string | null;
  finished_at: string | null;
  slowest: Row[];
}

export interface Page<T> {
  items: T[];
  next: string | null;
}

export const NO_COUNTERS: Counters = {
  total: 0,
  pending: 0,
  running: 0,
  completed: 0,
  failed: 0,
  cancelled: 0,
  skipped: 0,
  retried: 0,
};

/** The live row of a job that came over REST. */
export function rowOf(job: Job): Row {
  return {
    id: job.id,
    kind: job.kind,
    parent_id: job.parent_id,
    manager_id: job.manager_id,
    name: job.name,
    worker_type: job.worker_type,
    position: 0,
    status: job.status,
    status_reason: job.status_reason,
    has_errors: job.has_errors,
    attempt: job.attempt,
    counters: job.counters ?? NO_COUNTERS,
    documents: job.document_count,
    message: job.message,
    created_at: job.created_at,
    started_at: job.started_at,
    finished_at: job.finished_at,
    available_at: job.available_at,
    paused: job.paused_at !== null,
    cancelling: job.cancel_requested_at !== null && !isOver(job.status),
    queued: false,
    definition_id: job.definition_id,
    rerun_of: job.rerun_of,
    claimed_by: job.claimed_by,
  };
}

export function isOver(status: JobStatus): boolean {
  return status !== "pending" && status !== "running";
}
