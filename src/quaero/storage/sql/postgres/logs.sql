-- Log lines, a partition per day. Every statement names the day, so that no other partition is touched.

-- name: make_day
-- See the migration; does nothing where the day is there.
SELECT make_log_day(:day::date);

-- name: take_seqs
-- In one order whoever writes, so that two nodes can't wait for each other. The rows stay locked until the lines are in:
-- whoever reads number n can only be missing what comes after n.
INSERT INTO log_runs AS r (day, manager_id, last_seq)
SELECT (b.run ->> 0)::date, (b.run ->> 1)::bigint, (b.run ->> 2)::bigint
  FROM jsonb_array_elements(:runs::jsonb) AS b (run)
 ORDER BY 1, 2
    ON CONFLICT (day, manager_id) DO UPDATE SET last_seq = r.last_seq + excluded.last_seq
RETURNING r.day::text, r.manager_id, r.last_seq;

-- name: take_lines
INSERT INTO log_steps AS s (day, manager_id, step_id, step_name, worker_type, last_line)
SELECT (b.step ->> 0)::date, (b.step ->> 1)::bigint, (b.step ->> 2)::bigint, b.step ->> 3, b.step ->> 4,
       (b.step ->> 5)::bigint
  FROM jsonb_array_elements(:steps::jsonb) AS b (step)
 ORDER BY 1, 2, 3
    ON CONFLICT (day, manager_id, step_id) DO UPDATE SET last_line = s.last_line + excluded.last_line
RETURNING s.day::text, s.manager_id, s.step_id, s.last_line;

-- name: insert_chunks
-- Two lists side by side: what is in a chunk, and its lines, which are stored as they came.
INSERT INTO log_chunks (day, manager_id, step_id, first_seq, first_line, max_level, min_job, max_job, body)
SELECT (b.chunk ->> 0)::date, (b.chunk ->> 1)::bigint, (b.chunk ->> 2)::bigint, (b.chunk ->> 3)::bigint,
       (b.chunk ->> 4)::bigint, (b.chunk ->> 5)::bigint, (b.chunk ->> 6)::bigint, (b.chunk ->> 7)::bigint, b.body
  FROM ROWS FROM (jsonb_array_elements(:chunks::jsonb), json_array_elements(:bodies::json)) AS b (chunk, body);

-- name: run_asc
-- Starts at the chunk that holds the line behind the cursor. The inner order makes chunks come by index, one after the
-- other, until the page is full; the outer sort is within one chunk at a time.
SELECT c.first_seq + l.place - 1, c.first_line + l.place - 1, c.step_id, l.line::text
  FROM (SELECT c.first_seq, c.first_line, c.step_id, c.body
          FROM log_chunks AS c
         WHERE c.day = :day::date AND c.manager_id = :manager
           AND c.first_seq >= coalesce((SELECT p.first_seq FROM log_chunks AS p
                                         WHERE p.day = :day::date AND p.manager_id = :manager
                                           AND p.first_seq <= :after + 1
                                         ORDER BY p.first_seq DESC LIMIT 1), 0)
           AND c.first_seq < :before
           AND c.max_level >= :level AND c.min_job <= :job_to AND c.max_job >= :job_from
           AND (:hint::text IS NULL OR strpos(lower(c.body::text COLLATE "C"), :hint::text) > 0)
         ORDER BY c.first_seq) AS c
 CROSS JOIN LATERAL json_array_elements(c.body) WITH ORDINALITY AS l (line, place)
 WHERE c.first_seq + l.place - 1 > :after AND c.first_seq + l.place - 1 < :before
   AND (:level = 0 OR (l.line ->> 3)::bigint >= :level)
   AND (:job_from = 0 OR (l.line ->> 0)::bigint = :job_from)
   AND (:text::text IS NULL OR strpos(lower((l.line ->> 6) COLLATE "C"), :text::text) > 0
        OR strpos(lower((l.line -> 7)::text COLLATE "C"), :text::text) > 0)
 ORDER BY c.first_seq, l.place
 LIMIT :limit;

