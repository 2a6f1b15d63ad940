-- What people ask about runs and jobs: see ports/views.py. Reads only. Lists of ids come in as one JSON array (:ids).

-- name: parent
-- Whose children are asked for, and how these stand; without numbers where it is a run.
SELECT j.kind, j.manager_id, s.has_runs, s.total, s.pending, s.waiting, s.running, s.completed, s.failed,
       s.cancelled, s.skipped
  FROM jobs AS j LEFT JOIN steps AS s ON s.id = j.id
 WHERE j.id = :id;

-- name: jobs
-- As get_job, for many.
SELECT j.id, j.kind, j.manager_id, j.parent_id, j.status, j.reason, j.has_errors, j.priority, j.available_at,
       j.attempt, j.failures, j.rescues, j.claimed_by, j.depth, j.spawned_by, j.created_at, j.started_at,
       j.finished_at, io.payload, io.result, io.error
  FROM jsonb_each(:ids) AS i CROSS JOIN jobs AS j ON j.id = i.value LEFT JOIN job_io AS io ON io.id = j.id;

-- name: run_facts
-- As run_facts and run_counters of a job, for many; documents of all steps.
SELECT r.id, r.definition_id, r.revision, r.rerun_of, r.name, r.stop_at, r.paused_at, r.message, r.log_day,
       r.parent_step, r.stop_reason,
       coalesce(sum(s.total) FILTER (WHERE s.has_runs = 0), 0),
       coalesce(sum(s.pending) FILTER (WHERE s.has_runs = 0), 0),
       coalesce(sum(s.running) FILTER (WHERE s.has_runs = 0), 0),
       coalesce(sum(s.completed) FILTER (WHERE s.has_runs = 0), 0),
       coalesce(sum(s.failed) FILTER (WHERE s.has_runs = 0), 0),
       coalesce(sum(s.cancelled) FILTER (WHERE s.has_runs = 0), 0),
       coalesce(sum(s.skipped) FILTER (WHERE s.has_runs = 0), 0),
       coalesce(sum(s.retried) FILTER (WHERE s.has_runs = 0), 0),
       coalesce(sum(s.document_count), 0)
  FROM jsonb_each(:ids) AS i CROSS JOIN runs AS r ON r.id = i.value LEFT JOIN steps AS s ON s.manager_id = r.id
 GROUP BY r.id;

-- name: steps
-- As step, for many, with the definition of the run.
SELECT s.id, s.manager_id, s.root_id, s.position, s.name, s.worker_type, s.has_runs, j.status, j.reason, j.has_errors,
       j.attempt, j.failures, j.claimed_by, j.available_at, s.sealed, s.stop_reason, s.deadline, j.started_at, s.total,
       s.pending, s.waiting, s.running, s.completed, s.failed, s.cancelled, s.skipped, s.retried, s.document_count,
       s.warning_count, s.message, s.cache_key, s.waits_for, r.definition_id, r.revision
  FROM jsonb_each(:ids) AS i CROSS JOIN steps AS s ON s.id = i.value CROSS JOIN jobs AS j ON j.id = s.id
 CROSS JOIN runs AS r ON r.id = s.manager_id;

-- name: definitions
-- :keys: [[id, revision], ...]
SELECT d.id, d.revision, d.body
  FROM jsonb_each(:keys) AS k CROSS JOIN definitions AS d ON d.id = k.value ->> 0 AND d.revision = k.value ->> 1;

-- Runs, newest first: fragments that run_pages.py puts together. What to read, where the candidates come from, what
-- must hold, in which order.

-- name: read_runs
SELECT r.id

