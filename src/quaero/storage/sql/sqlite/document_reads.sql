-- Reading documents. Whole statements first; then the fragments that document_reads.py and document_search.py put
-- together: what to read, where the candidates (w.no) come from, what must hold, in which order.

-- name: get
SELECT d.id, d.source_type, d.source_id, d.title, c.content, d.url, d.tags, d.metadata, d.enrichments, d.revision,
       d.content_hash, d.created_at, d.updated_at, d.last_synced, d.gone_at
  FROM documents AS d JOIN document_contents AS c ON c.no = d.no
 WHERE d.id = :id;

-- name: find
SELECT d.id, d.source_type, d.source_id, d.title, c.content, d.url, d.tags, d.metadata, d.enrichments, d.revision,
       d.content_hash, d.created_at, d.updated_at, d.last_synced, d.gone_at
  FROM documents AS d JOIN document_contents AS c ON c.no = d.no
 WHERE d.source_type = :source_type AND d.source_id = :source_id;

-- name: ids_between
-- For a near miss: ids that begin alike.
SELECT d.id FROM documents AS d WHERE d.id >= :first AND d.id < :end ORDER BY d.id LIMIT 50;

-- name: known
-- char(1114111) sorts behind everything that begins with the prefix.
SELECT d.source_id, d.id, d.metadata
  FROM documents AS d
 WHERE d.source_type = :source_type AND d.source_id >= :prefix AND d.source_id < :prefix || char(1114111)
   AND d.gone_at IS NULL;

-- name: number_of
SELECT d.no, d.content_hash FROM documents AS d WHERE d.id = :id;

-- name: revisions
SELECT r.revision, r.title, r.content, r.url, r.metadata, r.content_hash, r.made_at, r.origin
  FROM document_revisions AS r
 WHERE r.document = :no
 ORDER BY r.revision DESC;

-- name: uses
SELECT r.manager_id, r.step_id, coalesce(s.name, ''), r.how
  FROM document_runs AS r
  LEFT JOIN document_steps AS s ON s.manager_id = r.manager_id AND s.step_id = r.step_id
 WHERE r.document = :no
 ORDER BY r.manager_id DESC, r.step_id;

-- name: ancestors
-- The edges above a document, each once. UNION drops what was seen at the same depth, :depth ends every cycle.
WITH RECURSIVE up (no, depth) AS (
  SELECT :no, 0
   UNION
  SELECT l.parent, up.depth + 1 FROM up JOIN document_lineage AS l ON l.child = up.no WHERE up.depth < :depth
)
SELECT DISTINCT l.child, l.parent, l.parent_hash
  FROM up JOIN document_lineage AS l ON l.child = up.no
 WHERE up.depth < :depth
 ORDER BY l.child, l.parent;

-- name: lineage_nodes
SELECT d.no, d.id, d.source_type, d.source_id, d.title, d.revision, d.content_hash, d.origin, d.updated_at
  FROM json_each(:nos) AS n CROSS JOIN documents AS d ON d.no = n.value;

-- name: children
SELECT l.child, l.parent_hash FROM document_lineage AS l WHERE l.parent = :no ORDER BY l.child DESC LIMIT :limit;

-- name: page
-- A page is found by number first: sorting whole documents would read the text of every candidate.
SELECT d.id, d.source_type, d.source_id, d.title, c.content, d.url, d.tags, d.metadata, d.enrichments, d.revision,
       d.content_hash, d.created_at, d.updated_at, d.last_synced, d.gone_at
  FROM json_each(:nos) AS n
 CROSS JOIN documents AS d ON d.no = n.value
 CROSS JOIN document_contents AS c ON c.no = d.no
 ORDER BY n.key;

-- name: read_refs
SELECT d.id, d.source_type, d.source_id, d.content_hash, d.enrichments

-- name: read_numbers
SELECT w.no, 0.0

-- name: read_types
SELECT d.source_type, count(*)

-- name: read_tags
SELECT k.value, count(*)

-- name: read_categories
SELECT d.category, count(*)

-- name: read_keywords
-- A confidence that is no number counts as nothing.
SELECT k.key, sum(k.value) AS weight, count(*)

-- name: of_all
  FROM documents AS w

