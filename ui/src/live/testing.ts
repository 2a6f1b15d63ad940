// Rows and lines for the tests.
import { type Line, NO_COUNTERS, type Row } from "../api/types";

export function row(id: number, values: Partial<Row> = {}): Row {
  return {
    id, kind: "manager", parent_id: null, manager_id: id, name: `row ${id}`, worker_type: null, position: 0, status: "running",
    status_reason: null, has_errors: false, attempt: 1, counters: NO_COUNTERS, documents: 0, message: "",
    created_at: "2026-01-01T00:00:00Z", started_at: null, finished_at: null, available_at: null, paused: false, cancelling: false,
    queued: false, definition_id: null, rerun_of: null, claimed_by: null, ...values,
  };
}

export function step(id: number, run: number, position: number, values: Partial<Row> = {}): Row {
  return row(id, { kind: "step", parent_id: run, manager_id: run, position, ...values });
}

export function line(seq: number, values: Partial<Line> = {}): Line {
  return {
    seq, line: seq, ts: "2026-01-01T00:00:00Z", level: "info", message: `line ${seq}`, manager_id: 1, step_id: 2, job_id: 3,
    parent_id: 2, step_name: "index", worker_type: "index", originator: "worker", phase: "run", attempt: 1, fields: {}, ...values,
  };
}
