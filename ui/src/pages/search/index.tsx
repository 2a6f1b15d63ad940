// Search: a field, its query in the URL, and the hits with the reason why.
import { useEffect, useRef, useState } from "preact/hooks";
import { type Chip, Facet } from "../../parts/chips";
import { Icon } from "../../parts/icon";
import { useKeys } from "../../parts/keys";
import { Empty, Failed, Loading, Partial } from "../../parts/states";
import { count, Time } from "../../parts/time";
import { navigate, setQuery } from "../../router";
import { MarkedText } from "../../text/marked-text";
import { piecesOf } from "../../text/marks";
import type { PageProps } from "../../router";
import { SYNTAX, SyntaxHelp } from "./help";
import { fieldOf, type PartKind, partsOf, placeOfProblem, type QueryPart, withField, withoutPart } from "./query";
import { type Results, useSearch } from "./results";
import { forget, forgetRecent, noteRecent, recentSearches, save, savedSearches } from "./saved";
import type { Hit } from "./types";
import { type Reason, reasonsFor, titlePieces } from "./why";
import "./search.css";

const PAUSE_MS = 250;
const LONGEST = 2000;

export default function Search({ query: place }: PageProps) {
  const query = place.get("q") ?? "";
  const withGone = place.get("gone") === "1";
  const [text, setText] = useState(query);
  const [saved, setSaved] = useState(savedSearches);
  const field = useRef<HTMLInputElement>(null);
  const timer = useRef<ReturnType<typeof setTimeout>>();
  const search = useSearch(query, withGone);
  const { results } = search;
  const at = results?.at ?? -1;

  // Back and links change the field; what is being typed stays as it is, with its spaces.
  useEffect(() => setText((typing) => (typing.trim() === query ? typing : query)), [query]);
  useEffect(() => {
    if (query === "" && matchMedia("(min-width: 821px)").matches) field.current?.focus();
    return () => clearTimeout(timer.current);
  }, []);

  const ask = (next: string, push: boolean): void => {
    clearTimeout(timer.current);
    if (push) setText(next);
    setQuery({ q: next.trim() }, { push });
    if (push) noteRecent(next);
  };
  const typed = (next: string): void => {
    setText(next);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => ask(next, false), PAUSE_MS);
  };
  const goTo = (index: number): void => {
    if (!results || results.hits.length === 0) return;
    if (index < 0) return field.current?.focus();
    const next = Math.min(index, results.hits.length - 1);
    if (index >= results.hits.length && search.more) search.more();
    search.goTo(next);
    const link = document.getElementById(`hit-${next}`);
    link?.focus({ preventScroll: true });
    link?.closest("li")?.scrollIntoView({ block: "nearest" });
  };
  const open = (): void => {
    const hit = results?.hits[Math.max(0, at)];
    if (!hit) return;
    noteRecent(query);
    void navigate(`/documents/${hit.document_id}`);
  };
  useKeys({ j: () => goTo(at + 1), k: () => goTo(at - 1), ArrowDown: () => goTo(at + 1), ArrowUp: () => goTo(at - 1), Home: () => goTo(0), End: () => goTo((results?.hits.length ?? 1) - 1), o: open });

  const isSaved = saved.includes(query.trim());
  const problemPlace = search.isQueryProblem ? placeOfProblem(query, search.reason!) : null;
  const isNarrowed = query.trim() !== "";

  return (
    <div class="search">
      <div class="search-head">
        <h1 class="unseen">Search</h1>
        <form
          role="search"
          class="search-form"
          onSubmit={(event) => {
            event.preventDefault();
            ask(text, true);
          }}
        >
          <Icon name="search" />
          <input
            ref={field}
            type="search"
            class="field"
            data-focus-key
            value={text}
            maxLength={LONGEST}
            placeholder="Words, a phrase in quotes, tag:…, type:…"
            aria-label="Search in documents"
            aria-invalid={search.isQueryProblem}
            aria-describedby={search.isQueryProblem ? "query-problem" : undefined}
            autocomplete="off"
            spellcheck={false}
            onInput={(event) => typed(event.currentTarget.value)}
            onKeyDown={(event) => {
              if (event.key !== "ArrowDown") return;
              event.preventDefault();
              goTo(Math.max(0, at));
            }}
          />
          <button type="submit" class="button primary">
            Search
          </button>
          <SyntaxHelp onTry={(example) => ask(example, true)} />
        </form>
        <QueryChips query={query} onChange={(next) => ask(next, true)} />
        {isNarrowed ? (
          <div class="search-line">
            <span role="status" class="dim">
              {search.loading && !results ? "Searching…" : results && !search.reason ? countText(results) : ""}
            </span>
            <span class="grow" />
            <label class="check">
              <input type="checkbox" checked={withGone} onChange={(event) => setQuery({ gone: event.currentTarget.checked ? 1 : null })} /> also gone ones
            </label>
            <button type="button" class="link-button" aria-pressed={isSaved} onClick={() => setSaved(isSaved ? forget(query.trim()) : save(query.trim()))}>
              {isSaved ? "Saved: forget it" : "Save this search"}
            </button>
          </div>
        ) : null}
      </div>
      <div class="search-body">
        {!isNarrowed ? (
          <Start saved={saved} onAsk={(next) => ask(next, true)} onForget={(one) => setSaved(forget(one))} />
        ) : search.isQueryProblem ? (
          <Problem query={query} reason={search.reason!} place={problemPlace} />
        ) : search.reason && !results ? (
          <Failed reason={search.reason} onRetry={search.retry} />
        ) : !results ? (
          <Loading what="Searching" />
        ) : (
          <>
            {search.reason ? <Partial onRetry={search.retry}>These are the hits of before: {search.reason} </Partial> : null}
            {results.hits.length === 0 ? (
              <Nothing query={query} withGone={withGone} onAsk={(next) => ask(next, true)} />
            ) : (
              <div class={results.query === query ? "search-results" : "search-results old"} aria-busy={search.loading}>
                <HitFacets hits={results.hits} isAll={results.next === null} query={query} onChange={(next) => ask(next, true)} />
                <div class="hits">
                  <ol aria-label="Hits">
                    {results.hits.map((hit, index) => (
                      <HitRow key={hit.document_id} hit={hit} index={index} query={results.query} isAt={index === at} best={results.hits[0]!.score} onFocus={() => index !== at && search.goTo(index)} onOpen={() => noteRecent(query)} />
                    ))}
                  </ol>
                  {search.more ? (
                    <button type="button" class="button more-button" onClick={search.more}>
                      Show more
                    </button>
                  ) : search.loading ? (
                    <p class="dim hits-end">Loading more…</p>
                  ) : (
                    <p class="dim hits-end">These are all.</p>
                  )}
                </div>
              </div>
            )}
          </>
        )}
      </div>
    </div>
  );
}

