-- Statements over jobs, runs and steps. Batches come in as one JSON array (:rows), so that a batch is one statement.
--
-- The session has its plans pinned to index scans and nested loops: the rows of a batch are looked up, and locked, in
-- the order in which they come. `CASE WHEN status = …` keeps a condition out of the planner's sight that would tempt
-- it to read a partial index whole, because that was empty when statistics were taken.

-- name: server_time
SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint;

-- name: lock_named
SELECT 1 FROM locks AS l WHERE l.name = :name FOR UPDATE;

-- name: try_lock_named
SELECT 1 FROM locks AS l WHERE l.name = :name FOR UPDATE SKIP LOCKED;

-- name: lock_steps
-- The roots of these steps, in order.
SELECT r.id FROM runs AS r
 WHERE r.id IN (SELECT s.root_id FROM jsonb_array_elements_text(:rows::jsonb) AS j JOIN steps AS s ON s.id = j::bigint)
 ORDER BY r.id FOR NO KEY UPDATE;

-- name: lock_runs
SELECT r.id FROM runs AS r
 WHERE r.id IN (SELECT o.root_id FROM jsonb_array_elements_text(:rows::jsonb) AS j JOIN runs AS o ON o.id = j::bigint)
 ORDER BY r.id FOR NO KEY UPDATE;

-- name: take_numbers
SELECT take_job_numbers(:count);

-- name: find_revision
SELECT revision FROM definitions WHERE id = :id AND hash = :hash;

-- name: newest_revision
SELECT max(revision) FROM definitions WHERE id = :id;

-- name: add_definition
INSERT INTO definitions (id, revision, hash, source, body, created_at)
VALUES (:id, :revision, :hash, :source, :body, :now);

-- name: definition
SELECT body FROM definitions WHERE id = :id AND revision = :revision;

-- name: add_manager_job
WITH io AS (
  INSERT INTO job_io (id, parent_id, child_key) VALUES (:id, :parent_step, :child_key)
  ON CONFLICT DO NOTHING RETURNING id
)
INSERT INTO jobs (id, kind, manager_id, parent_id, status, priority, created_at)
SELECT io.id, 0, io.id, :parent_step::bigint, 1, :priority, :now FROM io;

-- name: add_run
INSERT INTO runs (id, definition_id, revision, root_id, parent_step, rerun_of, name, log_day, queued, deadline)
VALUES (:id, :definition_id, :revision, :root_id, :parent_step, :rerun_of, :name, :log_day, :queued, :deadline);

-- name: add_step_jobs
WITH rows AS (
  SELECT :first + n - 1 AS id, (j ->> 0)::bigint AS run, j ->> 1 AS name, (j ->> 2)::smallint AS status,
         (j ->> 3)::smallint AS reason, (j ->> 4)::integer AS priority
    FROM jsonb_array_elements(:rows::jsonb) WITH ORDINALITY AS e (j, n)
), io AS (
  INSERT INTO job_io (id, parent_id, child_key) SELECT id, run, name FROM rows
)
INSERT INTO jobs (id, kind, manager_id, parent_id, status, reason, priority, available_at, created_at, finished_at)
SELECT id, 1, run, run, status, reason, priority, CASE WHEN status = 0 THEN :now::bigint END, :now::bigint,
       CASE WHEN status > 2 THEN :now::bigint END
  FROM rows;

-- name: add_steps
INSERT INTO steps (id, manager_id, root_id, position, name, worker_type, has_runs, priority, sealed, needs)
SELECT :first + n - 1, (j ->> 0)::bigint, (j ->> 1)::bigint, (j ->> 2)::integer, j ->> 3, j ->> 4, (j ->> 5)::smallint,
       (j ->> 6)::integer, (j ->> 7)::smallint, j ->> 8
  FROM jsonb_array_elements(:rows::jsonb) WITH ORDINALITY AS e (j, n);

-- name: run
SELECT r.id, r.definition_id, r.revision, r.root_id, r.parent_step, r.rerun_of, r.name, r.log_day, j.status, j.reason,
       j.priority, r.queued, r.failing, r.warned, r.stop_reason, r.paused_at, r.deadline, r.message
  FROM runs AS r JOIN jobs AS j ON j.id = r.id
 WHERE r.id = :id;

-- name: open_runs
-- Of one definition, oldest first; child runs and post runs count as well. OFFSET 0: found among the open ones, not among
-- all that the definition ever had.
SELECT r.id, r.definition_id, r.revision, r.root_id, r.parent_step, r.rerun_of, r.name, r.log_day, j.status, j.reason,
       j.priority, r.queued, r.failing, r.warned, r.stop_reason, r.paused_at, r.deadline, r.message
  FROM jobs AS j CROSS JOIN LATERAL (SELECT o.* FROM runs AS o WHERE o.id = j.id OFFSET 0) AS r
 WHERE j.kind = 0 AND j.status < 3 AND r.definition_id = :definition_id
 ORDER BY j.id;

-- name: stopped_runs
SELECT r.id FROM jobs AS j JOIN runs AS r ON r.id = j.id
 WHERE j.kind = 0 AND j.status < 3
   AND (r.stop_reason IS NOT NULL
        OR EXISTS (SELECT 1 FROM steps AS s JOIN jobs AS k ON k.id = s.id
                    WHERE s.manager_id = r.id AND s.stop_reason IS NOT NULL AND k.status < 3));

-- name: all_open_runs
SELECT j.id FROM jobs AS j WHERE j.kind = 0 AND j.status < 3 ORDER BY j.id;

-- name: child_runs
SELECT r.id FROM steps AS s JOIN runs AS r ON r.parent_step = s.id WHERE s.manager_id = :run_id ORDER BY r.id;

