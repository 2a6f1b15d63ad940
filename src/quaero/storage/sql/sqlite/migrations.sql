-- The ledger of schema steps.

-- name: has_ledger
SELECT 1 FROM sqlite_schema AS s WHERE s.type = 'table' AND s.name = 'migrations';

-- name: lock
-- Nothing to do: the transaction holds the file's write lock.
SELECT 1;

-- name: make_ledger
CREATE TABLE IF NOT EXISTS migrations (
  number INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL, applied_at TEXT NOT NULL
) STRICT;

-- name: applied
SELECT m.number, m.checksum FROM migrations AS m;

-- name: note
INSERT INTO migrations (number, name, checksum, applied_at) VALUES (:number, :name, :checksum, datetime('now'));

-- name: live_nodes
-- Only what the first step has: the schema may be any.
SELECT p.id, p.host, p.pid, p.version FROM processes AS p
 WHERE p.lease_until > :now
 ORDER BY p.id;