function countText(results: Results): string {
  const n = results.hits.length;
  const time = `${results.elapsedMs < 10 ? results.elapsedMs.toFixed(1) : Math.round(results.elapsedMs)} ms`;
  if (n === 0) return `Nothing found, in ${time}`;
  return `${results.next === null ? count(n) : `The first ${count(n)}`} ${n === 1 ? "hit" : "hits"}, in ${time}`;
}

const PART_WORDS: Partial<Record<PartKind, string>> = { title: "in title", tag: "tag", type: "type", after: "from", before: "before", phrase: "phrase" };

/** What the query was understood as; each part can be taken away. */
function QueryChips({ query, onChange }: { query: string; onChange: (query: string) => void }) {
  const parts = partsOf(query);
  if (parts.length < 2 && parts.every((part) => part.kind === "word")) return null;
  return (
    <div class="chips query-chips" role="group" aria-label="Parts of the query">
      {parts.map((part) =>
        part.kind === "operator" ? (
          <span key={part.from} class="dim operator">
            {part.value === "OR" ? "or" : "and"}
          </span>
        ) : (
          <button key={part.from} type="button" class={`chip part-${part.kind} ${part.isNegated ? "negated" : ""}`} title="Take away" onClick={() => onChange(withoutPart(query, part))}>
            <span class="ellipsis">
              <PartName part={part} />
              {part.value}
              {part.isPrefix ? "…" : ""}
            </span>
            <Icon name="close" size={10} />
          </button>
        ),
      )}
    </div>
  );
}

