// What a run or step was given: its settings, the definition behind it, and where it ran.
import { useFetch } from "../../parts/fetching";
import { Code, Pairs, Panel } from "../../parts/panel";
import { store } from "../../live";
import type { JobDetail, Looked } from "./types";

interface Revision {
  revision: number;
  hash: string;
  created_at: string;
  runs: number;
  source: string;
}

export function Inputs({ looked }: { looked: Looked }) {
  const { job, run } = looked;
  const definition = run.definition_id;
  const version = useFetch<{ version: string; schema: number }>("/version");
  const revisions = useFetch<Revision[]>(definition === null ? null : `/definitions/${encodeURIComponent(definition)}/revisions`);
  const used = run.revision ? revisions.data?.find((one) => one.revision === run.revision) : revisions.data?.length === 1 ? revisions.data[0] : undefined;
  const isRun = job.kind === "manager";
  return (
    <>
      <Panel title={isRun ? "Values of [config]" : "Parameters"} note="as they were when the run began; placeholders of secrets stay placeholders">
        {Object.keys(job.config).length ? <Code text={JSON.stringify(job.config, null, 2)} label={isRun ? "Values of [config]" : "Parameters"} /> : <p class="dim">{isRun ? "The definition has no [config], and none was given." : "It has none."}</p>}
      </Panel>
      {definition === null ? null : (
        <Panel
          title="Definition"
          note={used ? `revision ${used.revision}` : run.revision ? `revision ${run.revision}` : revisions.data ? `${revisions.data.length} revisions` : null}
          actions={
            <a class="button" href={`/definitions/${encodeURIComponent(definition)}${used ? `?revision=${used.revision}` : ""}`}>
              Open {definition}
            </a>
          }
        >
          {used ? (
            <Code text={used.source} label={`Definition ${definition}, revision ${used.revision}`} />
          ) : (
            <p class="dim">{revisions.reason ?? "A run keeps the revision it was started with. It has several: compare with another run to see which one this was."}</p>
          )}
        </Panel>
      )}
      <Panel title="Environment">
        <Pairs
          pairs={[
            ["server", version.data ? `Quaero ${version.data.version}, schema ${version.data.schema}` : "–"],
            ["processes now", store.nodes.length ? store.nodes.map((node) => `${node.host} pid ${node.pid} (${node.version})`).join(", ") : "–"],
            ["type", isRun ? null : <a href={`/workers?tab=types&type=${encodeURIComponent(job.worker_type ?? "")}`}>{job.worker_type}</a>],
          ]}
        />
      </Panel>
    </>
  );
}

export function RawJson({ job }: { job: JobDetail }) {
  return (
    <Panel
      title="As the API has it"
      actions={
        <a class="button" href={`/api/jobs/${job.id}`} target="_blank" rel="noopener">
          /api/jobs/{job.id}
        </a>
      }
    >
      <Code text={JSON.stringify(job, null, 2)} label="JSON" tall />
    </Panel>
  );
}
