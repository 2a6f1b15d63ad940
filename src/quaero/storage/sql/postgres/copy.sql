-- What a copy from SQLite asks of its target, in one transaction.

-- name: lock
-- A node that comes meanwhile waits with its first row.
LOCK TABLE processes, jobs, definitions, documents, keys IN SHARE ROW EXCLUSIVE MODE;

-- name: columns
-- Of our tables, but for those that are computed.
SELECT a.attname
  FROM pg_attribute AS a
 WHERE a.attrelid = to_regclass(quote_ident(:name)) AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '';

-- name: job_numbers
SELECT setval('job_numbers', :next, false);

-- name: process_numbers
SELECT setval(pg_get_serial_sequence('processes', 'id'), :next, false);

-- name: document_numbers
UPDATE document_numbers SET last = :last WHERE name = 'document';

-- name: index
-- The next documents behind :after.
INSERT INTO document_index (no, words)
SELECT d.no, quaero_index(d.title, d.tags, d.content)
  FROM (SELECT o.no, o.title, o.tags, c.content
          FROM documents AS o JOIN document_contents AS c ON c.no = o.no
         WHERE o.no > :after ORDER BY o.no LIMIT :limit) AS d
RETURNING no;

-- name: log_runs
SELECT r.manager_id, r.last_seq, coalesce((SELECT max(c.first_seq + json_array_length(c.body)) - 1 FROM log_chunks AS c
                                            WHERE c.day = r.day AND c.manager_id = r.manager_id), 0)
  FROM log_runs AS r WHERE r.day = :day::date ORDER BY r.manager_id;

-- name: analyze
-- Plans must not be made as for empty tables.
ANALYZE;
