-- What people ask about runs and jobs: see ports/views.py. Reads only. Lists of ids come in as one JSON array (:ids).
-- Plans must not depend on statistics, which are old while a step is being planned: OFFSET 0 keeps a lookup by key what
-- it is, a comparison of rows fits one index only, and a limit whose number the planner can't know (in a SELECT) makes
-- it go along that index.

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
  FROM jsonb_array_elements_text(:ids::jsonb) AS i
 CROSS JOIN LATERAL (SELECT o.* FROM jobs AS o WHERE o.id = i::bigint OFFSET 0) AS j
  LEFT JOIN LATERAL (SELECT o.* FROM job_io AS o WHERE o.id = j.id OFFSET 0) AS io ON true;

-- name: run_facts
-- As run_facts and run_counters of a job, for many; documents of all steps.
SELECT r.id, r.definition_id, r.revision, r.rerun_of, r.name, r.stop_at, r.paused_at, r.message, r.log_day,
       r.parent_step, r.stop_reason, n.total, n.pending, n.running, n.completed, n.failed, n.cancelled, n.skipped,
       n.retried, n.documents
  FROM jsonb_array_elements_text(:ids::jsonb) AS i
 CROSS JOIN LATERAL (SELECT o.* FROM runs AS o WHERE o.id = i::bigint OFFSET 0) AS r
 CROSS JOIN LATERAL (
   SELECT coalesce(sum(s.total) FILTER (WHERE s.has_runs = 0), 0)::bigint AS total,
          coalesce(sum(s.pending) FILTER (WHERE s.has_runs = 0), 0)::bigint AS pending,
          coalesce(sum(s.running) FILTER (WHERE s.has_runs = 0), 0)::bigint AS running,
          coalesce(sum(s.completed) FILTER (WHERE s.has_runs = 0), 0)::bigint AS completed,
          coalesce(sum(s.failed) FILTER (WHERE s.has_runs = 0), 0)::bigint AS failed,
          coalesce(sum(s.cancelled) FILTER (WHERE s.has_runs = 0), 0)::bigint AS cancelled,
          coalesce(sum(s.skipped) FILTER (WHERE s.has_runs = 0), 0)::bigint AS skipped,
          coalesce(sum(s.retried) FILTER (WHERE s.has_runs = 0), 0)::bigint AS retried,
          coalesce(sum(s.document_count), 0)::bigint AS documents
     FROM steps AS s WHERE s.manager_id = r.id) AS n;

-- name: steps
-- As step, for many, with the definition of the run.
SELECT s.id, s.manager_id, s.root_id, s.position, s.name, s.worker_type, s.has_runs, j.status, j.reason, j.has_errors,
       j.attempt, j.failures, j.claimed_by, j.available_at, s.sealed, s.stop_reason, s.deadline, j.started_at, s.total,
       s.pending, s.waiting, s.running, s.completed, s.failed, s.cancelled, s.skipped, s.retried, s.document_count,
       s.warning_count, s.message, s.cache_key, s.waits_for, r.definition_id, r.revision
  FROM jsonb_array_elements_text(:ids::jsonb) AS i
 CROSS JOIN LATERAL (SELECT o.* FROM steps AS o WHERE o.id = i::bigint OFFSET 0) AS s
 CROSS JOIN LATERAL (SELECT o.* FROM jobs AS o WHERE o.id = s.id OFFSET 0) AS j
 CROSS JOIN LATERAL (SELECT o.* FROM runs AS o WHERE o.id = s.manager_id OFFSET 0) AS r;

-- name: definitions
-- :keys: [[id, revision], ...]
SELECT d.id, d.revision, d.body
  FROM jsonb_array_elements(:keys::jsonb) AS k
  JOIN definitions AS d ON d.id = k ->> 0 AND d.revision = (k ->> 1)::bigint;

-- Runs, newest first: fragments that run_pages.py puts together. What to read, where the candidates come from, what
-- must hold, in which order.

-- name: read_runs
SELECT r.id

