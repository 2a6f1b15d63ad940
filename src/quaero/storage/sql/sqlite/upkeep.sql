-- Deleting runs and documents, tags, families of errors. Batches come in as one JSON array (:rows).

-- name: open_reruns
-- Runs that still take over from this one.
SELECT r.id FROM jobs AS j INDEXED BY jobs_open_runs CROSS JOIN runs AS r ON r.id = j.id
 WHERE j.kind = 0 AND j.status < 3 AND r.rerun_of = :run_id ORDER BY r.id;

-- name: open_of_root
SELECT r.id FROM jobs AS j INDEXED BY jobs_open_runs CROSS JOIN runs AS r ON r.id = j.id
 WHERE j.kind = 0 AND j.status < 3 AND r.root_id = :root_id ORDER BY r.id;

-- name: note_deleted_steps
INSERT INTO deleted_steps (step_id, manager_id, deleted_at)
SELECT s.id, s.manager_id, :now FROM jsonb_each(:rows) AS j CROSS JOIN steps AS s ON s.manager_id = j.value;

-- name: delete_cached_steps
DELETE FROM step_cache
 WHERE definition_id IN (SELECT r.definition_id FROM jsonb_each(:rows) AS j CROSS JOIN runs AS r ON r.id = j.value)
   AND manager_id IN (SELECT j.value FROM jsonb_each(:rows) AS j);

-- name: delete_ignored_families
DELETE FROM ignored_families WHERE manager_id IN (SELECT j.value FROM jsonb_each(:rows) AS j);

-- name: delete_attempts_of_steps
DELETE FROM attempts
 WHERE job_id IN (SELECT s.id FROM jsonb_each(:rows) AS j CROSS JOIN steps AS s ON s.manager_id = j.value);

-- name: delete_io_of_runs
DELETE FROM job_io
 WHERE id IN (SELECT s.id FROM jsonb_each(:rows) AS j CROSS JOIN steps AS s ON s.manager_id = j.value
              UNION ALL SELECT j.value FROM jsonb_each(:rows) AS j);

-- name: delete_jobs_of_runs
-- Managers and steps; the worker jobs come later.
DELETE FROM jobs
 WHERE id IN (SELECT s.id FROM jsonb_each(:rows) AS j CROSS JOIN steps AS s ON s.manager_id = j.value
              UNION ALL SELECT j.value FROM jsonb_each(:rows) AS j);

-- name: delete_steps
DELETE FROM steps WHERE manager_id IN (SELECT j.value FROM jsonb_each(:rows) AS j);

-- name: delete_runs
DELETE FROM runs WHERE id IN (SELECT j.value FROM jsonb_each(:rows) AS j);

-- name: deleted_step
-- One to be swept.
SELECT d.step_id, d.manager_id FROM deleted_steps AS d ORDER BY d.step_id LIMIT 1;

-- name: worker_jobs
SELECT c.id FROM jobs AS c INDEXED BY jobs_children WHERE c.parent_id = :step_id ORDER BY c.id LIMIT :limit;

-- name: delete_attempts
DELETE FROM attempts WHERE job_id IN (SELECT j.value FROM jsonb_each(:rows) AS j);

-- name: delete_io
DELETE FROM job_io WHERE id IN (SELECT j.value FROM jsonb_each(:rows) AS j);

-- name: delete_jobs
DELETE FROM jobs WHERE id IN (SELECT j.value FROM jsonb_each(:rows) AS j);

-- name: delete_links_of_step
-- The documents stay.
DELETE FROM document_runs
 WHERE (document, manager_id, step_id) IN (
       SELECT r.document, r.manager_id, r.step_id FROM document_runs AS r INDEXED BY document_runs_by_step
        WHERE r.step_id = :step_id LIMIT :limit);

-- name: delete_document_step
DELETE FROM document_steps WHERE manager_id = :manager_id AND step_id = :step_id;

-- name: forget_deleted_step
DELETE FROM deleted_steps WHERE step_id = :step_id;

-- name: failed_in_family
-- Step -> failed jobs of this family.
SELECT f.parent_id, count(*) FROM jobs AS f INDEXED BY jobs_failed JOIN job_io AS io ON io.id = f.id
 WHERE f.manager_id = :run_id AND f.status = 4 AND f.kind = 2 AND coalesce(io.error ->> '$.family', '') = :family
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
SELECT d.no, d.id, d.tags FROM jsonb_each(:rows) AS j CROSS JOIN documents AS d ON d.id = j.value ORDER BY d.no;

-- name: delete_contents
DELETE FROM document_contents WHERE no IN (SELECT j.value FROM jsonb_each(:rows) AS j);

-- name: delete_tags_of
-- :tags: [[tag, no], ...]
DELETE FROM document_tags
 WHERE (tag, document) IN (SELECT t.value ->> 0, t.value ->> 1 FROM jsonb_each(:tags) AS t);

-- name: delete_links
DELETE FROM document_runs WHERE document IN (SELECT j.value FROM jsonb_each(:rows) AS j);

-- name: delete_lineage_up
DELETE FROM document_lineage WHERE child IN (SELECT j.value FROM jsonb_each(:rows) AS j);

-- name: delete_lineage_down
DELETE FROM document_lineage
 WHERE (child, parent) IN (
       SELECT l.child, l.parent FROM jsonb_each(:rows) AS j
        CROSS JOIN document_lineage AS l INDEXED BY document_lineage_by_parent ON l.parent = j.value);

-- name: delete_revisions
DELETE FROM document_revisions WHERE document IN (SELECT j.value FROM jsonb_each(:rows) AS j);

-- name: delete_documents
DELETE FROM documents WHERE no IN (SELECT j.value FROM jsonb_each(:rows) AS j);