-- name: run_desc
SELECT c.first_seq + l.place - 1, c.first_line + l.place - 1, c.step_id, l.line::text
  FROM (SELECT c.first_seq, c.first_line, c.step_id, c.body
          FROM log_chunks AS c
         WHERE c.day = :day::date AND c.manager_id = :manager
           AND c.first_seq >= coalesce((SELECT p.first_seq FROM log_chunks AS p
                                         WHERE p.day = :day::date AND p.manager_id = :manager
                                           AND p.first_seq <= :after + 1
                                         ORDER BY p.first_seq DESC LIMIT 1), 0)
           AND c.first_seq < :before
           AND c.max_level >= :level AND c.min_job <= :job_to AND c.max_job >= :job_from
           AND (:hint::text IS NULL OR strpos(lower(c.body::text COLLATE "C"), :hint::text) > 0)
         ORDER BY c.first_seq DESC) AS c
 CROSS JOIN LATERAL json_array_elements(c.body) WITH ORDINALITY AS l (line, place)
 WHERE c.first_seq + l.place - 1 > :after AND c.first_seq + l.place - 1 < :before
   AND (:level = 0 OR (l.line ->> 3)::bigint >= :level)
   AND (:job_from = 0 OR (l.line ->> 0)::bigint = :job_from)
   AND (:text::text IS NULL OR strpos(lower((l.line ->> 6) COLLATE "C"), :text::text) > 0
        OR strpos(lower((l.line -> 7)::text COLLATE "C"), :text::text) > 0)
 ORDER BY c.first_seq DESC, l.place DESC
 LIMIT :limit;

-- name: step_asc
-- seq and line rise together within a step, so that one cursor serves both.
SELECT c.first_seq + l.place - 1, c.first_line + l.place - 1, c.step_id, l.line::text
  FROM (SELECT c.first_seq, c.first_line, c.step_id, c.body
          FROM log_chunks AS c
         WHERE c.day = :day::date AND c.manager_id = :manager AND c.step_id = :step
           AND c.first_seq >= coalesce((SELECT p.first_seq FROM log_chunks AS p
                                         WHERE p.day = :day::date AND p.manager_id = :manager
                                           AND p.step_id = :step AND p.first_seq <= :after + 1
                                         ORDER BY p.first_seq DESC LIMIT 1), 0)
           AND c.first_seq < :before
           AND c.max_level >= :level AND c.min_job <= :job_to AND c.max_job >= :job_from
           AND (:hint::text IS NULL OR strpos(lower(c.body::text COLLATE "C"), :hint::text) > 0)
         ORDER BY c.first_seq) AS c
 CROSS JOIN LATERAL json_array_elements(c.body) WITH ORDINALITY AS l (line, place)
 WHERE c.first_seq + l.place - 1 > :after AND c.first_seq + l.place - 1 < :before
   AND (:level = 0 OR (l.line ->> 3)::bigint >= :level)
   AND (:job_from = 0 OR (l.line ->> 0)::bigint = :job_from)
   AND (:text::text IS NULL OR strpos(lower((l.line ->> 6) COLLATE "C"), :text::text) > 0
        OR strpos(lower((l.line -> 7)::text COLLATE "C"), :text::text) > 0)
 ORDER BY c.first_seq, l.place
 LIMIT :limit;

