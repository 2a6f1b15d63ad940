-- Schedules, and what became of each of their slots. Times are microseconds since 1970 UTC.

-- One row for each definition with a schedule or auto_start. home: the folder it comes from, as host:path; empty where
-- its file is gone. next_due: the slot that comes next, next_at: when it is fired, later by its jitter; both NULL where
-- nothing will be fired. last_*: the slot dealt with last by the schedule itself. known_from: of slots up to then it is
-- no longer known what became of them.
CREATE TABLE schedules (
  definition_id TEXT PRIMARY KEY,
  revision      INTEGER NOT NULL,
  name          TEXT NOT NULL,
  cron          TEXT NOT NULL,
  timezone      TEXT NOT NULL,
  jitter_us     INTEGER NOT NULL DEFAULT 0,
  misfire       TEXT NOT NULL,
  window_us     INTEGER NOT NULL,
  overlap       TEXT NOT NULL,
  enabled       INTEGER NOT NULL,
  auto_start    INTEGER NOT NULL DEFAULT 0,
  home          TEXT NOT NULL DEFAULT '',
  paused_at     INTEGER,
  next_due      INTEGER,
  next_at       INTEGER,
  last_at       INTEGER,
  last_outcome  TEXT,
  last_run_id   INTEGER,
  known_from    INTEGER,
  updated_at    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX schedules_next ON schedules (next_at) WHERE next_at IS NOT NULL;

-- What became of a slot: each happens once. cause: schedule, backfill, auto_start.
CREATE TABLE fires (
  definition_id TEXT NOT NULL,
  due_at        INTEGER NOT NULL,
  fired_at      INTEGER NOT NULL,
  cause         TEXT NOT NULL,
  outcome       TEXT NOT NULL,
  run_id        INTEGER,
  note          TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (definition_id, due_at)
) STRICT, WITHOUT ROWID;
CREATE INDEX fires_of_run ON fires (run_id) WHERE run_id IS NOT NULL;
