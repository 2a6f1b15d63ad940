-- Writing documents. Each statement takes a whole batch as one JSON text.
-- jsonb_each, not json_each: it hands nested rows over parsed, which is three times as fast. Its columns
-- (key, value, id, ...) would shadow ours, so every name is qualified.

-- name: find_by_keys
-- keys: [[source_type, source_id], ...]
SELECT d.no, d.id, d.source_type, d.source_id, d.revision, d.content_hash, d.tags, d.gone_at IS NOT NULL, NULL
  FROM jsonb_each(:keys) AS k
 CROSS JOIN documents AS d ON d.source_type = k.value ->> 0 AND d.source_id = k.value ->> 1;

-- name: find_by_ids
-- ids: {id: are its enrichments wanted (0 or 1), ...}
SELECT d.no, d.id, d.source_type, d.source_id, d.revision, d.content_hash, d.tags, d.gone_at IS NOT NULL,
       CASE WHEN k.value THEN d.enrichments END
  FROM jsonb_each(:ids) AS k
 CROSS JOIN documents AS d ON d.id = k.key;

-- name: find_links
-- pairs: [[document, manager_id], ...]
SELECT r.document, r.manager_id, r.step_id, r.how
  FROM jsonb_each(:pairs) AS p
 CROSS JOIN document_runs AS r ON r.document = p.value ->> 0 AND r.manager_id = p.value ->> 1;

-- name: last_number
SELECT s.seq FROM sqlite_sequence AS s WHERE s.name = 'documents';

-- name: insert_documents
-- rows: [[id, source_type, source_id, title, url, tags, metadata, origin, revision, content_hash, enrichments], ...],
-- numbered from :first
INSERT INTO documents (no, id, source_type, source_id, title, url, tags, metadata, origin, revision, content_hash,
                       enrichments, created_at, updated_at, last_synced)
SELECT :first + e.key, e.value ->> 0, e.value ->> 1, e.value ->> 2, e.value ->> 3, e.value ->> 4, e.value ->> 5,
       e.value ->> 6, e.value ->> 7, e.value ->> 8, e.value ->> 9, e.value ->> 10, :now, :now, :now
  FROM jsonb_each(:rows) AS e;

-- name: insert_contents
-- contents: [content, ...], numbered from :first
INSERT INTO document_contents (no, content)
SELECT :first + e.key, e.value FROM jsonb_each(:contents) AS e;

-- name: index_new
-- The new documents have the numbers from :first on: read them back instead of parsing their text twice.
INSERT INTO documents_fts (rowid, title, content, tags)
SELECT t.no, t.title, t.content, t.tags FROM documents_text AS t WHERE t.no >= :first;

-- name: unindex
-- Must see the text as it was indexed: before any change to it.
INSERT INTO documents_fts (documents_fts, rowid, title, content, tags)
SELECT 'delete', t.no, t.title, t.content, t.tags
  FROM jsonb_each(:nos) AS n
 CROSS JOIN documents_text AS t ON t.no = n.value;

-- name: index
INSERT INTO documents_fts (rowid, title, content, tags)
SELECT t.no, t.title, t.content, t.tags
  FROM jsonb_each(:nos) AS n
 CROSS JOIN documents_text AS t ON t.no = n.value;

-- name: sync
-- Seen again at its source, not changed.
UPDATE documents SET last_synced = :now, gone_at = NULL
 WHERE documents.no IN (SELECT n.value FROM jsonb_each(:nos) AS n);

-- name: refresh
-- The parts that make no revision: rows [[no, url, metadata], ...]
UPDATE documents SET url = e.value ->> 1, metadata = e.value ->> 2
  FROM jsonb_each(:rows) AS e
 WHERE documents.no = e.value ->> 0
   AND (documents.url <> e.value ->> 1 OR documents.metadata <> e.value ->> 2);

-- name: mark_gone
UPDATE documents SET gone_at = :now
 WHERE documents.no IN (SELECT n.value FROM jsonb_each(:nos) AS n) AND documents.gone_at IS NULL;

-- name: archive
INSERT INTO document_revisions (document, revision, title, url, metadata, origin, content_hash, made_at, content)
SELECT d.no, d.revision, d.title, d.url, d.metadata, d.origin, d.content_hash, d.updated_at, c.content
  FROM jsonb_each(:nos) AS n
 CROSS JOIN documents AS d ON d.no = n.value
 CROSS JOIN document_contents AS c ON c.no = d.no;

-- name: archive_passed
-- Revisions made and replaced within this batch:
-- rows [[no, revision, title, url, metadata, origin, content_hash, content], ...]
INSERT INTO document_revisions (document, revision, title, url, metadata, origin, content_hash, made_at, content)
SELECT e.value ->> 0, e.value ->> 1, e.value ->> 2, e.value ->> 3, e.value ->> 4, e.value ->> 5, e.value ->> 6,
       :now, e.value ->> 7
  FROM jsonb_each(:rows) AS e;