-- name: steps
SELECT s.id, s.manager_id, s.root_id, s.position, s.name, s.worker_type, s.has_runs, j.status, j.reason, j.has_errors,
       j.attempt, j.failures, j.claimed_by, j.available_at, s.sealed, s.stop_reason, s.deadline, j.started_at, s.total,
       s.pending, s.waiting, s.running, s.completed, s.failed, s.cancelled, s.skipped, s.retried, s.document_count,
       s.warning_count, s.message, s.cache_key, s.waits_for
  FROM steps AS s JOIN jobs AS j ON j.id = s.id
 WHERE s.manager_id = :run_id
 ORDER BY s.position;

-- name: step
SELECT s.id, s.manager_id, s.root_id, s.position, s.name, s.worker_type, s.has_runs, j.status, j.reason, j.has_errors,
       j.attempt, j.failures, j.claimed_by, j.available_at, s.sealed, s.stop_reason, s.deadline, j.started_at, s.total,
       s.pending, s.waiting, s.running, s.completed, s.failed, s.cancelled, s.skipped, s.retried, s.document_count,
       s.warning_count, s.message, s.cache_key, s.waits_for
  FROM steps AS s JOIN jobs AS j ON j.id = s.id
 WHERE s.id = :id;

-- name: set_run_flags
UPDATE runs
   SET queued = coalesce(:queued::smallint, queued), failing = coalesce(:failing::smallint, failing),
       warned = coalesce(:warned::smallint, warned), stop_reason = coalesce(stop_reason, :stop_reason::smallint),
       stop_at = coalesce(stop_at, :stop_at::bigint),
       paused_at = CASE WHEN :paused_at::bigint = 0 THEN NULL ELSE coalesce(:paused_at::bigint, paused_at) END,
       deadline = CASE WHEN :deadline::bigint = 0 THEN NULL ELSE coalesce(:deadline::bigint, deadline) END,
       message = coalesce(:message::text, message)
 WHERE id = :id;

-- name: set_step_flags
UPDATE steps
   SET sealed = coalesce(:sealed::smallint, sealed), stop_reason = coalesce(stop_reason, :stop_reason::smallint),
       deadline = CASE WHEN :deadline::bigint = 0 THEN NULL ELSE coalesce(:deadline::bigint, deadline) END,
       plan_hash = coalesce(:plan_hash::text, plan_hash), cache_key = coalesce(:cache_key::text, cache_key),
       message = coalesce(:message::text, message), waits_for = coalesce(:waits_for::text, waits_for),
       warning_count = warning_count + coalesce(:warnings::bigint, 0),
       document_count = document_count + coalesce(:documents::bigint, 0)
 WHERE id = :id;

-- name: set_state
-- A compare-and-set: nothing changes when the old state is not among the expected ones.
UPDATE jobs
   SET status = :new::smallint, reason = :reason::smallint, has_errors = :has_errors::smallint,
       available_at = :available_at::bigint,
       claimed_by = CASE WHEN :new::smallint = 2 THEN claimed_by END,
       started_at = CASE WHEN :new::smallint = 2 THEN coalesce(started_at, :now::bigint) ELSE started_at END,
       finished_at = CASE WHEN :new::smallint > 2 THEN :now::bigint END
 WHERE id = :id AND to_jsonb(status) <@ :old::jsonb;

-- name: release_claim
UPDATE jobs SET claimed_by = NULL WHERE id = :id;

-- name: plan_of
-- With the lock of its root.
SELECT p.run, p.is_to_stop, p.root FROM planned_step(:id, :attempt::integer) AS p;

-- name: add_children
-- :rows are the child keys, in order; what is there already (or open under the same dedup key) is left alone.
WITH taken AS MATERIALIZED (
  SELECT take_job_numbers(:count) AS first
), io AS (
  INSERT INTO job_io (id, parent_id, child_key, payload)
  SELECT t.first + e.n - 1, :step_id, e.key, e.payload::text
    FROM taken AS t
   CROSS JOIN ROWS FROM (json_array_elements_text(:rows::json), json_array_elements(:payloads::json))
         WITH ORDINALITY AS e (key, payload, n)
  ON CONFLICT DO NOTHING RETURNING id
)
INSERT INTO jobs (id, kind, manager_id, parent_id, status, priority, available_at, created_at)
SELECT io.id, 2, :manager_id, :step_id, 0, :priority, :now, :now FROM io;

-- name: add_children_with
-- As add_children, with what a payload may say for itself: [key, priority, limit key, dedup key, depth, spawned by,
-- needs].
-- Of those with a dedup key only the ones whose job could be made keep what they were given.
WITH taken AS MATERIALIZED (
  SELECT take_job_numbers(:count) AS first
), given AS (
  SELECT t.first + e.n - 1 AS id, e.j ->> 0 AS key, (e.j ->> 1)::integer AS priority, e.j ->> 2 AS limit_key,
         e.j ->> 3 AS dedup_key, (e.j ->> 4)::integer AS depth, (e.j ->> 5)::bigint AS spawned_by,
         e.j ->> 6 AS needs, e.payload::text AS payload
    FROM taken AS t
   CROSS JOIN ROWS FROM (json_array_elements(:rows::json), json_array_elements(:payloads::json))
         WITH ORDINALITY AS e (j, payload, n)
), known AS (
  SELECT g.id FROM given AS g JOIN job_io AS i ON i.parent_id = :step_id AND i.child_key = g.key
  UNION ALL
  SELECT g.id FROM given AS g JOIN jobs AS o ON o.dedup_key = g.dedup_key
   WHERE o.dedup_key IS NOT NULL AND o.status < 3
), made AS (
  INSERT INTO jobs (id, kind, manager_id, parent_id, status, priority, available_at, created_at, limit_key, dedup_key,
                    depth, spawned_by, needs)
  SELECT d.id, 2, :manager_id, :step_id, 0, d.priority, :now::bigint, :now::bigint, d.limit_key, d.dedup_key, d.depth,
         d.spawned_by, d.needs
    FROM (SELECT DISTINCT ON (g.key) g.* FROM given AS g WHERE g.id NOT IN (SELECT k.id FROM known AS k)
           ORDER BY g.key, g.id) AS d
   ORDER BY d.dedup_key, d.id
  ON CONFLICT DO NOTHING RETURNING id
)
INSERT INTO job_io (id, parent_id, child_key, payload)
SELECT g.id, :step_id, g.key, g.payload FROM given AS g JOIN made AS m ON m.id = g.id;

