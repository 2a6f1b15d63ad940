-- Statements over jobs, runs and steps. Batches come in as one JSON array (:rows), so that a batch is one
-- statement; jsonb_each (it parses once, json_each once per column) has columns named id, key, type and value, which is
-- why every name is qualified.

-- name: take_numbers
UPDATE sequences SET next = next + :count WHERE name = 'job' RETURNING next - :count;

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
INSERT OR IGNORE INTO jobs (id, kind, manager_id, parent_id, child_key, status, priority, created_at)
VALUES (:id, 0, :id, :parent_step, :child_key, 1, :priority, :now);

-- name: add_run
INSERT INTO runs (id, definition_id, revision, root_id, parent_step, rerun_of, name, log_day, queued, deadline)
VALUES (:id, :definition_id, :revision, :root_id, :parent_step, :rerun_of, :name, :log_day, :queued, :deadline);

-- name: add_step_jobs
INSERT INTO jobs (id, kind, manager_id, parent_id, child_key, status, reason, priority, available_at, created_at,
                  finished_at)
SELECT :first + j.key, 1, j.value ->> 0, j.value ->> 0, j.value ->> 1, j.value ->> 2, j.value ->> 3, j.value ->> 4,
       CASE WHEN j.value ->> 2 = 0 THEN :now END, :now, CASE WHEN j.value ->> 2 > 2 THEN :now END
  FROM jsonb_each(:rows) AS j;

-- name: add_steps
INSERT INTO steps (id, manager_id, root_id, position, name, worker_type, has_runs, priority, sealed, needs)
SELECT :first + j.key, j.value ->> 0, j.value ->> 1, j.value ->> 2, j.value ->> 3, j.value ->> 4, j.value ->> 5,
       j.value ->> 6, j.value ->> 7, j.value ->> 8
  FROM jsonb_each(:rows) AS j;

-- name: run
SELECT r.id, r.definition_id, r.revision, r.root_id, r.parent_step, r.rerun_of, r.name, r.log_day, j.status, j.reason,
       j.priority, r.queued, r.failing, r.warned, r.stop_reason, r.paused_at, r.deadline, r.message
  FROM runs AS r JOIN jobs AS j ON j.id = r.id
 WHERE r.id = :id;

-- name: open_runs
-- Of one definition, oldest first; child runs and post runs count as well.
SELECT r.id, r.definition_id, r.revision, r.root_id, r.parent_step, r.rerun_of, r.name, r.log_day, j.status, j.reason,
       j.priority, r.queued, r.failing, r.warned, r.stop_reason, r.paused_at, r.deadline, r.message
  FROM jobs AS j INDEXED BY jobs_open_runs CROSS JOIN runs AS r ON r.id = j.id
 WHERE j.kind = 0 AND j.status < 3 AND r.definition_id = :definition_id
 ORDER BY j.id;

-- name: stopped_runs
SELECT r.id FROM jobs AS j INDEXED BY jobs_open_runs JOIN runs AS r ON r.id = j.id
 WHERE j.kind = 0 AND j.status < 3
   AND (r.stop_reason IS NOT NULL
        OR EXISTS (SELECT 1 FROM steps AS s JOIN jobs AS k ON k.id = s.id
                    WHERE s.manager_id = r.id AND s.stop_reason IS NOT NULL AND k.status < 3));

-- name: all_open_runs
SELECT j.id FROM jobs AS j INDEXED BY jobs_open_runs WHERE j.kind = 0 AND j.status < 3 ORDER BY j.id;

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
   SET queued = coalesce(:queued, queued), failing = coalesce(:failing, failing), warned = coalesce(:warned, warned),
       stop_reason = coalesce(stop_reason, :stop_reason), stop_at = coalesce(stop_at, :stop_at),
       paused_at = CASE WHEN :paused_at = 0 THEN NULL ELSE coalesce(:paused_at, paused_at) END,
       deadline = CASE WHEN :deadline = 0 THEN NULL ELSE coalesce(:deadline, deadline) END,
       message = coalesce(:message, message)
 WHERE id = :id;

-- name: set_step_flags
UPDATE steps
   SET sealed = coalesce(:sealed, sealed), stop_reason = coalesce(stop_reason, :stop_reason),
       deadline = CASE WHEN :deadline = 0 THEN NULL ELSE coalesce(:deadline, deadline) END,
       plan_hash = coalesce(:plan_hash, plan_hash), cache_key = coalesce(:cache_key, cache_key),
       message = coalesce(:message, message), waits_for = coalesce(:waits_for, waits_for),
       warning_count = warning_count + coalesce(:warnings, 0),
       document_count = document_count + coalesce(:documents, 0)
 WHERE id = :id;

