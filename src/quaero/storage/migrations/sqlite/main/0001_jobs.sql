-- Runs, steps, worker jobs and what keeps them going. Times are microseconds since 1970 UTC.

-- One narrow row a job. status: 0 ready, 1 waiting, 2 running, 3 completed, 4 failed, 5 cancelled, 6 skipped
-- (0 and 1 are both `pending`: claimable, and not before available_at or, where that is null, before a
-- dependency). kind: 0 manager, 1 step, 2 worker. reason: position in StatusReason, from 0.
CREATE TABLE jobs (
  id           INTEGER PRIMARY KEY,
  kind         INTEGER NOT NULL,
  manager_id   INTEGER NOT NULL,
  parent_id    INTEGER,
  child_key    TEXT,
  status       INTEGER NOT NULL,
  reason       INTEGER,
  has_errors   INTEGER NOT NULL DEFAULT 0,
  priority     INTEGER NOT NULL DEFAULT 0,
  available_at INTEGER,
  attempt      INTEGER NOT NULL DEFAULT 0,
  failures     INTEGER NOT NULL DEFAULT 0,
  rescues      INTEGER NOT NULL DEFAULT 0,
  claimed_by   INTEGER,
  depth        INTEGER NOT NULL DEFAULT 0,
  spawned_by   INTEGER,
  limit_key    TEXT,
  dedup_key    TEXT,
  created_at   INTEGER NOT NULL,
  started_at   INTEGER,
  finished_at  INTEGER
) STRICT;

-- One index per access path; none holds a status but as a partial predicate.
CREATE INDEX jobs_ready ON jobs (parent_id, priority DESC, available_at, id)
  WHERE status = 0 AND kind = 2 AND rescues < 2;
CREATE INDEX jobs_suspect ON jobs (parent_id, id) WHERE status = 0 AND kind = 2 AND rescues >= 2;
CREATE INDEX jobs_keyed ON jobs (parent_id, limit_key, priority DESC, available_at, id)
  WHERE status = 0 AND limit_key IS NOT NULL;
CREATE INDEX jobs_plannable ON jobs (priority DESC, available_at, id) WHERE status = 0 AND kind = 1;
CREATE INDEX jobs_due ON jobs (available_at) WHERE status = 1 AND available_at IS NOT NULL;
CREATE INDEX jobs_held ON jobs (claimed_by) WHERE status = 2 AND claimed_by IS NOT NULL;
CREATE INDEX jobs_failed ON jobs (manager_id, id) WHERE status = 4 AND kind = 2;
CREATE INDEX jobs_runs ON jobs (id) WHERE kind = 0;
CREATE INDEX jobs_open_runs ON jobs (id) WHERE kind = 0 AND status < 3;
CREATE INDEX jobs_children ON jobs (parent_id, id);
CREATE UNIQUE INDEX jobs_child_key ON jobs (parent_id, child_key) WHERE child_key IS NOT NULL;
CREATE UNIQUE INDEX jobs_dedup ON jobs (dedup_key) WHERE dedup_key IS NOT NULL AND status < 3;

-- What a job was given and what it answered, apart from the hot row.
CREATE TABLE job_io (
  id      INTEGER PRIMARY KEY,
  payload TEXT,
  result  TEXT,
  error   TEXT
) STRICT;

-- Attempts that did not simply succeed at the first try.
CREATE TABLE attempts (
  job_id     INTEGER NOT NULL,
  attempt    INTEGER NOT NULL,
  process_id INTEGER,
  ended_at   INTEGER NOT NULL,
  outcome    TEXT NOT NULL,
  family     TEXT,
  error      TEXT,
  PRIMARY KEY (job_id, attempt)
) STRICT, WITHOUT ROWID;

CREATE TABLE definitions (
  id         TEXT NOT NULL,
  revision   INTEGER NOT NULL,
  hash       TEXT NOT NULL,
  source     TEXT NOT NULL,
  body       TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (id, revision)
) STRICT;
CREATE UNIQUE INDEX definitions_hash ON definitions (id, hash);