-- name: count_failed_children
SELECT count(*) FROM jobs
 WHERE manager_id = :old_run AND status = 4 AND kind = 2 AND parent_id = :old_step
   AND (:family::text IS NULL
        OR coalesce((SELECT io.error::json ->> 'family' FROM job_io AS io WHERE io.id = jobs.id), '') = :family::text);

-- name: copy_failed_children
-- Of one family of errors, or all. One that is open elsewhere under the same dedup key is left out.
INSERT INTO jobs (id, kind, manager_id, parent_id, status, priority, available_at, created_at, limit_key, dedup_key,
                  depth, spawned_by, needs)
SELECT :first + row_number() OVER (ORDER BY f.id) - 1, 2, :new_run, :new_step, 0, f.priority, :now, :now, f.limit_key,
       f.dedup_key, f.depth, NULL, f.needs
  FROM jobs AS f
 WHERE f.manager_id = :old_run AND f.status = 4 AND f.kind = 2 AND f.parent_id = :old_step
   AND (:family::text IS NULL
        OR coalesce((SELECT io.error::json ->> 'family' FROM job_io AS io WHERE io.id = f.id), '') = :family::text)
ON CONFLICT DO NOTHING;

-- name: copy_failed_payloads
-- The copies were numbered in the order of their originals.
INSERT INTO job_io (id, parent_id, child_key, payload)
SELECT n.id, :new_step, o.child_key, o.payload
  FROM (SELECT :first + row_number() OVER (ORDER BY f.id) - 1 AS id, f.id AS old
          FROM jobs AS f
         WHERE f.manager_id = :old_run AND f.status = 4 AND f.kind = 2 AND f.parent_id = :old_step
           AND (:family::text IS NULL
                OR coalesce((SELECT io.error::json ->> 'family' FROM job_io AS io WHERE io.id = f.id), '')
                   = :family::text)) AS n
  JOIN job_io AS o ON o.id = n.old
 WHERE EXISTS (SELECT 1 FROM jobs AS made WHERE made.id = n.id);

-- name: complete
-- attempt only grows, so it fences: whoever lost the claim changes no row.
UPDATE jobs SET status = 3, claimed_by = NULL, finished_at = :now
  FROM jsonb_array_elements(:rows::jsonb) AS done
 WHERE jobs.id = (done ->> 0)::bigint
   AND CASE WHEN jobs.status = 2 THEN jobs.attempt END = (done ->> 1)::integer;

-- name: completed_now
-- Which of a batch were completed just now: asked only when the number of changed rows says that not all were.
SELECT coalesce(json_agg(json_build_array(jobs.id, jobs.attempt)), '[]')::text
  FROM jsonb_array_elements(:rows::jsonb) AS done
  JOIN jobs ON jobs.id = (done ->> 0)::bigint
 WHERE jobs.attempt = (done ->> 1)::integer AND jobs.finished_at = :now
   AND CASE WHEN jobs.status = 3 THEN true ELSE false END;

-- name: accepted
-- Locked, in order: until the commit nobody takes them away.
SELECT coalesce(json_agg(json_build_array(held.id, held.attempt)), '[]')::text
  FROM (SELECT j.id, j.attempt FROM jobs AS j
          JOIN (SELECT (done ->> 0)::bigint AS id, (done ->> 1)::integer AS attempt
                  FROM jsonb_array_elements(:rows::jsonb) AS done ORDER BY 1) AS d ON d.id = j.id
         WHERE CASE WHEN j.status = 2 THEN j.attempt END = d.attempt
           FOR NO KEY UPDATE OF j) AS held;

-- name: settle
-- [id, attempt, state, reason, available_at, failures to add]; back to ready keeps the place in the line.
UPDATE jobs
   SET status = (done ->> 2)::smallint, reason = (done ->> 3)::smallint, failures = failures + (done ->> 5)::integer,
       available_at = coalesce((done ->> 4)::bigint, available_at), claimed_by = NULL,
       finished_at = CASE WHEN (done ->> 2)::smallint > 2 THEN :now::bigint END
  FROM jsonb_array_elements(:rows::jsonb) AS done
 WHERE jobs.id = (done ->> 0)::bigint
   AND CASE WHEN jobs.status = 2 THEN jobs.attempt END = (done ->> 1)::integer;

-- name: put_results
UPDATE job_io
   SET result = coalesce(done ->> 1, result), error = coalesce(done ->> 2, error)
  FROM json_array_elements(:rows::json) AS done
 WHERE job_io.id = (done ->> 0)::bigint;

-- name: add_io
INSERT INTO job_io (id) VALUES (:id) ON CONFLICT DO NOTHING;

-- name: add_attempts
INSERT INTO attempts (job_id, attempt, process_id, ended_at, outcome, family, error)
SELECT (j ->> 0)::bigint, (j ->> 1)::integer, :process_id::bigint, :now::bigint, j ->> 2, j ->> 3, j ->> 4
  FROM json_array_elements(:rows::json) AS j