-- name: set_state
-- A compare-and-set: nothing changes when the old state is not among the expected ones.
UPDATE jobs
   SET status = :new, reason = :reason, has_errors = :has_errors, available_at = :available_at,
       claimed_by = CASE WHEN :new = 2 THEN claimed_by END,
       started_at = CASE WHEN :new = 2 THEN coalesce(started_at, :now) ELSE started_at END,
       finished_at = CASE WHEN :new > 2 THEN :now END
 WHERE id = :id AND status IN (SELECT o.value FROM jsonb_each(:old) AS o);

-- name: release_claim
UPDATE jobs SET claimed_by = NULL WHERE id = :id;

-- name: plan_of
SELECT s.manager_id, s.stop_reason IS NOT NULL OR r.stop_reason IS NOT NULL, s.root_id
  FROM jobs AS j JOIN steps AS s ON s.id = j.id JOIN runs AS r ON r.id = s.manager_id
 WHERE j.id = :id AND j.attempt = :attempt AND j.status = 2;

-- name: add_children
-- :rows are the child keys, in order; what is there already (or open under the same dedup key) is left alone.
INSERT OR IGNORE INTO jobs (id, kind, manager_id, parent_id, child_key, status, priority, available_at, created_at)
SELECT :first + j.key, 2, :manager_id, :step_id, j.value, 0, :priority, :now, :now
  FROM jsonb_each(:rows) AS j;

-- name: add_children_with
-- As add_children, with what a payload may say for itself: [key, priority, limit key, dedup key, depth, spawned by,
-- needs].
INSERT OR IGNORE INTO jobs (id, kind, manager_id, parent_id, child_key, status, priority, available_at, created_at,
                            limit_key, dedup_key, depth, spawned_by, needs)
SELECT :first + j.key, 2, :manager_id, :step_id, j.value ->> 0, 0, j.value ->> 1, :now, :now,
       j.value ->> 2, j.value ->> 3, j.value ->> 4, j.value ->> 5, j.value ->> 6
  FROM jsonb_each(:rows) AS j;

-- name: add_payloads
INSERT INTO job_io (id, payload) SELECT :first + j.key, j.value FROM json_each(:payloads) AS j;

-- name: add_payloads_of_inserted
-- When some children were there already, their numbers stay unused.
INSERT INTO job_io (id, payload)
SELECT :first + j.key, j.value FROM json_each(:payloads) AS j
 WHERE EXISTS (SELECT 1 FROM jobs WHERE jobs.id = :first + j.key);

-- name: count_failed_children
SELECT count(*) FROM jobs INDEXED BY jobs_failed
 WHERE manager_id = :old_run AND status = 4 AND kind = 2 AND parent_id = :old_step
   AND (:family IS NULL
        OR coalesce((SELECT io.error ->> '$.family' FROM job_io AS io WHERE io.id = jobs.id), '') = :family);

-- name: copy_failed_children
-- Of one family of errors, or all. One that is open elsewhere under the same dedup key is left out.
INSERT OR IGNORE INTO jobs (id, kind, manager_id, parent_id, child_key, status, priority, available_at, created_at,
                            limit_key, dedup_key, depth, needs)
SELECT :first + row_number() OVER (ORDER BY f.id) - 1, 2, :new_run, :new_step, f.child_key, 0, f.priority, :now, :now,
       f.limit_key, f.dedup_key, f.depth, f.needs
  FROM jobs AS f INDEXED BY jobs_failed
 WHERE f.manager_id = :old_run AND f.status = 4 AND f.kind = 2 AND f.parent_id = :old_step
   AND (:family IS NULL
        OR coalesce((SELECT io.error ->> '$.family' FROM job_io AS io WHERE io.id = f.id), '') = :family);

-- name: copy_failed_payloads
INSERT INTO job_io (id, payload)
SELECT n.id, io.payload
  FROM jobs AS n
  JOIN jobs AS o ON o.parent_id = :old_step AND o.child_key = n.child_key
  JOIN job_io AS io ON io.id = o.id
 WHERE n.parent_id = :new_step;

-- name: complete
-- attempt only grows, so it fences: whoever lost the claim changes no row.
UPDATE jobs SET status = 3, claimed_by = NULL, finished_at = :now
  FROM jsonb_each(:rows) AS done
 WHERE jobs.id = done.value ->> 0 AND jobs.attempt = done.value ->> 1 AND jobs.status = 2;

