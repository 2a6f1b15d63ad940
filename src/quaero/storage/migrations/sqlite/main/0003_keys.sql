-- Named values that job definitions use as {name}. key_version: which encryption key sealed a secret, as its
-- fingerprint, so that a changed key is told apart from a damaged value. Times are microseconds since 1970 UTC.
CREATE TABLE keys (
  name        TEXT PRIMARY KEY,
  secret      INTEGER NOT NULL,
  value       ANY NOT NULL,
  key_version TEXT,
  created_at  INTEGER NOT NULL,
  updated_at  INTEGER NOT NULL,
  CHECK (typeof(value) = iif(secret, 'blob', 'text') AND (key_version IS NOT NULL) = secret)
) STRICT, WITHOUT ROWID;
