-- Reading documents. Whole statements first; then the fragments that document_reads.py and document_search.py put
-- together: what to read, where the candidates (w.no) come from, what must hold, in which order.
-- LATERAL with OFFSET 0 looks up one given number after the other, whatever the planner believes.

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
-- chr(1114111) sorts behind everything that begins with the prefix.
SELECT d.source_id, d.id, d.metadata
  FROM documents AS d
 WHERE d.source_type = :source_type AND d.source_id >= :prefix AND d.source_id < :prefix || chr(1114111)
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
  SELECT :no::bigint, 0::bigint
   UNION
  SELECT l.parent, up.depth + 1 FROM up JOIN document_lineage AS l ON l.child = up.no WHERE up.depth < :depth
)
SELECT DISTINCT l.child, l.parent, l.parent_hash
  FROM up JOIN document_lineage AS l ON l.child = up.no
 WHERE up.depth < :depth
 ORDER BY l.child, l.parent;

-- name: lineage_nodes
SELECT d.no, d.id, d.source_type, d.source_id, d.title, d.revision, d.content_hash, d.origin, d.updated_at
  FROM documents AS d
 WHERE d.no = ANY (ARRAY(SELECT n.value::bigint FROM jsonb_array_elements(:nos::jsonb) AS n));

-- name: children
SELECT l.child, l.parent_hash FROM document_lineage AS l WHERE l.parent = :no ORDER BY l.child DESC LIMIT :limit;

-- name: page
-- A page is found by number first: sorting whole documents would read the text of every candidate.
SELECT d.id, d.source_type, d.source_id, d.title, c.content, d.url, d.tags, d.metadata, d.enrichments, d.revision,
       d.content_hash, d.created_at, d.updated_at, d.last_synced, d.gone_at
  FROM jsonb_array_elements(:nos::jsonb) WITH ORDINALITY AS n (value, place)
 CROSS JOIN LATERAL (SELECT o.* FROM documents AS o WHERE o.no = n.value::bigint OFFSET 0) AS d
 CROSS JOIN LATERAL (SELECT o.* FROM document_contents AS o WHERE o.no = n.value::bigint OFFSET 0) AS c
 ORDER BY n.place;

-- name: read_refs
SELECT d.id, d.source_type, d.source_id, d.content_hash, d.enrichments

-- name: read_numbers
SELECT w.no, 0.0::float8

-- name: read_types
SELECT d.source_type, count(*)

-- name: read_tags
SELECT k.value COLLATE "C", count(*)

-- name: read_categories
SELECT d.category, count(*)

-- name: read_keywords
-- A confidence that is no number counts as nothing.
SELECT k.key COLLATE "C", sum(k.value::float8) AS weight, count(*)

-- name: of_all
  FROM documents AS w

-- name: of_run
-- Through the run's steps, so that one index serves runs and steps.
  FROM (SELECT DISTINCT r.document AS no
          FROM document_steps AS s JOIN document_runs AS r ON r.step_id = s.step_id
         WHERE s.manager_id = :manager_id) AS w

-- name: of_steps
  FROM (SELECT DISTINCT r.document AS no
          FROM document_steps AS s JOIN document_runs AS r ON r.step_id = s.step_id
         WHERE s.manager_id = :manager_id
           AND s.name = ANY (ARRAY(SELECT jsonb_array_elements_text(:step_names::jsonb)))) AS w

-- name: of_tag
-- In the order of the index: a page reads no more than a page.
  FROM (SELECT t.document AS no FROM document_tags AS t WHERE t.tag = :first_tag) AS w

-- name: of_categories
  FROM (SELECT c.no FROM documents AS c
         WHERE c.category = ANY (ARRAY(SELECT jsonb_array_elements_text(:categories::jsonb)))) AS w

-- name: with_document
 JOIN documents AS d ON d.no = w.no

-- name: with_tags
 CROSS JOIN LATERAL jsonb_array_elements_text(d.tags::jsonb) AS k

-- name: with_keywords
 CROSS JOIN LATERAL jsonb_path_query(d.enrichments::jsonb, '$.keyword_extractor.confidence ? (@.type() == "object")')
   AS o (confidence)
 CROSS JOIN LATERAL jsonb_each(o.confidence) AS k

-- name: is_present
d.gone_at IS NULL

