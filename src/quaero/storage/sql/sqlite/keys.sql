-- Statements over named values. A secret's value is a blob that only its key opens, a plain one is text.

-- name: put
INSERT INTO keys (name, secret, value, key_version, created_at, updated_at)
VALUES (:name, :secret, coalesce(:sealed, :value), :key_version, :now, :now)
ON CONFLICT (name) DO UPDATE
   SET secret = excluded.secret, value = excluded.value, key_version = excluded.key_version,
       updated_at = excluded.updated_at;

-- name: find
SELECT k.secret, iif(k.secret, NULL, k.value), iif(k.secret, k.value, NULL) FROM keys AS k WHERE k.name = :name;

-- name: delete
DELETE FROM keys WHERE name = :name;

-- name: names
SELECT k.name, k.secret FROM keys AS k ORDER BY k.name;