-- name: count_runs
SELECT count(*) FROM (SELECT 1

-- name: of_all
  FROM runs AS r CROSS JOIN jobs AS j ON j.id = r.id

-- name: of_definition
  FROM runs AS r INDEXED BY runs_definition CROSS JOIN jobs AS j ON j.id = r.id

-- name: of_open
  FROM jobs AS j INDEXED BY jobs_open_runs CROSS JOIN runs AS r ON r.id = j.id

-- name: is_run
j.kind = 0

-- name: is_open
j.kind = 0 AND j.status < 3

-- name: is_root
r.root_id = r.id

-- name: has_state
j.status IN (SELECT s.value FROM jsonb_each(:states) AS s)

-- name: has_definition
r.definition_id = :definition_id

-- name: has_text
instr(lower(r.name), lower(:text)) > 0 OR instr(lower(r.definition_id), lower(:text)) > 0

-- name: is_since
-- Numbers rise with time but for a moment, so the newest run of a minute before is where to stop looking.
j.created_at >= :since
AND r.id > coalesce((SELECT o.id FROM runs AS o CROSS JOIN jobs AS k ON k.id = o.id
                      WHERE k.created_at < :since - 60000000 ORDER BY o.id DESC LIMIT 1), 0)

-- name: is_until
j.created_at < :until

-- name: has_errors
j.has_errors = :has_errors

-- name: is_before_cursor
r.id < :cursor

-- name: newest_first
 ORDER BY r.id DESC LIMIT :limit

-- name: at_most
 LIMIT :limit) AS found

-- Children of a step or run: each walk goes along one index and starts behind a key. A walk that passes over rows it
-- does not want ends after :scan of them.

-- name: walk_all
SELECT c.id
  FROM (SELECT j.id, j.status FROM jobs AS j INDEXED BY jobs_children
         WHERE j.parent_id = :parent_id AND j.id > :after AND j.id <= :last ORDER BY j.id LIMIT :scan) AS c
 WHERE :states IS NULL OR c.status IN (SELECT s.value FROM jsonb_each(:states) AS s)
 LIMIT :limit;

-- name: end_of_walk_all
SELECT j.id FROM jobs AS j INDEXED BY jobs_children
 WHERE j.parent_id = :parent_id AND j.id > :after AND j.id <= :last ORDER BY j.id LIMIT 1 OFFSET :scan - 1;

-- name: walk_failed
SELECT c.id
  FROM (SELECT f.id, f.parent_id, f.attempt FROM jobs AS f INDEXED BY jobs_failed
         WHERE f.manager_id = :manager_id AND f.status = 4 AND f.kind = 2 AND f.id > :after AND f.id <= :last
         ORDER BY f.id LIMIT :scan) AS c
 WHERE c.parent_id = :parent_id
   AND (:family IS NULL
        OR :family = coalesce(
             (SELECT a.family FROM attempts AS a WHERE a.job_id = c.id AND a.attempt = c.attempt),
             (SELECT io.error ->> '$.family' FROM job_io AS io WHERE io.id = c.id), ''))
 LIMIT :limit;

-- name: end_of_walk_failed
SELECT f.id FROM jobs AS f INDEXED BY jobs_failed
 WHERE f.manager_id = :manager_id AND f.status = 4 AND f.kind = 2 AND f.id > :after AND f.id <= :last
 ORDER BY f.id LIMIT 1 OFFSET :scan - 1;

-- name: walk_running
-- All that is running anywhere: no more than there are slots.
SELECT j.id FROM jobs AS j INDEXED BY jobs_held
 WHERE j.status = 2 AND j.claimed_by IS NOT NULL AND j.kind = 2 AND j.parent_id = :parent_id AND j.id > :after
   AND j.id <= :last
 ORDER BY j.id LIMIT :limit;

-- name: walk_ready
-- As they will be claimed.
SELECT * FROM (SELECT j.id, j.priority, j.available_at FROM jobs AS j INDEXED BY jobs_ready
                WHERE j.parent_id = :parent_id AND j.kind = 2 AND j.status = 0 AND j.rescues < 2 AND j.needs = ''
                  AND j.priority = :priority AND (j.available_at, j.id) > (:due, :after)
                ORDER BY j.priority DESC, j.available_at, j.id LIMIT :limit)
UNION ALL
SELECT * FROM (SELECT j.id, j.priority, j.available_at FROM jobs AS j INDEXED BY jobs_ready
                WHERE j.parent_id = :parent_id AND j.kind = 2 AND j.status = 0 AND j.rescues < 2 AND j.needs = ''
                  AND j.priority < :priority
                ORDER BY j.priority DESC, j.available_at, j.id LIMIT :limit);

-- name: walk_suspect
SELECT j.id FROM jobs AS j INDEXED BY jobs_suspect
 WHERE j.parent_id = :parent_id AND j.kind = 2 AND j.status = 0 AND j.rescues >= 2 AND j.id > :after
 ORDER BY j.id LIMIT :limit;

