-- Schedules, and what became of each of their slots. Times are microseconds since 1970 UTC.

-- One row for each definition with a schedule or auto_start. home: the folder it comes from, as host:path; empty where
-- its file is gone. next_due: the slot that comes next, next_at: when it is fired, later by its jitter; both NULL where
-- nothing will be fired. last_*: the slot dealt with last by the schedule itself. known_from: of slots up to then it is
-- no longer known what became of them.
CREATE TABLE schedules (
  definition_id text COLLATE "C" PRIMARY KEY,
  revision      bigint NOT NULL,
  name          text NOT NULL,
  cron          text NOT NULL,
  timezone      text NOT NULL,
  jitter_us     bigint NOT NULL DEFAULT 0,
  misfire       text NOT NULL,
  window_us     bigint NOT NULL,
  overlap       text NOT NULL,
  enabled       smallint NOT NULL,
  auto_start    smallint NOT NULL DEFAULT 0,
  home          text NOT NULL DEFAULT '',
  paused_at     bigint,
  next_due      bigint,
  next_at       bigint,
  last_at       bigint,
  last_outcome  text,
  last_run_id   bigint,
  known_from    bigint,
  updated_at    bigint NOT NULL
) WITH (fillfactor = 50);
CREATE INDEX schedules_next ON schedules (next_at) WHERE next_at IS NOT NULL;

-- What became of a slot: each happens once. cause: schedule, backfill, auto_start.
CREATE TABLE fires (
  definition_id text COLLATE "C" NOT NULL,
  due_at        bigint NOT NULL,
  fired_at      bigint NOT NULL,
  cause         text NOT NULL,
  outcome       text NOT NULL,
  run_id        bigint,
  note          text NOT NULL DEFAULT '',
  PRIMARY KEY (definition_id, due_at)
);
CREATE INDEX fires_of_run ON fires (run_id) WHERE run_id IS NOT NULL;

-- Held by whoever changes schedules or fires a slot.
INSERT INTO locks VALUES ('schedules');