ON CONFLICT (job_id, attempt) DO UPDATE
   SET process_id = excluded.process_id, ended_at = excluded.ended_at, outcome = excluded.outcome,
       family = excluded.family, error = excluded.error;

-- name: apply_counters
UPDATE steps
   SET total = total + (d ->> 1)::bigint, pending = pending + (d ->> 2)::bigint, waiting = waiting + (d ->> 3)::bigint,
       running = running + (d ->> 4)::bigint, completed = completed + (d ->> 5)::bigint,
       failed = failed + (d ->> 6)::bigint, cancelled = cancelled + (d ->> 7)::bigint,
       skipped = skipped + (d ->> 8)::bigint, retried = retried + (d ->> 9)::bigint,
       document_count = document_count + (d ->> 10)::bigint, warning_count = warning_count + (d ->> 11)::bigint,
       turn = coalesce((d ->> 12)::bigint, turn), priority = coalesce((d ->> 13)::integer, priority)
  FROM jsonb_array_elements(:rows::jsonb) AS d
 WHERE steps.id = (d ->> 0)::bigint
RETURNING steps.id, steps.manager_id, steps.total, steps.pending, steps.running, steps.completed, steps.failed,
          steps.cancelled, steps.skipped, steps.retried;

-- name: raise_lane
-- A lane's priority is an upper bound of its ready jobs' priorities; claims lower it again.
UPDATE steps SET priority = greatest(priority, :priority::integer) WHERE id = :id;

-- name: raise_lanes
-- These jobs are ready again: as raise_lane, for each one's step.
UPDATE steps SET priority = j.priority
  FROM (SELECT parent_id, max(priority) AS priority FROM jobs
         WHERE id = ANY (ARRAY(SELECT r::bigint FROM jsonb_array_elements_text(:rows::jsonb) AS r)) AND kind = 2
         GROUP BY parent_id) AS j
 WHERE steps.id = j.parent_id AND steps.priority < j.priority;

-- name: due_children
-- What another node is just bringing back is left to it.
SELECT coalesce(json_agg(json_build_array(d.id, d.kind, d.parent_id)), '[]')::text
  FROM (SELECT id, kind, parent_id FROM jobs
         WHERE status = 1 AND available_at IS NOT NULL AND available_at <= :now
         ORDER BY available_at LIMIT :limit FOR NO KEY UPDATE SKIP LOCKED) AS d;

-- name: make_ready
UPDATE jobs SET status = 0
 WHERE id = ANY (ARRAY(SELECT j::bigint FROM jsonb_array_elements_text(:rows::jsonb) AS j))
   AND CASE WHEN status = 1 THEN true ELSE false END;

-- name: next_due
SELECT min(due) FROM (
  SELECT min(available_at) AS due FROM jobs WHERE status = 1 AND available_at IS NOT NULL
  UNION ALL SELECT min(deadline) FROM runs WHERE deadline IS NOT NULL
  UNION ALL SELECT min(deadline) FROM steps WHERE deadline IS NOT NULL) AS next;

-- name: look
-- One statement for all there is to know before a claim. The lanes: steps with ready jobs of the worker types that
-- this process can run, best priority first, then whose turn it is. A paused or stopped run is skipped here, so that
-- pausing and cancelling are one row each; so is a step that needs what this process lacks, or all of whose ready jobs
-- do. Each step is looked at by itself: of a join, or an EXISTS, the planner might make a pass over all runs or jobs.
SELECT (SELECT coalesce(json_agg(json_build_array(l.id, l.manager_id, coalesce(greatest(l.plain, l.needing), l.priority),
                                                  l.ready, l.has_suspect, l.turn, l.has_needing)), '[]')::text
          FROM (SELECT s.id, s.manager_id, s.turn, s.pending - s.waiting AS ready, s.priority, j.plain, j.needing,
                       j.has_needing, j.has_suspect
                  FROM steps AS s
                 CROSS JOIN LATERAL (
                   SELECT (SELECT t.priority FROM jobs AS t
                            WHERE t.parent_id = s.id AND t.kind = 2 AND t.status = 0 AND t.rescues < 2 AND t.needs = ''
                            ORDER BY t.priority DESC LIMIT 1) AS plain,
                          (SELECT max((SELECT n.priority FROM jobs AS n
                                        WHERE n.parent_id = s.id AND n.kind = 2 AND n.status = 0 AND n.rescues < 2
                                          AND n.needs = c AND n.needs > ''
                                        ORDER BY n.priority DESC LIMIT 1))
                             FROM jsonb_array_elements_text(:capabilities::jsonb) AS c) AS needing,
                          coalesce((SELECT 1 FROM jobs AS n
                                     WHERE n.parent_id = s.id AND n.kind = 2 AND n.status = 0 AND n.rescues < 2
                                       AND n.needs > '' LIMIT 1), 0) AS has_needing,
                          coalesce((SELECT 1 FROM jobs AS c
                                     WHERE c.parent_id = s.id AND c.status = 0 AND c.kind = 2 AND c.rescues >= 2
                                     LIMIT 1), 0) AS has_suspect
                   OFFSET 0) AS j
                 WHERE s.pending > s.waiting AND s.stop_reason IS NULL AND s.has_runs = 0
                   AND (SELECT r.paused_at IS NULL AND r.stop_reason IS NULL FROM runs AS r WHERE r.id = s.manager_id)
                   AND (:roots::jsonb IS NULL OR to_jsonb(s.root_id) <@ :roots::jsonb)
                   AND to_jsonb(s.worker_type) <@ :types::jsonb
                   AND NOT to_jsonb(s.id) <@ :skip::jsonb
                   AND (s.needs IS NULL OR s.needs::jsonb <@ :capabilities::jsonb)
                   AND (j.plain IS NOT NULL OR j.needing IS NOT NULL OR j.has_suspect = 1 OR j.has_needing = 0)
                 ORDER BY s.priority DESC, s.turn
                 LIMIT 64) AS l),
       EXISTS (SELECT 1 FROM jobs AS p WHERE p.status = 0 AND p.kind = 1);

