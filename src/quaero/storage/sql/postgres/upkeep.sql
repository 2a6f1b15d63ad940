-- Deleting runs and documents, tags, families of errors. Batches come in as one JSON array (:rows).

-- name: open_reruns
-- Runs that still take over from this one.
SELECT r.id FROM jobs AS j JOIN runs AS r ON r.id = j.id
 WHERE j.kind = 0 AND j.status < 3 AND r.rerun_of = :run_id ORDER BY r.id;

-- name: open_of_root
SELECT r.id FROM runs AS r JOIN jobs AS j ON j.id = r.id
 WHERE r.root_id = :root_id AND j.kind = 0 AND j.status < 3 ORDER BY r.id;

-- name: note_deleted_steps
INSERT INTO deleted_steps (step_id, manager_id, deleted_at)
SELECT s.id, s.manager_id, :now FROM steps AS s
 WHERE s.manager_id = ANY (ARRAY(SELECT j::bigint FROM jsonb_array_elements_text(:rows::jsonb) AS j));

-- name: delete_cached_steps
DELETE FROM step_cache
 WHERE definition_id IN (SELECT r.definition_id FROM runs AS r
                          WHERE r.id = ANY (ARRAY(SELECT j::bigint FROM jsonb_array_elements_text(:rows::jsonb) AS j)))
   AND manager_id = ANY (ARRAY(SELECT j::bigint FROM jsonb_array_elements_text(:rows::jsonb) AS j));

-- name: delete_ignored_families
DELETE FROM ignored_families
 WHERE manager_id = ANY (ARRAY(SELECT j::bigint FROM jsonb_array_elements_text(:rows::jsonb) AS j));

-- name: delete_attempts_of_steps
DELETE FROM attempts
 WHERE job_id = ANY (ARRAY(
       SELECT s.id FROM steps AS s
        WHERE s.manager_id = ANY (ARRAY(SELECT j::bigint FROM jsonb_array_elements_text(:rows::jsonb) AS j))));

-- name: delete_io_of_runs
DELETE FROM job_io
 WHERE id = ANY (ARRAY(
       SELECT s.id FROM steps AS s
        WHERE s.manager_id = ANY (ARRAY(SELECT j::bigint FROM jsonb_array_elements_text(:rows::jsonb) AS j))
       UNION ALL SELECT j::bigint FROM jsonb_array_elements_text(:rows::jsonb) AS j));

-- name: delete_jobs_of_runs
-- Managers and steps; the worker jobs come later.
DELETE FROM jobs
 WHERE id = ANY (ARRAY(
       SELECT s.id FROM steps AS s
        WHERE s.manager_id = ANY (ARRAY(SELECT j::bigint FROM jsonb_array_elements_text(:rows::jsonb) AS j))
       UNION ALL SELECT j::bigint FROM jsonb_array_elements_text(:rows::jsonb) AS j));

-- name: delete_steps
DELETE FROM steps WHERE manager_id = ANY (ARRAY(SELECT j::bigint FROM jsonb_array_elements_text(:rows::jsonb) AS j));

-- name: delete_runs
DELETE FROM runs WHERE id = ANY (ARRAY(SELECT j::bigint FROM jsonb_array_elements_text(:rows::jsonb) AS j));

-- name: deleted_step
-- One to be swept that nobody else sweeps now.
SELECT d.step_id, d.manager_id FROM deleted_steps AS d ORDER BY d.step_id LIMIT 1 FOR UPDATE SKIP LOCKED;

-- name: worker_jobs
SELECT c.id FROM job_io AS c WHERE c.parent_id = :step_id ORDER BY c.id LIMIT :limit;

-- name: delete_attempts
DELETE FROM attempts
 WHERE job_id = ANY (ARRAY(SELECT j::bigint FROM jsonb_array_elements_text(:rows::jsonb) AS j));

-- name: delete_io
DELETE FROM job_io WHERE id = ANY (ARRAY(SELECT j::bigint FROM jsonb_array_elements_text(:rows::jsonb) AS j));

-- name: delete_jobs
DELETE FROM jobs WHERE id = ANY (ARRAY(SELECT j::bigint FROM jsonb_array_elements_text(:rows::jsonb) AS j));

-- name: delete_links_of_step
-- The documents stay.
DELETE FROM document_runs
 WHERE ctid = ANY (ARRAY(SELECT r.ctid FROM document_runs AS r WHERE r.step_id = :step_id LIMIT :limit));

-- name: delete_document_step
DELETE FROM document_steps WHERE manager_id = :manager_id AND step_id = :step_id;

-- name: forget_deleted_step
DELETE FROM deleted_steps WHERE step_id = :step_id;

-- name: failed_in_family
-- Step -> failed jobs of this family.
SELECT f.parent_id, count(*) FROM jobs AS f JOIN job_io AS io ON io.id = f.id
 WHERE f.manager_id = :run_id AND f.status = 4 AND f.kind = 2
   AND coalesce(io.error::json ->> 'family', '') = :family::text
 GROUP BY f.parent_id;

-- name: retry_family
SELECT r.retry_family FROM runs AS r WHERE r.id = :run_id;

-- name: set_retry_family
UPDATE runs SET retry_family = :family WHERE id = :run_id;

-- name: ignore_family
INSERT INTO ignored_families (manager_id, family, ignored_at, ignored_by) VALUES (:run_id, :family, :now, :by)
    ON CONFLICT (manager_id, family) DO NOTHING;

-- name: heed_family
DELETE FROM ignored_families WHERE manager_id = :run_id AND family = :family;

-- name: find_documents
SELECT d.no, d.id, d.tags FROM documents AS d
 WHERE d.id = ANY (ARRAY(SELECT j FROM jsonb_array_elements_text(:rows::jsonb) AS j)) ORDER BY d.no;

-- name: delete_contents
DELETE FROM document_contents
 WHERE no = ANY (ARRAY(SELECT j::bigint FROM jsonb_array_elements_text(:rows::jsonb) AS j));

-- name: delete_tags_of
-- :tags: [[tag, no], ...]
DELETE FROM document_tags
 WHERE ctid = ANY (ARRAY(
       SELECT f.ctid FROM jsonb_array_elements(:tags::jsonb) AS t
        CROSS JOIN LATERAL (SELECT o.ctid FROM document_tags AS o
                             WHERE o.tag = t ->> 0 AND o.document = (t ->> 1)::bigint OFFSET 0) AS f));

-- name: delete_links
DELETE FROM document_runs
 WHERE document = ANY (ARRAY(SELECT j::bigint FROM jsonb_array_elements_text(:rows::jsonb) AS j));

-- name: delete_lineage_up
DELETE FROM document_lineage
 WHERE child = ANY (ARRAY(SELECT j::bigint FROM jsonb_array_elements_text(:rows::jsonb) AS j));

-- name: delete_lineage_down
DELETE FROM document_lineage
 WHERE parent = ANY (ARRAY(SELECT j::bigint FROM jsonb_array_elements_text(:rows::jsonb) AS j));

-- name: delete_revisions
DELETE FROM document_revisions
 WHERE document = ANY (ARRAY(SELECT j::bigint FROM jsonb_array_elements_text(:rows::jsonb) AS j));

-- name: delete_documents
DELETE FROM documents WHERE no = ANY (ARRAY(SELECT j::bigint FROM jsonb_array_elements_text(:rows::jsonb) AS j));
