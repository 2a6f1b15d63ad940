// Shapes of the API that only the page of a run or job needs.
import type { Job, JobError, JobStatus, Row } from "../../api/types";

export interface Attempt {
  attempt: number;
  process_id: number | null;
  started_at?: string | null;
  ended_at: string | null;
  outcome: string;
  error: JobError | null;
}

export interface JobDetail extends Job {
  spawned_by: number | null;
  depth: number;
  priority: number;
  failures: number;
  rescues: number;
  config: Record<string, unknown>;
  result: Record<string, unknown>;
  revision?: number | null;
  attempts?: Attempt[];
}

export interface HeatCell {
  first_place: number;
  count: number;
  worst: JobStatus;
  failed: number;
  open: number;
  longest_s: number;
}

export interface HeatStrip {
  step_id: number;
  total: number;
  cells: HeatCell[];
  as_of: string;
}

export interface Holder {
  job_id: number;
  run_id: number;
  process_id: number | null;
  since: string | null;
}

export interface Reason {
  code: string;
  message: string;
  job_id: number | null;
  limiter: string | null;
  key: string | null;
  capability: string | null;
  process_id: number | null;
  since: string | null;
  until: string | null;
  estimated_start: string | null;
  ahead: number | null;
  holders: Holder[];
}

export interface Why {
  job_id: number;
  status: JobStatus;
  as_of: string;
  estimated_start: string | null;
  reasons: Reason[];
}

export interface DocumentRow {
  id: string;
  source_type: string;
  source_id: string;
  title: string;
  revision: number;
  updated_at: string;
  tags: string[];
}

export interface RunSide {
  run_id: number;
  revision: number;
  status: JobStatus;
  has_errors: boolean;
  started_at: string | null;
  seconds: number | null;
}

export interface StepSide {
  step_id: number;
  status: JobStatus;
  reused: boolean;
  seconds: number | null;
  per_second: number | null;
  total: number;
  completed: number;
  failed: number;
  retried: number;
  documents: number;
}

export interface StepDelta {
  name: string;
  old: StepSide | null;
  new: StepSide | null;
  seconds: number | null;
  per_second: number | null;
  total: number | null;
  failed: number | null;
  documents: number | null;
}

export type Change = "added" | "changed" | "unchanged" | "vanished";

export interface TracedDocument {
  document_id: string;
  source_type: string;
  source_id: string;
  title: string;
  revision: number;
  run_id: number;
  step_name: string;
  worker_type: string;
  job_id: number;
  attempt: number;
}

export interface Comparison {
  old: RunSide;
  new: RunSide;
  definition_id: string;
  same_definition: boolean;
  diff: string;
  steps: StepDelta[];
  documents: Record<Change, number>;
  listed: { change: Change; items: TracedDocument[]; next: string | null }[];
}

/** Everything a part of the page may need of what is looked at. */
export interface Looked {
  job: JobDetail;
  row: Row;
  run: JobDetail;
  runRow: Row;
}