-- name: completed_now
-- Which of a batch were completed just now: asked only when the number of changed rows says that not all were.
SELECT json_group_array(json_array(jobs.id, jobs.attempt))
  FROM jsonb_each(:rows) AS done
  JOIN jobs ON jobs.id = done.value ->> 0
 WHERE jobs.attempt = done.value ->> 1 AND jobs.status = 3 AND jobs.finished_at = :now;

-- name: accepted
SELECT json_group_array(json_array(jobs.id, jobs.attempt))
  FROM jsonb_each(:rows) AS done
  JOIN jobs ON jobs.id = done.value ->> 0
 WHERE jobs.attempt = done.value ->> 1 AND jobs.status = 2;

-- name: settle
-- [id, attempt, state, reason, available_at, failures to add]; back to ready keeps the place in the line.
UPDATE jobs
   SET status = done.value ->> 2, reason = done.value ->> 3, failures = failures + (done.value ->> 5),
       available_at = coalesce(done.value ->> 4, available_at), claimed_by = NULL,
       finished_at = CASE WHEN done.value ->> 2 > 2 THEN :now END
  FROM jsonb_each(:rows) AS done
 WHERE jobs.id = done.value ->> 0 AND jobs.attempt = done.value ->> 1 AND jobs.status = 2;

-- name: put_results
UPDATE job_io
   SET result = coalesce(done.value ->> 1, result), error = coalesce(done.value ->> 2, error)
  FROM jsonb_each(:rows) AS done
 WHERE job_io.id = done.value ->> 0;

-- name: add_io
INSERT OR IGNORE INTO job_io (id) VALUES (:id);

-- name: add_attempts
INSERT OR REPLACE INTO attempts (job_id, attempt, process_id, ended_at, outcome, family, error)
SELECT j.value ->> 0, j.value ->> 1, :process_id, :now, j.value ->> 2, j.value ->> 3, j.value ->> 4
  FROM jsonb_each(:rows) AS j;

-- name: apply_counters
UPDATE steps
   SET total = total + (d.value ->> 1), pending = pending + (d.value ->> 2), waiting = waiting + (d.value ->> 3),
       running = running + (d.value ->> 4), completed = completed + (d.value ->> 5), failed = failed + (d.value ->> 6),
       cancelled = cancelled + (d.value ->> 7), skipped = skipped + (d.value ->> 8), retried = retried + (d.value ->> 9),
       document_count = document_count + (d.value ->> 10), warning_count = warning_count + (d.value ->> 11),
       turn = coalesce(d.value ->> 12, turn), priority = coalesce(d.value ->> 13, priority)
  FROM jsonb_each(:rows) AS d
 WHERE steps.id = d.value ->> 0
RETURNING steps.id, steps.manager_id, steps.total, steps.pending, steps.running, steps.completed, steps.failed,
          steps.cancelled, steps.skipped, steps.retried;

-- name: raise_lane
-- A lane's priority is an upper bound of its ready jobs' priorities; claims lower it again.
UPDATE steps SET priority = max(priority, :priority) WHERE id = :id;

-- name: raise_lanes
-- These jobs are ready again: as raise_lane, for each one's step.
UPDATE steps SET priority = j.priority
  FROM (SELECT parent_id, max(priority) AS priority FROM jobs
         WHERE id IN (SELECT r.value FROM jsonb_each(:rows) AS r) AND kind = 2 GROUP BY parent_id) AS j
 WHERE steps.id = j.parent_id AND steps.priority < j.priority;

-- name: due_children
SELECT json_group_array(json_array(d.id, d.kind, d.parent_id))
  FROM (SELECT id, kind, parent_id FROM jobs INDEXED BY jobs_due
         WHERE status = 1 AND available_at IS NOT NULL AND available_at <= :now
         ORDER BY available_at LIMIT :limit) AS d;

-- name: make_ready
UPDATE jobs SET status = 0 WHERE id IN (SELECT j.value FROM jsonb_each(:rows) AS j) AND status = 1;

-- name: next_due
SELECT min(due) FROM (
  SELECT min(available_at) AS due FROM jobs INDEXED BY jobs_due WHERE status = 1 AND available_at IS NOT NULL
  UNION ALL SELECT min(deadline) FROM runs INDEXED BY runs_deadline WHERE deadline IS NOT NULL
  UNION ALL SELECT min(deadline) FROM steps INDEXED BY steps_deadline WHERE deadline IS NOT NULL);