-- name: peek_jobs
-- Locked for this claim; what another node is just taking is passed over.
SELECT coalesce(json_agg(json_build_array(r.id, r.attempt + 1, r.failures, r.depth, r.priority, r.limit_key, 0,
                                          io.payload)), '[]')::text
  FROM (SELECT id, attempt, failures, depth, priority, limit_key FROM jobs
         WHERE parent_id = :step_id AND kind = 2 AND status = 0 AND rescues < 2 AND needs = '' AND priority >= :floor
         ORDER BY priority DESC, available_at, id LIMIT :limit FOR NO KEY UPDATE SKIP LOCKED) AS r
  JOIN job_io AS io ON io.id = r.id;

-- name: peek_needing_jobs
-- As peek_jobs: those that need one capability.
SELECT coalesce(json_agg(json_build_array(r.id, r.attempt + 1, r.failures, r.depth, r.priority, r.limit_key, 0,
                                          io.payload)), '[]')::text
  FROM (SELECT id, attempt, failures, depth, priority, limit_key FROM jobs
         WHERE parent_id = :step_id AND kind = 2 AND status = 0 AND rescues < 2 AND needs = :needs AND needs > ''
           AND priority >= :floor
         ORDER BY priority DESC, available_at, id LIMIT :limit FOR NO KEY UPDATE SKIP LOCKED) AS r
  JOIN job_io AS io ON io.id = r.id;

-- name: claim_jobs
-- As peek_jobs, and claimed at once.
WITH r AS (
  SELECT id, attempt, failures, depth, priority, limit_key FROM jobs
   WHERE parent_id = :step_id AND kind = 2 AND status = 0 AND rescues < 2 AND needs = '' AND priority >= :floor
   ORDER BY priority DESC, available_at, id LIMIT :limit FOR NO KEY UPDATE SKIP LOCKED
), claimed AS (
  UPDATE jobs
     SET status = 2, attempt = jobs.attempt + 1, claimed_by = :process_id,
         started_at = coalesce(jobs.started_at, :now)
    FROM r WHERE jobs.id = r.id
)
SELECT coalesce(json_agg(json_build_array(r.id, r.attempt + 1, r.failures, r.depth, r.priority, r.limit_key, 0,
                                          io.payload)), '[]')::text
  FROM r JOIN job_io AS io ON io.id = r.id;

-- name: peek_keyed_jobs
-- As peek_jobs: those with one limit key that need one capability, or (empty) none.
SELECT coalesce(json_agg(json_build_array(r.id, r.attempt + 1, r.failures, r.depth, r.priority, r.limit_key, 0,
                                          io.payload)), '[]')::text
  FROM (SELECT id, attempt, failures, depth, priority, limit_key FROM jobs
         WHERE parent_id = :step_id AND limit_key = :limit_key AND limit_key IS NOT NULL AND status = 0 AND rescues < 2
           AND needs = :needs AND priority >= :floor
         ORDER BY priority DESC, available_at, id LIMIT :limit FOR NO KEY UPDATE SKIP LOCKED) AS r
  JOIN job_io AS io ON io.id = r.id;

-- name: peek_suspect
-- A job that was lost twice may be what kills its process: one such job at a time.
SELECT coalesce(json_agg(json_build_array(r.id, r.attempt + 1, r.failures, r.depth, r.priority, r.limit_key, 1,
                                          io.payload)), '[]')::text
  FROM (SELECT id, attempt, failures, depth, priority, limit_key FROM jobs
         WHERE parent_id = :step_id AND kind = 2 AND status = 0 AND rescues >= 2
           AND (:limit_key::text IS NULL OR limit_key = :limit_key::text)
           AND (needs = '' OR to_jsonb(needs) <@ :capabilities::jsonb)
         ORDER BY id LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED) AS r
  JOIN job_io AS io ON io.id = r.id;

-- name: claim
UPDATE jobs
   SET status = 2, attempt = attempt + 1, claimed_by = :process_id, started_at = coalesce(started_at, :now)
 WHERE id = ANY (ARRAY(SELECT j::bigint FROM jsonb_array_elements_text(:rows::jsonb) AS j));

-- name: plannable_steps
SELECT p.id
  FROM jobs AS p
  JOIN steps AS s ON s.id = p.id
  JOIN runs AS r ON r.id = p.manager_id
 WHERE p.status = 0 AND p.kind = 1 AND r.paused_at IS NULL AND r.stop_reason IS NULL AND s.stop_reason IS NULL
   AND (:roots::jsonb IS NULL OR to_jsonb(s.root_id) <@ :roots::jsonb)
   AND to_jsonb(s.worker_type) <@ :types::jsonb
   AND (s.needs IS NULL OR s.needs::jsonb <@ :capabilities::jsonb)
 ORDER BY p.priority DESC, p.available_at, p.id
 LIMIT :limit;

