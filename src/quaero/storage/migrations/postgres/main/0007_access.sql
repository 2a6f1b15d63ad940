-- Access: keys for programs, the password, who did what, answers to requests that carry an idempotency key. Times are
-- microseconds since 1970 UTC.

-- digest: SHA-256 of the whole key, which is stored nowhere. prefix: its first characters. scopes: a JSON array.
CREATE TABLE api_keys (
  id           text COLLATE "C" PRIMARY KEY,
  name         text COLLATE "C" NOT NULL,
  digest       text COLLATE "C" NOT NULL UNIQUE,
  prefix       text NOT NULL,
  scopes       text NOT NULL,
  created_at   bigint NOT NULL,
  last_used_at bigint,
  expires_at   bigint,
  revoked_at   bigint
);
CREATE UNIQUE INDEX api_keys_in_force ON api_keys (name) WHERE revoked_at IS NULL;

-- One row at most. The row stays when the password is removed (hash empty): generation must never go back.
CREATE TABLE passwords (
  id         bigint PRIMARY KEY CHECK (id = 1),
  hash       text NOT NULL,
  generation bigint NOT NULL,
  changed_at bigint NOT NULL
);

CREATE TABLE audit (
  at      bigint NOT NULL,
  id      text COLLATE "C" NOT NULL,
  actor   text NOT NULL,
  address text NOT NULL,
  action  text NOT NULL,
  target  text NOT NULL,
  outcome text NOT NULL,
  detail  text NOT NULL,
  PRIMARY KEY (at, id)
);

-- status, headers (a JSON array of pairs) and answer are null while the request is under way.
CREATE TABLE idempotency (
  actor     text COLLATE "C" NOT NULL,
  key       text COLLATE "C" NOT NULL,
  request   text NOT NULL,
  body_hash text NOT NULL,
  at        bigint NOT NULL,
  status    bigint,
  headers   text,
  answer    bytea,
  PRIMARY KEY (actor, key)
);
CREATE INDEX idempotency_at ON idempotency (at);
