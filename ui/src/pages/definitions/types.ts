// Shapes of the API that these pages read.
import type { Row } from "../../api/types";

export interface Finding {
  code: string;
  severity: "error" | "warning";
  message: string;
  file: string;
  line: number;
  column: number;
  key: string;
  hint: string;
}

export interface Entry {
  id: string;
  name: string;
  file: string;
  type: string;
  description: string;
  tags: string[];
  enabled: boolean;
  schedule: string;
  timezone: string;
  auto_start: boolean;
  status: "ready" | "disabled" | "error";
  reason: string;
  is_draft: boolean;
  hash: string;
  etag: string;
  modified_at: string;
  findings: Finding[];
}

export type Outcome = "started" | "queued" | "skipped_overlap" | "missed" | "paused" | "failed";

export interface Schedule {
  definition_id: string;
  name: string;
  revision: number;
  state: "active" | "paused" | "disabled" | "removed";
  cron: string;
  words: string;
  timezone: string;
  jitter_s: number;
  misfire: "skip" | "one" | "all";
  window_s: number;
  overlap: "skip" | "queue" | "cancel_previous" | "allow";
  auto_start: boolean;
  home: string;
  paused_at: string | null;
  next_due: string | null;
  next_at: string | null;
  last_at: string | null;
  last_outcome: Outcome | null;
  last_run_id: number | null;
  updated_at: string;
}

export interface DefinitionView {
  definition: Entry;
  schedule: Schedule | null;
  runs: number;
  /** The last runs, the newest first. */
  last: Row[];
}

export interface DefinitionText {
  definition: Entry;
  source: string;
  schedule: Schedule | null;
}

export interface StepNode {
  name: string;
  type: string;
  position: number;
  depends: string[];
  description: string;
  condition: string;
  on_error: string;
  always_run: boolean;
  line: number;
}

export interface Graph {
  steps: StepNode[];
  edges: { source: string; target: string }[];
}

export interface Checked {
  id: string;
  findings: Finding[];
  is_valid: boolean;
  graph: Graph;
}

export interface Revision {
  definition_id: string;
  revision: number;
  hash: string;
  created_at: string;
  runs: number;
  source: string;
}

export interface SchemaKey {
  name: string;
  type: string;
  default: unknown;
  required: boolean;
  values: string[];
  description: string;
}

export interface WorkerType {
  type: string;
  description: string;
  parameters: { name: string; type: string; required: boolean; default: unknown; description: string }[];
  example: string;
}

export interface Schema {
  top: SchemaKey[];
  config: SchemaKey[];
  error_tolerance: SchemaKey[];
  step: SchemaKey[];
  retry: SchemaKey[];
  limits: SchemaKey[];
  workers: WorkerType[];
  agent_types: string[];
  placeholders: { form: string; description: string }[];
  condition: string[];
}

export interface StepPreview {
  name: string;
  worker_type: string;
  depends: string[];
  wave: number;
  jobs: number | null;
  seconds: number | null;
  cached_run: number | null;
  cached_until: string | null;
  changed: boolean | null;
  limits: string[];
}

export interface Preview {
  basis: number[];
  last_run: number | null;
  seconds: number | null;
  least_seconds: number | null;
  steps: StepPreview[];
  order: string[][];
  diff: string;
  /** The run that a start would collide with. */
  in_the_way?: number | null;
}
