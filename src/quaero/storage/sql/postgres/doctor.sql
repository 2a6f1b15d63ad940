-- What quaero doctor asks a server. Reads only; costs next to nothing.

-- name: server
SELECT current_setting('server_version') AS version, pg_database_size(current_database()) AS size_bytes,
       (SELECT count(*) FROM pg_stat_activity AS a WHERE a.backend_type = 'client backend') AS connections,
       current_setting('max_connections')::integer - current_setting('superuser_reserved_connections')::integer AS places,
       (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now;

-- name: dead_rows
-- The table with most of them, as far as the statistics know.
SELECT t.relname, t.n_dead_tup, t.n_live_tup
  FROM pg_stat_user_tables AS t
 ORDER BY t.n_dead_tup DESC LIMIT 1;

-- name: oldest_transaction
-- Age in seconds. Of other users' sessions only those with more rights see it.
SELECT coalesce(extract(epoch FROM max(clock_timestamp() - a.xact_start)), 0)::float8
  FROM pg_stat_activity AS a
 WHERE a.datname = current_database() AND a.pid <> pg_backend_pid();