-- name: plannable
SELECT p.id, p.attempt + 1, p.failures, p.manager_id
  FROM jobs AS p
  JOIN steps AS s ON s.id = p.id
  JOIN runs AS r ON r.id = p.manager_id
 WHERE p.status = 0 AND p.kind = 1 AND r.paused_at IS NULL AND r.stop_reason IS NULL AND s.stop_reason IS NULL
   AND (:roots::jsonb IS NULL OR to_jsonb(s.root_id) <@ :roots::jsonb)
   AND to_jsonb(s.worker_type) <@ :types::jsonb
   AND (s.needs IS NULL OR s.needs::jsonb <@ :capabilities::jsonb)
 ORDER BY p.priority DESC, p.available_at, p.id
 LIMIT :limit
   FOR NO KEY UPDATE OF p SKIP LOCKED;

-- name: ready_keys
-- The distinct limit keys with ready jobs, by jumping from key to key in the index.
WITH RECURSIVE keys (limit_key) AS (
  SELECT min(limit_key) FROM jobs
   WHERE parent_id = :step_id AND status = 0 AND limit_key IS NOT NULL AND limit_key >= :after
  UNION ALL
  SELECT (SELECT min(j.limit_key) FROM jobs AS j
           WHERE j.parent_id = :step_id AND j.status = 0 AND j.limit_key IS NOT NULL AND j.limit_key > keys.limit_key)
    FROM keys WHERE keys.limit_key IS NOT NULL
)
SELECT limit_key FROM keys WHERE limit_key IS NOT NULL LIMIT :limit;

-- name: limiters
SELECT l.key, l.in_use, l.tokens, l.stamp
  FROM jsonb_array_elements_text(:rows::jsonb) AS j JOIN limiters AS l ON l.name = :name AND l.key = j;

-- name: put_limiters
INSERT INTO limiters (name, key, in_use, tokens, stamp)
SELECT :name, j ->> 0, (j ->> 1)::bigint, (j ->> 2)::double precision, (j ->> 3)::bigint
  FROM jsonb_array_elements(:rows::jsonb) AS j
ON CONFLICT (name, key) DO UPDATE SET in_use = excluded.in_use, tokens = excluded.tokens, stamp = excluded.stamp;

-- name: release_slots
UPDATE limiters SET in_use = greatest(0, in_use - (j ->> 2)::bigint)
  FROM jsonb_array_elements(:rows::jsonb) AS j WHERE limiters.name = j ->> 0 AND limiters.key = j ->> 1;

-- name: sweep_candidates
-- Children after a cursor, in id order: one pass over a step however many are already done.
SELECT c.id FROM job_io AS c WHERE c.parent_id = :step_id AND c.id > :after ORDER BY c.id LIMIT :limit;

-- name: pending_of
-- What another node is just claiming is left to it.
SELECT j.id, j.status FROM jobs AS j
 WHERE j.id = ANY (ARRAY(SELECT e::bigint FROM jsonb_array_elements_text(:rows::jsonb) AS e))
   AND CASE WHEN j.status < 2 THEN true ELSE false END
   FOR NO KEY UPDATE SKIP LOCKED;

-- name: cancel_children
UPDATE jobs SET status = 5, reason = :reason::smallint, finished_at = :now
 WHERE id = ANY (ARRAY(SELECT j::bigint FROM jsonb_array_elements_text(:rows::jsonb) AS j));

-- name: due_runs
-- Between two bounds: of one alone, not known when it plans, the planner thinks that a third of all rows lie below it.
SELECT r.id FROM runs AS r WHERE r.deadline BETWEEN 0 AND :now ORDER BY r.id;

-- name: due_steps
SELECT s.id FROM steps AS s WHERE s.deadline BETWEEN 0 AND :now ORDER BY s.id;

-- name: add_process
INSERT INTO processes (host, boot_id, pid_space, pid, pid_started, version, slots, capabilities, port, draining,
                       lease_until, started_at, protocol, key_version, renewed_at)
VALUES (:host, :boot_id, :pid_space, :pid, :pid_started, :version, :slots, :capabilities, :port, :draining,
        :lease_until, :started_at, :protocol, :key_version, :renewed_at)
RETURNING id;

-- name: renew
-- The renewal, and a look at those it could have to rescue: of the same boot, or with a lease that is over.
WITH own AS (
  UPDATE processes
     SET lease_until = :lease_until, draining = :draining, capabilities = :capabilities, key_version = :key_version,
         renewed_at = :renewed_at
   WHERE id = :id
  RETURNING id, boot_id
)
SELECT p.id, p.host, p.boot_id, p.pid_space, p.pid, p.pid_started, p.version, p.slots, p.capabilities, p.port,
       p.draining, p.lease_until, p.started_at, p.protocol, p.key_version, p.renewed_at
  FROM own JOIN processes AS p ON p.id = own.id OR p.boot_id = own.boot_id OR p.lease_until <= :now;

-- name: notice
-- What a node must know at each sign of life: the schema, whether a secret was sealed with another key than its own,
-- who leads by which term and still has a lease, and whether a step or job needs something of a node.
SELECT (SELECT max(m.number) FROM migrations AS m),
       EXISTS (SELECT 1 FROM keys AS k WHERE k.key_version IS NOT NULL AND k.key_version <> :key_version),
       coalesce(l.holder, 0), coalesce(l.term, 0),
       EXISTS (SELECT 1 FROM processes AS p WHERE p.id = l.holder AND p.lease_until > :now),
       EXISTS (SELECT 1 FROM steps AS s WHERE s.pending > s.waiting AND s.needs IS NOT NULL)
       OR EXISTS (SELECT 1 FROM jobs AS p JOIN steps AS s ON s.id = p.id
                   WHERE p.status = 0 AND p.kind = 1 AND s.needs IS NOT NULL)
       OR EXISTS (SELECT 1 FROM jobs AS n WHERE n.status = 0 AND n.kind = 2 AND n.rescues < 2 AND n.needs > '')
       OR EXISTS (SELECT 1 FROM steps AS s WHERE s.waits_for > '')
  FROM (SELECT :name::text AS name) AS asked LEFT JOIN leaders AS l ON l.name = asked.name;