-- name: look
-- One statement for all there is to know before a claim. The lanes: steps with ready jobs of the worker types that
-- this process can run, best priority first, then whose turn it is. A paused or stopped run is skipped here, so that
-- pausing and cancelling are one row each; so is a step that needs what this process lacks, or all of whose ready jobs
-- do.
SELECT (SELECT json_group_array(json_array(l.id, l.manager_id, coalesce(max(l.plain, l.needing), l.plain, l.needing,
                                           l.priority), l.ready, l.has_suspect, l.turn, l.has_needing))
          FROM (SELECT s.id, s.manager_id, s.turn, s.pending - s.waiting AS ready, s.priority,
                       (SELECT t.priority FROM jobs AS t INDEXED BY jobs_ready
                         WHERE t.parent_id = s.id AND t.kind = 2 AND t.status = 0 AND t.rescues < 2 AND t.needs = ''
                         ORDER BY t.priority DESC LIMIT 1) AS plain,
                       (SELECT max((SELECT n.priority FROM jobs AS n INDEXED BY jobs_needing
                                     WHERE n.parent_id = s.id AND n.kind = 2 AND n.status = 0 AND n.rescues < 2
                                       AND n.needs = c.value AND n.needs > ''
                                     ORDER BY n.priority DESC LIMIT 1))
                          FROM jsonb_each(:capabilities) AS c) AS needing,
                       EXISTS (SELECT 1 FROM jobs AS n INDEXED BY jobs_needing
                                WHERE n.parent_id = s.id AND n.kind = 2 AND n.status = 0 AND n.rescues < 2
                                  AND n.needs > '') AS has_needing,
                       EXISTS (SELECT 1 FROM jobs AS c INDEXED BY jobs_suspect
                                WHERE c.parent_id = s.id AND c.status = 0 AND c.kind = 2 AND c.rescues >= 2)
                         AS has_suspect
                  FROM steps AS s INDEXED BY steps_lane JOIN runs AS r ON r.id = s.manager_id
                 WHERE s.pending > s.waiting AND s.stop_reason IS NULL AND s.has_runs = 0
                   AND r.paused_at IS NULL AND r.stop_reason IS NULL
                   AND (:roots IS NULL OR s.root_id IN (SELECT j.value FROM jsonb_each(:roots) AS j))
                   AND s.worker_type IN (SELECT j.value FROM jsonb_each(:types) AS j)
                   AND s.id NOT IN (SELECT j.value FROM jsonb_each(:skip) AS j)
                   AND (s.needs IS NULL
                        OR NOT EXISTS (SELECT 1 FROM jsonb_each(s.needs) AS j
                                        WHERE j.value NOT IN (SELECT c.value FROM jsonb_each(:capabilities) AS c)))
                   AND (plain IS NOT NULL OR needing IS NOT NULL OR has_suspect OR NOT has_needing)
                 ORDER BY s.priority DESC, s.turn
                 LIMIT 64) AS l),
       EXISTS (SELECT 1 FROM jobs AS p INDEXED BY jobs_plannable WHERE p.status = 0 AND p.kind = 1);

-- name: peek_jobs
-- One JSON row is cheaper to take over than n rows: the interpreter's lock is taken once.
SELECT json_group_array(json_array(r.id, r.attempt + 1, r.failures, r.depth, r.priority, r.limit_key,
                                   r.rescues >= 2, io.payload))
  FROM (SELECT id, attempt, failures, depth, priority, limit_key, rescues FROM jobs INDEXED BY jobs_ready
         WHERE parent_id = :step_id AND kind = 2 AND status = 0 AND rescues < 2 AND needs = '' AND priority >= :floor
         ORDER BY priority DESC, available_at, id LIMIT :limit) AS r
  JOIN job_io AS io ON io.id = r.id;

-- name: peek_needing_jobs
-- As peek_jobs: those that need one capability.
SELECT json_group_array(json_array(r.id, r.attempt + 1, r.failures, r.depth, r.priority, r.limit_key,
                                   r.rescues >= 2, io.payload))
  FROM (SELECT id, attempt, failures, depth, priority, limit_key, rescues FROM jobs INDEXED BY jobs_needing
         WHERE parent_id = :step_id AND kind = 2 AND status = 0 AND rescues < 2 AND needs = :needs AND needs > ''
           AND priority >= :floor
         ORDER BY priority DESC, available_at, id LIMIT :limit) AS r
  JOIN job_io AS io ON io.id = r.id;