-- name: of_run
-- Through the run's steps, so that one index serves runs and steps.
  FROM (SELECT DISTINCT r.document AS no
          FROM document_steps AS s CROSS JOIN document_runs AS r ON r.step_id = s.step_id
         WHERE s.manager_id = :manager_id) AS w

-- name: of_steps
  FROM (SELECT DISTINCT r.document AS no
          FROM json_each(:step_names) AS k
         CROSS JOIN document_steps AS s ON s.manager_id = :manager_id AND s.name = k.value
         CROSS JOIN document_runs AS r ON r.step_id = s.step_id) AS w

-- name: of_tag
-- In the order of the index: a page reads no more than a page.
  FROM (SELECT t.document AS no FROM document_tags AS t WHERE t.tag = :first_tag) AS w

-- name: of_categories
  FROM (SELECT c.no FROM documents AS c
         WHERE c.category IS NOT NULL AND c.category IN (SELECT k.value FROM json_each(:categories) AS k)) AS w

-- name: with_document
 CROSS JOIN documents AS d ON d.no = w.no

-- name: with_tags
 CROSS JOIN json_each(d.tags) AS k

-- name: with_keywords
 CROSS JOIN json_each(d.enrichments, '$.keyword_extractor.confidence') AS k

-- name: is_present
d.gone_at IS NULL

-- name: has_all_tags
NOT EXISTS (SELECT 1 FROM json_each(:tags) AS k
             WHERE NOT EXISTS (SELECT 1 FROM document_tags AS t WHERE t.tag = k.value AND t.document = w.no))

-- name: is_of_type
d.source_type = :source_type

-- name: is_in_categories
d.category IN (SELECT k.value FROM json_each(:categories) AS k)

-- name: is_categorised
d.category IS NOT NULL

-- name: is_created_after
d.created_at >= :created_after

-- name: is_updated_after
d.updated_at >= :updated_after

-- name: is_number
typeof(k.value) IN ('integer', 'real')

-- name: is_before_cursor
w.no < :cursor

-- name: by_number
 ORDER BY w.no LIMIT :limit

-- name: by_number_backwards
 ORDER BY w.no DESC LIMIT :limit

-- name: by_frequency
 GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT :limit

-- name: search_numbers_ranked
-- bm25 is better when smaller. The columns are title, content, tags.
SELECT w.rowid, bm25(documents_fts, 10.0, 1.0, 4.0) AS rank
  FROM documents_fts AS w

-- name: search_document
 CROSS JOIN documents AS d ON d.no = w.rowid

-- name: search_match
documents_fts MATCH :match

-- name: search_by_rank
 ORDER BY rank, w.rowid DESC LIMIT :limit OFFSET :offset

-- name: search_numbers_mixed
-- The words may be missing from a hit; those that have some come first.
SELECT w.no, coalesce(h.rank, 0.0) AS rank
  FROM documents AS w

-- name: search_with_rank
  LEFT JOIN (SELECT f.rowid AS no, bm25(documents_fts, 10.0, 1.0, 4.0) AS rank
               FROM documents_fts AS f WHERE documents_fts MATCH :ranking) AS h ON h.no = w.no

-- name: search_by_mixed_rank
 ORDER BY rank, w.no DESC LIMIT :limit OFFSET :offset

-- name: search_by_number
 ORDER BY w.no DESC LIMIT :limit OFFSET :offset

-- name: search_matches
d.no IN (SELECT f.rowid FROM documents_fts AS f WHERE documents_fts MATCH :value)

-- name: search_tag
EXISTS (SELECT 1 FROM document_tags AS t WHERE t.tag = :value AND t.document = d.no)

-- name: search_type
d.source_type = :value

-- name: search_after
d.updated_at >= :value

-- name: search_before
d.updated_at < :value

-- name: search_hits
SELECT d.no, d.id, d.source_type, d.source_id, d.title, d.url, d.tags, d.updated_at, substr(c.content, 1, :length)
  FROM json_each(:nos) AS n
 CROSS JOIN documents AS d ON d.no = n.value
 CROSS JOIN document_contents AS c ON c.no = d.no;

-- name: search_snippets
-- Of the hits shown, not of all that match: a snippet reads its whole document.
SELECT f.rowid, snippet(documents_fts, 1, :before, :after, '…', 32)
  FROM documents_fts AS f
 WHERE documents_fts MATCH :match AND f.rowid IN (SELECT n.value FROM json_each(:nos) AS n);
