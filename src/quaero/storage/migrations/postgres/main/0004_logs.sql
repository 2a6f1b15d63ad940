-- Log lines: a partition per day, the day a run began. Retention drops partitions; no line is ever deleted by itself.

-- The two sequences. Their rows change in the transaction that inserts the lines: no number is lost or doubled.
CREATE TABLE log_runs (
  day        date   NOT NULL,
  manager_id bigint NOT NULL,
  last_seq   bigint NOT NULL,
  PRIMARY KEY (day, manager_id)
) PARTITION BY LIST (day);

CREATE TABLE log_steps (
  day         date   NOT NULL,
  manager_id  bigint NOT NULL,
  step_id     bigint NOT NULL,  -- 0: the manager's own lines
  step_name   text   NOT NULL,
  worker_type text   NOT NULL,
  last_line   bigint NOT NULL,
  PRIMARY KEY (day, manager_id, step_id)
) PARTITION BY LIST (day);

-- Lines lie in chunks: consecutive lines of one step, as many as one batch held of it, up to some hundred.
-- body is a JSON array of lines, each [job_id, attempt, ts, level, originator, phase, message, fields]. The columns
-- before it say what is inside, so that a search by level or job skips the chunks that hold nothing for it.
CREATE TABLE log_chunks (
  day        date   NOT NULL,
  manager_id bigint NOT NULL,
  step_id    bigint NOT NULL,
  first_seq  bigint NOT NULL,
  first_line bigint NOT NULL,
  max_level  bigint NOT NULL,
  min_job    bigint NOT NULL,
  max_job    bigint NOT NULL,
  body       json   NOT NULL
) PARTITION BY LIST (day);

CREATE UNIQUE INDEX log_chunks_by_run  ON log_chunks (day, manager_id, first_seq, max_level, min_job, max_job);
CREATE INDEX        log_chunks_by_step ON log_chunks (day, manager_id, step_id, first_seq, max_level, min_job, max_job);

-- Lines shrink to a fifth; lz4 takes less time for it than the default, but not every server was built with it.
DO $$
BEGIN
  ALTER TABLE log_chunks ALTER COLUMN body SET COMPRESSION lz4;
EXCEPTION WHEN feature_not_supported THEN
  NULL;
END
$$;

-- The tables of the days: partitions, and what an interrupted drop left of one (without parent, or about to be).
CREATE VIEW log_day_tables AS
SELECT replace(right(c.relname, 10), '_', '-') AS day,
       left(c.relname, -11)                    AS kind,
       c.oid::regclass                         AS part,
       i.inhparent::regclass                   AS parent,
       i.inhdetachpending                      AS is_leaving
  FROM pg_class AS c LEFT JOIN pg_inherits AS i ON i.inhrelid = c.oid
 WHERE c.relnamespace = (SELECT p.relnamespace FROM pg_class AS p WHERE p.oid = 'log_runs'::regclass)
   AND c.relkind = 'r' AND c.relname ~ '^log_(runs|steps|chunks)_\d{4}_\d\d_\d\d$';

-- The partitions of a day, where they are not there yet. Made apart and then attached: nobody who reads or writes lines
-- waits. Counters change all the time: room in each page keeps their changes out of the indexes. Chunks never change:
-- the first vacuum that comes by freezes them for good.
CREATE FUNCTION make_log_day(day date) RETURNS void LANGUAGE plpgsql SET lock_timeout = '3s' AS $$
DECLARE
  parent_name text;
  options     text;
  part_name   text;
BEGIN
  -- One process at a time makes or drops days. The number is arbitrary.
  PERFORM pg_advisory_xact_lock(7283647);
  FOR parent_name, options IN VALUES
    ('log_runs', 'fillfactor = 40'),
    ('log_steps', 'fillfactor = 40'),
    ('log_chunks', 'autovacuum_freeze_min_age = 0, toast.autovacuum_freeze_min_age = 0')
  LOOP
    part_name := parent_name || to_char(day, '_YYYY_MM_DD');
    CONTINUE WHEN EXISTS (SELECT FROM log_day_tables AS t WHERE t.part = to_regclass(part_name) AND NOT t.is_leaving);
    -- What an interrupted drop left.
    EXECUTE format('DROP TABLE IF EXISTS %I', part_name);
    EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL) WITH (%s)', part_name, parent_name, options);
    EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES IN (%L)', parent_name, part_name, day);
  END LOOP;
END
$$;

-- For people with psql; the program reads chunks. Name the day, else all days are read.
CREATE VIEW log_lines AS
SELECT c.day,
       c.manager_id,
       c.first_seq + l.place - 1                                   AS seq,
       c.step_id,
       c.first_line + l.place - 1                                  AS line,
       (l.line ->> 0)::bigint                                      AS job_id,
       (l.line ->> 1)::bigint                                      AS attempt,
       to_timestamp((l.line ->> 2)::bigint / 1000000.0)            AS ts,
       CASE l.line ->> 3 WHEN '0' THEN 'debug' WHEN '1' THEN 'info' WHEN '2' THEN 'warning' ELSE 'error' END AS level,
       l.line ->> 4                                                AS originator,
       l.line ->> 5                                                AS phase,
       l.line ->> 6                                                AS message,
       l.line -> 7                                                 AS fields
  FROM log_chunks AS c CROSS JOIN LATERAL json_array_elements(c.body) WITH ORDINALITY AS l (line, place);