-- name: wanting
-- Steps with what they or their ready jobs need, and what was told of that; NULL where nothing is needed any more.
WITH RECURSIVE needing (step_id, needs) AS (
  SELECT s.id, (SELECT min(j.needs) FROM jobs AS j
                 WHERE j.parent_id = s.id AND j.status = 0 AND j.kind = 2 AND j.rescues < 2 AND j.needs > '')
    FROM steps AS s WHERE s.pending > s.waiting
  UNION ALL
  SELECT n.step_id, (SELECT min(j.needs) FROM jobs AS j
                      WHERE j.parent_id = n.step_id AND j.status = 0 AND j.kind = 2 AND j.rescues < 2
                        AND j.needs > n.needs AND j.needs > '')
    FROM needing AS n WHERE n.needs IS NOT NULL
), wanted (step_id, needs) AS (
  SELECT n.step_id, json_build_array(n.needs)::text FROM needing AS n WHERE n.needs IS NOT NULL
  UNION ALL
  SELECT s.id, s.needs FROM steps AS s WHERE s.pending > s.waiting AND s.needs IS NOT NULL
  UNION ALL
  SELECT s.id, s.needs FROM jobs AS p JOIN steps AS s ON s.id = p.id
   WHERE p.status = 0 AND p.kind = 1 AND s.needs IS NOT NULL
  UNION ALL
  SELECT s.id, NULL FROM steps AS s WHERE s.waits_for > ''
)
SELECT w.step_id, w.needs, s.waits_for
  FROM wanted AS w JOIN steps AS s ON s.id = w.step_id JOIN runs AS r ON r.id = s.manager_id
 WHERE w.needs IS NULL OR (s.stop_reason IS NULL AND r.stop_reason IS NULL AND r.paused_at IS NULL)
 ORDER BY w.step_id;

-- name: lead
-- A compare-and-set: whoever saw this term in the hands of a holder that is gone.
INSERT INTO leaders (name, holder, term) VALUES (:name, :holder, 1)
ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, term = leaders.term + 1 WHERE leaders.term = :term
RETURNING term;

-- name: leads
-- Until the commit nobody takes it over.
SELECT 1 FROM leaders AS l WHERE l.name = :name AND l.holder = :holder AND l.term = :term FOR SHARE;

-- name: leader
SELECT l.holder FROM leaders AS l WHERE l.name = :name;

-- name: secret_keys
-- Which of these names are stored as secrets.
SELECT k.name FROM jsonb_array_elements_text(:rows::jsonb) AS j JOIN keys AS k ON k.name = j
 WHERE k.key_version IS NOT NULL;

-- name: processes
SELECT id, host, boot_id, pid_space, pid, pid_started, version, slots, capabilities, port, draining, lease_until,
       started_at, protocol, key_version, renewed_at
  FROM processes ORDER BY id;

-- name: remove_process
DELETE FROM processes WHERE id = :id AND (:lease_until::bigint IS NULL OR lease_until = :lease_until::bigint);

-- name: lost_jobs
-- Locked, in order: one that its process is just ending is ended.
SELECT id, kind, attempt, rescues, parent_id, manager_id, limit_key FROM jobs
 WHERE status = 2 AND claimed_by = :process_id AND claimed_by IS NOT NULL
 ORDER BY id FOR NO KEY UPDATE;

-- name: holders
-- Processes that are named by a running job and have no row any more.
SELECT DISTINCT j.claimed_by FROM jobs AS j
 WHERE j.status = 2 AND j.claimed_by IS NOT NULL
   AND NOT EXISTS (SELECT 1 FROM processes AS p WHERE p.id = j.claimed_by);

-- name: rescue
UPDATE jobs SET status = 0, claimed_by = NULL, rescues = rescues + 1
 WHERE id = ANY (ARRAY(SELECT j::bigint FROM jsonb_array_elements_text(:rows::jsonb) AS j))
   AND CASE WHEN status = 2 THEN true ELSE false END;

-- name: fail_lost
UPDATE jobs SET status = 4, reason = :reason::smallint, claimed_by = NULL, rescues = rescues + 1, finished_at = :now
 WHERE id = ANY (ARRAY(SELECT j::bigint FROM jsonb_array_elements_text(:rows::jsonb) AS j))
   AND CASE WHEN status = 2 THEN true ELSE false END;

-- name: cached_step
SELECT c.made_at, c.manager_id, c.step_id FROM step_cache AS c
 WHERE c.definition_id = :definition_id AND c.step_name = :step_name AND c.cache_key = :cache_key;

-- name: put_cached_step
INSERT INTO step_cache (definition_id, step_name, cache_key, made_at, manager_id, step_id)
VALUES (:definition_id, :step_name, :cache_key, :now, :manager_id, :step_id)
ON CONFLICT (definition_id, step_name, cache_key) DO UPDATE
   SET made_at = excluded.made_at, manager_id = excluded.manager_id, step_id = excluded.step_id;

-- name: trim_step_cache
DELETE FROM step_cache
 WHERE definition_id = :definition_id AND step_name = :step_name
   AND cache_key NOT IN (SELECT k.cache_key FROM step_cache AS k
                          WHERE k.definition_id = :definition_id AND k.step_name = :step_name
                          ORDER BY k.made_at DESC LIMIT :keep);

-- name: add_events
INSERT INTO events (origin, seq, ts, type, manager_id, job_id, data)
SELECT :origin, coalesce(:after::bigint, (SELECT max(e.seq) FROM events AS e WHERE e.origin = :origin), 0) + n, :now,
       j ->> 0, (j ->> 1)::bigint, (j ->> 2)::bigint, j ->> 3
  FROM json_array_elements(:rows::json) WITH ORDINALITY AS e (j, n);

