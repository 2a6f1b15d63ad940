// One document: what it is, what made it, and five ways to look at it.
import { useEffect, useState } from "preact/hooks";
import { address } from "../../api/client";
import { useFetch } from "../../parts/fetching";
import { Icon } from "../../parts/icon";
import { Menu } from "../../parts/menu";
import { Empty, Failed, Loading, Partial } from "../../parts/states";
import { absoluteTime, count, Time } from "../../parts/time";
import { toast } from "../../parts/toast";
import { setQuery } from "../../router";
import { webAddress } from "../../text/links";
import { Markdown } from "../../text/markdown-view";
import { deleteDocuments } from "./commands";
import { isMarkdown } from "./facts";
import { FactsView } from "./facts-view";
import { History } from "./history";
import { LineageView } from "./lineage-view";
import { TextLines } from "./lines";
import { OriginLinks } from "./origin";
import { TagDialog } from "./tags";
import type { DocWithUses, Lineage } from "./types";

const TABS = [
  ["text", "Text"],
  ["raw", "Raw"],
  ["facts", "Facts"],
  ["history", "History"],
  ["lineage", "Lineage"],
] as const;
type Tab = (typeof TABS)[number][0];

const MOST_TAGS = 8;

interface Props {
  id: string;
  query: URLSearchParams;
  /** Where another document is shown, with this view. */
  documentHref: (id: string) => string;
  /** It stands alone, not beside the list. */
  alone?: boolean;
  onClose?: () => void;
  /** It was deleted, or its tags are others. */
  onChanged: (what: "deleted" | "tags") => void;
}

export function DocumentPane({ id, query, documentHref, alone = false, onClose, onChanged }: Props) {
  const settled = useSettled(id);
  const found = useFetch<DocWithUses>(`/documents/${encodeURIComponent(settled)}`);
  const lineage = useFetch<Lineage>(`/documents/${encodeURIComponent(settled)}/lineage`);
  const [tagging, setTagging] = useState(false);
  const document = found.data;
  const Title = alone ? "h1" : "h2";
  const back = onClose ? (
    <button type="button" class="button back" onClick={onClose}>
      <span class="turned">
        <Icon name="chevron" size={13} />
      </span>
      Documents
    </button>
  ) : null;

  if (!document || document.id !== id) {
    const isOld = settled !== id || found.loading || document !== null;
    if (!isOld && found.reason) {
      return (
        <div class="document-pane">
          {back}
          {alone ? <h1 class="failed-title">Document</h1> : null}
          <Failed reason={found.reason} onRetry={found.reload} />
        </div>
      );
    }
    if (!document) {
      return (
        <div class="document-pane">
          {back}
          <Loading what="Loading the document" />
        </div>
      );
    }
  }
  const current = lineage.data?.document_id === document.id ? lineage : { ...lineage, data: null };
  const hasRaw = isMarkdown(document.metadata);
  const tabs = TABS.filter(([name]) => name !== "raw" || hasRaw);
  const wanted = query.get("view") as Tab | null;
  const tab: Tab = tabs.some(([name]) => name === wanted) ? wanted! : "text";
  const show = (name: Tab): void => setQuery({ view: name === "text" ? null : name, compare: null, as: null });
  const web = webAddress(document.url);

  const copy = (text: string, what: string): void => {
    navigator.clipboard?.writeText(text).then(
      () => toast("done", `${what} copied.`),
      () => toast("error", "The browser does not allow copying here."),
    );
  };
  const remove = async (): Promise<void> => {
    const loss = { characters: document.content.length, usedBy: current.data?.used_by.length ?? null };
    if (await deleteDocuments([document], loss)) onChanged("deleted");
  };

  return (
    <article class={`document-pane ${document.id === id ? "" : "old"}`} aria-label={document.title} aria-busy={document.id !== id}>
      <header class="document-head">
        {back}
        <div class="document-name">
          <Title>{document.title || document.source_id}</Title>
          <div class="document-actions">
            <a class="icon-button" href={address(`/documents/${document.id}/raw`)} download={`${document.id}.md`} aria-label="Download the raw text" title="Download the raw text">
              <Icon name="download" />
            </a>
            {alone ? null : (
              <a class="icon-button" href={`/documents/${document.id}`} aria-label="Open on its own page" title="Open on its own page">
                <Icon name="open" />
              </a>
            )}
            <Menu
              label="More actions"
              entries={[
                { text: "Change tags…", icon: "check", run: () => setTagging(true) },
                { text: "Copy the id", icon: "copy", run: () => copy(document.id, "Id") },
                { text: "Copy a link", icon: "link", run: () => copy(`${location.origin}/documents/${document.id}`, "Link") },
                { text: "Delete…", icon: "trash", danger: true, run: () => void remove() },
              ]}
            />
          </div>
        </div>
        {document.gone_at ? (
          <p class="gone-note">
            <b class="gone-mark">gone</b> Its source was found to have vanished <Time at={document.gone_at} />; what was stored is kept.
          </p>
        ) : null}
        <p class="document-facts">
          <a href={`/documents?type=${encodeURIComponent(document.source_type)}`}>{document.source_type}</a>
          <span title={`first stored ${absoluteTime(document.created_at)}`}>
            rev. {document.revision}, changed <Time at={document.updated_at} />
          </span>
          <span title="When a job last looked at the source, changed or not">
            checked <Time at={document.last_synced} />
          </span>
          <span>{count(document.content.length)} characters</span>
        </p>
        <p class="document-facts">
          {web ? (
            <a href={web.href} target="_blank" rel="noopener noreferrer nofollow" class="ellipsis" title={web.href}>
              {web.host} <Icon name="open" size={11} />
            </a>
          ) : (
            <span class="ellipsis mono" title={document.source_id}>
              {document.source_id}
            </span>
          )}
          {current.data ? (
            <span class="made">
              made by <OriginLinks origin={current.data} />
            </span>
          ) : null}
          {current.data?.used_by.length ? (
            <button type="button" class="link-button" onClick={() => setQuery({ view: "lineage", as: "list" })}>
              used by {count(current.data.used_by.length)}
            </button>
          ) : null}
        </p>
        <Tags tags={document.tags} />
      </header>
      <div
        class="tabs"
        role="tablist"
        aria-label="Views of the document"
        onKeyDown={(event) => {
          const at = tabs.findIndex(([name]) => name === tab);
          const next = event.key === "ArrowRight" ? at + 1 : event.key === "ArrowLeft" ? at - 1 : event.key === "Home" ? 0 : event.key === "End" ? tabs.length - 1 : null;
          if (next === null) return;
          event.preventDefault();
          const [name] = tabs[(next + tabs.length) % tabs.length]!;
          show(name);
          (event.currentTarget.querySelector(`[data-tab=${name}]`) as HTMLElement).focus();
        }}
      >
        {tabs.map(([name, text]) => (
          <button key={name} type="button" role="tab" data-tab={name} id={`tab-${name}`} aria-selected={tab === name} aria-controls="document-view" tabIndex={tab === name ? 0 : -1} onClick={() => show(name)}>
            {text}
            {name === "history" && document.revision > 1 ? <span class="chip-count">{document.revision}</span> : null}
          </button>
        ))}
      </div>
      {found.reason ? <Partial onRetry={found.reload}>This may be out of date: {found.reason}</Partial> : null}
      <div class="document-view" id="document-view" role="tabpanel" aria-labelledby={`tab-${tab}`} key={`${document.id} ${tab}`}>
        {tab === "text" ? <TextView document={document} hasRaw={hasRaw} onRaw={() => show("raw")} topLevel={alone ? 2 : 3} /> : null}
        {tab === "raw" ? <TextLines text={document.content} label="Raw text" /> : null}
        {tab === "facts" ? <FactsView document={document} /> : null}
        {tab === "history" ? <History document={document} lineage={current.data} query={query} /> : null}
        {tab === "lineage" ? <LineageView lineage={current} query={query} documentHref={documentHref} /> : null}
      </div>
      {tagging ? (
        <TagDialog
          documents={[document]}
          onClose={(changed) => {
            setTagging(false);
            if (!changed) return;
            found.reload();
            onChanged("tags");
          }}
        />
      ) : null}
    </article>
  );
}