-- name: peek_keyed_jobs
-- As peek_jobs: those with one limit key that need one capability, or (empty) none.
SELECT json_group_array(json_array(r.id, r.attempt + 1, r.failures, r.depth, r.priority, r.limit_key,
                                   r.rescues >= 2, io.payload))
  FROM (SELECT id, attempt, failures, depth, priority, limit_key, rescues FROM jobs INDEXED BY jobs_keyed
         WHERE parent_id = :step_id AND limit_key = :limit_key AND status = 0 AND rescues < 2 AND needs = :needs
           AND priority >= :floor
         ORDER BY priority DESC, available_at, id LIMIT :limit) AS r
  JOIN job_io AS io ON io.id = r.id;

-- name: peek_suspect
-- A job that was lost twice may be what kills its process: one such job at a time.
SELECT json_group_array(json_array(r.id, r.attempt + 1, r.failures, r.depth, r.priority, r.limit_key,
                                   r.rescues >= 2, io.payload))
  FROM (SELECT id, attempt, failures, depth, priority, limit_key, rescues FROM jobs INDEXED BY jobs_suspect
         WHERE parent_id = :step_id AND kind = 2 AND status = 0 AND rescues >= 2
           AND (:limit_key IS NULL OR limit_key = :limit_key)
           AND (needs = '' OR needs IN (SELECT c.value FROM jsonb_each(:capabilities) AS c))
         ORDER BY id LIMIT 1) AS r
  JOIN job_io AS io ON io.id = r.id;

-- name: claim
UPDATE jobs
   SET status = 2, attempt = attempt + 1, claimed_by = :process_id, started_at = coalesce(started_at, :now)
 WHERE id IN (SELECT j.value FROM jsonb_each(:rows) AS j);

-- name: plannable_steps
SELECT p.id
  FROM jobs AS p INDEXED BY jobs_plannable
  JOIN steps AS s ON s.id = p.id
  JOIN runs AS r ON r.id = p.manager_id
 WHERE p.status = 0 AND p.kind = 1 AND r.paused_at IS NULL AND r.stop_reason IS NULL AND s.stop_reason IS NULL
   AND (:roots IS NULL OR s.root_id IN (SELECT j.value FROM jsonb_each(:roots) AS j))
   AND s.worker_type IN (SELECT j.value FROM jsonb_each(:types) AS j)
   AND (s.needs IS NULL
        OR NOT EXISTS (SELECT 1 FROM jsonb_each(s.needs) AS j
                        WHERE j.value NOT IN (SELECT c.value FROM jsonb_each(:capabilities) AS c)))
 ORDER BY p.priority DESC, p.available_at, p.id
 LIMIT :limit;

-- name: plannable
SELECT p.id, p.attempt + 1, p.failures, p.manager_id
  FROM jobs AS p INDEXED BY jobs_plannable
  JOIN steps AS s ON s.id = p.id
  JOIN runs AS r ON r.id = p.manager_id
 WHERE p.status = 0 AND p.kind = 1 AND r.paused_at IS NULL AND r.stop_reason IS NULL AND s.stop_reason IS NULL
   AND (:roots IS NULL OR s.root_id IN (SELECT j.value FROM jsonb_each(:roots) AS j))
   AND s.worker_type IN (SELECT j.value FROM jsonb_each(:types) AS j)
   AND (s.needs IS NULL
        OR NOT EXISTS (SELECT 1 FROM jsonb_each(s.needs) AS j
                        WHERE j.value NOT IN (SELECT c.value FROM jsonb_each(:capabilities) AS c)))
 ORDER BY p.priority DESC, p.available_at, p.id
 LIMIT :limit;

-- name: ready_keys
-- The distinct limit keys with ready jobs, by jumping from key to key in the index.
WITH RECURSIVE keys (limit_key) AS (
  SELECT min(limit_key) FROM jobs INDEXED BY jobs_keyed
   WHERE parent_id = :step_id AND status = 0 AND limit_key IS NOT NULL AND limit_key >= :after
  UNION ALL
  SELECT (SELECT min(j.limit_key) FROM jobs AS j INDEXED BY jobs_keyed
           WHERE j.parent_id = :step_id AND j.status = 0 AND j.limit_key IS NOT NULL AND j.limit_key > keys.limit_key)
    FROM keys WHERE keys.limit_key IS NOT NULL
)
SELECT limit_key FROM keys WHERE limit_key IS NOT NULL LIMIT :limit;

-- name: limiters
SELECT l.key, l.in_use, l.tokens, l.stamp
  FROM jsonb_each(:rows) AS j JOIN limiters AS l ON l.name = :name AND l.key = j.value;

