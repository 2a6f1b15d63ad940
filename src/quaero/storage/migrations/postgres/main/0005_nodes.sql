-- Nodes: what each offers, what steps and jobs need of one, and which of them leads.

-- needs: the capability that a job asks for beyond those of its step; empty for most.
ALTER TABLE jobs ADD COLUMN needs text COLLATE "C" NOT NULL DEFAULT '';

-- A node goes past no job that it can't take: those that need something have an index of their own.
DROP INDEX jobs_ready;
CREATE INDEX jobs_ready ON jobs (parent_id, priority DESC, available_at, id)
  WHERE status = 0 AND kind = 2 AND rescues < 2 AND needs = '';
CREATE INDEX jobs_needing ON jobs (parent_id, needs, priority DESC, available_at, id)
  WHERE status = 0 AND kind = 2 AND rescues < 2 AND needs > '';
DROP INDEX jobs_keyed;
CREATE INDEX jobs_keyed ON jobs (parent_id, limit_key, needs, priority DESC, available_at, id)
  WHERE status = 0 AND limit_key IS NOT NULL;

-- needs: a JSON array of the capabilities that the plan and the jobs of a step ask for; NULL for most. waits_for: those
-- of them that no node has, as far as that was told.
ALTER TABLE steps ADD COLUMN needs text, ADD COLUMN waits_for text NOT NULL DEFAULT '';
CREATE INDEX steps_waiting_for ON steps (id) WHERE waits_for > '';

-- protocol: nodes of different ones can't work together. key_version: the fingerprint of the encryption key.
ALTER TABLE processes
  ADD COLUMN protocol integer NOT NULL DEFAULT 0,
  ADD COLUMN key_version text NOT NULL DEFAULT '',
  ADD COLUMN renewed_at bigint NOT NULL DEFAULT 0;

-- Who may do what only one node should do. The term grows with every change of the holder and is checked in each
-- transaction that relies on it; it holds as long as the holder's row in processes lives.
CREATE TABLE leaders (
  name   text COLLATE "C" PRIMARY KEY,
  holder bigint NOT NULL,
  term   bigint NOT NULL
) WITH (fillfactor = 50);

-- Held by a node that registers: no two come at once without seeing each other.
INSERT INTO locks VALUES ('nodes');