function TextView({ document, hasRaw, onRaw, topLevel }: { document: DocWithUses; hasRaw: boolean; onRaw: () => void; topLevel: number }) {
  if (document.content.trim() === "") return <Empty title="This document has no text.">What is known of it is under Facts.</Empty>;
  if (!hasRaw) return <TextLines text={document.content} label="Text" />;
  return (
    <div class="reading" tabIndex={0} role="region" aria-label="Text">
      <Markdown text={document.content} base={webAddress(document.url)?.href ?? null} topLevel={topLevel} onRaw={onRaw} />
    </div>
  );
}

function Tags({ tags }: { tags: readonly string[] }) {
  const [all, setAll] = useState(false);
  const own = tags.filter((tag) => !tag.startsWith("source_type:"));
  if (own.length === 0) return null;
  const shown = all ? own : own.slice(0, MOST_TAGS);
  return (
    <ul class="tag-row" aria-label="Tags">
      {shown.map((tag) => (
        <li key={tag}>
          <a class="chip" href={`/documents?tag=${encodeURIComponent(tag.replace(/[\\,]/g, "\\$&"))}`} title={`Documents with the tag ${tag}`}>
            {tag}
          </a>
        </li>
      ))}
      {own.length > MOST_TAGS ? (
        <li>
          <button type="button" class="link-button" onClick={() => setAll(!all)}>
            {all ? "Fewer" : `${own.length - MOST_TAGS} more`}
          </button>
        </li>
      ) : null}
    </ul>
  );
}

const PAUSE_MS = 90;

/** The id when it has stayed the same for a moment: going down the list fetches where one stops. */
function useSettled(id: string): string {
  const [settled, setSettled] = useState(id);
  useEffect(() => {
    if (settled === id) return;
    const timer = setTimeout(() => setSettled(id), PAUSE_MS);
    return () => clearTimeout(timer);
  }, [id, settled]);
  return settled;
}
