// Metadata as a table, enrichments apart, or everything as JSON.
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { absoluteTime, Time } from "../../parts/time";
import { isTable, splitMetadata, valueText, wordsOf } from "./facts";
import { TextLines } from "./lines";
import type { Doc } from "./types";

const MOST_ROWS = 200;

export function FactsView({ document }: { document: Doc }) {
  const [asJson, setAsJson] = useState(false);
  const { facts, enrichments } = splitMetadata(document.metadata, document.content_hash);
  return (
    <div class="facts-view">
      <div class="pane-tools">
        <div class="segments words" role="group" aria-label="Shape">
          <button type="button" aria-pressed={!asJson} onClick={() => setAsJson(false)}>
            Table
          </button>
          <button type="button" aria-pressed={asJson} onClick={() => setAsJson(true)}>
            JSON
          </button>
        </div>
      </div>
      {asJson ? (
        <TextLines text={JSON.stringify(document.metadata, null, 2)} label="Metadata as JSON" />
      ) : (
        <div class="facts-scroll" tabIndex={0} role="region" aria-label="Facts">
          <section>
            <h3>Facts of the source</h3>
            {facts.length ? <FactTable entries={facts} /> : <p class="dim">This document has none.</p>}
          </section>
          {enrichments.map((one) => (
            <section key={one.name}>
              <h3>
                Added by <code>{one.name}</code> {one.isOutOfDate ? <span class="stale-mark">made from an earlier state of the document</span> : null}
              </h3>
              <FactTable entries={Object.entries(one.value)} />
            </section>
          ))}
          <section>
            <h3>Document</h3>
            <dl class="fact-table">
              <Fact name="Id">
                <code>{document.id}</code>
              </Fact>
              <Fact name="Source type">{document.source_type}</Fact>
              <Fact name="Id at the source">
                <code>{document.source_id}</code>
              </Fact>
              <Fact name="Address">{document.url ? <code>{document.url}</code> : "–"}</Fact>
              <Fact name="Revision">{String(document.revision)}</Fact>
              <Fact name="Content hash">
                <code>{document.content_hash}</code>
              </Fact>
              <Fact name="First stored">
                {absoluteTime(document.created_at)}, <Time at={document.created_at} />
              </Fact>
              <Fact name="Changed">
                {absoluteTime(document.updated_at)}, <Time at={document.updated_at} />
              </Fact>
              <Fact name="Last looked at">
                {absoluteTime(document.last_synced)}, <Time at={document.last_synced} />
              </Fact>
              {document.gone_at ? (
                <Fact name="Found gone">
                  {absoluteTime(document.gone_at)}, <Time at={document.gone_at} />
                </Fact>
              ) : null}
            </dl>
          </section>
        </div>
      )}
    </div>
  );
}

function Fact({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

function FactTable({ entries }: { entries: readonly [string, unknown][] }) {
  return (
    <dl class="fact-table">
      {entries.slice(0, MOST_ROWS).map(([name, value]) => (
        <Fact key={name} name={wordsOf(name)}>
          <Value name={name} value={value} />
        </Fact>
      ))}
      {entries.length > MOST_ROWS ? <Fact name="">{`and ${entries.length - MOST_ROWS} more: see JSON`}</Fact> : null}
    </dl>
  );
}

function Value({ name, value }: { name: string; value: unknown }) {
  const text = valueText(name, value);
  if (text !== null) {
    if (Array.isArray(value) && value.length > 0) {
      return (
        <span class="value-list">
          {value.slice(0, MOST_ROWS).map((one, index) => (
            <span key={index}>{valueText("", one)}</span>
          ))}
        </span>
      );
    }
    return <>{text}</>;
  }
  if (isTable(value)) return <FactTable entries={Object.entries(value)} />;
  return (
    <ol class="value-items">
      {(value as unknown[]).slice(0, MOST_ROWS).map((one, index) => (
        <li key={index}>
          <Value name={name} value={one} />
        </li>
      ))}
    </ol>
  );
}