-- name: prune_events
-- The newest event of an origin stays: its number is where the next one goes on. With them go the marks of connections
-- that have ended long ago.
WITH marks AS (DELETE FROM turns WHERE at < :before::bigint - 86400000000)
DELETE FROM events WHERE ts < :before
   AND seq < (SELECT max(e.seq) FROM events AS e WHERE e.origin = events.origin);

-- name: recount
SELECT j.status, count(*) FROM job_io AS c JOIN jobs AS j ON j.id = c.id WHERE c.parent_id = :step_id GROUP BY j.status;

-- name: drifting
-- A recount of some steps, in one snapshot, against what their counters say.
SELECT s.id,
       (s.total, s.pending, s.waiting, s.running, s.completed, s.failed, s.cancelled, s.skipped)
       = (SELECT count(*), count(*) FILTER (WHERE c.status < 2), count(*) FILTER (WHERE c.status = 1),
                 count(*) FILTER (WHERE c.status = 2), count(*) FILTER (WHERE c.status = 3),
                 count(*) FILTER (WHERE c.status = 4), count(*) FILTER (WHERE c.status = 5),
                 count(*) FILTER (WHERE c.status = 6)
            FROM job_io AS io JOIN jobs AS c ON c.id = io.id WHERE io.parent_id = s.id)
  FROM steps AS s WHERE s.id > :after ORDER BY s.id LIMIT :limit;

-- name: stopped_steps
SELECT s.id FROM jsonb_array_elements_text(:rows::jsonb) AS j JOIN steps AS s ON s.id = j::bigint
  JOIN runs AS r ON r.id = s.manager_id
 WHERE s.stop_reason IS NOT NULL OR r.stop_reason IS NOT NULL;

-- name: open_log_days
SELECT DISTINCT (SELECT r.log_day FROM runs AS r WHERE r.id = j.id) FROM jobs AS j WHERE j.kind = 0 AND j.status < 3;

-- name: fact
SELECT value FROM facts WHERE name = :name;

-- name: put_fact
INSERT INTO facts (name, value) VALUES (:name, :value) ON CONFLICT (name) DO UPDATE SET value = excluded.value;

-- name: get_job
SELECT j.id, j.kind, j.manager_id, j.parent_id, j.status, j.reason, j.has_errors, j.priority, j.available_at,
       j.attempt, j.failures, j.rescues, j.claimed_by, j.depth, j.spawned_by, j.created_at, j.started_at,
       j.finished_at, io.payload, io.result, io.error
  FROM jobs AS j LEFT JOIN job_io AS io ON io.id = j.id
 WHERE j.id = :id;

-- name: list_runs
SELECT j.id FROM jobs AS j
 WHERE j.kind = 0 AND (:cursor::bigint IS NULL OR j.id < :cursor::bigint)
   AND (:status::jsonb IS NULL OR to_jsonb(j.status) <@ :status::jsonb)
 ORDER BY j.id DESC LIMIT :limit;

-- name: list_children
SELECT c.id FROM job_io AS c
 WHERE c.parent_id = :parent_id AND c.id > :cursor
   AND (:status::jsonb IS NULL OR (SELECT to_jsonb(j.status) <@ :status::jsonb FROM jobs AS j WHERE j.id = c.id))
 ORDER BY c.id LIMIT :limit;

-- name: run_facts
SELECT r.definition_id, r.revision, r.rerun_of, r.name, r.stop_at, r.paused_at, r.message, r.log_day, r.parent_step,
       r.stop_reason
  FROM runs AS r WHERE r.id = :id;

-- name: run_counters
-- A run counts the worker jobs of its steps; child runs below a step count as jobs of their own run.
SELECT coalesce(sum(s.total), 0)::bigint, coalesce(sum(s.pending), 0)::bigint, coalesce(sum(s.running), 0)::bigint,
       coalesce(sum(s.completed), 0)::bigint, coalesce(sum(s.failed), 0)::bigint, coalesce(sum(s.cancelled), 0)::bigint,
       coalesce(sum(s.skipped), 0)::bigint, coalesce(sum(s.retried), 0)::bigint
  FROM steps AS s WHERE s.manager_id = :id AND s.has_runs = 0;

-- name: attempts
SELECT a.attempt, a.process_id, a.ended_at, a.outcome, a.family, a.error FROM attempts AS a
 WHERE a.job_id = :id ORDER BY a.attempt;

-- name: failed_children
SELECT f.id FROM jobs AS f WHERE f.manager_id = :run_id AND f.status = 4 AND f.kind = 2 ORDER BY f.id LIMIT :limit;

-- name: runs_of_root
-- A run with all that belongs to it: child runs below its steps, and the runs that its end started.
SELECT r.id, r.definition_id, r.revision, r.root_id, r.parent_step, r.rerun_of, r.name, r.log_day, j.status, j.reason,
       j.priority, r.queued, r.failing, r.warned, r.stop_reason, r.paused_at, r.deadline, r.message
  FROM runs AS r JOIN jobs AS j ON j.id = r.id
 WHERE r.root_id = :root_id
 ORDER BY r.id;

-- name: error_families
-- What the failed jobs of a run failed of, the most frequent first, each with its oldest job.
SELECT coalesce(io.error::json ->> 'family', ''), count(*), min(f.id)
  FROM jobs AS f LEFT JOIN job_io AS io ON io.id = f.id
 WHERE f.manager_id = :run_id AND f.status = 4 AND f.kind = 2
 GROUP BY 1 ORDER BY 2 DESC, 3 LIMIT :limit;
