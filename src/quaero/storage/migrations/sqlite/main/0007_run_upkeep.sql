-- Runs that were deleted, retries of one family of errors, and families that somebody chose to look past.

-- Steps of deleted runs. Their own rows are gone; their worker jobs and links to documents are still to be swept.
CREATE TABLE deleted_steps (
  step_id    INTEGER PRIMARY KEY,
  manager_id INTEGER NOT NULL,
  deleted_at INTEGER NOT NULL
) STRICT;

-- family: as the errors of the run's jobs have it; empty for those without one.
CREATE TABLE ignored_families (
  manager_id INTEGER NOT NULL,
  family     TEXT NOT NULL,
  ignored_at INTEGER NOT NULL,
  ignored_by TEXT NOT NULL,
  PRIMARY KEY (manager_id, family)
) STRICT, WITHOUT ROWID;

-- retry_family: of the failed jobs of rerun_of, only those of this family are made anew; NULL: all of them.
ALTER TABLE runs ADD COLUMN retry_family TEXT;
