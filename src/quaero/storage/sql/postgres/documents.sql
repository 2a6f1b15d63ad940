-- Writing documents. Each statement takes a whole batch as one JSON text.
-- json, not jsonb, where a part of it is stored: it comes out as it was written.
--
-- LATERAL with OFFSET 0 looks up one row after the other, whatever the planner believes about the sizes of tables. An
-- update or delete finds its rows so first, by their places (ctid): only one transaction at a time writes documents.

-- name: find_by_keys
-- keys: [[source_type, source_id], ...]
SELECT d.no, d.id, d.source_type, d.source_id, d.revision, d.content_hash, d.tags, d.gone_at IS NOT NULL, NULL
  FROM jsonb_array_elements(:keys::jsonb) AS k
 CROSS JOIN LATERAL (SELECT o.* FROM documents AS o
                      WHERE o.source_type = k.value ->> 0 AND o.source_id = k.value ->> 1 OFFSET 0) AS d;

-- name: find_by_ids
-- ids: {id: are its enrichments wanted (0 or 1), ...}
SELECT d.no, d.id, d.source_type, d.source_id, d.revision, d.content_hash, d.tags, d.gone_at IS NOT NULL,
       CASE WHEN k.value = '1' THEN d.enrichments END
  FROM jsonb_each_text(:ids::jsonb) AS k
 CROSS JOIN LATERAL (SELECT o.* FROM documents AS o WHERE o.id = k.key OFFSET 0) AS d;

-- name: find_links
-- pairs: [[document, manager_id], ...]
SELECT r.document, r.manager_id, r.step_id, r.how
  FROM jsonb_array_elements(:pairs::jsonb) AS p
 CROSS JOIN LATERAL (SELECT o.* FROM document_runs AS o
                      WHERE o.document = (p.value ->> 0)::bigint AND o.manager_id = (p.value ->> 1)::bigint
                     OFFSET 0) AS r;

-- name: last_number
SELECT n.last FROM document_numbers AS n WHERE n.name = 'document';

-- name: insert_documents
-- rows: [[id, source_type, source_id, title, url, tags, metadata, origin, revision, content_hash, enrichments], ...],
-- numbered from :first
WITH made AS (
  INSERT INTO documents (no, id, source_type, source_id, title, url, tags, metadata, origin, revision, content_hash,
                         enrichments, created_at, updated_at, last_synced)
  SELECT :first + e.place - 1, e.value ->> 0, e.value ->> 1, e.value ->> 2, e.value ->> 3, e.value ->> 4,
         e.value ->> 5, e.value ->> 6, e.value ->> 7, (e.value ->> 8)::bigint, e.value ->> 9, e.value ->> 10,
         :now, :now, :now
    FROM json_array_elements(:rows::json) WITH ORDINALITY AS e (value, place)
  RETURNING no
)
UPDATE document_numbers SET last = (SELECT max(m.no) FROM made AS m) WHERE name = 'document';

-- name: insert_contents
-- contents: [content, ...], numbered from :first
INSERT INTO document_contents (no, content)
SELECT :first + e.place - 1, e.value
  FROM json_array_elements_text(:contents::json) WITH ORDINALITY AS e (value, place);

-- name: index_new
-- The new documents have the numbers from :first on: read them back instead of parsing their text twice.
INSERT INTO document_index (no, words)
SELECT c.no, quaero_index(d.title, d.tags, c.content)
  FROM document_contents AS c
 CROSS JOIN LATERAL (SELECT o.title, o.tags FROM documents AS o WHERE o.no = c.no OFFSET 0) AS d
 WHERE c.no >= :first;

-- name: unindex
DELETE FROM document_index
 WHERE no = ANY (ARRAY(SELECT n.value::bigint FROM jsonb_array_elements(:nos::jsonb) AS n));

-- name: index
INSERT INTO document_index (no, words)
SELECT d.no, quaero_index(d.title, d.tags, d.content)
  FROM jsonb_array_elements(:nos::jsonb) AS n
 CROSS JOIN LATERAL (SELECT o.no, o.title, o.tags, c.content
                       FROM documents AS o CROSS JOIN document_contents AS c
                      WHERE o.no = n.value::bigint AND c.no = n.value::bigint OFFSET 0) AS d;