-- name: has_all_tags
-- OFFSET 0: else the planner may read all tags of all documents first.
NOT EXISTS (SELECT 1 FROM jsonb_array_elements_text(:tags::jsonb) AS k
             WHERE NOT EXISTS (SELECT 1 FROM document_tags AS t WHERE t.tag = k.value AND t.document = w.no
                                  OFFSET 0))

-- name: is_of_type
d.source_type = :source_type

-- name: is_in_categories
d.category = ANY (ARRAY(SELECT jsonb_array_elements_text(:categories::jsonb)))

-- name: is_categorised
d.category IS NOT NULL

-- name: is_created_after
d.created_at >= :created_after

-- name: is_updated_after
d.updated_at >= :updated_after

-- name: is_number
jsonb_typeof(k.value) = 'number'

-- name: is_before_cursor
w.no < :cursor

-- name: by_number
 ORDER BY w.no LIMIT :limit

-- name: by_number_backwards
 ORDER BY w.no DESC LIMIT :limit

-- name: by_frequency
 GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT :limit

-- name: search_numbers_ranked
-- bm25 is not to be had: words in the title count ten times, tags four times as much as in the content, and long
-- documents less. Smaller is better.
SELECT w.no, -ts_rank('{0.1, 0.1, 0.4, 1.0}', w.words, (SELECT quaero_query(:match::jsonb)), 1)::float8 AS rank
  FROM document_index AS w

-- name: search_document
 JOIN documents AS d ON d.no = w.no

-- name: search_match
-- In a subquery: compiled once, not for every row.
w.words @@ (SELECT quaero_query(:match::jsonb))

-- name: search_by_rank
 ORDER BY rank, w.no DESC LIMIT :limit OFFSET :offset

-- name: search_numbers_mixed
-- The words may be missing from a hit; those that have some come first.
SELECT w.no, coalesce(h.rank, 0.0) AS rank
  FROM documents AS w

-- name: search_with_rank
  LEFT JOIN (SELECT f.no, -ts_rank('{0.1, 0.1, 0.4, 1.0}', f.words, (SELECT quaero_query(:ranking::jsonb)), 1)::float8
                          AS rank
               FROM document_index AS f WHERE f.words @@ (SELECT quaero_query(:ranking::jsonb))) AS h ON h.no = w.no

-- name: search_by_mixed_rank
 ORDER BY rank, w.no DESC LIMIT :limit OFFSET :offset

-- name: search_by_number
 ORDER BY w.no DESC LIMIT :limit OFFSET :offset

-- name: search_matches
d.no IN (SELECT f.no FROM document_index AS f WHERE f.words @@ (SELECT quaero_query(:value::jsonb)))

-- name: search_tag
EXISTS (SELECT 1 FROM document_tags AS t WHERE t.tag = :value AND t.document = d.no)

-- name: search_type
d.source_type = :value

-- name: search_after
d.updated_at >= :value

-- name: search_before
d.updated_at < :value

-- name: search_hits
SELECT d.no, d.id, d.source_type, d.source_id, d.title, d.url, d.tags, d.updated_at, substr(c.content, 1, :length::integer)
  FROM jsonb_array_elements(:nos::jsonb) WITH ORDINALITY AS n (value, place)
 CROSS JOIN LATERAL (SELECT o.* FROM documents AS o WHERE o.no = n.value::bigint OFFSET 0) AS d
 CROSS JOIN LATERAL (SELECT o.* FROM document_contents AS o WHERE o.no = n.value::bigint OFFSET 0) AS c
 ORDER BY n.place;

-- name: search_snippets
-- Of the hits shown, not of all that match. The index knows which of them have a hit in the content.
WITH asked AS MATERIALIZED (
  SELECT quaero_wanted(:match::jsonb, false) AS texts, quaero_wanted(:match::jsonb, true) AS words
)
SELECT f.no, quaero_snippet(c.content, a.texts, a.words, :before::text, :after::text)
  FROM asked AS a
 CROSS JOIN jsonb_array_elements(:nos::jsonb) AS n
 CROSS JOIN LATERAL (SELECT o.* FROM document_index AS o WHERE o.no = n.value::bigint OFFSET 0) AS f
 CROSS JOIN LATERAL (SELECT o.* FROM document_contents AS o WHERE o.no = n.value::bigint OFFSET 0) AS c
 WHERE f.words @@ a.texts;
