-- Named values that job definitions use as {name}. A secret's value is sealed, a plain one is text. key_version: which
-- encryption key sealed a secret, as its fingerprint, so that a changed key is told apart from a damaged value.
-- Times are microseconds since 1970 UTC.
CREATE TABLE keys (
  name        text COLLATE "C" PRIMARY KEY,
  secret      boolean NOT NULL,
  value       text,
  sealed      bytea,
  key_version text,
  created_at  bigint NOT NULL,
  updated_at  bigint NOT NULL,
  CHECK ((value IS NULL) = secret AND (sealed IS NOT NULL) = secret AND (key_version IS NOT NULL) = secret)
);
