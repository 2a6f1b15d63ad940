// Documents: facets, the list, and the one that is looked at beside it.
import { useCallback, useEffect, useMemo, useState } from "preact/hooks";
import { get, reasonOf } from "../../api/client";
import type { Page } from "../../api/types";
import { store } from "../../live";
import { useFetch, usePages } from "../../parts/fetching";
import { Icon } from "../../parts/icon";
import { useKeys } from "../../parts/keys";
import { Split } from "../../parts/split";
import { Empty, Failed, Loading, Partial } from "../../parts/states";
import { count } from "../../parts/time";
import { toast } from "../../parts/toast";
import { navigate, setQuery } from "../../router";
import type { PageProps } from "../../router";
import { deleteDocuments } from "./commands";
import { DocumentPane } from "./document";
import { FacetColumn } from "./facets";
import { apiQuery, changesTo, type DocumentFilter, filterOf, NO_FILTER, partsOf, searchQuery } from "./filter";
import { DocumentList } from "./list";
import { TagDialog } from "./tags";
import type { Doc, Facets } from "./types";
import "./documents.css";

const PAGE = 100;
const BIG_PAGE = 500;
const MOST_CHOSEN = 10_000;
const FILTER_KEYS = ["type", "tag", "category", "run", "step", "since", "gone"] as const;

export default function Documents({ params, query }: PageProps) {
  return params.id ? <Alone id={params.id} query={query} /> : <Browser query={query} />;
}

function Alone({ id, query }: { id: string; query: URLSearchParams }) {
  const view = query.get("view");
  return (
    <div class="documents alone">
      <DocumentPane
        id={id}
        query={query}
        alone
        documentHref={(other) => `/documents/${other}${view ? `?view=${view}` : ""}`}
        onClose={() => void navigate(`/documents?doc=${id}`)}
        onChanged={(what) => what === "deleted" && void navigate("/documents")}
      />
    </div>
  );
}