function PartName({ part }: { part: QueryPart }) {
  const name = [part.isNegated ? "not" : "", PART_WORDS[part.kind] ?? ""].filter(Boolean).join(" ");
  return name ? <span class="part-name">{name} </span> : null;
}

function HitFacets({ hits, isAll, query, onChange }: { hits: readonly Hit[]; isAll: boolean; query: string; onChange: (query: string) => void }) {
  const types = new Map<string, number>();
  const tags = new Map<string, number>();
  for (const hit of hits) {
    types.set(hit.source_type, (types.get(hit.source_type) ?? 0) + 1);
    for (const tag of hit.tags) if (!tag.startsWith("source_type:") && !tag.startsWith("date:")) tags.set(tag, (tags.get(tag) ?? 0) + 1);
  }
  const chips = (counts: Map<string, number>, most: number): Chip<string>[] => [...counts].sort((a, b) => b[1] - a[1] || a[0].localeCompare(b[0])).slice(0, most).map(([value, n]) => ({ value, text: value, count: n }));
  const change = (name: "tag" | "type", before: readonly string[], after: readonly string[]): void => {
    let next = query;
    for (const one of after) if (!before.includes(one)) next = withField(next, name, one);
    for (const one of before) {
      const part = after.includes(one) ? undefined : partsOf(next).find((other) => other.kind === name && !other.isNegated && other.value.toLowerCase() === one);
      if (part) next = withoutPart(next, part);
    }
    onChange(next);
  };
  const chosenTypes = fieldOf(query, "type");
  const chosenTags = fieldOf(query, "tag");
  return (
    <aside class="hit-facets" aria-label="Narrow down">
      <h2 class="unseen">Narrow down</h2>
      <Facet label="Source type" chips={chips(types, 12)} chosen={chosenTypes} onChange={(next) => change("type", chosenTypes, next)} />
      <Facet label="Tag" chips={chips(tags, 15)} chosen={chosenTags} onChange={(next) => change("tag", chosenTags, next)} />
      {isAll ? null : <p class="dim">Counted in the {count(hits.length)} hits shown.</p>}
    </aside>
  );
}

const FIELDS: Record<Reason["field"], string> = { title: "title", text: "text", tag: "tag", type: "type", changed: "changed" };
const MOST_TAGS = 5;

interface HitProps {
  hit: Hit;
  index: number;
  query: string;
  isAt: boolean;
  /** Score of the best hit. */
  best: number;
  onFocus: () => void;
  onOpen: () => void;
}

function HitRow({ hit, index, query, isAt, best, onFocus, onOpen }: HitProps) {
  const reasons = reasonsFor(hit, query);
  const tags = hit.tags.filter((tag) => !tag.startsWith("source_type:") && !tag.startsWith("date:"));
  const share = best > 0 ? Math.max(0, Math.min(1, hit.score / best)) : 0;
  return (
    <li class={isAt ? "hit at" : "hit"}>
      <h2>
        <a id={`hit-${index}`} href={`/documents/${hit.document_id}`} onFocus={onFocus} onClick={onOpen}>
          {hit.title ? <MarkedText pieces={titlePieces(hit, query)} /> : hit.source_id}
        </a>
      </h2>
      <p class="hit-facts">
        <span>{hit.source_type}</span>
        <span class="ellipsis mono" title={hit.source_id}>
          {hit.source_id}
        </span>
        <span class="nowrap">
          changed <Time at={hit.updated_at} />
        </span>
        {hit.score > 0 ? (
          <span class="score" title={`Score ${hit.score.toPrecision(4)}; the best hit has ${best.toPrecision(4)}`}>
            <meter min={0} max={1} value={share} aria-label="Score against the best hit" /> {hit.score.toPrecision(2)}
          </span>
        ) : null}
      </p>
      {hit.snippet.trim() ? (
        <p class="snippet">
          <MarkedText pieces={piecesOf(hit.snippet)} />
        </p>
      ) : null}
      <p class="hit-facts">
        {reasons.length ? (
          <span class="why">
            <span class="dim">Found by</span>
            {reasons.map((reason) => (
              <span key={reason.field}>
                {FIELDS[reason.field]} <b>{reason.terms.slice(0, 4).join(", ")}</b>
                {reason.terms.length > 4 ? ` and ${reason.terms.length - 4} more` : ""}
              </span>
            ))}
          </span>
        ) : null}
        {tags.length ? (
          <span class="hit-tags">
            {tags.slice(0, MOST_TAGS).map((tag) => (
              <span key={tag}>{tag}</span>
            ))}
            {tags.length > MOST_TAGS ? <span>+{tags.length - MOST_TAGS}</span> : null}
          </span>
        ) : null}
      </p>
    </li>
  );
}

