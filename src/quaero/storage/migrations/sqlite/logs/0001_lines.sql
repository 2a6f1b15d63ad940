-- One file holds the lines of all runs that began on its day.

-- The two sequences. Their rows change in the transaction that inserts the lines: no number is lost or doubled.
CREATE TABLE runs (
  manager_id INTEGER PRIMARY KEY,
  last_seq   INTEGER NOT NULL
) STRICT;

CREATE TABLE steps (
  manager_id  INTEGER NOT NULL,
  step_id     INTEGER NOT NULL,  -- 0: the manager's own lines
  step_name   TEXT    NOT NULL,
  worker_type TEXT    NOT NULL,
  last_line   INTEGER NOT NULL,
  PRIMARY KEY (manager_id, step_id)
) STRICT, WITHOUT ROWID;

-- Lines lie in chunks: consecutive lines of one step, as many as one batch held of it, up to some hundred.
-- body is a JSON array of lines, each [job_id, attempt, ts, level, originator, phase, message, fields]. The columns
-- before it say what is inside, so that a search by level or job skips the chunks that hold nothing for it.
CREATE TABLE chunks (
  id         INTEGER PRIMARY KEY,
  manager_id INTEGER NOT NULL,
  step_id    INTEGER NOT NULL,
  first_seq  INTEGER NOT NULL,
  first_line INTEGER NOT NULL,
  max_level  INTEGER NOT NULL,
  min_job    INTEGER NOT NULL,
  max_job    INTEGER NOT NULL,
  body       TEXT    NOT NULL
) STRICT;

CREATE UNIQUE INDEX chunks_by_run  ON chunks (manager_id, first_seq, max_level, min_job, max_job);
CREATE INDEX        chunks_by_step ON chunks (manager_id, step_id, first_seq, max_level, min_job, max_job);

-- For people with a SQLite shell; the program reads chunks.
CREATE VIEW lines AS
SELECT c.manager_id,
       c.first_seq + j.key                                         AS seq,
       c.step_id,
       c.first_line + j.key                                        AS line,
       j.value ->> 0                                               AS job_id,
       j.value ->> 1                                               AS attempt,
       strftime('%Y-%m-%dT%H:%M:%fZ', (j.value ->> 2) / 1000000.0, 'unixepoch') AS ts,
       CASE j.value ->> 3 WHEN 0 THEN 'debug' WHEN 1 THEN 'info' WHEN 2 THEN 'warning' ELSE 'error' END AS level,
       j.value ->> 4                                               AS originator,
       j.value ->> 5                                               AS phase,
       j.value ->> 6                                               AS message,
       j.value -> 7                                                AS fields
  FROM chunks c, json_each(c.body) j;
