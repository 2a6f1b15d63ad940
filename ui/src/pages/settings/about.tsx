// What this installation is.
import { connection, store, useLive } from "../../live";
import { useFetch } from "../../parts/fetching";
import { Pairs, Panel } from "../../parts/panel";
import { Failed } from "../../parts/states";

/** What the page itself is made of; the server's parts are listed with the package. */
const PARTS: readonly { name: string; use: string; licence: string }[] = [
  { name: "Preact", use: "the page", licence: "MIT" },
  { name: "CodeMirror, Lezer", use: "the editor of definitions", licence: "MIT" },
];

export function About() {
  useLive();
  const { data, reason, reload } = useFetch<{ version: string; schema: number }>("/version");
  return (
    <>
      <Panel title="Quaero">
        {reason && !data ? (
          <Failed reason={reason} onRetry={reload} />
        ) : (
          <Pairs
            pairs={[
              ["version", data?.version ?? "…"],
              ["schema of the database", data ? String(data.schema) : "…"],
              ["live protocol", "1"],
              ["page", __BUNDLE__ ? <span class="mono">{__BUNDLE__.slice(0, 12)}</span> : "in development"],
              ["server of the connection", store.serverVersion || "–"],
              ["up to date", connection.needsReload ? "no: reload the page" : "yes, with the server"],
            ]}
          />
        )}
        <p class="settings-hint">
          <a href="/openapi.json" target="_blank" rel="noopener">
            The API as OpenAPI
          </a>
        </p>
      </Panel>
      <Panel title="Licences">
        <ul class="licences">
          {PARTS.map((part) => (
            <li key={part.name}>
              <strong>{part.name}</strong> <span class="dim">{part.use},</span> {part.licence}
            </li>
          ))}
        </ul>
        <p class="dim settings-hint">Quaero's own licence and those of the parts of the server come with the installed package.</p>
      </Panel>
    </>
  );
}
