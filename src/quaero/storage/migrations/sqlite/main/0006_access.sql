-- Access: keys for programs, the password, who did what, answers to requests that carry an idempotency key. Times are
-- microseconds since 1970 UTC.

-- digest: SHA-256 of the whole key, which is stored nowhere. prefix: its first characters. scopes: a JSON array.
CREATE TABLE api_keys (
  id           TEXT PRIMARY KEY,
  name         TEXT NOT NULL,
  digest       TEXT NOT NULL UNIQUE,
  prefix       TEXT NOT NULL,
  scopes       TEXT NOT NULL,
  created_at   INTEGER NOT NULL,
  last_used_at INTEGER,
  expires_at   INTEGER,
  revoked_at   INTEGER
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX api_keys_in_force ON api_keys (name) WHERE revoked_at IS NULL;

-- One row at most. The row stays when the password is removed (hash empty): generation must never go back.
CREATE TABLE passwords (
  id         INTEGER PRIMARY KEY CHECK (id = 1),
  hash       TEXT NOT NULL,
  generation INTEGER NOT NULL,
  changed_at INTEGER NOT NULL
) STRICT;

CREATE TABLE audit (
  at      INTEGER NOT NULL,
  id      TEXT NOT NULL,
  actor   TEXT NOT NULL,
  address TEXT NOT NULL,
  action  TEXT NOT NULL,
  target  TEXT NOT NULL,
  outcome TEXT NOT NULL,
  detail  TEXT NOT NULL,
  PRIMARY KEY (at, id)
) STRICT, WITHOUT ROWID;

-- status, headers (a JSON array of pairs) and answer are null while the request is under way.
CREATE TABLE idempotency (
  actor     TEXT NOT NULL,
  key       TEXT NOT NULL,
  request   TEXT NOT NULL,
  body_hash TEXT NOT NULL,
  at        INTEGER NOT NULL,
  status    INTEGER,
  headers   TEXT,
  answer    BLOB,
  PRIMARY KEY (actor, key)
) STRICT;
CREATE INDEX idempotency_at ON idempotency (at);