-- name: sync
-- Seen again at its source, not changed.
UPDATE documents SET last_synced = :now, gone_at = NULL
 WHERE no = ANY (ARRAY(SELECT n.value::bigint FROM jsonb_array_elements(:nos::jsonb) AS n));

-- name: refresh
-- The parts that make no revision: rows [[no, url, metadata], ...]
UPDATE documents AS d SET url = e.value ->> 1, metadata = e.value ->> 2
  FROM json_array_elements(:rows::json) AS e
 CROSS JOIN LATERAL (SELECT o.ctid FROM documents AS o
                      WHERE o.no = (e.value ->> 0)::bigint
                        AND (o.url <> e.value ->> 1 OR o.metadata <> e.value ->> 2) OFFSET 0) AS f
 WHERE d.ctid = f.ctid;

-- name: mark_gone
UPDATE documents SET gone_at = :now
 WHERE no = ANY (ARRAY(SELECT n.value::bigint FROM jsonb_array_elements(:nos::jsonb) AS n)) AND gone_at IS NULL;

-- name: archive
INSERT INTO document_revisions (document, revision, title, url, metadata, origin, content_hash, made_at, content)
SELECT d.no, d.revision, d.title, d.url, d.metadata, d.origin, d.content_hash, d.updated_at, d.content
  FROM jsonb_array_elements(:nos::jsonb) AS n
 CROSS JOIN LATERAL (SELECT o.*, c.content
                       FROM documents AS o CROSS JOIN document_contents AS c
                      WHERE o.no = n.value::bigint AND c.no = n.value::bigint OFFSET 0) AS d;

-- name: archive_passed
-- Revisions made and replaced within this batch:
-- rows [[no, revision, title, url, metadata, origin, content_hash, content], ...]
INSERT INTO document_revisions (document, revision, title, url, metadata, origin, content_hash, made_at, content)
SELECT (e.value ->> 0)::bigint, (e.value ->> 1)::bigint, e.value ->> 2, e.value ->> 3, e.value ->> 4, e.value ->> 5,
       e.value ->> 6, :now, e.value ->> 7
  FROM json_array_elements(:rows::json) AS e;

-- name: prune
-- rows: [[no, oldest revision to keep], ...]
DELETE FROM document_revisions
 WHERE ctid = ANY (ARRAY(
       SELECT r.ctid
         FROM jsonb_array_elements(:rows::jsonb) AS e
        CROSS JOIN LATERAL (SELECT o.ctid FROM document_revisions AS o
                             WHERE o.document = (e.value ->> 0)::bigint AND o.revision < (e.value ->> 1)::bigint
                            OFFSET 0) AS r));

-- name: rewrite
-- rows: [[no, title, url, metadata, origin, revision, content_hash], ...]
UPDATE documents AS d
   SET title = e.value ->> 1, url = e.value ->> 2, metadata = e.value ->> 3, origin = e.value ->> 4,
       revision = (e.value ->> 5)::bigint, content_hash = e.value ->> 6, updated_at = :now
  FROM json_array_elements(:rows::json) AS e
 CROSS JOIN LATERAL (SELECT o.ctid FROM documents AS o WHERE o.no = (e.value ->> 0)::bigint OFFSET 0) AS f
 WHERE d.ctid = f.ctid;

-- name: rewrite_contents
-- rows: [[no, content], ...]
UPDATE document_contents AS c SET content = e.value ->> 1
  FROM json_array_elements(:rows::json) AS e
 CROSS JOIN LATERAL (SELECT o.ctid FROM document_contents AS o WHERE o.no = (e.value ->> 0)::bigint OFFSET 0) AS f
 WHERE c.ctid = f.ctid;

-- name: retag
-- rows: [[no, tags], ...]
UPDATE documents AS d SET tags = e.value ->> 1
  FROM json_array_elements(:rows::json) AS e
 CROSS JOIN LATERAL (SELECT o.ctid FROM documents AS o WHERE o.no = (e.value ->> 0)::bigint OFFSET 0) AS f
 WHERE d.ctid = f.ctid;

