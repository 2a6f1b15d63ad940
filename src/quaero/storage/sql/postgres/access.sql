-- Statements over API keys, the password, the audit log and answers already given.

-- name: find_key
SELECT k.id, k.name, k.prefix, k.scopes, k.created_at, k.last_used_at, k.expires_at, k.revoked_at
  FROM api_keys AS k WHERE k.digest = :digest;

-- name: list_keys
SELECT k.id, k.name, k.prefix, k.scopes, k.created_at, k.last_used_at, k.expires_at, k.revoked_at
  FROM api_keys AS k ORDER BY k.name, k.created_at DESC;

-- name: key_in_force
SELECT k.id, k.name, k.prefix, k.scopes, k.created_at, k.last_used_at, k.expires_at, k.revoked_at
  FROM api_keys AS k WHERE k.name = :name AND k.revoked_at IS NULL;

-- name: add_key
-- Changes nothing where a key in force has the name.
INSERT INTO api_keys (id, name, digest, prefix, scopes, created_at, expires_at)
VALUES (:id, :name, :digest, :prefix, :scopes, :now, :expires_at)
ON CONFLICT DO NOTHING;

-- name: revoke_key
UPDATE api_keys SET revoked_at = :now WHERE name = :name AND revoked_at IS NULL;

-- name: touch_key
UPDATE api_keys SET last_used_at = :now WHERE id = :id AND coalesce(last_used_at, 0) < :before;

-- name: password
SELECT p.hash, p.generation, p.changed_at FROM passwords AS p WHERE p.id = 1;

-- name: set_password
INSERT INTO passwords (id, hash, generation, changed_at) VALUES (1, :hash, 1, :now)
ON CONFLICT (id) DO UPDATE
   SET hash = excluded.hash, generation = passwords.generation + 1, changed_at = excluded.changed_at;

-- name: remove_password
UPDATE passwords SET hash = '', generation = generation + 1, changed_at = :now WHERE id = 1 AND hash > '';

-- name: add_entry
INSERT INTO audit (at, id, actor, address, action, target, outcome, detail)
VALUES (:at, :id, :actor, :address, :action, :target, :outcome, :detail);

-- name: entries
SELECT a.id, a.at, a.actor, a.address, a.action, a.target, a.outcome, a.detail
  FROM audit AS a WHERE (a.at, a.id) < (:at, :id) ORDER BY a.at DESC, a.id DESC LIMIT :limit;

-- name: prune_by_time
DELETE FROM audit WHERE at < :before;

-- name: prune_by_count
-- All but the newest :keep.
DELETE FROM audit
 WHERE (at, id) <= (SELECT a.at, a.id FROM audit AS a ORDER BY a.at DESC, a.id DESC LIMIT 1 OFFSET :keep);

-- name: drop_expired
DELETE FROM idempotency WHERE at < :before;

-- name: begin
-- Changes nothing where the key is known.
INSERT INTO idempotency (actor, key, request, body_hash, at) VALUES (:actor, :key, :request, :body_hash, :now)
ON CONFLICT (actor, key) DO NOTHING;

-- name: earlier
SELECT i.request, i.body_hash, i.at, i.status, i.headers, i.answer
  FROM idempotency AS i WHERE i.actor = :actor AND i.key = :key;

-- name: finish
UPDATE idempotency SET status = :status, headers = :headers, answer = :answer
 WHERE actor = :actor AND key = :key AND status IS NULL;

-- name: forget
DELETE FROM idempotency WHERE actor = :actor AND key = :key AND status IS NULL;