-- name: walk_needing
SELECT * FROM (SELECT j.id, j.needs, j.priority, j.available_at FROM jobs AS j INDEXED BY jobs_needing
                WHERE j.parent_id = :parent_id AND j.kind = 2 AND j.status = 0 AND j.rescues < 2 AND j.needs > ''
                  AND j.needs = :needs AND j.priority = :priority AND (j.available_at, j.id) > (:due, :after)
                ORDER BY j.needs, j.priority DESC, j.available_at, j.id LIMIT :limit)
UNION ALL
SELECT * FROM (SELECT j.id, j.needs, j.priority, j.available_at FROM jobs AS j INDEXED BY jobs_needing
                WHERE j.parent_id = :parent_id AND j.kind = 2 AND j.status = 0 AND j.rescues < 2 AND j.needs > ''
                  AND j.needs = :needs AND j.priority < :priority
                ORDER BY j.needs, j.priority DESC, j.available_at, j.id LIMIT :limit)
UNION ALL
SELECT * FROM (SELECT j.id, j.needs, j.priority, j.available_at FROM jobs AS j INDEXED BY jobs_needing
                WHERE j.parent_id = :parent_id AND j.kind = 2 AND j.status = 0 AND j.rescues < 2 AND j.needs > ''
                  AND j.needs > :needs
                ORDER BY j.needs, j.priority DESC, j.available_at, j.id LIMIT :limit);

-- name: walk_waiting
-- Those of other steps are passed over: asked only of a step that has some.
SELECT j.id, j.available_at FROM jobs AS j INDEXED BY jobs_due
 WHERE j.status = 1 AND j.available_at IS NOT NULL AND j.available_at >= :due
   AND (j.available_at > :due OR j.id > :after) AND j.parent_id = :parent_id AND j.kind = 2
 ORDER BY j.available_at, j.id LIMIT :limit;

-- name: walk_slowest
-- Of the children in some stretches (:ranges: [[first, last], ...]): longest first, behind a duration and id.
SELECT j.id, j.finished_at - j.started_at AS took
  FROM jsonb_each(:ranges) AS g
 CROSS JOIN jobs AS j INDEXED BY jobs_children
    ON j.parent_id = :parent_id AND j.id BETWEEN g.value ->> 0 AND g.value ->> 1
 WHERE j.finished_at IS NOT NULL AND j.started_at IS NOT NULL AND j.id BETWEEN :first AND :last
   AND (:states IS NULL OR j.status IN (SELECT s.value FROM jsonb_each(:states) AS s))
   AND (j.finished_at - j.started_at < :took OR (j.finished_at - j.started_at = :took AND j.id > :after))
   AND (:family IS NULL
        OR (j.status = 4 AND :family = coalesce(
             (SELECT a.family FROM attempts AS a WHERE a.job_id = j.id AND a.attempt = j.attempt),
             (SELECT io.error ->> '$.family' FROM job_io AS io WHERE io.id = j.id), '')))
 ORDER BY took DESC, j.id LIMIT :limit;

-- name: child_at
-- The child :place places behind one.
SELECT j.id FROM jobs AS j INDEXED BY jobs_children
 WHERE j.parent_id = :parent_id AND j.id > :after ORDER BY j.id LIMIT 1 OFFSET :place;

-- name: count_children
SELECT count(*) FROM jobs AS j INDEXED BY jobs_children WHERE j.parent_id = :parent_id;

-- Heat strips.

-- name: cell_starts
-- Every :size-th child from :start on, by jumping from one to the next in the index.
WITH RECURSIVE starts (id) AS (
  SELECT :start
  UNION ALL
  SELECT (SELECT j.id FROM jobs AS j INDEXED BY jobs_children
           WHERE j.parent_id = :parent_id AND j.id >= starts.id ORDER BY j.id LIMIT 1 OFFSET :size)
    FROM starts WHERE starts.id IS NOT NULL
)
SELECT id FROM starts WHERE id IS NOT NULL;