-- name: insert_tags
-- groups: {tag: [no, ...], ...}
INSERT INTO document_tags (tag, document)
SELECT g.key, n.value::bigint
  FROM jsonb_each(:groups::jsonb) AS g CROSS JOIN LATERAL jsonb_array_elements(g.value) AS n
    ON CONFLICT DO NOTHING;

-- name: enrich
-- rows: [[no, enrichments], ...]
UPDATE documents AS d SET enrichments = e.value ->> 1
  FROM json_array_elements(:rows::json) AS e
 CROSS JOIN LATERAL (SELECT o.ctid FROM documents AS o WHERE o.no = (e.value ->> 0)::bigint OFFSET 0) AS f
 WHERE d.ctid = f.ctid;

-- name: insert_steps
-- rows: [[manager_id, name, step_id], ...]
INSERT INTO document_steps (manager_id, name, step_id)
SELECT (e.value ->> 0)::bigint, e.value ->> 1, (e.value ->> 2)::bigint FROM jsonb_array_elements(:rows::jsonb) AS e
    ON CONFLICT DO NOTHING;

-- name: insert_links
-- groups: [[manager_id, step_id, how, [no, ...]], ...]
INSERT INTO document_runs (document, manager_id, step_id, how)
SELECT n.value::bigint, (g.value ->> 0)::bigint, (g.value ->> 1)::bigint, g.value ->> 2
  FROM jsonb_array_elements(:groups::jsonb) AS g CROSS JOIN LATERAL jsonb_array_elements(g.value -> 3) AS n
    ON CONFLICT (document, manager_id, step_id) DO UPDATE SET how = excluded.how;

-- name: cut_lineage
DELETE FROM document_lineage
 WHERE child = ANY (ARRAY(SELECT n.value::bigint FROM jsonb_array_elements(:nos::jsonb) AS n));

-- name: insert_lineage
-- rows: [[child, parent, parent_hash, origin], ...]
INSERT INTO document_lineage (child, parent, parent_hash, origin, made_at)
SELECT (e.value ->> 0)::bigint, (e.value ->> 1)::bigint, e.value ->> 2, e.value ->> 3, :now
  FROM json_array_elements(:rows::json) AS e;

-- name: copy_steps
-- steps: {old step id: new step id, ...}
INSERT INTO document_steps (manager_id, name, step_id)
SELECT :to_manager, s.name, m.value::bigint
  FROM document_steps AS s
  JOIN jsonb_each_text(:steps::jsonb) AS m ON m.key::bigint = s.step_id
 WHERE s.manager_id = :from_manager
    ON CONFLICT DO NOTHING;

-- name: count_copies
-- Before copy_links: the documents that it makes new to the run, each counted for the first step that gets it.
SELECT first.step_id, count(*)
  FROM (SELECT min(m.value::bigint) AS step_id
          FROM jsonb_each_text(:steps::jsonb) AS m
         CROSS JOIN LATERAL (SELECT o.* FROM document_runs AS o WHERE o.step_id = m.key::bigint OFFSET 0) AS r
         WHERE r.manager_id = :from_manager AND r.how <> 'enriched'
           AND NOT (SELECT EXISTS (SELECT 1 FROM document_runs AS o
                                    WHERE o.document = r.document AND o.manager_id = :to_manager
                                      AND o.how <> 'enriched'))
         GROUP BY r.document) AS first
 GROUP BY first.step_id;

-- name: copy_links
INSERT INTO document_runs (document, manager_id, step_id, how)
SELECT r.document, :to_manager, m.value::bigint, CASE r.how WHEN 'enriched' THEN 'enriched' ELSE 'reused' END
  FROM jsonb_each_text(:steps::jsonb) AS m
 CROSS JOIN LATERAL (SELECT o.* FROM document_runs AS o WHERE o.step_id = m.key::bigint OFFSET 0) AS r
 WHERE r.manager_id = :from_manager
    ON CONFLICT DO NOTHING;

-- name: forget_links
DELETE FROM document_runs
 WHERE step_id = ANY (ARRAY(SELECT s.step_id FROM document_steps AS s WHERE s.manager_id = :manager_id));

-- name: forget_steps
DELETE FROM document_steps WHERE manager_id = :manager_id;
