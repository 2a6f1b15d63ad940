// Shapes of the API that concern documents.

export interface Doc {
  id: string;
  source_type: string;
  source_id: string;
  title: string;
  /** Empty in lists. */
  content: string;
  url: string;
  tags: string[];
  metadata: Record<string, unknown>;
  revision: number;
  content_hash: string;
  created_at: string;
  updated_at: string;
  last_synced: string;
  gone_at: string | null;
}

export interface Use {
  manager_id: number;
  step_id: number;
  step_name: string;
  how: "made" | "reused" | "enriched";
}

export interface DocWithUses extends Doc {
  runs: Use[];
}

export interface Origin {
  manager_id: number;
  step_name: string;
  worker_type: string;
  job_id: number;
  attempt: number;
}

export interface Revision extends Origin {
  document_id: string;
  revision: number;
  title: string;
  content: string;
  url: string;
  metadata: Record<string, unknown>;
  content_hash: string;
  made_at: string;
}

export interface LineageNode {
  document_id: string;
  source_type: string;
  source_id: string;
  title: string;
  revision: number;
  content_hash: string;
  stale: boolean;
  manager_id: number | null;
  step_name: string | null;
  worker_type: string | null;
  job_id: number | null;
  attempt: number | null;
  made_at: string | null;
  derived_from: LineageNode[];
}

export interface Lineage extends LineageNode {
  runs: Use[];
  used_by: LineageNode[];
}

export interface Facets {
  source_types: Record<string, number>;
  tags: Record<string, number>;
  categories: Record<string, number>;
}

export interface Edited {
  done: string[];
  missing: string[];
}
