// Lineage: as a graph, or the same as a list; and the steps that have the document.
import type { ComponentType } from "preact";
import { useEffect, useState } from "preact/hooks";
import type { Fetched } from "../../parts/fetching";
import { Failed, Loading, Partial } from "../../parts/states";
import { count, Time } from "../../parts/time";
import { setQuery } from "../../router";
import type { GraphProps } from "./lineage-graph";
import { OriginLinks } from "./origin";
import type { Lineage, LineageNode, Use } from "./types";

interface Props {
  lineage: Fetched<Lineage>;
  query: URLSearchParams;
  documentHref: (id: string) => string;
}

export function LineageView({ lineage, query, documentHref }: Props) {
  const { data, reason, reload } = lineage;
  if (reason && !data) return <Failed reason={reason} onRetry={reload} />;
  if (!data) return <Loading what="Loading the lineage" />;
  const asList = query.get("as") === "list";
  const stale = staleIn(data.derived_from);
  return (
    <div class="lineage">
      <div class="pane-tools">
        <div class="segments words" role="group" aria-label="Shape">
          <button type="button" aria-pressed={!asList} onClick={() => setQuery({ as: null })}>
            Graph
          </button>
          <button type="button" aria-pressed={asList} onClick={() => setQuery({ as: "list" })}>
            List
          </button>
        </div>
        <span class="dim">
          {data.derived_from.length ? `made from ${count(data.derived_from.length)}` : "made from no other document"}
          {data.used_by.length ? `, used by ${count(data.used_by.length)}` : ""}
        </span>
        {stale ? <span class="stale-mark">{stale === 1 ? "a source has changed since" : `${count(stale)} sources have changed since`}</span> : null}
      </div>
      {asList ? <LineageList lineage={data} documentHref={documentHref} /> : <LazyGraph lineage={data} documentHref={documentHref} />}
    </div>
  );
}

function staleIn(nodes: readonly LineageNode[]): number {
  return nodes.reduce((sum, node) => sum + (node.stale ? 1 : 0) + staleIn(node.derived_from), 0);
}

function LazyGraph(props: GraphProps) {
  const [graph, setGraph] = useState<{ View: ComponentType<GraphProps> } | null>(null);
  const [failed, setFailed] = useState(false);
  useEffect(() => {
    import("./lineage-graph").then(
      (loaded) => setGraph({ View: loaded.LineageGraphView }),
      () => setFailed(true),
    );
  }, []);
  if (failed) return <Partial>The graph could not be loaded; the list shows the same.</Partial>;
  return graph ? <graph.View {...props} /> : <Loading />;
}

function LineageList({ lineage, documentHref }: GraphProps) {
  return (
    <div class="lineage-list" tabIndex={0} role="region" aria-label="Lineage as a list">
      <section>
        <h3>Why it is there</h3>
        <ul class="lineage-tree">
          <NodeItem node={lineage} documentHref={documentHref} depth={0} />
        </ul>
      </section>
      <section>
        <h3>Used by</h3>
        {lineage.used_by.length ? (
          <ul class="lineage-tree">
            {lineage.used_by.map((node) => (
              <NodeItem key={node.document_id} node={node} documentHref={documentHref} depth={1} staleText="made from an earlier state of this document" />
            ))}
          </ul>
        ) : (
          <p class="dim">No document was made from this one.</p>
        )}
      </section>
      <section>
        <h3>Runs that have it</h3>
        {lineage.runs.length ? <Uses uses={lineage.runs} /> : <p class="dim">No run that is still stored.</p>}
      </section>
    </div>
  );
}

const OPEN_DEPTH = 2;

function NodeItem({ node, documentHref, depth, staleText = "has changed since" }: { node: LineageNode; documentHref: (id: string) => string; depth: number; staleText?: string }) {
  const [open, setOpen] = useState(depth < OPEN_DEPTH);
  return (
    <li>
      <div class="lineage-line">
        {depth === 0 ? <strong>{node.title}</strong> : <a href={documentHref(node.document_id)}>{node.title}</a>}
        <span class="dim">
          {node.source_type}, rev. {node.revision}
        </span>
        {node.stale ? <span class="stale-mark">{staleText}</span> : null}
        <span class="made">
          made <Time at={node.made_at} /> by <OriginLinks origin={node} />
        </span>
      </div>
      {node.derived_from.length ? (
        <>
          <button type="button" class="link-button" aria-expanded={open} onClick={() => setOpen(!open)}>
            {open ? "from" : `from ${count(node.derived_from.length)} documents…`}
          </button>
          {open ? (
            <ul>
              {node.derived_from.map((source) => (
                <NodeItem key={source.document_id} node={source} documentHref={documentHref} depth={depth + 1} />
              ))}
            </ul>
          ) : null}
        </>
      ) : null}
    </li>
  );
}

export function Uses({ uses }: { uses: readonly Use[] }) {
  const byRun = new Map<number, Use[]>();
  for (const use of uses) byRun.set(use.manager_id, [...(byRun.get(use.manager_id) ?? []), use]);
  return (
    <ul class="uses">
      {[...byRun].map(([run, steps]) => (
        <li key={run}>
          <a href={`/runs/${run}`}>run #{run}</a>
          {steps.map((use) => (
            <span key={use.step_id}>
              <a href={`/?run=${run}&step=${encodeURIComponent(use.step_name)}`}>{use.step_name}</a> <span class="dim">{use.how}</span>
            </span>
          ))}
        </li>
      ))}
    </ul>
  );
}
