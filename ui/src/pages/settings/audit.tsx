// The audit log: every request that would change something, the newest first.
import { usePages } from "../../parts/fetching";
import { Panel } from "../../parts/panel";
import { type Column, DataTable } from "../../parts/table";
import { clockTime, count, Time } from "../../parts/time";
import { setQuery } from "../../router";
import type { AuditEntry } from "./types";
import { actorText, isBad, outcomeText } from "./words";

export function Audit({ query }: { query: URLSearchParams }) {
  const pages = usePages<AuditEntry>("/audit", { limit: 100 });
  const text = (query.get("find") ?? "").toLowerCase();
  const onlyBad = query.get("refused") === "yes";
  const rows = pages.rows?.filter((one) => (!onlyBad || isBad(one)) && `${one.actor} ${one.address} ${one.action} ${one.target} ${one.outcome} ${JSON.stringify(one.detail)}`.toLowerCase().includes(text)) ?? null;
  const columns: Column<AuditEntry>[] = [
    { name: "at", head: "When", cell: (one) => <span class="nowrap"><Time at={one.at} /> <span class="dim">{clockTime(one.at)}</span></span> },
    { name: "actor", head: "Who", cell: (one) => <span title={actorText(one.actor)}>{one.actor || "nobody known"}</span> },
    { name: "address", head: "From", minor: true, cell: (one) => <span class="mono">{one.address || "–"}</span> },
    { name: "target", head: "What", cell: (one) => <span class="mono setting-value" title={one.action}>{one.action.split(" ")[0]} {one.target}</span> },
    { name: "outcome", head: "Outcome", cell: (one) => <span class={isBad(one) ? "refused" : ""} title={one.outcome}>{outcomeText(one)}</span> },
    { name: "detail", head: "Details", minor: true, cell: (one) => <Detail detail={one.detail} /> },
  ];
  return (
    <>
      <div class="settings-tools">
        <input type="search" class="field" data-focus-key placeholder="Find in the entries shown" aria-label="Find in the entries shown" value={query.get("find") ?? ""} onInput={(event) => setQuery({ find: event.currentTarget.value })} />
        <label class="check">
          <input type="checkbox" checked={onlyBad} onChange={(event) => setQuery({ refused: event.currentTarget.checked ? "yes" : null })} /> only refused or failed
        </label>
        <button type="button" class="button" onClick={pages.reload}>
          Look again
        </button>
      </div>
      <Panel title="Audit log" note={rows && pages.rows ? (rows.length === pages.rows.length ? `${count(rows.length)} shown` : `${count(rows.length)} of ${count(pages.rows.length)} shown`) : null} flush>
        <DataTable label="entries" columns={columns} rows={rows} keyOf={(one) => one.id} reason={pages.reason} onRetry={pages.reload} onMore={pages.more} />
      </Panel>
    </>
  );
}

function Detail({ detail }: { detail: Record<string, unknown> }) {
  const { location: place, ...rest } = detail;
  const run = typeof place === "string" ? /^\/api\/runs\/(\d+)$/.exec(place)?.[1] : undefined;
  if (run && Object.keys(rest).length === 0) return <a href={`/runs/${run}`}>run #{run}</a>;
  const text = Object.entries(detail)
    .map(([name, value]) => `${name}: ${typeof value === "string" ? value : JSON.stringify(value)}`)
    .join(", ");
  return <span class="dim setting-value">{text || "–"}</span>;
}