-- name: cells
-- :ranges: [[first, last], ...]. worst: 6 failed, 5 running, 4 pending, 3 cancelled, 2 completed, 1 skipped.
SELECT g.key, count(*),
       max(CASE j.status WHEN 3 THEN 2 WHEN 4 THEN 6 WHEN 2 THEN 5 WHEN 5 THEN 3 WHEN 6 THEN 1 ELSE 4 END),
       sum(j.status = 4), sum(j.status < 3), coalesce(max(j.finished_at - j.started_at), 0)
  FROM jsonb_each(:ranges) AS g
 CROSS JOIN jobs AS j INDEXED BY jobs_children
    ON j.parent_id = :parent_id AND j.id BETWEEN g.value ->> 0 AND g.value ->> 1
 GROUP BY g.key;

-- Rows of live views.

-- name: newest_open_runs
SELECT j.id FROM jobs AS j INDEXED BY jobs_open_runs WHERE j.kind = 0 AND j.status < 3 ORDER BY j.id DESC LIMIT :limit;

-- name: newest_runs
-- Not those that another run started.
SELECT r.id FROM runs AS r WHERE r.root_id = r.id ORDER BY r.id DESC LIMIT :limit;

-- name: child_runs
-- Below the steps of a run, newest first.
SELECT r.id FROM steps AS s CROSS JOIN runs AS r ON r.parent_step = s.id
 WHERE s.manager_id = :run_id ORDER BY r.id DESC LIMIT :limit;

-- name: live_runs
SELECT j.id, j.parent_id, j.manager_id, j.status, j.reason, j.has_errors, j.attempt, j.created_at, j.started_at,
       j.finished_at, j.available_at, j.claimed_by, r.name, r.message, r.stop_reason, r.paused_at, r.queued,
       r.definition_id, r.rerun_of
  FROM jsonb_each(:ids) AS i CROSS JOIN runs AS r ON r.id = i.value CROSS JOIN jobs AS j ON j.id = r.id;

-- name: live_steps_of
-- The steps of these runs.
SELECT j.id, j.parent_id, j.manager_id, j.status, j.reason, j.has_errors, j.attempt, j.created_at, j.started_at,
       j.finished_at, j.available_at, j.claimed_by, s.name, s.message, s.stop_reason, s.worker_type, s.position,
       s.waits_for, s.has_runs, s.document_count, s.total, s.pending, s.running, s.completed, s.failed, s.cancelled,
       s.skipped, s.retried
  FROM jsonb_each(:ids) AS i CROSS JOIN steps AS s ON s.manager_id = i.value CROSS JOIN jobs AS j ON j.id = s.id;

-- name: live_steps
SELECT j.id, j.parent_id, j.manager_id, j.status, j.reason, j.has_errors, j.attempt, j.created_at, j.started_at,
       j.finished_at, j.available_at, j.claimed_by, s.name, s.message, s.stop_reason, s.worker_type, s.position,
       s.waits_for, s.has_runs, s.document_count, s.total, s.pending, s.running, s.completed, s.failed, s.cancelled,
       s.skipped, s.retried
  FROM jsonb_each(:ids) AS i CROSS JOIN steps AS s ON s.id = i.value CROSS JOIN jobs AS j ON j.id = s.id;

-- name: live_workers
SELECT j.id, j.parent_id, j.manager_id, j.status, j.reason, j.has_errors, j.attempt, j.created_at, j.started_at,
       j.finished_at, j.available_at, j.claimed_by, s.name, substr(coalesce(io.error ->> '$.message', ''), 1, 200),
       NULL, s.worker_type, coalesce(json_array_length(io.result, '$.document_ids'), 0)
  FROM jsonb_each(:ids) AS i CROSS JOIN jobs AS j ON j.id = i.value CROSS JOIN steps AS s ON s.id = j.parent_id
  LEFT JOIN job_io AS io ON io.id = j.id
 WHERE j.kind = 2;

-- Families of errors.