-- name: prune
-- rows: [[no, oldest revision to keep], ...]
DELETE FROM document_revisions
 WHERE (document_revisions.document, document_revisions.revision) IN (
       SELECT r.document, r.revision
         FROM jsonb_each(:rows) AS e
        CROSS JOIN document_revisions AS r ON r.document = e.value ->> 0 AND r.revision < e.value ->> 1);

-- name: rewrite
-- rows: [[no, title, url, metadata, origin, revision, content_hash], ...]
UPDATE documents
   SET title = e.value ->> 1, url = e.value ->> 2, metadata = e.value ->> 3, origin = e.value ->> 4,
       revision = e.value ->> 5, content_hash = e.value ->> 6, updated_at = :now
  FROM jsonb_each(:rows) AS e
 WHERE documents.no = e.value ->> 0;

-- name: rewrite_contents
-- rows: [[no, content], ...]
UPDATE document_contents SET content = e.value ->> 1
  FROM jsonb_each(:rows) AS e
 WHERE document_contents.no = e.value ->> 0;

-- name: retag
-- rows: [[no, tags], ...]
UPDATE documents SET tags = e.value ->> 1
  FROM jsonb_each(:rows) AS e
 WHERE documents.no = e.value ->> 0;

-- name: insert_tags
-- groups: {tag: [no, ...], ...}
INSERT INTO document_tags (tag, document)
SELECT g.key, n.value
  FROM jsonb_each(:groups) AS g, jsonb_each(g.value) AS n
 WHERE true
    ON CONFLICT DO NOTHING;

-- name: enrich
-- rows: [[no, enrichments], ...]
UPDATE documents SET enrichments = e.value ->> 1
  FROM jsonb_each(:rows) AS e
 WHERE documents.no = e.value ->> 0;

-- name: insert_steps
-- rows: [[manager_id, name, step_id], ...]
INSERT INTO document_steps (manager_id, name, step_id)
SELECT e.value ->> 0, e.value ->> 1, e.value ->> 2 FROM jsonb_each(:rows) AS e
 WHERE true
    ON CONFLICT DO NOTHING;

-- name: insert_links
-- groups: [[manager_id, step_id, how, [no, ...]], ...]
INSERT INTO document_runs (document, manager_id, step_id, how)
SELECT n.value, g.value ->> 0, g.value ->> 1, g.value ->> 2
  FROM jsonb_each(:groups) AS g, jsonb_each(g.value, '$[3]') AS n
 WHERE true
    ON CONFLICT DO UPDATE SET how = excluded.how;

-- name: cut_lineage
DELETE FROM document_lineage
 WHERE document_lineage.child IN (SELECT n.value FROM jsonb_each(:nos) AS n);

-- name: insert_lineage
-- rows: [[child, parent, parent_hash, origin], ...]
INSERT INTO document_lineage (child, parent, parent_hash, origin, made_at)
SELECT e.value ->> 0, e.value ->> 1, e.value ->> 2, e.value ->> 3, :now FROM jsonb_each(:rows) AS e;

-- name: copy_steps
-- steps: {old step id: new step id, ...}
INSERT INTO document_steps (manager_id, name, step_id)
SELECT :to_manager, s.name, m.value
  FROM document_steps AS s
  JOIN jsonb_each(:steps) AS m ON CAST(m.key AS INTEGER) = s.step_id
 WHERE s.manager_id = :from_manager
    ON CONFLICT DO NOTHING;

-- name: count_copies
-- Before copy_links: the documents that it makes new to the run, each counted for the first step that gets it.
SELECT first.step_id, count(*)
  FROM (SELECT min(m.value) AS step_id
          FROM jsonb_each(:steps) AS m
         CROSS JOIN document_runs AS r ON r.step_id = CAST(m.key AS INTEGER)
         WHERE r.manager_id = :from_manager AND r.how <> 'enriched'
           AND NOT EXISTS (SELECT 1 FROM document_runs AS o
                            WHERE o.document = r.document AND o.manager_id = :to_manager AND o.how <> 'enriched')
         GROUP BY r.document) AS first
 GROUP BY first.step_id;

-- name: copy_links
INSERT INTO document_runs (document, manager_id, step_id, how)
SELECT r.document, :to_manager, m.value, CASE r.how WHEN 'enriched' THEN 'enriched' ELSE 'reused' END
  FROM jsonb_each(:steps) AS m
 CROSS JOIN document_runs AS r ON r.step_id = CAST(m.key AS INTEGER)
 WHERE r.manager_id = :from_manager
    ON CONFLICT DO NOTHING;

-- name: forget_links
DELETE FROM document_runs
 WHERE (document_runs.document, document_runs.manager_id, document_runs.step_id) IN (
       SELECT r.document, r.manager_id, r.step_id
         FROM document_steps AS s
        CROSS JOIN document_runs AS r ON r.step_id = s.step_id
        WHERE s.manager_id = :manager_id);

-- name: forget_steps
DELETE FROM document_steps WHERE document_steps.manager_id = :manager_id;