-- name: put_limiters
INSERT INTO limiters (name, key, in_use, tokens, stamp)
SELECT :name, j.value ->> 0, j.value ->> 1, j.value ->> 2, j.value ->> 3 FROM jsonb_each(:rows) AS j WHERE true
ON CONFLICT (name, key) DO UPDATE SET in_use = excluded.in_use, tokens = excluded.tokens, stamp = excluded.stamp;

-- name: release_slots
UPDATE limiters SET in_use = max(0, in_use - (j.value ->> 2))
  FROM jsonb_each(:rows) AS j WHERE limiters.name = j.value ->> 0 AND limiters.key = j.value ->> 1;

-- name: sweep_candidates
-- Children after a cursor, in id order: one pass over a step however many are already done.
SELECT c.id FROM jobs AS c INDEXED BY jobs_children
 WHERE c.parent_id = :step_id AND c.id > :after ORDER BY c.id LIMIT :limit;

-- name: pending_of
SELECT j.id, j.status FROM jsonb_each(:rows) AS r JOIN jobs AS j ON j.id = r.value WHERE j.status < 2;

-- name: cancel_children
UPDATE jobs SET status = 5, reason = :reason, finished_at = :now
 WHERE id IN (SELECT j.value FROM jsonb_each(:rows) AS j);

-- name: due_runs
SELECT r.id FROM runs AS r INDEXED BY runs_deadline WHERE r.deadline IS NOT NULL AND r.deadline <= :now;

-- name: due_steps
SELECT s.id FROM steps AS s INDEXED BY steps_deadline WHERE s.deadline IS NOT NULL AND s.deadline <= :now;

-- name: add_process
INSERT INTO processes (host, boot_id, pid_space, pid, pid_started, version, slots, capabilities, port, draining,
                       lease_until, started_at, protocol, key_version, renewed_at)
VALUES (:host, :boot_id, :pid_space, :pid, :pid_started, :version, :slots, :capabilities, :port, :draining,
        :lease_until, :started_at, :protocol, :key_version, :renewed_at)
RETURNING id;

-- name: renew
-- One statement for the renewal and the look at the others: there are few, and an idle process has few statements.
UPDATE processes
   SET lease_until = CASE WHEN id = :id THEN :lease_until ELSE lease_until END,
       draining = CASE WHEN id = :id THEN :draining ELSE draining END,
       capabilities = CASE WHEN id = :id THEN :capabilities ELSE capabilities END,
       key_version = CASE WHEN id = :id THEN :key_version ELSE key_version END,
       renewed_at = CASE WHEN id = :id THEN :renewed_at ELSE renewed_at END
 WHERE EXISTS (SELECT 1 FROM processes AS p WHERE p.id = :id)
RETURNING id, host, boot_id, pid_space, pid, pid_started, version, slots, capabilities, port, draining, lease_until,
          started_at, protocol, key_version, renewed_at;

-- name: notice
-- What a node must know at each sign of life: the schema, whether a secret was sealed with another key than its own,
-- who leads by which term and still has a lease, and whether a step or job needs something of a node.
SELECT (SELECT max(m.number) FROM migrations AS m),
       EXISTS (SELECT 1 FROM keys AS k WHERE k.key_version IS NOT NULL AND k.key_version <> :key_version),
       coalesce(l.holder, 0), coalesce(l.term, 0),
       EXISTS (SELECT 1 FROM processes AS p WHERE p.id = l.holder AND p.lease_until > :now),
       EXISTS (SELECT 1 FROM steps AS s INDEXED BY steps_lane WHERE s.pending > s.waiting AND s.needs IS NOT NULL)
       OR EXISTS (SELECT 1 FROM jobs AS p INDEXED BY jobs_plannable CROSS JOIN steps AS s ON s.id = p.id
                   WHERE p.status = 0 AND p.kind = 1 AND s.needs IS NOT NULL)
       OR EXISTS (SELECT 1 FROM jobs AS n INDEXED BY jobs_needing
                   WHERE n.status = 0 AND n.kind = 2 AND n.rescues < 2 AND n.needs > '')
       OR EXISTS (SELECT 1 FROM steps AS s INDEXED BY steps_waiting_for WHERE s.waits_for > '')
  FROM (SELECT :name AS name) AS asked LEFT JOIN leaders AS l ON l.name = asked.name;

