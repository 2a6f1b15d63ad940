// Shapes of the API that this page reads.
import type { Outcome, Schedule } from "../definitions/types";

export type { Outcome, Schedule } from "../definitions/types";

export interface ScheduleView extends Schedule {
  /** The next slots. */
  next: string[];
}

export interface Fire {
  definition_id: string;
  due_at: string;
  fired_at: string;
  cause: "schedule" | "backfill" | "auto_start";
  outcome: Outcome;
  run_id: number | null;
  note: string;
}

export interface Slot {
  due_at: string;
  outcome: Outcome;
  run_id: number | null;
  note: string;
}
