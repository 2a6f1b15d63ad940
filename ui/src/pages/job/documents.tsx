// Documents that a run or step made, took over or enriched.
import { usePages } from "../../parts/fetching";
import { Panel } from "../../parts/panel";
import { type Column, DataTable } from "../../parts/table";
import { count, Time } from "../../parts/time";
import { useFresh } from "./data";
import type { DocumentRow, Looked } from "./types";

const COLUMNS: Column<DocumentRow>[] = [
  { name: "title", head: "Document", cell: (one) => <a href={`/documents/${encodeURIComponent(one.id)}`}>{one.title || one.source_id}</a> },
  { name: "type", head: "Source", cell: (one) => <span class="nowrap">{one.source_type}</span> },
  { name: "source", head: "Identifier", minor: true, cell: (one) => <span class="mono one-line" title={one.source_id}>{one.source_id}</span> },
  { name: "revision", head: "Revision", numeric: true, minor: true, cell: (one) => count(one.revision) },
  { name: "updated", head: "Updated", cell: (one) => <span class="nowrap"><Time at={one.updated_at} /></span> },
];

export function Documents({ looked }: { looked: Looked }) {
  const { job, row } = looked;
  const query = job.kind === "manager" ? { run: job.id } : { run: job.manager_id, step: job.step_name ?? job.name };
  const ids = job.kind === "worker" && Array.isArray(job.result.document_ids) ? (job.result.document_ids as string[]) : null;
  const pages = usePages<DocumentRow>(ids ? null : "/documents", { ...query, limit: 100 });
  useFresh(`${(pages.rows?.length ?? 0) <= 100 ? row.documents : ""} ${row.status}`, pages.reload, 3000);
  if (ids) {
    return (
      <Panel title="Documents" note={count(ids.length)}>
        <ul class="id-list">
          {ids.map((id) => (
            <li key={id}>
              <a href={`/documents/${encodeURIComponent(id)}`}>{id}</a>
            </li>
          ))}
        </ul>
      </Panel>
    );
  }
  return (
    <Panel
      title="Documents"
      note={row.documents ? `${count(row.documents)} made or taken over` : null}
      flush
      actions={
        <a class="button" href={`/documents?run=${job.manager_id}${job.kind === "manager" ? "" : `&step=${encodeURIComponent(job.step_name ?? job.name)}`}`}>
          In documents
        </a>
      }
    >
      <DataTable label="documents" columns={COLUMNS} rows={pages.rows} keyOf={(one) => one.id} reason={pages.reason} onRetry={pages.reload} onMore={pages.more} empty={row.status === "running" ? "None so far." : null} />
    </Panel>
  );
}
