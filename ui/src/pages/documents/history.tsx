// The revisions of a document, and what changed between any two.
import { useMemo, useState } from "preact/hooks";
import { useFetch } from "../../parts/fetching";
import { Empty, Failed, Loading } from "../../parts/states";
import { count, Time } from "../../parts/time";
import { setQuery } from "../../router";
import { changesIn, type DiffLine, diffLines, folded } from "../../text/diff";
import { OriginLinks } from "./origin";
import type { Doc, Lineage, Revision } from "./types";

interface State {
  revision: number;
  title: string;
  content: string;
  metadata: Record<string, unknown>;
  madeAt: string;
  origin: Revision | Lineage | null;
}

interface Props {
  document: Doc;
  lineage: Lineage | null;
  query: URLSearchParams;
}

export function History({ document, lineage, query }: Props) {
  const { data, reason, reload } = useFetch<Revision[]>(`/documents/${document.id}/revisions`);
  const states = useMemo<State[]>(
    () => [
      { revision: document.revision, title: document.title, content: document.content, metadata: document.metadata, madeAt: document.updated_at, origin: lineage },
      ...(data ?? []).map((one) => ({ revision: one.revision, title: one.title, content: one.content, metadata: one.metadata, madeAt: one.made_at, origin: one })),
    ],
    [document, lineage, data],
  );
  if (reason && !data) return <Failed reason={reason} onRetry={reload} />;
  if (!data) return <Loading what="Loading the revisions" />;
  const [from, to] = chosenPair(query.get("compare"), states);
  const choose = (side: "from" | "to", revision: number): void => {
    const other = side === "from" ? (to?.revision ?? states[0]!.revision) : (from?.revision ?? states[0]!.revision);
    setQuery({ compare: side === "from" ? `${revision}-${other}` : `${other}-${revision}` });
  };
  const oldest = states.at(-1)!.revision;
  return (
    <div class="history" tabIndex={0} role="region" aria-label="Revisions">
      <div class="table-box">
        <table class="table revisions" aria-label="Revisions">
          <thead>
            <tr>
              <th scope="col">Revision</th>
              {states.length > 1 ? (
                <>
                  <th scope="col">From</th>
                  <th scope="col">To</th>
                </>
              ) : null}
              <th scope="col">Made</th>
              <th scope="col">By</th>
              <th scope="col" class="numeric minor">
                Characters
              </th>
            </tr>
          </thead>
          <tbody>
            {states.map((state, index) => (
              <tr key={state.revision}>
                <td class="nowrap">
                  {state.revision} {index === 0 ? <span class="dim">now</span> : null}
                </td>
                {states.length > 1
                  ? (["from", "to"] as const).map((side) => (
                      <td key={side}>
                        <input type="radio" name={`compare-${side}`} aria-label={`Compare ${side} revision ${state.revision}`} checked={(side === "from" ? from : to)?.revision === state.revision} onChange={() => choose(side, state.revision)} />
                      </td>
                    ))
                  : null}
                <td class="nowrap">
                  <Time at={state.madeAt} />
                </td>
                <td>{state.origin ? <OriginLinks origin={state.origin} /> : <span class="dim">…</span>}</td>
                <td class="numeric minor">{count(state.content.length)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {oldest > 1 ? <p class="dim history-note">Revisions before {oldest} are not kept.</p> : null}
      {states.length === 1 ? <Empty title="There is one revision only.">When title, content or facts change, what changed is shown here.</Empty> : null}
      {from && to ? <Comparison key={`${from.revision}-${to.revision}`} from={from} to={to} /> : null}
    </div>
  );
}

function chosenPair(text: string | null, states: readonly State[]): [State | null, State | null] {
  if (states.length < 2) return [null, null];
  const [from, to] = (text ?? "").split("-").map((part) => states.find((state) => state.revision === Number(part)));
  return [from ?? states[1]!, to ?? states[0]!];
}

function Comparison({ from, to }: { from: State; to: State }) {
  const text = useMemo(() => diffLines(from.content, to.content), [from, to]);
  const facts = useMemo(() => diffLines(factsText(from), factsText(to)), [from, to]);
  if (from.revision === to.revision) return <Empty title="The same revision on both sides.">Choose two different ones.</Empty>;
  const isText = changesIn(text).added + changesIn(text).removed > 0;
  const isFacts = changesIn(facts).added + changesIn(facts).removed > 0;
  return (
    <section class="comparison" aria-label={`From revision ${from.revision} to ${to.revision}`}>
      {isFacts ? <Difference title="Title and facts" lines={facts} /> : null}
      {isText ? <Difference title="Text" lines={text} /> : <p class="dim history-note">The text is the same in revisions {from.revision} and {to.revision}.</p>}
    </section>
  );
}

/** Enrichments and times of files are no part of a revision. */
function factsText(state: State): string {
  const own = Object.entries(state.metadata).filter(([name, value]) => !name.endsWith("_mtime_ns") && !(value && typeof value === "object" && "content_hash" in value));
  own.sort(([a], [b]) => a.localeCompare(b));
  return [`title: ${state.title}`, ...own.map(([name, value]) => `${name}: ${JSON.stringify(value)}`)].join("\n");
}

const SIGNS = { same: " ", added: "+", removed: "−" } as const;
const WORDS = { same: "", added: "added", removed: "removed" } as const;
const MOST_SHOWN = 3000;

function Difference({ title, lines }: { title: string; lines: DiffLine[] }) {
  const [opened, setOpened] = useState<ReadonlySet<number>>(new Set());
  const [all, setAll] = useState(false);
  const { added, removed } = changesIn(lines);
  const rows = useMemo(() => folded(lines), [lines]);
  const shown = all ? rows : rows.slice(0, MOST_SHOWN);
  return (
    <section class="difference">
      <h3>
        {title} <span class="c-added">+{count(added)}</span> <span class="c-removed">−{count(removed)}</span>
      </h3>
      <div class="diff">
        {shown.map((row, index) => {
          if (row.kind !== "fold") return <DiffRow key={index} line={row} />;
          if (opened.has(index)) return row.lines.map((line) => <DiffRow key={`${index} ${line.after}`} line={line} />);
          return (
            <button key={index} type="button" class="diff-fold" onClick={() => setOpened(new Set([...opened, index]))}>
              {count(row.lines.length)} {row.lines.length === 1 ? "line" : "lines"} without a change
            </button>
          );
        })}
        {shown.length < rows.length ? (
          <button type="button" class="diff-fold" onClick={() => setAll(true)}>
            Show {count(rows.length - shown.length)} more
          </button>
        ) : null}
      </div>
    </section>
  );
}

function DiffRow({ line }: { line: DiffLine }) {
  return (
    <div class={`diff-row ${line.kind}`}>
      <span class="line-number">{line.before ?? ""}</span>
      <span class="line-number">{line.after ?? ""}</span>
      <span class="diff-sign" aria-label={WORDS[line.kind] || undefined} role={WORDS[line.kind] ? "img" : undefined}>
        {SIGNS[line.kind]}
      </span>
      <span class="line-text">{line.text}</span>
    </div>
  );
}