-- What a manager job has besides its row. stop_reason: why it must end (cancel, tolerance, deadline, fatal step).
CREATE TABLE runs (
  id            INTEGER PRIMARY KEY,
  definition_id TEXT NOT NULL,
  revision      INTEGER NOT NULL,
  root_id       INTEGER NOT NULL,
  parent_step   INTEGER,
  rerun_of      INTEGER,
  name          TEXT NOT NULL,
  log_day       TEXT NOT NULL,
  queued        INTEGER NOT NULL DEFAULT 0,
  failing       INTEGER NOT NULL DEFAULT 0,
  warned        INTEGER NOT NULL DEFAULT 0,
  stop_reason   INTEGER,
  stop_at       INTEGER,
  paused_at     INTEGER,
  deadline      INTEGER,
  message       TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX runs_definition ON runs (definition_id, id);
CREATE INDEX runs_parent ON runs (parent_step) WHERE parent_step IS NOT NULL;
CREATE INDEX runs_root ON runs (root_id);
CREATE INDEX runs_deadline ON runs (deadline) WHERE deadline IS NOT NULL;

-- What a step job has besides its row: its lane (whose turn it is) and the counters of its children.
CREATE TABLE steps (
  id             INTEGER PRIMARY KEY,
  manager_id     INTEGER NOT NULL,
  root_id        INTEGER NOT NULL,
  position       INTEGER NOT NULL,
  name           TEXT NOT NULL,
  worker_type    TEXT NOT NULL,
  has_runs       INTEGER NOT NULL DEFAULT 0,
  priority       INTEGER NOT NULL DEFAULT 0,
  turn           INTEGER NOT NULL DEFAULT 0,
  sealed         INTEGER NOT NULL DEFAULT 0,
  stop_reason    INTEGER,
  deadline       INTEGER,
  total          INTEGER NOT NULL DEFAULT 0,
  pending        INTEGER NOT NULL DEFAULT 0,
  waiting        INTEGER NOT NULL DEFAULT 0,
  running        INTEGER NOT NULL DEFAULT 0,
  completed      INTEGER NOT NULL DEFAULT 0,
  failed         INTEGER NOT NULL DEFAULT 0,
  cancelled      INTEGER NOT NULL DEFAULT 0,
  skipped        INTEGER NOT NULL DEFAULT 0,
  retried        INTEGER NOT NULL DEFAULT 0,
  document_count INTEGER NOT NULL DEFAULT 0,
  warning_count  INTEGER NOT NULL DEFAULT 0,
  plan_hash      TEXT,
  cache_key      TEXT,
  message        TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX steps_of_run ON steps (manager_id, position);
CREATE INDEX steps_lane ON steps (priority DESC, turn) WHERE pending > waiting;
CREATE INDEX steps_deadline ON steps (deadline) WHERE deadline IS NOT NULL;

-- Running programs. A process renews this one row; its jobs live as long as it does.
CREATE TABLE processes (
  id           INTEGER PRIMARY KEY AUTOINCREMENT,
  host         TEXT NOT NULL,
  boot_id      TEXT NOT NULL,
  pid_space    TEXT NOT NULL,
  pid          INTEGER NOT NULL,
  pid_started  INTEGER,
  version      TEXT NOT NULL,
  slots        INTEGER NOT NULL,
  capabilities TEXT NOT NULL,
  port         INTEGER NOT NULL DEFAULT 0,
  draining     INTEGER NOT NULL DEFAULT 0,
  lease_until  INTEGER NOT NULL,
  started_at   INTEGER NOT NULL
) STRICT;

-- Flow control, by (worker type, key): slots in use now, and a token bucket.
CREATE TABLE limiters (
  name   TEXT NOT NULL,
  key    TEXT NOT NULL,
  in_use INTEGER NOT NULL DEFAULT 0,
  tokens REAL,
  stamp  INTEGER,
  PRIMARY KEY (name, key)
) STRICT, WITHOUT ROWID;

-- Ids come from here, never from max(id) + 1: retention may delete the newest row.
CREATE TABLE sequences (
  name TEXT PRIMARY KEY,
  next INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO sequences VALUES ('job', 1);

-- Changes for those who watch: (origin, seq) is the cursor. Pruned after minutes.
CREATE TABLE events (
  origin     INTEGER NOT NULL,
  seq        INTEGER NOT NULL,
  ts         INTEGER NOT NULL,
  type       TEXT NOT NULL,
  manager_id INTEGER,
  job_id     INTEGER,
  data       TEXT NOT NULL,
  PRIMARY KEY (origin, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX events_by_time ON events (ts);

CREATE TABLE step_cache (
  definition_id TEXT NOT NULL,
  step_name     TEXT NOT NULL,
  cache_key     TEXT NOT NULL,
  made_at       INTEGER NOT NULL,
  manager_id    INTEGER NOT NULL,
  step_id       INTEGER NOT NULL,
  PRIMARY KEY (definition_id, step_name, cache_key)
) STRICT, WITHOUT ROWID;

-- Single facts: the auditor's drift among them.
CREATE TABLE facts (
  name  TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
