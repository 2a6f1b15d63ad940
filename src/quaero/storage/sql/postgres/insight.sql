-- The deeper questions: why a job does not run, what runs took, how two of them differ.

-- name: job
SELECT j.id, j.kind, j.manager_id, j.parent_id, j.status, j.reason, j.priority, j.available_at, j.attempt, j.failures,
       j.rescues, j.claimed_by, j.limit_key, j.needs, j.created_at, j.started_at, j.finished_at
  FROM jobs AS j WHERE j.id = :id;

-- name: step_needs
SELECT s.needs FROM steps AS s WHERE s.id = :id;

-- name: running
-- There are never more running jobs than slots.
SELECT j.id, j.manager_id, j.parent_id, j.claimed_by, j.started_at, j.limit_key, j.rescues
  FROM jobs AS j JOIN steps AS s ON s.id = j.parent_id
 WHERE j.status = 2 AND j.claimed_by IS NOT NULL AND j.kind = 2 AND s.worker_type = :worker_type
   AND (:key::text IS NULL OR j.limit_key = :key::text)
 ORDER BY j.started_at, j.id LIMIT :limit;

-- name: suspects_running
SELECT j.id, j.manager_id, j.parent_id, j.claimed_by, j.started_at, j.limit_key, j.rescues
  FROM jobs AS j
 WHERE j.status = 2 AND j.claimed_by IS NOT NULL AND j.kind = 2 AND j.rescues >= 2 ORDER BY j.id;

-- name: held
-- Process, kind of job, how many it holds.
SELECT j.claimed_by, j.kind, count(*) FROM jobs AS j
 WHERE j.status = 2 AND j.claimed_by IS NOT NULL GROUP BY j.claimed_by, j.kind;

-- name: ready_lanes
SELECT s.manager_id, s.priority, sum(s.pending - s.waiting)::bigint
  FROM steps AS s JOIN runs AS r ON r.id = s.manager_id
 WHERE s.pending > s.waiting AND s.stop_reason IS NULL AND s.has_runs = 0 AND r.paused_at IS NULL
   AND r.stop_reason IS NULL
 GROUP BY s.manager_id, s.priority;

-- name: ahead
-- Higher priorities, and within the same one those that came before.
SELECT count(*) FROM (
  SELECT 1 FROM jobs AS j
   WHERE j.parent_id = :step_id AND j.status = 0 AND j.kind = 2 AND j.rescues < 2 AND j.needs = ''
     AND j.priority >= :priority
     AND (j.priority > :priority OR (coalesce(j.available_at, 0), j.id) < (:available_at, :id))
   LIMIT :at_most) AS found;

-- name: ahead_of_key
SELECT count(*) FROM (
  SELECT 1 FROM jobs AS j
   WHERE j.parent_id = :step_id AND j.status = 0 AND j.limit_key = :key AND j.priority >= :priority
     AND (j.priority > :priority OR (coalesce(j.available_at, 0), j.id) < (:available_at, :id))
   LIMIT :at_most) AS found;

-- name: steps_ahead
SELECT count(*) FROM (
  SELECT 1 FROM jobs AS j JOIN runs AS r ON r.id = j.manager_id
   WHERE j.status = 0 AND j.kind = 1 AND j.priority >= :priority AND r.paused_at IS NULL AND r.stop_reason IS NULL
     AND (j.priority > :priority OR (coalesce(j.available_at, 0), j.id) < (:available_at, :id))
   LIMIT :at_most) AS found;

-- name: first_ready
SELECT j.id FROM jobs AS j
 WHERE j.parent_id = :step_id AND j.status = 0 AND j.kind = 2 AND j.rescues < 2 AND j.needs = ''
 ORDER BY j.priority DESC, j.available_at, j.id LIMIT 1;

-- name: first_special
-- Where all that is ready needs something of a node, or was lost twice.
SELECT min(j.id) FROM (
  SELECT n.id FROM jobs AS n
   WHERE n.parent_id = :step_id AND n.status = 0 AND n.kind = 2 AND n.rescues < 2 AND n.needs > ''
  UNION ALL
  SELECT u.id FROM jobs AS u
   WHERE u.parent_id = :step_id AND u.status = 0 AND u.kind = 2 AND u.rescues >= 2) AS j;

-- name: first_waiting
-- Where nothing of it is ready.
SELECT j.id FROM jobs AS j
 WHERE j.status = 1 AND j.available_at IS NOT NULL AND j.parent_id = :step_id ORDER BY j.available_at LIMIT 1;

-- name: source
SELECT d.source FROM definitions AS d WHERE d.id = :id AND d.revision = :revision;

