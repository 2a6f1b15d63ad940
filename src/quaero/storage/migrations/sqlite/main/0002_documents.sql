-- Documents, the runs that use them, their lineage, their earlier revisions and the search index.
-- Times are microseconds since 1970 UTC.

-- One row per (source_type, source_id). The text lies in document_contents, so that a touch, an enrichment
-- or a list never moves it. AUTOINCREMENT: a number is never given twice, other tables refer to it.
CREATE TABLE documents (
  no           INTEGER PRIMARY KEY AUTOINCREMENT,
  id           TEXT NOT NULL UNIQUE,
  source_type  TEXT NOT NULL,
  source_id    TEXT NOT NULL,
  title        TEXT NOT NULL,
  url          TEXT NOT NULL,
  tags         TEXT NOT NULL,               -- JSON array, sorted; the same as in document_tags
  metadata     TEXT NOT NULL,               -- JSON object, as the contract of the source_type says
  enrichments  TEXT NOT NULL DEFAULT '{}',  -- JSON object: name -> {..., "content_hash": made from}
  origin       TEXT NOT NULL,               -- JSON array: manager_id, step name, worker type, job_id, attempt
                                            -- that made this revision
  revision     INTEGER NOT NULL DEFAULT 1,
  content_hash TEXT NOT NULL,
  created_at   INTEGER NOT NULL,
  updated_at   INTEGER NOT NULL,            -- of this revision
  last_synced  INTEGER NOT NULL,
  gone_at      INTEGER,                     -- since when the source no longer has it
  category     TEXT GENERATED ALWAYS AS (enrichments ->> '$.rule_classifier.category') VIRTUAL,
  UNIQUE (source_type, source_id)
) STRICT;

CREATE INDEX documents_by_category ON documents (category) WHERE category IS NOT NULL;

CREATE TABLE document_contents (
  no      INTEGER PRIMARY KEY,
  content TEXT NOT NULL
) STRICT;

CREATE TABLE document_tags (
  tag      TEXT NOT NULL,
  document INTEGER NOT NULL,
  PRIMARY KEY (tag, document)
) STRICT, WITHOUT ROWID;

-- Names of the steps that have documents, so that a query by step name needs no job table.
CREATE TABLE document_steps (
  manager_id INTEGER NOT NULL,
  name       TEXT NOT NULL,
  step_id    INTEGER NOT NULL,
  PRIMARY KEY (manager_id, name)
) STRICT, WITHOUT ROWID;

-- Which steps of which runs made, reused or enriched a document.
CREATE TABLE document_runs (
  document   INTEGER NOT NULL,
  manager_id INTEGER NOT NULL,
  step_id    INTEGER NOT NULL,
  how        TEXT NOT NULL CHECK (how IN ('made', 'reused', 'enriched')),
  PRIMARY KEY (document, manager_id, step_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX document_runs_by_step ON document_runs (step_id, document);

-- What the child was made from, when it was last made. parent_hash is the parent's content hash at that time.
CREATE TABLE document_lineage (
  child       INTEGER NOT NULL,
  parent      INTEGER NOT NULL,
  parent_hash TEXT NOT NULL,
  origin      TEXT NOT NULL,
  made_at     INTEGER NOT NULL,
  PRIMARY KEY (child, parent)
) STRICT, WITHOUT ROWID;

CREATE INDEX document_lineage_by_parent ON document_lineage (parent, child);

-- Earlier revisions, the last ten of each document.
CREATE TABLE document_revisions (
  document     INTEGER NOT NULL,
  revision     INTEGER NOT NULL,
  title        TEXT NOT NULL,
  url          TEXT NOT NULL,
  metadata     TEXT NOT NULL,
  origin       TEXT NOT NULL,
  content_hash TEXT NOT NULL,
  made_at      INTEGER NOT NULL,
  content      TEXT NOT NULL,
  PRIMARY KEY (document, revision)
) STRICT;

CREATE VIEW documents_text (no, title, content, tags) AS
SELECT d.no, d.title, c.content, d.tags FROM documents AS d JOIN document_contents AS c ON c.no = d.no;

-- No prefix indexes: they double the cost of an insert, and a prefix query is fast without them.
CREATE VIRTUAL TABLE documents_fts USING fts5 (
  title, content, tags,
  content = 'documents_text', content_rowid = 'no', tokenize = 'porter unicode61 remove_diacritics 2'
);

-- Merge eight segments at a time: fewer rewrites under a steady stream of small batches.
INSERT INTO documents_fts (documents_fts, rank) VALUES ('automerge', 8);