-- name: wanting
-- Steps with what they or their ready jobs need, and what was told of that; NULL where nothing is needed any more.
WITH RECURSIVE needing (step_id, needs) AS (
  SELECT s.id, (SELECT min(j.needs) FROM jobs AS j INDEXED BY jobs_needing
                 WHERE j.parent_id = s.id AND j.status = 0 AND j.kind = 2 AND j.rescues < 2 AND j.needs > '')
    FROM steps AS s INDEXED BY steps_lane WHERE s.pending > s.waiting
  UNION ALL
  SELECT n.step_id, (SELECT min(j.needs) FROM jobs AS j INDEXED BY jobs_needing
                      WHERE j.parent_id = n.step_id AND j.status = 0 AND j.kind = 2 AND j.rescues < 2
                        AND j.needs > n.needs AND j.needs > '')
    FROM needing AS n WHERE n.needs IS NOT NULL
), wanted (step_id, needs) AS (
  SELECT n.step_id, json_array(n.needs) FROM needing AS n WHERE n.needs IS NOT NULL
  UNION ALL
  SELECT s.id, s.needs FROM steps AS s INDEXED BY steps_lane WHERE s.pending > s.waiting AND s.needs IS NOT NULL
  UNION ALL
  SELECT s.id, s.needs FROM jobs AS p INDEXED BY jobs_plannable CROSS JOIN steps AS s ON s.id = p.id
   WHERE p.status = 0 AND p.kind = 1 AND s.needs IS NOT NULL
  UNION ALL
  SELECT s.id, NULL FROM steps AS s INDEXED BY steps_waiting_for WHERE s.waits_for > ''
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
SELECT 1 FROM leaders AS l WHERE l.name = :name AND l.holder = :holder AND l.term = :term;

-- name: leader
SELECT l.holder FROM leaders AS l WHERE l.name = :name;

-- name: secret_keys
-- Which of these names are stored as secrets.
SELECT k.name FROM jsonb_each(:rows) AS j JOIN keys AS k ON k.name = j.value WHERE k.key_version IS NOT NULL;

-- name: processes
SELECT id, host, boot_id, pid_space, pid, pid_started, version, slots, capabilities, port, draining, lease_until,
       started_at, protocol, key_version, renewed_at
  FROM processes ORDER BY id;

-- name: remove_process
DELETE FROM processes WHERE id = :id AND (:lease_until IS NULL OR lease_until = :lease_until);

-- name: lost_jobs
SELECT id, kind, attempt, rescues, parent_id, manager_id, limit_key FROM jobs INDEXED BY jobs_held
 WHERE status = 2 AND claimed_by = :process_id;

-- name: holders
-- Processes that are named by a running job and have no row any more.
SELECT DISTINCT j.claimed_by FROM jobs AS j INDEXED BY jobs_held
 WHERE j.status = 2 AND j.claimed_by IS NOT NULL AND j.claimed_by NOT IN (SELECT p.id FROM processes AS p);

-- name: rescue
UPDATE jobs SET status = 0, claimed_by = NULL, rescues = rescues + 1
 WHERE id IN (SELECT j.value FROM jsonb_each(:rows) AS j) AND status = 2;

-- name: fail_lost
UPDATE jobs SET status = 4, reason = :reason, claimed_by = NULL, rescues = rescues + 1, finished_at = :now
 WHERE id IN (SELECT j.value FROM jsonb_each(:rows) AS j) AND status = 2;

-- name: cached_step
SELECT c.made_at, c.manager_id, c.step_id FROM step_cache AS c
 WHERE c.definition_id = :definition_id AND c.step_name = :step_name AND c.cache_key = :cache_key;

-- name: put_cached_step
INSERT OR REPLACE INTO step_cache (definition_id, step_name, cache_key, made_at, manager_id, step_id)
VALUES (:definition_id, :step_name, :cache_key, :now, :manager_id, :step_id);

-- name: trim_step_cache
DELETE FROM step_cache
 WHERE definition_id = :definition_id AND step_name = :step_name
   AND cache_key NOT IN (SELECT k.cache_key FROM step_cache AS k
                          WHERE k.definition_id = :definition_id AND k.step_name = :step_name
                          ORDER BY k.made_at DESC LIMIT :keep);

-- name: add_events
INSERT INTO events (origin, seq, ts, type, manager_id, job_id, data)
SELECT :origin, coalesce(:after, (SELECT max(e.seq) FROM events AS e WHERE e.origin = :origin), 0) + 1 + j.key, :now,
       j.value ->> 0, j.value ->> 1, j.value ->> 2, j.value ->> 3
  FROM jsonb_each(:rows) AS j;

-- name: prune_events
-- The newest event of an origin stays: its number is where the next one goes on.
DELETE FROM events WHERE ts < :before
   AND seq < (SELECT max(e.seq) FROM events AS e WHERE e.origin = events.origin);

-- name: recount
SELECT c.status, count(*) FROM jobs AS c INDEXED BY jobs_children WHERE c.parent_id = :step_id GROUP BY c.status;

-- name: drifting
-- A recount of some steps, in one snapshot, against what their counters say.
SELECT s.id,
       (s.total, s.pending, s.waiting, s.running, s.completed, s.failed, s.cancelled, s.skipped)
       = (SELECT count(*), coalesce(sum(c.status < 2), 0), coalesce(sum(c.status = 1), 0),
                 coalesce(sum(c.status = 2), 0), coalesce(sum(c.status = 3), 0), coalesce(sum(c.status = 4), 0),
                 coalesce(sum(c.status = 5), 0), coalesce(sum(c.status = 6), 0)
            FROM jobs AS c INDEXED BY jobs_children WHERE c.parent_id = s.id)
  FROM steps AS s WHERE s.id > :after ORDER BY s.id LIMIT :limit;

-- name: stopped_steps
SELECT s.id FROM jsonb_each(:rows) AS j JOIN steps AS s ON s.id = j.value JOIN runs AS r ON r.id = s.manager_id
 WHERE s.stop_reason IS NOT NULL OR r.stop_reason IS NOT NULL;

-- name: open_log_days
SELECT DISTINCT r.log_day FROM jobs AS j INDEXED BY jobs_open_runs JOIN runs AS r ON r.id = j.id
 WHERE j.kind = 0 AND j.status < 3;

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
SELECT j.id FROM jobs AS j INDEXED BY jobs_runs
 WHERE j.kind = 0 AND (:cursor IS NULL OR j.id < :cursor)
   AND (:status IS NULL OR j.status IN (SELECT s.value FROM jsonb_each(:status) AS s))
 ORDER BY j.id DESC LIMIT :limit;

-- name: list_children
SELECT j.id FROM jobs AS j INDEXED BY jobs_children
 WHERE j.parent_id = :parent_id AND j.id > :cursor
   AND (:status IS NULL OR j.status IN (SELECT s.value FROM jsonb_each(:status) AS s))
 ORDER BY j.id LIMIT :limit;

-- name: run_facts
SELECT r.definition_id, r.revision, r.rerun_of, r.name, r.stop_at, r.paused_at, r.message, r.log_day, r.parent_step,
       r.stop_reason
  FROM runs AS r WHERE r.id = :id;

-- name: run_counters
-- A run counts the worker jobs of its steps; child runs below a step count as jobs of their own run.
SELECT coalesce(sum(s.total), 0), coalesce(sum(s.pending), 0), coalesce(sum(s.running), 0),
       coalesce(sum(s.completed), 0), coalesce(sum(s.failed), 0), coalesce(sum(s.cancelled), 0),
       coalesce(sum(s.skipped), 0), coalesce(sum(s.retried), 0)
  FROM steps AS s WHERE s.manager_id = :id AND s.has_runs = 0;

-- name: attempts
SELECT a.attempt, a.process_id, a.ended_at, a.outcome, a.family, a.error FROM attempts AS a
 WHERE a.job_id = :id ORDER BY a.attempt;

-- name: failed_children
SELECT f.id FROM jobs AS f INDEXED BY jobs_failed
 WHERE f.manager_id = :run_id AND f.status = 4 AND f.kind = 2 ORDER BY f.id LIMIT :limit;

-- name: runs_of_root
-- A run with all that belongs to it: child runs below its steps, and the runs that its end started.
SELECT r.id, r.definition_id, r.revision, r.root_id, r.parent_step, r.rerun_of, r.name, r.log_day, j.status, j.reason,
       j.priority, r.queued, r.failing, r.warned, r.stop_reason, r.paused_at, r.deadline, r.message
  FROM runs AS r INDEXED BY runs_root JOIN jobs AS j ON j.id = r.id
 WHERE r.root_id = :root_id
 ORDER BY r.id;

-- name: error_families
-- What the failed jobs of a run failed of, the most frequent first, each with its oldest job.
SELECT coalesce(io.error ->> '$.family', ''), count(*), min(f.id)
  FROM jobs AS f INDEXED BY jobs_failed LEFT JOIN job_io AS io ON io.id = f.id
 WHERE f.manager_id = :run_id AND f.status = 4 AND f.kind = 2
 GROUP BY 1 ORDER BY 2 DESC, 3 LIMIT :limit;
