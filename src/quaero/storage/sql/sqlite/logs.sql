-- Log lines of one day. json_each has columns of its own (id, key, value, type, …): every name is qualified.

-- name: small_cache
-- Pages are read through the memory map; a day's connection needs little besides.
PRAGMA cache_size = -4096;

-- name: take_seqs
-- The write lock is held until the lines are in: whoever reads number n can only be missing what comes after n.
INSERT INTO runs (manager_id, last_seq) VALUES (:manager, :count)
    ON CONFLICT (manager_id) DO UPDATE SET last_seq = last_seq + excluded.last_seq
RETURNING last_seq;

-- name: take_lines
INSERT INTO steps (manager_id, step_id, step_name, worker_type, last_line)
VALUES (:manager, :step, :step_name, :worker_type, :count)
    ON CONFLICT (manager_id, step_id) DO UPDATE SET last_line = last_line + excluded.last_line
RETURNING last_line;

-- name: insert_chunk
INSERT INTO chunks (manager_id, step_id, first_seq, first_line, max_level, min_job, max_job, body)
VALUES (:manager, :step, :first_seq, :first_line, :max_level, :min_job, :max_job, :body);

-- name: run_asc
-- Starts at the chunk that holds the line behind the cursor; the sort is within one chunk at a time.
SELECT c.first_seq + j.key, c.first_line + j.key, c.step_id, j.value
  FROM chunks AS c INDEXED BY chunks_by_run CROSS JOIN json_each(c.body) AS j
 WHERE c.manager_id = :manager
   AND c.first_seq >= coalesce((SELECT p.first_seq FROM chunks AS p INDEXED BY chunks_by_run
                                 WHERE p.manager_id = :manager AND p.first_seq <= :after + 1
                                 ORDER BY p.first_seq DESC LIMIT 1), 0)
   AND c.first_seq < :before
   AND c.max_level >= :level AND c.min_job <= :job_to AND c.max_job >= :job_from
   AND (:hint IS NULL OR instr(lower(c.body), :hint))
   AND c.first_seq + j.key > :after AND c.first_seq + j.key < :before
   AND (:level = 0 OR j.value ->> 3 >= :level)
   AND (:job_from = 0 OR j.value ->> 0 = :job_from)
   AND (:text IS NULL OR instr(lower(j.value ->> 6), :text) OR instr(lower(j.value -> 7), :text))
 ORDER BY c.first_seq, j.key
 LIMIT :limit;

-- name: run_desc
SELECT c.first_seq + j.key, c.first_line + j.key, c.step_id, j.value
  FROM chunks AS c INDEXED BY chunks_by_run CROSS JOIN json_each(c.body) AS j
 WHERE c.manager_id = :manager
   AND c.first_seq >= coalesce((SELECT p.first_seq FROM chunks AS p INDEXED BY chunks_by_run
                                 WHERE p.manager_id = :manager AND p.first_seq <= :after + 1
                                 ORDER BY p.first_seq DESC LIMIT 1), 0)
   AND c.first_seq < :before
   AND c.max_level >= :level AND c.min_job <= :job_to AND c.max_job >= :job_from
   AND (:hint IS NULL OR instr(lower(c.body), :hint))
   AND c.first_seq + j.key > :after AND c.first_seq + j.key < :before
   AND (:level = 0 OR j.value ->> 3 >= :level)
   AND (:job_from = 0 OR j.value ->> 0 = :job_from)
   AND (:text IS NULL OR instr(lower(j.value ->> 6), :text) OR instr(lower(j.value -> 7), :text))
 ORDER BY c.first_seq DESC, j.key DESC
 LIMIT :limit;

-- name: step_asc
-- seq and line rise together within a step, so that one cursor serves both.
SELECT c.first_seq + j.key, c.first_line + j.key, c.step_id, j.value
  FROM chunks AS c INDEXED BY chunks_by_step CROSS JOIN json_each(c.body) AS j
 WHERE c.manager_id = :manager AND c.step_id = :step
   AND c.first_seq >= coalesce((SELECT p.first_seq FROM chunks AS p INDEXED BY chunks_by_step
                                 WHERE p.manager_id = :manager AND p.step_id = :step AND p.first_seq <= :after + 1
                                 ORDER BY p.first_seq DESC LIMIT 1), 0)
   AND c.first_seq < :before
   AND c.max_level >= :level AND c.min_job <= :job_to AND c.max_job >= :job_from
   AND (:hint IS NULL OR instr(lower(c.body), :hint))
   AND c.first_seq + j.key > :after AND c.first_seq + j.key < :before
   AND (:level = 0 OR j.value ->> 3 >= :level)
   AND (:job_from = 0 OR j.value ->> 0 = :job_from)
   AND (:text IS NULL OR instr(lower(j.value ->> 6), :text) OR instr(lower(j.value -> 7), :text))
 ORDER BY c.first_seq, j.key
 LIMIT :limit;

-- name: step_desc
SELECT c.first_seq + j.key, c.first_line + j.key, c.step_id, j.value
  FROM chunks AS c INDEXED BY chunks_by_step CROSS JOIN json_each(c.body) AS j
 WHERE c.manager_id = :manager AND c.step_id = :step
   AND c.first_seq >= coalesce((SELECT p.first_seq FROM chunks AS p INDEXED BY chunks_by_step
                                 WHERE p.manager_id = :manager AND p.step_id = :step AND p.first_seq <= :after + 1
                                 ORDER BY p.first_seq DESC LIMIT 1), 0)
   AND c.first_seq < :before
   AND c.max_level >= :level AND c.min_job <= :job_to AND c.max_job >= :job_from
   AND (:hint IS NULL OR instr(lower(c.body), :hint))
   AND c.first_seq + j.key > :after AND c.first_seq + j.key < :before
   AND (:level = 0 OR j.value ->> 3 >= :level)
   AND (:job_from = 0 OR j.value ->> 0 = :job_from)
   AND (:text IS NULL OR instr(lower(j.value ->> 6), :text) OR instr(lower(j.value -> 7), :text))
 ORDER BY c.first_seq DESC, j.key DESC
 LIMIT :limit;

-- name: count_run
SELECT count(*)
  FROM chunks AS c INDEXED BY chunks_by_run CROSS JOIN json_each(c.body) AS j
 WHERE c.manager_id = :manager
   AND c.max_level >= :level AND c.min_job <= :job_to AND c.max_job >= :job_from
   AND (:level = 0 OR j.value ->> 3 >= :level)
   AND (:job_from = 0 OR j.value ->> 0 = :job_from);

-- name: count_step
SELECT count(*)
  FROM chunks AS c INDEXED BY chunks_by_step CROSS JOIN json_each(c.body) AS j
 WHERE c.manager_id = :manager AND c.step_id = :step
   AND c.max_level >= :level AND c.min_job <= :job_to AND c.max_job >= :job_from
   AND (:level = 0 OR j.value ->> 3 >= :level)
   AND (:job_from = 0 OR j.value ->> 0 = :job_from);

-- name: last_seq
SELECT last_seq FROM runs WHERE manager_id = :manager;

-- name: last_line
SELECT last_line FROM steps WHERE manager_id = :manager AND step_id = :step;

-- name: steps
SELECT step_id, step_name, worker_type FROM steps WHERE manager_id = :manager;
