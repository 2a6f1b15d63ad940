-- Statements over named values. A secret's value is sealed bytes that only its key opens, a plain one is text.

-- name: put
INSERT INTO keys (name, secret, value, sealed, key_version, created_at, updated_at)
VALUES (:name, :secret::bigint = 1, :value, :sealed, :key_version, :now, :now)
ON CONFLICT (name) DO UPDATE
   SET secret = excluded.secret, value = excluded.value, sealed = excluded.sealed, key_version = excluded.key_version,
       updated_at = excluded.updated_at;

-- name: find
SELECT k.secret, k.value, k.sealed FROM keys AS k WHERE k.name = :name;

-- name: delete
DELETE FROM keys WHERE name = :name;

-- name: names
SELECT k.name, k.secret FROM keys AS k ORDER BY k.name;
