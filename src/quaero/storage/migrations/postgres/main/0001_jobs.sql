-- Runs, steps, worker jobs and what keeps them going. Times are microseconds since 1970 UTC.

-- Numbers of jobs. A block is taken at once, and not given back by a rollback; the lock is held for the two calls only.
CREATE SEQUENCE job_numbers;

CREATE FUNCTION take_job_numbers(count bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  first bigint;
BEGIN
  PERFORM pg_advisory_lock(7283646);
  first := nextval('job_numbers');
  PERFORM setval('job_numbers', first + count - 1);
  PERFORM pg_advisory_unlock(7283646);
  RETURN first;
END
$$;

-- One narrow row a job. status: 0 ready, 1 waiting, 2 running, 3 completed, 4 failed, 5 cancelled, 6 skipped
-- (0 and 1 are both `pending`: claimable, and not before available_at or, where that is null, before a
-- dependency). kind: 0 manager, 1 step, 2 worker. reason: position in StatusReason, from 0.
-- Every claim and every end makes a new version of the row in all indexes without a condition: there is one only.
CREATE TABLE jobs (
  id           bigint PRIMARY KEY,
  manager_id   bigint NOT NULL,
  parent_id    bigint,
  available_at bigint,
  claimed_by   bigint,
  spawned_by   bigint,
  created_at   bigint NOT NULL,
  started_at   bigint,
  finished_at  bigint,
  priority     integer NOT NULL DEFAULT 0,
  attempt      integer NOT NULL DEFAULT 0,
  failures     integer NOT NULL DEFAULT 0,
  rescues      integer NOT NULL DEFAULT 0,
  depth        integer NOT NULL DEFAULT 0,
  kind         smallint NOT NULL,
  status       smallint NOT NULL,
  reason       smallint,
  has_errors   smallint NOT NULL DEFAULT 0,
  limit_key    text COLLATE "C",
  dedup_key    text COLLATE "C"
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 10000,
        autovacuum_analyze_scale_factor = 0.2, autovacuum_vacuum_cost_delay = 0);

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
CREATE UNIQUE INDEX jobs_dedup ON jobs (dedup_key) WHERE dedup_key IS NOT NULL AND status < 3;

-- What is written once: whose child a job is and under which key, what it was given and what it answered.
CREATE TABLE job_io (
  id        bigint PRIMARY KEY,
  parent_id bigint,
  child_key text COLLATE "C",
  payload   text,
  result    text,
  error     text
) WITH (fillfactor = 90);
CREATE UNIQUE INDEX job_io_child_key ON job_io (parent_id, child_key) WHERE child_key IS NOT NULL;
CREATE INDEX job_io_children ON job_io (parent_id, id) WHERE parent_id IS NOT NULL;

-- Attempts that did not simply succeed at the first try.
CREATE TABLE attempts (
  job_id     bigint NOT NULL,
  attempt    integer NOT NULL,
  process_id bigint,
  ended_at   bigint NOT NULL,
  outcome    text NOT NULL,
  family     text,
  error      text,
  PRIMARY KEY (job_id, attempt)
);

CREATE TABLE definitions (
  id         text COLLATE "C" NOT NULL,
  revision   bigint NOT NULL,
  hash       text NOT NULL,
  source     text NOT NULL,
  body       text NOT NULL,
  created_at bigint NOT NULL,
  PRIMARY KEY (id, revision)
);
CREATE UNIQUE INDEX definitions_hash ON definitions (id, hash);

-- What a manager job has besides its row. stop_reason: why it must end (cancel, tolerance, deadline, fatal step).
-- The row of a root is also its lock: whoever changes steps, runs or counters below it holds it until the commit.
CREATE TABLE runs (
  id            bigint PRIMARY KEY,
  definition_id text COLLATE "C" NOT NULL,
  revision      bigint NOT NULL,
  root_id       bigint NOT NULL,
  parent_step   bigint,
  rerun_of      bigint,
  name          text NOT NULL,
  log_day       text NOT NULL,
  queued        smallint NOT NULL DEFAULT 0,
  failing       smallint NOT NULL DEFAULT 0,
  warned        smallint NOT NULL DEFAULT 0,
  stop_reason   smallint,
  stop_at       bigint,
  paused_at     bigint,
  deadline      bigint,
  message       text NOT NULL DEFAULT ''
) WITH (fillfactor = 50);
CREATE INDEX runs_definition ON runs (definition_id, id);
CREATE INDEX runs_parent ON runs (parent_step) WHERE parent_step IS NOT NULL;
CREATE INDEX runs_root ON runs (root_id);
CREATE INDEX runs_deadline ON runs (deadline) WHERE deadline IS NOT NULL;

-- What a step job has besides its row: its lane (whose turn it is) and the counters of its children.
CREATE TABLE steps (
  id             bigint PRIMARY KEY,
  manager_id     bigint NOT NULL,
  root_id        bigint NOT NULL,
  position       integer NOT NULL,
  name           text NOT NULL,
  worker_type    text NOT NULL,
  has_runs       smallint NOT NULL DEFAULT 0,
  priority       integer NOT NULL DEFAULT 0,
  turn           bigint NOT NULL DEFAULT 0,
  sealed         smallint NOT NULL DEFAULT 0,
  stop_reason    smallint,
  deadline       bigint,
  total          bigint NOT NULL DEFAULT 0,
  pending        bigint NOT NULL DEFAULT 0,
  waiting        bigint NOT NULL DEFAULT 0,
  running        bigint NOT NULL DEFAULT 0,
  completed      bigint NOT NULL DEFAULT 0,
  failed         bigint NOT NULL DEFAULT 0,
  cancelled      bigint NOT NULL DEFAULT 0,
  skipped        bigint NOT NULL DEFAULT 0,
  retried        bigint NOT NULL DEFAULT 0,
  document_count bigint NOT NULL DEFAULT 0,
  warning_count  bigint NOT NULL DEFAULT 0,
  plan_hash      text,
  cache_key      text,
  message        text NOT NULL DEFAULT ''
) WITH (fillfactor = 20, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 500,
        autovacuum_vacuum_cost_delay = 0);
CREATE INDEX steps_of_run ON steps (manager_id, position);
CREATE INDEX steps_lane ON steps (priority DESC, turn) WHERE pending > waiting;
CREATE INDEX steps_deadline ON steps (deadline) WHERE deadline IS NOT NULL;

-- The step that this attempt is planning, under the lock of its root: two statements, one message. No row when the
-- attempt no longer holds it.
CREATE FUNCTION planned_step(step bigint, held integer)
RETURNS TABLE (run bigint, is_to_stop boolean, root bigint) LANGUAGE plpgsql AS $$
BEGIN
  PERFORM 1 FROM steps AS s JOIN runs AS r ON r.id = s.root_id WHERE s.id = step FOR NO KEY UPDATE OF r;
  RETURN QUERY
  SELECT s.manager_id, s.stop_reason IS NOT NULL OR r.stop_reason IS NOT NULL, s.root_id
    FROM jobs AS j JOIN steps AS s ON s.id = j.id JOIN runs AS r ON r.id = s.manager_id
   WHERE j.id = step AND j.attempt = held AND j.status = 2;
END
$$;

-- Running programs. A process renews this one row; its jobs live as long as it does.
CREATE TABLE processes (
  id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  host         text NOT NULL,
  boot_id      text NOT NULL,
  pid_space    text NOT NULL,
  pid          bigint NOT NULL,
  pid_started  bigint,
  version      text NOT NULL,
  slots        integer NOT NULL,
  capabilities text NOT NULL,
  port         integer NOT NULL DEFAULT 0,
  draining     smallint NOT NULL DEFAULT 0,
  lease_until  bigint NOT NULL,
  started_at   bigint NOT NULL
) WITH (fillfactor = 20, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 500);

-- Flow control, by (worker type, key): slots in use now, and a token bucket.
CREATE TABLE limiters (
  name   text COLLATE "C" NOT NULL,
  key    text COLLATE "C" NOT NULL,
  in_use bigint NOT NULL DEFAULT 0,
  tokens double precision,
  stamp  bigint,
  PRIMARY KEY (name, key)
) WITH (fillfactor = 20, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 500);

-- Locks that are no row's own: a transaction that holds one is the only one of its kind.
CREATE TABLE locks (name text COLLATE "C" PRIMARY KEY) WITH (fillfactor = 50);
INSERT INTO locks VALUES ('definitions'), ('documents'), ('events'), ('limits');

-- The number of the last transaction of each connection that writes: whether one took place whose answer was lost.
CREATE TABLE turns (
  session text COLLATE "C" PRIMARY KEY,
  number  bigint NOT NULL,
  at      bigint NOT NULL
) WITH (fillfactor = 20, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 500);

-- Changes for those who watch: (origin, seq) is the cursor. Pruned after minutes.
CREATE TABLE events (
  origin     bigint NOT NULL,
  seq        bigint NOT NULL,
  ts         bigint NOT NULL,
  type       text NOT NULL,
  manager_id bigint,
  job_id     bigint,
  data       text NOT NULL,
  PRIMARY KEY (origin, seq)
) WITH (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 5000);
CREATE INDEX events_by_time ON events (ts);

CREATE TABLE step_cache (
  definition_id text NOT NULL,
  step_name     text NOT NULL,
  cache_key     text NOT NULL,
  made_at       bigint NOT NULL,
  manager_id    bigint NOT NULL,
  step_id       bigint NOT NULL,
  PRIMARY KEY (definition_id, step_name, cache_key)
);

-- Single facts: the auditor's drift among them.
CREATE TABLE facts (
  name  text PRIMARY KEY,
  value text NOT NULL
);
