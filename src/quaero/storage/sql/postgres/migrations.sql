-- The ledger of schema steps.

-- name: has_ledger
SELECT to_regclass('migrations') IS NOT NULL;

-- name: lock
-- Of several nodes that start on an empty database one fills it. The number is arbitrary.
SELECT pg_advisory_xact_lock(7283645);

-- name: make_ledger
CREATE TABLE IF NOT EXISTS migrations (
  number integer PRIMARY KEY, name text NOT NULL, checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now()
);

-- name: applied
SELECT m.number, m.checksum FROM migrations AS m;

-- name: note
INSERT INTO migrations (number, name, checksum) VALUES (:number, :name, :checksum);

-- name: live_nodes
-- Only what the first step has: the schema may be any.
SELECT p.id, p.host, p.pid, p.version FROM processes AS p
 WHERE p.lease_until > (extract(epoch FROM clock_timestamp()) * 1000000)::bigint
 ORDER BY p.id;