-- name: count_runs
SELECT count(*) FROM (SELECT 1

-- name: of_all
  FROM runs AS r CROSS JOIN LATERAL (SELECT o.* FROM jobs AS o WHERE o.id = r.id OFFSET 0) AS j

-- name: of_definition
  FROM runs AS r CROSS JOIN LATERAL (SELECT o.* FROM jobs AS o WHERE o.id = r.id OFFSET 0) AS j

-- name: of_open
  FROM jobs AS j CROSS JOIN LATERAL (SELECT o.* FROM runs AS o WHERE o.id = j.id OFFSET 0) AS r

-- name: is_run
j.kind = 0

-- name: is_open
j.kind = 0 AND j.status < 3

-- name: is_root
r.root_id = r.id

-- name: has_state
to_jsonb(j.status) <@ :states::jsonb

-- name: has_definition
r.definition_id = :definition_id

-- name: has_text
strpos(lower(r.name), lower(:text::text)) > 0 OR strpos(lower(r.definition_id), lower(:text::text)) > 0

-- name: is_since
-- Numbers rise with time but for a moment, so the newest run of a minute before is where to stop looking.
j.created_at >= :since
AND r.id > coalesce((SELECT o.id FROM runs AS o
                      WHERE (SELECT k.created_at FROM jobs AS k WHERE k.id = o.id) < :since::bigint - 60000000
                      ORDER BY o.id DESC LIMIT 1), 0)

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
  FROM (SELECT io.id, (SELECT j.status FROM jobs AS j WHERE j.id = io.id) AS status FROM job_io AS io
         WHERE io.parent_id IS NOT NULL AND (io.parent_id, io.id) > (:parent_id, :after)
           AND (io.parent_id, io.id) <= (:parent_id, :last)
         ORDER BY io.parent_id, io.id LIMIT (SELECT :scan::bigint)) AS c
 WHERE :states::jsonb IS NULL OR to_jsonb(c.status) <@ :states::jsonb
 LIMIT :limit;

-- name: end_of_walk_all
SELECT io.id FROM job_io AS io
 WHERE io.parent_id IS NOT NULL AND (io.parent_id, io.id) > (:parent_id, :after)
   AND (io.parent_id, io.id) <= (:parent_id, :last)
 ORDER BY io.parent_id, io.id LIMIT 1 OFFSET (SELECT :scan::bigint - 1);

-- name: walk_failed
SELECT c.id
  FROM (SELECT f.id, f.parent_id, f.attempt FROM jobs AS f
         WHERE f.manager_id = :manager_id AND f.status = 4 AND f.kind = 2 AND f.id > :after AND f.id <= :last
         ORDER BY f.id LIMIT (SELECT :scan::bigint)) AS c
 WHERE c.parent_id = :parent_id
   AND (:family::text IS NULL
        OR :family::text = coalesce(
             (SELECT a.family FROM attempts AS a WHERE a.job_id = c.id AND a.attempt = c.attempt),
             (SELECT io.error::json ->> 'family' FROM job_io AS io WHERE io.id = c.id), ''))
 LIMIT :limit;

-- name: end_of_walk_failed
SELECT f.id FROM jobs AS f
 WHERE f.manager_id = :manager_id AND f.status = 4 AND f.kind = 2 AND f.id > :after AND f.id <= :last
 ORDER BY f.id LIMIT 1 OFFSET (SELECT :scan::bigint - 1);

-- name: walk_running
-- All that is running anywhere: no more than there are slots.
SELECT j.id
  FROM (SELECT h.id, h.kind, h.parent_id FROM jobs AS h WHERE h.status = 2 AND h.claimed_by > 0 OFFSET 0) AS j
 WHERE j.kind = 2 AND j.parent_id = :parent_id AND j.id > :after AND j.id <= :last
 ORDER BY j.id LIMIT :limit;

-- name: walk_ready
-- As they will be claimed.
(SELECT j.id, j.priority, j.available_at FROM jobs AS j
  WHERE j.parent_id = :parent_id AND j.kind = 2 AND j.status = 0 AND j.rescues < 2 AND j.needs = ''
    AND j.priority = :priority AND (j.available_at, j.id) > (:due, :after)
  ORDER BY j.priority DESC, j.available_at, j.id LIMIT :limit)
UNION ALL
(SELECT j.id, j.priority, j.available_at FROM jobs AS j
  WHERE j.parent_id = :parent_id AND j.kind = 2 AND j.status = 0 AND j.rescues < 2 AND j.needs = ''
    AND j.priority < :priority
  ORDER BY j.priority DESC, j.available_at, j.id LIMIT :limit);

-- name: walk_suspect
SELECT j.id FROM jobs AS j
 WHERE j.parent_id = :parent_id AND j.kind = 2 AND j.status = 0 AND j.rescues >= 2 AND j.id > :after
 ORDER BY j.id LIMIT :limit;

-- name: walk_needing
(SELECT j.id, j.needs, j.priority, j.available_at FROM jobs AS j
  WHERE j.parent_id = :parent_id AND j.kind = 2 AND j.status = 0 AND j.rescues < 2 AND j.needs > ''
    AND j.needs = :needs AND j.priority = :priority AND (j.available_at, j.id) > (:due, :after)
  ORDER BY j.needs, j.priority DESC, j.available_at, j.id LIMIT :limit)
UNION ALL
(SELECT j.id, j.needs, j.priority, j.available_at FROM jobs AS j
  WHERE j.parent_id = :parent_id AND j.kind = 2 AND j.status = 0 AND j.rescues < 2 AND j.needs > ''
    AND j.needs = :needs AND j.priority < :priority
  ORDER BY j.needs, j.priority DESC, j.available_at, j.id LIMIT :limit)
UNION ALL
(SELECT j.id, j.needs, j.priority, j.available_at FROM jobs AS j
  WHERE j.parent_id = :parent_id AND j.kind = 2 AND j.status = 0 AND j.rescues < 2 AND j.needs > ''
    AND j.needs > :needs
  ORDER BY j.needs, j.priority DESC, j.available_at, j.id LIMIT :limit);

-- name: walk_waiting
-- Those of other steps are passed over: asked only of a step that has some.
SELECT j.id, j.available_at FROM jobs AS j
 WHERE j.status = 1 AND j.available_at IS NOT NULL AND j.available_at >= :due
   AND (j.available_at > :due OR j.id > :after) AND j.parent_id = :parent_id AND j.kind = 2
 ORDER BY j.available_at, j.id LIMIT :limit;

-- name: walk_slowest
-- Of the children in some stretches (:ranges: [[first, last], ...]): longest first, behind a duration and id.
SELECT j.id, j.finished_at - j.started_at AS took
  FROM jsonb_array_elements(:ranges::jsonb) AS g
 CROSS JOIN LATERAL (SELECT o.id FROM job_io AS o
                      WHERE o.parent_id IS NOT NULL
                        AND (o.parent_id, o.id) >= (:parent_id, (g ->> 0)::bigint)
                        AND (o.parent_id, o.id) <= (:parent_id, (g ->> 1)::bigint)
                      ORDER BY o.parent_id, o.id LIMIT (SELECT 1000000000)) AS io
 CROSS JOIN LATERAL (SELECT o.* FROM jobs AS o WHERE o.id = io.id OFFSET 0) AS j
 WHERE j.finished_at IS NOT NULL AND j.started_at IS NOT NULL AND j.id BETWEEN :first AND :last
   AND (:states::jsonb IS NULL OR to_jsonb(j.status) <@ :states::jsonb)
   AND (j.finished_at - j.started_at < :took OR (j.finished_at - j.started_at = :took AND j.id > :after))
   AND (:family::text IS NULL
        OR (j.status = 4 AND :family::text = coalesce(
             (SELECT a.family FROM attempts AS a WHERE a.job_id = j.id AND a.attempt = j.attempt),
             (SELECT io.error::json ->> 'family' FROM job_io AS io WHERE io.id = j.id), '')))
 ORDER BY took DESC, j.id LIMIT :limit;

-- name: child_at
-- The child :place places behind one.
SELECT io.id FROM job_io AS io
 WHERE io.parent_id IS NOT NULL AND (io.parent_id, io.id) > (:parent_id, :after)
   AND (io.parent_id, io.id) <= (:parent_id, 9223372036854775807)
 ORDER BY io.parent_id, io.id LIMIT 1 OFFSET (SELECT :place::bigint);

-- name: count_children
SELECT count(*) FROM job_io AS io WHERE io.parent_id = :parent_id;

-- Heat strips.

-- name: cell_starts
-- Every :size-th child from :start on, by jumping from one to the next in the index.
WITH RECURSIVE starts (id) AS (
  SELECT :start::bigint
  UNION ALL
  SELECT (SELECT io.id FROM job_io AS io
           WHERE io.parent_id IS NOT NULL AND (io.parent_id, io.id) >= (:parent_id, starts.id)
             AND (io.parent_id, io.id) <= (:parent_id, 9223372036854775807)
           ORDER BY io.parent_id, io.id LIMIT 1 OFFSET (SELECT :size::bigint))
    FROM starts WHERE starts.id IS NOT NULL
)
SELECT id FROM starts WHERE id IS NOT NULL ORDER BY id;

-- name: cells
-- :ranges: [[first, last], ...]. worst: 6 failed, 5 running, 4 pending, 3 cancelled, 2 completed, 1 skipped.
SELECT g.n - 1, c.count, c.worst, c.failed, c.open, c.longest
  FROM jsonb_array_elements(:ranges::jsonb) WITH ORDINALITY AS g (j, n)
 CROSS JOIN LATERAL (
   SELECT count(*) AS count,
          max(CASE j.status WHEN 3 THEN 2 WHEN 4 THEN 6 WHEN 2 THEN 5 WHEN 5 THEN 3 WHEN 6 THEN 1 ELSE 4 END) AS worst,
          count(*) FILTER (WHERE j.status = 4) AS failed, count(*) FILTER (WHERE j.status < 3) AS open,
          coalesce(max(j.finished_at - j.started_at), 0) AS longest
     FROM (SELECT o.id FROM job_io AS o
            WHERE o.parent_id IS NOT NULL
              AND (o.parent_id, o.id) >= (:parent_id, (g.j ->> 0)::bigint)
              AND (o.parent_id, o.id) <= (:parent_id, (g.j ->> 1)::bigint)
            ORDER BY o.parent_id, o.id LIMIT (SELECT 1000000000)) AS io
    CROSS JOIN LATERAL (SELECT o.status, o.started_at, o.finished_at FROM jobs AS o WHERE o.id = io.id OFFSET 0) AS j
 ) AS c
 WHERE c.count > 0;

-- Rows of live views.

-- name: newest_open_runs
SELECT j.id FROM jobs AS j WHERE j.kind = 0 AND j.status < 3 ORDER BY j.id DESC LIMIT :limit;

-- name: newest_runs
-- Not those that another run started.
SELECT r.id FROM runs AS r WHERE r.root_id = r.id ORDER BY r.id DESC LIMIT :limit;

-- name: child_runs
-- Below the steps of a run, newest first.
SELECT r.id
  FROM steps AS s
 CROSS JOIN LATERAL (SELECT o.id FROM runs AS o WHERE o.parent_step = s.id OFFSET 0) AS r
 WHERE s.manager_id = :run_id ORDER BY r.id DESC LIMIT :limit;

-- name: live_runs
SELECT j.id, j.parent_id, j.manager_id, j.status, j.reason, j.has_errors, j.attempt, j.created_at, j.started_at,
       j.finished_at, j.available_at, j.claimed_by, r.name, r.message, r.stop_reason, r.paused_at, r.queued,
       r.definition_id, r.rerun_of
  FROM jsonb_array_elements_text(:ids::jsonb) AS i
 CROSS JOIN LATERAL (SELECT o.* FROM runs AS o WHERE o.id = i::bigint OFFSET 0) AS r
 CROSS JOIN LATERAL (SELECT o.* FROM jobs AS o WHERE o.id = r.id OFFSET 0) AS j;

-- name: live_steps_of
-- The steps of these runs.
SELECT j.id, j.parent_id, j.manager_id, j.status, j.reason, j.has_errors, j.attempt, j.created_at, j.started_at,
       j.finished_at, j.available_at, j.claimed_by, s.name, s.message, s.stop_reason, s.worker_type, s.position,
       s.waits_for, s.has_runs, s.document_count, s.total, s.pending, s.running, s.completed, s.failed, s.cancelled,
       s.skipped, s.retried
  FROM jsonb_array_elements_text(:ids::jsonb) AS i
 CROSS JOIN LATERAL (SELECT o.* FROM steps AS o WHERE o.manager_id = i::bigint OFFSET 0) AS s
 CROSS JOIN LATERAL (SELECT o.* FROM jobs AS o WHERE o.id = s.id OFFSET 0) AS j;

-- name: live_steps
SELECT j.id, j.parent_id, j.manager_id, j.status, j.reason, j.has_errors, j.attempt, j.created_at, j.started_at,
       j.finished_at, j.available_at, j.claimed_by, s.name, s.message, s.stop_reason, s.worker_type, s.position,
       s.waits_for, s.has_runs, s.document_count, s.total, s.pending, s.running, s.completed, s.failed, s.cancelled,
       s.skipped, s.retried
  FROM jsonb_array_elements_text(:ids::jsonb) AS i
 CROSS JOIN LATERAL (SELECT o.* FROM steps AS o WHERE o.id = i::bigint OFFSET 0) AS s
 CROSS JOIN LATERAL (SELECT o.* FROM jobs AS o WHERE o.id = s.id OFFSET 0) AS j;

-- name: live_workers
SELECT j.id, j.parent_id, j.manager_id, j.status, j.reason, j.has_errors, j.attempt, j.created_at, j.started_at,
       j.finished_at, j.available_at, j.claimed_by, s.name, left(coalesce(io.error::json ->> 'message', ''), 200),
       NULL, s.worker_type, coalesce(json_array_length(io.result::json -> 'document_ids'), 0)
  FROM jsonb_array_elements_text(:ids::jsonb) AS i
 CROSS JOIN LATERAL (SELECT o.* FROM jobs AS o WHERE o.id = i::bigint OFFSET 0) AS j
 CROSS JOIN LATERAL (SELECT o.* FROM steps AS o WHERE o.id = j.parent_id OFFSET 0) AS s
  LEFT JOIN LATERAL (SELECT o.* FROM job_io AS o WHERE o.id = j.id OFFSET 0) AS io ON true
 WHERE j.kind = 2;

-- Families of errors.

-- name: failed_runs
-- The newest runs with failed worker jobs, by jumping from run to run in the index. Those whose rows are gone are
-- being deleted.
WITH RECURSIVE failing (id, place) AS (
  SELECT max(f.manager_id), 1::bigint FROM jobs AS f WHERE f.status = 4 AND f.kind = 2
  UNION ALL
  SELECT (SELECT max(f.manager_id) FROM jobs AS f
           WHERE f.status = 4 AND f.kind = 2 AND f.manager_id < failing.id), place + 1
    FROM failing WHERE failing.id IS NOT NULL AND place < :limit
)
SELECT r.id, r.definition_id, r.name, n.failed
  FROM failing
 CROSS JOIN LATERAL (SELECT o.* FROM runs AS o WHERE o.id = failing.id OFFSET 0) AS r
 CROSS JOIN LATERAL (SELECT sum(s.failed)::bigint AS failed FROM steps AS s
                      WHERE s.manager_id = r.id AND s.has_runs = 0) AS n;

-- name: failed_run
SELECT r.id, r.definition_id, r.name,
       (SELECT sum(s.failed)::bigint FROM steps AS s WHERE s.manager_id = r.id AND s.has_runs = 0)
  FROM runs AS r WHERE r.id = :run_id;

-- name: families
-- By run, step and the family of the last error: that of the last attempt, where it had one, is the quickest to read.
SELECT f.manager_id, f.parent_id, f.family, count(*), min(f.id), max(f.finished_at)
  FROM (SELECT j.manager_id, j.parent_id, j.id, j.finished_at,
               coalesce((SELECT a.family FROM attempts AS a
                          WHERE a.job_id = j.id AND a.attempt = j.attempt),
                        (SELECT io.error::json ->> 'family' FROM job_io AS io WHERE io.id = j.id), '') AS family
          FROM jsonb_array_elements_text(:ids::jsonb) AS i
         CROSS JOIN LATERAL (SELECT o.* FROM jobs AS o
                              WHERE o.manager_id = i::bigint AND o.status = 4 AND o.kind = 2 OFFSET 0) AS j) AS f
 GROUP BY f.manager_id, f.parent_id, f.family;

-- name: samples
SELECT io.id, io.error FROM jsonb_array_elements_text(:ids::jsonb) AS i
 CROSS JOIN LATERAL (SELECT o.id, o.error FROM job_io AS o WHERE o.id = i::bigint OFFSET 0) AS io;

-- name: step_names
SELECT s.id, s.position, s.name FROM jsonb_array_elements_text(:ids::jsonb) AS i
 CROSS JOIN LATERAL (SELECT o.* FROM steps AS o WHERE o.id = i::bigint OFFSET 0) AS s;

-- The system and its definitions.

-- name: activity
-- Runs that nobody but a person or a schedule began, by bucket and status.
SELECT (j.created_at - :since::bigint) * :buckets::bigint / (:until::bigint - :since::bigint) AS bucket, j.status,
       count(*)
  FROM runs AS r CROSS JOIN LATERAL (SELECT o.* FROM jobs AS o WHERE o.id = r.id OFFSET 0) AS j
 WHERE r.root_id = r.id AND j.created_at >= :since AND j.created_at < :until
   AND r.id > coalesce((SELECT o.id FROM runs AS o
                         WHERE (SELECT k.created_at FROM jobs AS k WHERE k.id = o.id) < :since::bigint - 60000000
                         ORDER BY o.id DESC LIMIT 1), 0)
 GROUP BY bucket, j.status;

-- name: storage
-- Version of the server, size, free space within it (not known), age of the oldest transaction.
SELECT current_setting('server_version'), pg_database_size(current_database()), NULL::bigint,
       (SELECT extract(epoch FROM clock_timestamp() - min(a.xact_start))::double precision
          FROM pg_stat_activity AS a
         WHERE a.datname = current_database() AND a.pid <> pg_backend_pid() AND a.backend_type = 'client backend');

-- name: row_counts
-- About how many: as of the server's last look at the table.
SELECT c.relname, greatest(c.reltuples, 0)::bigint
  FROM pg_class AS c
 WHERE pg_table_is_visible(c.oid) AND c.relkind = 'r'
   AND c.relname IN ('jobs', 'runs', 'steps', 'attempts', 'documents', 'document_revisions')
 ORDER BY c.relname;

-- name: limiters
-- Those in use first.
SELECT l.name, l.key, l.in_use, l.tokens, l.stamp FROM limiters AS l
 ORDER BY l.in_use DESC, l.name, l.key LIMIT :limit;

-- name: definition_uses
-- Number of runs of each definition, and its newest ones as a JSON array.
SELECT d, n.count, coalesce(l.ids, '[]')
  FROM jsonb_array_elements_text(:ids::jsonb) AS d
 CROSS JOIN LATERAL (SELECT count(*) AS count FROM runs AS r WHERE r.definition_id = d) AS n
 CROSS JOIN LATERAL (SELECT json_agg(o.id)::text AS ids
                       FROM (SELECT r.id FROM runs AS r
                              WHERE (r.definition_id, r.id) > (d, 0)
                                AND (r.definition_id, r.id) < (d, 9223372036854775807)
                              ORDER BY r.definition_id DESC, r.id DESC LIMIT :last) AS o) AS l;

-- name: definition_revisions
SELECT d.id, d.revision, d.hash, d.created_at, coalesce(n.runs, 0), d.source
  FROM definitions AS d
  LEFT JOIN (SELECT r.revision, count(*) AS runs FROM runs AS r
              WHERE r.definition_id = :definition_id GROUP BY r.revision) AS n ON n.revision = d.revision
 WHERE d.id = :definition_id
 ORDER BY d.revision DESC;