function Problem({ query, reason, place }: { query: string; reason: string; place: { from: number; to: number } | null }) {
  return (
    <div class="query-problem" id="query-problem" role="alert">
      <p class="state-title">This query can't be read.</p>
      <p class="query-shown mono">
        {place ? (
          <>
            {query.slice(0, place.from)}
            <span class="wrong">{query.slice(place.from, place.to)}</span>
            {query.slice(place.to)}
          </>
        ) : (
          query
        )}
      </p>
      <p>{reason}</p>
    </div>
  );
}

function Nothing({ query, withGone, onAsk }: { query: string; withGone: boolean; onAsk: (query: string) => void }) {
  const parts = partsOf(query).filter((part) => part.kind !== "operator");
  const words = parts.filter((part) => !part.isNegated && part.kind === "word").map((part) => part.value);
  const ways: [string, string][] = [];
  if (words.length > 1) ways.push([words.join(" OR "), "any of the words"]);
  if (words.length === 1 && parts.length === 1 && !parts[0]!.isPrefix) ways.push([`${words[0]}*`, "words that begin so"]);
  if (words.length && parts.length > words.length) ways.push([words.join(" "), "without the filters"]);
  const phrase = parts.find((part) => part.kind === "phrase");
  if (phrase) ways.push([phrase.value, "the words of the phrase, anywhere"]);
  return (
    <Empty title="No document fits this query.">
      {ways.length ? (
        <ul class="ways">
          {ways.map(([next, meaning]) => (
            <li key={next}>
              <button type="button" class="example" onClick={() => onAsk(next)}>
                {next}
              </button>{" "}
              {meaning}
            </li>
          ))}
        </ul>
      ) : null}
      {withGone ? null : (
        <button type="button" class="link-button" onClick={() => setQuery({ gone: 1 })}>
          Look among gone documents too
        </button>
      )}
    </Empty>
  );
}

function Start({ saved, onAsk, onForget }: { saved: readonly string[]; onAsk: (query: string) => void; onForget: (query: string) => void }) {
  const [recent, setRecent] = useState(recentSearches);
  return (
    <div class="search-start">
      {saved.length ? (
        <section>
          <h2>Saved searches</h2>
          <ul>
            {saved.map((one) => (
              <li key={one}>
                <button type="button" class="example" onClick={() => onAsk(one)}>
                  {one}
                </button>
                <button type="button" class="icon-button" aria-label={`Forget ${one}`} title="Forget it" onClick={() => onForget(one)}>
                  <Icon name="close" size={11} />
                </button>
              </li>
            ))}
          </ul>
        </section>
      ) : null}
      {recent.length ? (
        <section>
          <h2>
            Recent searches{" "}
            <button
              type="button"
              class="link-button"
              onClick={() => {
                forgetRecent();
                setRecent([]);
              }}
            >
              Clear
            </button>
          </h2>
          <ul>
            {recent.map((one) => (
              <li key={one}>
                <button type="button" class="example" onClick={() => onAsk(one)}>
                  {one}
                </button>
              </li>
            ))}
          </ul>
        </section>
      ) : null}
      <section>
        <h2>What can be asked</h2>
        <dl class="syntax-list">
          {SYNTAX.map(([example, meaning]) => (
            <div key={example}>
              <dt>
                <button type="button" class="example" onClick={() => onAsk(example)}>
                  {example}
                </button>
              </dt>
              <dd class="dim">{meaning}</dd>
            </div>
          ))}
        </dl>
      </section>
    </div>
  );
}