function Browser({ query }: { query: URLSearchParams }) {
  const key = FILTER_KEYS.map((name) => query.get(name)).join("\n");
  const filter = useMemo(() => filterOf(query), [key]);
  const asked = useMemo(() => apiQuery(filter, store.now()), [key]);
  const list = usePages<Doc>("/documents", { ...asked, limit: PAGE });
  const facets = useFetch<Facets>("/documents/facets", asked);
  const [facetsOpen, setFacetsOpen] = useState(false);
  const [chosen, setChosen] = useState<ReadonlyMap<string, Doc>>(new Map());
  const [tagging, setTagging] = useState(false);
  const doc = query.get("doc");
  const rows = list.rows ?? [];
  const shown = doc ?? rows[0]?.id ?? null;
  const total = facets.data && !facets.reason ? Object.values(facets.data.source_types).reduce((sum, n) => sum + n, 0) : null;
  useEffect(() => setChosen(new Map()), [key]);

  const reload = useCallback(() => {
    list.reload();
    facets.reload();
  }, [list.reload, facets.reload]);
  const show = (id: string): void => setQuery({ doc: id, compare: null });
  const documentHref = (id: string): string => {
    const next = new URLSearchParams(location.search);
    next.set("doc", id);
    next.delete("compare");
    return `/documents?${next}`;
  };
  const choose = (ids: readonly string[], on: boolean): void => {
    const next = new Map(chosen);
    for (const id of ids) {
      const row = rows.find((one) => one.id === id);
      if (!on) next.delete(id);
      else if (row) next.set(id, row);
    }
    setChosen(next);
  };
  const chooseAll = async (): Promise<void> => {
    const all = new Map<string, Doc>();
    let cursor: string | null = null;
    try {
      do {
        const page: Page<Doc> = await get<Page<Doc>>("/documents", { ...asked, limit: BIG_PAGE, cursor });
        for (const row of page.items) all.set(row.id, row);
        cursor = page.next;
      } while (cursor !== null && all.size < MOST_CHOSEN);
      setChosen(all);
      if (cursor !== null) toast("error", `Only the first ${count(all.size)} are chosen; that is as many as can be changed together.`);
    } catch (error) {
      toast("error", reasonOf(error));
    }
  };
  const removeChosen = async (): Promise<void> => {
    if (!(await deleteDocuments([...chosen.values()]))) return;
    if (doc && chosen.has(doc)) setQuery({ doc: null });
    setChosen(new Map());
    reload();
  };
  useKeys({ Delete: () => chosen.size && void removeChosen(), Escape: () => (chosen.size ? setChosen(new Map()) : doc && setQuery({ doc: null, view: null })) });
  const enterPane = (): void => document.querySelector<HTMLElement>(".document-view [tabindex='0']")?.focus();

  const parts = partsOf(filter);
  const column = <FacetColumn filter={filter} facets={facets.data} reason={facets.reason} />;
  const scope = searchQuery(filter);
  const searched = (event: Event): void => {
    event.preventDefault();
    const words = String(new FormData(event.currentTarget as HTMLFormElement).get("words") ?? "").trim();
    void navigate(`/search?q=${encodeURIComponent([words, scope].filter(Boolean).join(" "))}`);
  };

  const body =
    list.reason && !list.rows ? (
      <Failed reason={list.reason} onRetry={reload} />
    ) : !list.rows ? (
      <Loading what="Loading documents" />
    ) : rows.length === 0 ? (
      parts.length ? (
        <Empty title="No document fits the filter.">
          <button type="button" class="button" onClick={() => setQuery(changesTo(NO_FILTER), { push: true })}>
            Clear the filter
          </button>
        </Empty>
      ) : (
        <Empty title="There are no documents yet.">
          Runs make them: start one from <a href="/definitions">Definitions</a>, or with <code>quaero run FILE</code>.
        </Empty>
      )
    ) : (
      <DocumentList rows={rows} total={total} shown={shown} chosen={new Set(chosen.keys())} onShow={show} onEnter={enterPane} onChoose={choose} onMore={list.more} />
    );

  return (
    <div class={`documents ${doc ? "has-document" : ""} ${facetsOpen ? "facets-open" : ""}`}>
      <div class="documents-head">
        <h1>Documents</h1>
        <span class="dim" role="status">
          {total === null ? "" : parts.length ? `${count(total)} of this filter` : count(total)}
        </span>
        <button type="button" class="icon-button" aria-label="Load the list again" title="Load the list again" onClick={reload}>
          <Icon name="retry" size={14} />
        </button>
        <span class="grow" />
        <form class="search-these" role="search" onSubmit={searched}>
          <input type="search" name="words" class="field" data-focus-key placeholder={scope ? "Search in these" : "Search in all"} aria-label={scope ? "Search in the documents of this filter" : "Search in all documents"} />
        </form>
      </div>
      <div class="documents-body">
        <aside class="facet-column" aria-label="Filter">
          <h2 class="unseen">Filter</h2>
          {column}
        </aside>
        <Split
          name="documents"
          label="Width of the list"
          initial={40}
          first={
            <>
              <div class="list-tools">
                <button type="button" class="button facets-toggle" aria-expanded={facetsOpen} onClick={() => setFacetsOpen(!facetsOpen)}>
                  Filter{parts.length ? ` (${parts.length})` : ""} <Icon name="down" size={12} />
                </button>
                {parts.length === 0 ? (
                  <span class="dim">Newest first</span>
                ) : (
                  <FilterParts parts={parts} />
                )}
              </div>
              {list.reason && list.rows ? <Partial onRetry={reload}>The list may not be complete: {list.reason} </Partial> : null}
              <div class="list-box">{body}</div>
              {chosen.size ? (
                <section class="bulk-bar" aria-label="Chosen documents">
                  <strong>{count(chosen.size)} chosen</strong>
                  <button type="button" class="button" onClick={() => setTagging(true)}>
                    Tags…
                  </button>
                  <button type="button" class="button danger-text" onClick={() => void removeChosen()}>
                    <Icon name="trash" size={13} /> Delete…
                  </button>
                  <span class="grow" />
                  {total !== null && chosen.size < total ? (
                    <button type="button" class="link-button" onClick={() => void chooseAll()}>
                      All {count(total)}
                    </button>
                  ) : null}
                  <button type="button" class="link-button" onClick={() => setChosen(new Map())}>
                    Clear
                  </button>
                </section>
              ) : list.loading && rows.length ? (
                <div class="list-end dim" role="status">
                  Loading more…
                </div>
              ) : null}
            </>
          }
          second={
            shown ? (
              <DocumentPane
                id={shown}
                query={query}
                documentHref={documentHref}
                onClose={() => setQuery({ doc: null, view: null, compare: null, as: null })}
                onChanged={(what) => {
                  if (what === "deleted") setQuery({ doc: null, view: null });
                  reload();
                }}
              />
            ) : (
              <Empty title="No document to show." />
            )
          }
        />
      </div>
      {tagging ? (
        <TagDialog
          documents={[...chosen.values()]}
          onClose={(changed) => {
            setTagging(false);
            if (!changed) return;
            setChosen(new Map());
            reload();
          }}
        />
      ) : null}
    </div>
  );
}

function FilterParts({ parts }: { parts: { text: string; without: Partial<DocumentFilter> }[] }) {
  return (
    <div class="chips" role="group" aria-label="The filter">
      {parts.map((part) => (
        <button key={part.text} type="button" class="chip part" title="Take away" onClick={() => setQuery(changesTo(part.without), { push: true })}>
          <span class="ellipsis">{part.text}</span>
          <Icon name="close" size={10} />
        </button>
      ))}
      <button type="button" class="link-button" onClick={() => setQuery(changesTo(NO_FILTER), { push: true })}>
        Clear
      </button>
    </div>
  );
}
