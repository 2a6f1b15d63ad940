-- Schedules and their fires. One connection of a process writes; everyone reads.

-- name: put
INSERT INTO schedules (definition_id, revision, name, cron, timezone, jitter_us, misfire, window_us,
                       overlap, enabled, auto_start, home, paused_at, next_due, next_at, last_at, last_outcome,
                       last_run_id, known_from, updated_at)
VALUES (:definition_id, :revision::bigint, :name, :cron, :timezone, :jitter_us::bigint, :misfire, :window_us::bigint,
        :overlap, :enabled::smallint, :auto_start::smallint, :home, :paused_at::bigint, :next_due::bigint,
        :next_at::bigint, :last_at::bigint, :last_outcome::text, :last_run_id::bigint, :known_from::bigint,
        :updated_at::bigint)
ON CONFLICT (definition_id) DO UPDATE
   SET revision = excluded.revision, name = excluded.name, cron = excluded.cron, timezone = excluded.timezone,
       jitter_us = excluded.jitter_us, misfire = excluded.misfire, window_us = excluded.window_us,
       overlap = excluded.overlap, enabled = excluded.enabled, auto_start = excluded.auto_start, home = excluded.home,
       paused_at = excluded.paused_at, next_due = excluded.next_due, next_at = excluded.next_at,
       last_at = excluded.last_at, last_outcome = excluded.last_outcome, last_run_id = excluded.last_run_id,
       known_from = excluded.known_from, updated_at = excluded.updated_at;

-- name: get
SELECT definition_id, revision, name, cron, timezone, jitter_us, misfire, window_us, overlap, enabled, auto_start, home,
       paused_at, next_due, next_at, last_at, last_outcome, last_run_id, known_from, updated_at
  FROM schedules WHERE definition_id = :definition_id;

-- name: all
SELECT definition_id, revision, name, cron, timezone, jitter_us, misfire, window_us, overlap, enabled, auto_start, home,
       paused_at, next_due, next_at, last_at, last_outcome, last_run_id, known_from, updated_at
  FROM schedules ORDER BY definition_id;

-- name: of_home
SELECT definition_id, revision, name, cron, timezone, jitter_us, misfire, window_us, overlap, enabled, auto_start, home,
       paused_at, next_due, next_at, last_at, last_outcome, last_run_id, known_from, updated_at
  FROM schedules WHERE home = :home ORDER BY definition_id;

-- name: due
-- The one whose turn it is.
SELECT definition_id, revision, name, cron, timezone, jitter_us, misfire, window_us, overlap, enabled, auto_start, home,
       paused_at, next_due, next_at, last_at, last_outcome, last_run_id, known_from, updated_at
  FROM schedules WHERE next_at <= :now ORDER BY next_at, definition_id LIMIT 1;

-- name: next_at
SELECT min(next_at) FROM schedules WHERE next_at IS NOT NULL;

-- name: auto_starts
SELECT definition_id FROM schedules WHERE home = :home AND auto_start = 1 AND enabled = 1 ORDER BY definition_id;

-- name: add_fires
-- What is known of a slot stands.
INSERT INTO fires (definition_id, due_at, fired_at, cause, outcome, run_id, note)
SELECT :definition_id::text, (j ->> 0)::bigint, :now::bigint, :cause::text, j ->> 1, (j ->> 2)::bigint, j ->> 3
  FROM json_array_elements(:rows::json) AS j
ON CONFLICT (definition_id, due_at) DO NOTHING;

-- name: put_fire
-- Over a slot for which no run was made.
INSERT INTO fires (definition_id, due_at, fired_at, cause, outcome, run_id, note)
VALUES (:definition_id, :due_at, :now, :cause, :outcome, :run_id::bigint, :note)
ON CONFLICT (definition_id, due_at) DO UPDATE
   SET fired_at = excluded.fired_at, cause = excluded.cause, outcome = excluded.outcome, run_id = excluded.run_id,
       note = excluded.note
 WHERE fires.run_id IS NULL;

-- name: is_known
SELECT 1 FROM fires WHERE definition_id = :definition_id AND due_at = :due_at;

-- name: with_run
-- The slots from :since to :until that a run was made for.
SELECT due_at FROM fires
 WHERE definition_id = :definition_id AND due_at BETWEEN :since AND :until AND run_id IS NOT NULL;

-- name: prune_fires
-- Keeps those dealt with last; the newest slot that went.
DELETE FROM fires
 WHERE definition_id = :definition_id
   AND fired_at < (SELECT f.fired_at FROM fires AS f WHERE f.definition_id = :definition_id
                    ORDER BY f.fired_at DESC LIMIT 1 OFFSET :keep::bigint - 1)
RETURNING due_at;

-- name: fires
SELECT definition_id, due_at, fired_at, cause, outcome, run_id, note
  FROM fires
 WHERE definition_id = :definition_id AND (:before::bigint IS NULL OR due_at < :before::bigint)
 ORDER BY due_at DESC LIMIT :limit;

-- name: fire_of_run
SELECT definition_id, due_at, fired_at, cause, outcome, run_id, note FROM fires WHERE run_id = :run_id;