-- name: last_runs
-- Of the newest few hundred; :completed: those that did all of it, reruns aside.
SELECT r.id, r.revision, j.status, j.has_errors, j.created_at, j.started_at, j.finished_at
  FROM (SELECT o.id, o.revision, o.rerun_of FROM runs AS o
         WHERE o.definition_id = :definition_id ORDER BY o.id DESC LIMIT 300) AS r
  JOIN jobs AS j ON j.id = r.id
 WHERE :completed = 0 OR (j.status = 3 AND r.rerun_of IS NULL)
 ORDER BY r.id DESC LIMIT :limit;

-- name: run_times
SELECT r.id, r.revision, j.status, j.has_errors, j.created_at, j.started_at, j.finished_at
  FROM runs AS r JOIN jobs AS j ON j.id = r.id WHERE r.id = :id;

-- name: step_times
SELECT s.manager_id, s.id, s.name, s.worker_type, j.status, j.reason, j.started_at, j.finished_at, s.total,
       s.completed, s.failed, s.cancelled, s.skipped, s.retried, s.document_count
  FROM steps AS s JOIN jobs AS j ON j.id = s.id
 WHERE s.manager_id = ANY (ARRAY(SELECT n::bigint FROM jsonb_array_elements_text(:rows::jsonb) AS n))
 ORDER BY s.manager_id, s.position;

-- name: job_seconds
-- Of the first thousand children.
SELECT j.finished_at - j.started_at
  FROM (SELECT io.id FROM job_io AS io WHERE io.parent_id = :step_id ORDER BY io.id LIMIT 1000) AS c
 CROSS JOIN LATERAL (SELECT o.* FROM jobs AS o WHERE o.id = c.id OFFSET 0) AS j
 WHERE j.status = 3 AND j.started_at IS NOT NULL LIMIT :limit;

-- name: cached_steps
SELECT c.step_name, c.made_at, c.manager_id FROM step_cache AS c
 WHERE c.definition_id = :definition_id ORDER BY c.made_at DESC, c.step_name;

-- name: ignored_families
SELECT f.manager_id, f.family FROM ignored_families AS f;

-- name: document_changes
-- The documents of two runs; what only was enriched is not counted.
WITH old (document) AS (
  SELECT DISTINCT r.document FROM document_steps AS s JOIN document_runs AS r ON r.step_id = s.step_id
   WHERE s.manager_id = :old_run AND r.how <> 'enriched'
), new (document, is_made) AS (
  SELECT r.document, bool_or(r.how = 'made') FROM document_steps AS s JOIN document_runs AS r ON r.step_id = s.step_id
   WHERE s.manager_id = :new_run AND r.how <> 'enriched' GROUP BY r.document
), compared (document, change) AS (
  SELECT n.document, CASE WHEN o.document IS NULL THEN 'added' WHEN n.is_made THEN 'changed' ELSE 'unchanged' END
    FROM new AS n LEFT JOIN old AS o ON o.document = n.document
  UNION ALL
  SELECT o.document, 'vanished' FROM old AS o WHERE o.document NOT IN (SELECT n.document FROM new AS n)
)
SELECT c.change, count(*) FROM compared AS c GROUP BY c.change;

-- name: compared_documents
-- One kind of change. Of the revision that the new run made, where it made one and it is still kept.
WITH old (document) AS (
  SELECT DISTINCT r.document FROM document_steps AS s JOIN document_runs AS r ON r.step_id = s.step_id
   WHERE s.manager_id = :old_run AND r.how <> 'enriched'
), new (document, is_made) AS (
  SELECT r.document, bool_or(r.how = 'made') FROM document_steps AS s JOIN document_runs AS r ON r.step_id = s.step_id
   WHERE s.manager_id = :new_run AND r.how <> 'enriched' GROUP BY r.document
), compared (document, change) AS (
  SELECT n.document, CASE WHEN o.document IS NULL THEN 'added' WHEN n.is_made THEN 'changed' ELSE 'unchanged' END
    FROM new AS n LEFT JOIN old AS o ON o.document = n.document
  UNION ALL
  SELECT o.document, 'vanished' FROM old AS o WHERE o.document NOT IN (SELECT n.document FROM new AS n)
), page (document) AS (
  SELECT c.document FROM compared AS c WHERE c.change = :change AND c.document > :after ORDER BY c.document LIMIT :limit
)
SELECT d.no, d.id, d.source_type, d.source_id, d.title, coalesce(v.revision, d.revision), coalesce(v.origin, d.origin)
  FROM page AS p
 CROSS JOIN LATERAL (SELECT o.* FROM documents AS o WHERE o.no = p.document OFFSET 0) AS d
  LEFT JOIN LATERAL (SELECT e.revision, e.origin FROM document_revisions AS e
                      WHERE e.document = d.no AND (d.origin::json ->> 0)::bigint <> :new_run
                        AND (e.origin::json ->> 0)::bigint = :new_run
                      ORDER BY e.revision DESC LIMIT 1) AS v ON true
 ORDER BY d.no;