-- name: step_desc
SELECT c.first_seq + l.place - 1, c.first_line + l.place - 1, c.step_id, l.line::text
  FROM (SELECT c.first_seq, c.first_line, c.step_id, c.body
          FROM log_chunks AS c
         WHERE c.day = :day::date AND c.manager_id = :manager AND c.step_id = :step
           AND c.first_seq >= coalesce((SELECT p.first_seq FROM log_chunks AS p
                                         WHERE p.day = :day::date AND p.manager_id = :manager
                                           AND p.step_id = :step AND p.first_seq <= :after + 1
                                         ORDER BY p.first_seq DESC LIMIT 1), 0)
           AND c.first_seq < :before
           AND c.max_level >= :level AND c.min_job <= :job_to AND c.max_job >= :job_from
           AND (:hint::text IS NULL OR strpos(lower(c.body::text COLLATE "C"), :hint::text) > 0)
         ORDER BY c.first_seq DESC) AS c
 CROSS JOIN LATERAL json_array_elements(c.body) WITH ORDINALITY AS l (line, place)
 WHERE c.first_seq + l.place - 1 > :after AND c.first_seq + l.place - 1 < :before
   AND (:level = 0 OR (l.line ->> 3)::bigint >= :level)
   AND (:job_from = 0 OR (l.line ->> 0)::bigint = :job_from)
   AND (:text::text IS NULL OR strpos(lower((l.line ->> 6) COLLATE "C"), :text::text) > 0
        OR strpos(lower((l.line -> 7)::text COLLATE "C"), :text::text) > 0)
 ORDER BY c.first_seq DESC, l.place DESC
 LIMIT :limit;

-- name: count_run
SELECT count(*)
  FROM log_chunks AS c CROSS JOIN LATERAL json_array_elements(c.body) AS l (line)
 WHERE c.day = :day::date AND c.manager_id = :manager
   AND c.max_level >= :level AND c.min_job <= :job_to AND c.max_job >= :job_from
   AND (:level = 0 OR (l.line ->> 3)::bigint >= :level)
   AND (:job_from = 0 OR (l.line ->> 0)::bigint = :job_from);

-- name: count_step
SELECT count(*)
  FROM log_chunks AS c CROSS JOIN LATERAL json_array_elements(c.body) AS l (line)
 WHERE c.day = :day::date AND c.manager_id = :manager AND c.step_id = :step
   AND c.max_level >= :level AND c.min_job <= :job_to AND c.max_job >= :job_from
   AND (:level = 0 OR (l.line ->> 3)::bigint >= :level)
   AND (:job_from = 0 OR (l.line ->> 0)::bigint = :job_from);

-- name: last_seq
SELECT r.last_seq FROM log_runs AS r WHERE r.day = :day::date AND r.manager_id = :manager;

-- name: last_line
SELECT s.last_line FROM log_steps AS s WHERE s.day = :day::date AND s.manager_id = :manager AND s.step_id = :step;

-- name: steps
SELECT s.step_id, s.step_name, s.worker_type FROM log_steps AS s WHERE s.day = :day::date AND s.manager_id = :manager;

-- name: days
SELECT DISTINCT t.day FROM log_day_tables AS t ORDER BY t.day;

-- name: has_day
SELECT EXISTS (SELECT FROM log_day_tables AS t WHERE t.day = :day::text);

-- name: size_bytes
-- NULL for a table that was dropped meanwhile.
SELECT coalesce(sum(pg_total_relation_size(t.part)), 0)::bigint FROM log_day_tables AS t;

-- name: begin_drop
-- Who waits for a lock here gives up soon: readers and writers queue behind some of them.
SET lock_timeout = '3s';

-- name: lock_days
-- The same lock as in make_log_day, held as long as the connection.
SELECT pg_advisory_lock(7283647);

-- name: next_drop
-- The command that brings the drop of these days a step further; no row: all are gone. What an earlier drop left half
-- detached comes first, for while it is there no other partition can be detached. Then chunks (the tables' names decide):
-- whoever begins a day anew must not meet numbers of old.
SELECT CASE WHEN t.parent IS NULL THEN format('DROP TABLE %s', t.part)
            WHEN t.is_leaving THEN format('ALTER TABLE %s DETACH PARTITION %s FINALIZE', t.parent, t.part)
            ELSE format('ALTER TABLE %s DETACH PARTITION %s CONCURRENTLY', t.parent, t.part) END
  FROM log_day_tables AS t
 WHERE t.is_leaving OR t.day IN (SELECT jsonb_array_elements_text(:days::jsonb))
 ORDER BY coalesce(t.is_leaving, false) DESC, t.day, t.kind
 LIMIT 1;
