// The settings in force, and where each comes from.
import { useFetch } from "../../parts/fetching";
import { Panel } from "../../parts/panel";
import { Empty, Failed, Loading } from "../../parts/states";
import { type Column, DataTable } from "../../parts/table";
import { setQuery } from "../../router";
import type { Setting } from "./types";
import { groupsOf, isFound, valueText } from "./words";

const COLUMNS: Column<Setting>[] = [
  {
    name: "name",
    head: "Setting",
    cell: (one) => (
      <>
        <code>{one.name}</code>
        <span class="setting-text dim">{one.description}</span>
      </>
    ),
  },
  { name: "value", head: "Value", cell: (one) => <span class="mono setting-value">{valueText(one.value)}</span> },
  { name: "origin", head: "From", cell: (one) => <span class={one.origin === "default" ? "dim nowrap" : "origin"}>{one.origin}</span> },
];

export function Effective({ query }: { query: URLSearchParams }) {
  const { data, reason, reload } = useFetch<{ items: Setting[] }>("/config");
  const text = query.get("find") ?? "";
  const changed = query.get("changed") === "yes";
  if (!data) return reason ? <Failed reason={reason} onRetry={reload} /> : <Loading />;
  const groups = groupsOf(data.items.filter((one) => isFound(one, text) && (!changed || one.origin !== "default")));
  return (
    <>
      <div class="settings-tools">
        <input type="search" class="field" data-focus-key placeholder="Find a setting" aria-label="Find a setting" value={text} onInput={(event) => setQuery({ find: event.currentTarget.value })} />
        <label class="check">
          <input type="checkbox" checked={changed} onChange={(event) => setQuery({ changed: event.currentTarget.checked ? "yes" : null })} /> only what is not a default
        </label>
        <span class="dim">They are set in the settings file or by the environment, and read when the server starts.</span>
      </div>
      {groups.length ? null : <Empty title="No setting fits." />}
      {groups.map((group) => (
        <Panel key={group.name} title={group.name} flush>
          <div class="settings-table">
            <DataTable label={`settings: ${group.name}`} columns={COLUMNS} rows={group.settings} keyOf={(one) => one.name} />
          </div>
        </Panel>
      ))}
    </>
  );
}