-- name: failed_runs
-- The newest runs with failed worker jobs, by jumping from run to run in the index. Those whose rows are gone are
-- being deleted.
WITH RECURSIVE failing (id) AS (
  SELECT max(f.manager_id) FROM jobs AS f INDEXED BY jobs_failed WHERE f.status = 4 AND f.kind = 2
  UNION ALL
  SELECT (SELECT max(f.manager_id) FROM jobs AS f INDEXED BY jobs_failed
           WHERE f.status = 4 AND f.kind = 2 AND f.manager_id < failing.id)
    FROM failing WHERE failing.id IS NOT NULL
   LIMIT :limit
)
SELECT r.id, r.definition_id, r.name,
       (SELECT sum(s.failed) FROM steps AS s WHERE s.manager_id = r.id AND s.has_runs = 0)
  FROM failing CROSS JOIN runs AS r ON r.id = failing.id;

-- name: failed_run
SELECT r.id, r.definition_id, r.name,
       (SELECT sum(s.failed) FROM steps AS s WHERE s.manager_id = r.id AND s.has_runs = 0)
  FROM runs AS r WHERE r.id = :run_id;

-- name: families
-- By run, step and the family of the last error: that of the last attempt, where it had one, is the quickest to read.
SELECT f.manager_id, f.parent_id,
       coalesce((SELECT a.family FROM attempts AS a
                  WHERE a.job_id = f.id AND a.attempt = f.attempt),
                (SELECT io.error ->> '$.family' FROM job_io AS io WHERE io.id = f.id), '') AS family,
       count(*), min(f.id), max(f.finished_at)
  FROM jsonb_each(:ids) AS i
 CROSS JOIN jobs AS f INDEXED BY jobs_failed ON f.manager_id = i.value AND f.status = 4 AND f.kind = 2
 GROUP BY f.manager_id, f.parent_id, family;

-- name: samples
SELECT io.id, io.error FROM jsonb_each(:ids) AS i CROSS JOIN job_io AS io ON io.id = i.value;

-- name: step_names
SELECT s.id, s.position, s.name FROM jsonb_each(:ids) AS i CROSS JOIN steps AS s ON s.id = i.value;

-- The system and its definitions.

-- name: activity
-- Runs that nobody but a person or a schedule began, by bucket and status.
SELECT (j.created_at - :since) * :buckets / (:until - :since) AS bucket, j.status, count(*)
  FROM runs AS r CROSS JOIN jobs AS j ON j.id = r.id
 WHERE r.root_id = r.id AND j.created_at >= :since AND j.created_at < :until
   AND r.id > coalesce((SELECT o.id FROM runs AS o CROSS JOIN jobs AS k ON k.id = o.id
                         WHERE k.created_at < :since - 60000000 ORDER BY o.id DESC LIMIT 1), 0)
 GROUP BY bucket, j.status;

-- name: storage
-- Version of the server, size, free space within it, age of the oldest transaction.
SELECT sqlite_version(), c.page_count * s.page_size, f.freelist_count * s.page_size, NULL
  FROM pragma_page_count AS c, pragma_page_size AS s, pragma_freelist_count AS f;

-- name: row_counts
-- About how many: nothing is counted.
SELECT 'jobs', coalesce((SELECT max(id) FROM jobs) - (SELECT min(id) FROM jobs) + 1, 0)
UNION ALL SELECT 'documents', coalesce((SELECT max(no) FROM documents) - (SELECT min(no) FROM documents) + 1, 0);

-- name: limiters
-- Those in use first.
SELECT l.name, l.key, l.in_use, l.tokens, l.stamp FROM limiters AS l
 ORDER BY l.in_use DESC, l.name, l.key LIMIT :limit;

-- name: definition_uses
-- Number of runs of each definition, and its newest ones as a JSON array.
SELECT d.value, (SELECT count(*) FROM runs AS r INDEXED BY runs_definition WHERE r.definition_id = d.value),
       (SELECT json_group_array(l.id)
          FROM (SELECT r.id FROM runs AS r INDEXED BY runs_definition
                 WHERE r.definition_id = d.value ORDER BY r.id DESC LIMIT :last) AS l)
  FROM jsonb_each(:ids) AS d;

-- name: definition_revisions
SELECT d.id, d.revision, d.hash, d.created_at, coalesce(n.runs, 0), d.source
  FROM definitions AS d
  LEFT JOIN (SELECT r.revision, count(*) AS runs FROM runs AS r INDEXED BY runs_definition
              WHERE r.definition_id = :definition_id GROUP BY r.revision) AS n ON n.revision = d.revision
 WHERE d.id = :definition_id
 ORDER BY d.revision DESC;
