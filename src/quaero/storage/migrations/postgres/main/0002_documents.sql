-- Documents, the runs that use them, their lineage, their earlier revisions and the search index.
-- Times are microseconds since 1970 UTC. COLLATE "C": texts sort by code point, as prefixes and pages expect.

-- One row per (source_type, source_id). The text lies in document_contents, so that a touch, an enrichment
-- or a list never moves it. Rows leave room: what an update changes is in no index, so the new version fits beside.
CREATE TABLE documents (
  no           bigint PRIMARY KEY,
  id           text COLLATE "C" NOT NULL UNIQUE,
  source_type  text COLLATE "C" NOT NULL,
  source_id    text COLLATE "C" NOT NULL,
  title        text NOT NULL,
  url          text NOT NULL,
  tags         text NOT NULL,               -- JSON array, sorted; the same as in document_tags
  metadata     text NOT NULL,               -- JSON object, as the contract of the source_type says
  enrichments  text NOT NULL DEFAULT '{}',  -- JSON object: name -> {..., "content_hash": made from}
  origin       text NOT NULL,               -- JSON array: manager_id, step name, worker type, job_id, attempt
                                            -- that made this revision
  revision     bigint NOT NULL DEFAULT 1,
  content_hash text NOT NULL,
  created_at   bigint NOT NULL,
  updated_at   bigint NOT NULL,             -- of this revision
  last_synced  bigint NOT NULL,
  gone_at      bigint,                      -- since when the source no longer has it
  category     text COLLATE "C"             -- its beginning: an index holds no long texts
               GENERATED ALWAYS AS (left(enrichments::jsonb #>> '{rule_classifier,category}', 200)) STORED,
  UNIQUE (source_type, source_id)
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);

CREATE INDEX documents_by_category ON documents (category) WHERE category IS NOT NULL;

-- A number is never given twice, other tables refer to it: neither max(no) nor a sequence would be without reuse
-- and without gaps.
CREATE TABLE document_numbers (
  name text COLLATE "C" PRIMARY KEY,
  last bigint NOT NULL
) WITH (fillfactor = 10);
INSERT INTO document_numbers VALUES ('document', 0);

CREATE TABLE document_contents (
  no      bigint PRIMARY KEY,
  content text NOT NULL
);

CREATE TABLE document_tags (
  tag      text COLLATE "C" NOT NULL,
  document bigint NOT NULL,
  PRIMARY KEY (tag, document)
);

-- Names of the steps that have documents, so that a query by step name needs no job table.
CREATE TABLE document_steps (
  manager_id bigint NOT NULL,
  name       text COLLATE "C" NOT NULL,
  step_id    bigint NOT NULL,
  PRIMARY KEY (manager_id, name)
);

-- Which steps of which runs made, reused or enriched a document.
CREATE TABLE document_runs (
  document   bigint NOT NULL,
  manager_id bigint NOT NULL,
  step_id    bigint NOT NULL,
  how        text NOT NULL CHECK (how IN ('made', 'reused', 'enriched')),
  PRIMARY KEY (document, manager_id, step_id)
);

CREATE INDEX document_runs_by_step ON document_runs (step_id, document);

-- What the child was made from, when it was last made. parent_hash is the parent's content hash at that time.
CREATE TABLE document_lineage (
  child       bigint NOT NULL,
  parent      bigint NOT NULL,
  parent_hash text NOT NULL,
  origin      text NOT NULL,
  made_at     bigint NOT NULL,
  PRIMARY KEY (child, parent)
);

CREATE INDEX document_lineage_by_parent ON document_lineage (parent, child);

-- Earlier revisions, the last ten of each document.
CREATE TABLE document_revisions (
  document     bigint NOT NULL,
  revision     bigint NOT NULL,
  title        text NOT NULL,
  url          text NOT NULL,
  metadata     text NOT NULL,
  origin       text NOT NULL,
  content_hash text NOT NULL,
  made_at      bigint NOT NULL,
  content      text NOT NULL,
  PRIMARY KEY (document, revision)
);

-- The search index. It answers as SQLite's does with porter and unicode61: words are runs of letters and digits, case
-- and the diacritics of Latin letters don't count, and no word is too common to be looked for.
CREATE TABLE document_index (
  no    bigint PRIMARY KEY,
  words tsvector NOT NULL
);

-- New words wait in a list of at most 4 MB, which every search reads; merged in bulk they cost half as much.
CREATE INDEX document_index_words ON document_index USING gin (words) WITH (gin_pending_list_limit = 4096);

CREATE TEXT SEARCH DICTIONARY quaero_porter (TEMPLATE = snowball, LANGUAGE = porter);
CREATE TEXT SEARCH CONFIGURATION quaero (PARSER = default);
ALTER TEXT SEARCH CONFIGURATION quaero ADD MAPPING FOR
  asciiword, word, numword, int, uint, float, sfloat, version, asciihword, hword, numhword, hword_asciipart, hword_part,
  hword_numpart, email, url, host, url_path, file
  WITH quaero_porter;

-- The text with spaces for punctuation, so that the parser sees neither hosts nor files nor hyphens, and without the
-- diacritics of Latin letters.
CREATE FUNCTION quaero_words(given text) RETURNS text LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
  IF octet_length(given) > length(given) THEN
    given := normalize(regexp_replace(normalize(given, NFD), '([A-Za-z])[\u0300-\u036F]+', '\1', 'g'), NFC);
    -- Latin-1, general punctuation, currency, arrows and symbols, CJK punctuation, full-width forms, emoji.
    given := regexp_replace(given,
      '[\u0080-\u00A9\u00AB-\u00B1\u00B4\u00B6-\u00B8\u00BB\u00BF\u00D7\u00F7\u2000-\u206F\u20A0-\u20CF\u2190-\u245F'
      '\u2500-\u2775\u2794-\u2BFF\u2E00-\u2E7F\u3000-\u3004\u3008-\u3020\u3030\uFE30-\uFE4F\uFF01-\uFF0F\uFF1A-\uFF20'
      '\uFF3B-\uFF40\uFF5B-\uFF65\uFFE0-\uFFFF\U0001F000-\U0001F0FF\U0001F300-\U0001FAFF]', ' ', 'g');
  END IF;
  RETURN regexp_replace(given, '[!-/:-@[-`{-~]+', ' ', 'g');
END
$$;

-- What document_index holds of a document. Title, tags and content have the weights A, B and D; a lexeme that no text
-- has lies between them, so that no phrase reaches over. Of a text with more words than fit into a tsvector (1 MB), the
-- beginning is taken.
CREATE FUNCTION quaero_index(title text, tags text, content text) RETURNS tsvector LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
  gap     CONSTANT tsvector := $gap$ ' ':1 $gap$;
  heading CONSTANT tsvector :=
    setweight(to_tsvector('quaero', quaero_words(left(title, 10000))), 'A') || gap ||
    setweight(to_tsvector('quaero', quaero_words(left(tags, 10000))), 'B') || gap;
  taken   text := left(content, 2000000);
BEGIN
  LOOP
    BEGIN
      RETURN heading || to_tsvector('quaero', quaero_words(taken));
    EXCEPTION WHEN program_limit_exceeded THEN
      taken := left(taken, length(taken) / 2);
    END;
  END LOOP;
END
$$;

-- A word or phrase as a query. weights: '' anywhere, 'A' in the title, 'D' in the content.
CREATE FUNCTION quaero_phrase(given text, is_prefix boolean, weights text) RETURNS tsquery
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
  -- Neither quote nor backslash is left in it.
  words CONSTANT text := btrim(regexp_replace(quaero_words(given), '\s+', ' ', 'g'));
  last  CONSTANT text := CASE WHEN is_prefix THEN substring(words FROM '\S+$') END;
  head  CONSTANT text := CASE WHEN is_prefix THEN rtrim(left(words, -length(last))) ELSE words END;
  found tsquery := '';
BEGIN
  IF head <> '' THEN
    found := to_tsquery('quaero', format('''%s'':%s', head, weights));
  END IF;
  IF last <> '' THEN
    found := found <-> to_tsquery('quaero', format('''%s'':*%s', last, weights));
  END IF;
  RETURN found;
END
$$;

-- A search as search_query.py writes it: ["text", words, is_prefix, in_title], ["not", node], ["and", [node, ...]] or
-- ["or", [node, ...]].
CREATE FUNCTION quaero_query(asked jsonb) RETURNS tsquery LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
  part  jsonb;
  found tsquery := '';
BEGIN
  IF asked ->> 0 = 'text' THEN
    RETURN quaero_phrase(asked ->> 1, (asked -> 2)::boolean, CASE WHEN (asked -> 3)::boolean THEN 'A' ELSE '' END);
  ELSIF asked ->> 0 = 'not' THEN
    RETURN !! quaero_query(asked -> 1);
  END IF;
  FOR part IN SELECT jsonb_array_elements(asked -> 1) LOOP
    IF asked ->> 0 = 'and' THEN
      found := found && quaero_query(part);
    ELSE
      found := found || quaero_query(part);
    END IF;
  END LOOP;
  RETURN found;
END
$$;

-- Any of the texts of a search that the content may have; apart: any of their words.
CREATE FUNCTION quaero_wanted(asked jsonb, apart boolean) RETURNS tsquery LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
  part  jsonb;
  found tsquery := '';
BEGIN
  IF asked ->> 0 = 'not' OR (asked -> 3)::boolean THEN
    RETURN found;
  ELSIF asked ->> 0 = 'text' THEN
    found := quaero_phrase(asked ->> 1, (asked -> 2)::boolean, 'D');
    RETURN CASE WHEN apart THEN replace(found::text, '<->', '|')::tsquery ELSE found END;
  END IF;
  FOR part IN SELECT jsonb_array_elements(asked -> 1) LOOP
    found := found || quaero_wanted(part, apart);
  END LOOP;
  RETURN found;
END
$$;

-- About 32 words of a text around its first hit, with marks around every hit among them; null where there is none in
-- the first 200,000 characters (to read on would take half a second a megabyte).
-- texts: any of these is a hit; words: any of their words.
CREATE FUNCTION quaero_snippet(content text, texts tsquery, words tsquery, before text, after text) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
  shown    CONSTANT integer := 32;
  searched CONSTANT integer := 200000;
  span     CONSTANT integer := numnode(words) / 2;  -- no text has more words behind its first
  total    CONSTANT integer := length(content);
  start    integer := 1;
  size     integer := 1000;
  half     integer;
  part     text;
  gaps     text[];
  found    text[];
  lowest   integer := 1;
  highest  integer;
  middle   integer;
  is_hit   boolean;
  is_open  boolean := false;
  snippet  text := '';
BEGIN
  -- Where is it? In a part of the text, then in a half of the part. Parts overlap, or a cut would hide a hit.
  WHILE NOT to_tsvector('quaero', quaero_words(substr(content, start, size))) @@ texts LOOP
    start := start + size - 100;
    size := least(size * 2, 100000);
    IF start + 100 > least(total, searched) THEN
      RETURN NULL;
    END IF;
  END LOOP;
  WHILE size > 500 LOOP
    half := size / 2 + 50;
    IF NOT to_tsvector('quaero', quaero_words(substr(content, start, half))) @@ texts THEN
      start := start + size - half;
    END IF;
    size := half;
  END LOOP;
  start := greatest(start - 300, 1);
  part := substr(content, start, 1500);

  -- Its words, each with what stands before it. The last of the first hit is the last of the fewest that match.
  SELECT array_agg(piece[1]), array_agg(piece[2]) INTO gaps, found
    FROM regexp_matches(part, '([\s!-/:-@[-`{-~\u2000-\u206F\u3000-\u3004\u3008-\u3020]*)'
                              '([^\s!-/:-@[-`{-~\u2000-\u206F\u3000-\u3004\u3008-\u3020]*)', 'g') AS piece;
  highest := cardinality(found);
  WHILE lowest < highest LOOP
    middle := (lowest + highest) / 2;
    IF to_tsvector('quaero', quaero_words(array_to_string(found[1:middle], ' '))) @@ texts THEN
      highest := middle;
    ELSE
      lowest := middle + 1;
    END IF;
  END LOOP;

  -- A part that begins or ends within the text may begin or end within a word: leave that one out.
  middle := lowest;
  lowest := CASE WHEN start = 1 THEN 1 ELSE 2 END;
  highest := cardinality(found) - CASE WHEN start + length(part) > total THEN 0 ELSE 1 END;
  lowest := greatest(least(middle - shown / 2, highest - shown + 1), lowest);
  highest := least(lowest + shown - 1, highest);
  FOR i IN lowest .. highest LOOP
    is_hit := to_tsvector('quaero', quaero_words(found[i])) @@ words
          AND to_tsvector('quaero', quaero_words(
                array_to_string(found[greatest(i - span, 1) : i + span], ' '))) @@ texts;
    IF is_open AND (NOT is_hit OR gaps[i] ~ '\s') THEN
      snippet := snippet || after;
      is_open := false;
    END IF;
    snippet := snippet || CASE WHEN i > lowest OR start + i = 2 THEN gaps[i] ELSE '…' END;
    IF is_hit AND NOT is_open THEN
      snippet := snippet || before;
    END IF;
    snippet := snippet || found[i];
    is_open := is_hit;
  END LOOP;
  RETURN snippet || CASE WHEN is_open THEN after ELSE '' END
                 || CASE WHEN highest < cardinality(found) THEN '…' ELSE '' END;
END
$$;
