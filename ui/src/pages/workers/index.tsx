// Who executes jobs, what kinds of steps there are, and the limits that hold them back.
import type { Page } from "../../api/types";
import { useFetch } from "../../parts/fetching";
import { Code, Pairs, Panel, Tabs } from "../../parts/panel";
import { Empty, Failed, Loading, Partial } from "../../parts/states";
import { type Column, DataTable } from "../../parts/table";
import { count, durationText, Time, useNow } from "../../parts/time";
import { setQuery } from "../../router";
import type { PageProps } from "../../router";
import { useFresh } from "../job/data";
import { leaseLeft, type LimitView, rateText, tokensNow, untilToken } from "./limits";
import "./workers.css";

interface NodeView {
  id: number;
  host: string;
  pid: number;
  version: string;
  protocol: number;
  slots: number;
  capabilities: string[];
  key_version: string;
  since: string;
  seen: string;
  age_s: number;
  alive: boolean;
  draining: boolean;
  leader: boolean;
}

interface Parameter {
  name: string;
  aliases: string[];
  type: string;
  required: boolean;
  default: unknown;
  description: string;
}

interface WorkerType {
  type: string;
  description: string;
  job_type: string;
  documents: string[];
  parameters: Parameter[];
  example: string;
  schema: Record<string, unknown>;
}

interface Setting {
  name: string;
  value: unknown;
}

const ANEW_MS = 3000;

export default function Workers({ query }: PageProps) {
  const tabs = [
    { name: "processes", text: "Processes", href: "/workers" },
    { name: "limits", text: "Limits", href: "/workers?tab=limits" },
    { name: "types", text: "Worker types", href: "/workers?tab=types" },
  ];
  const current = tabs.find((tab) => tab.name === query.get("tab"))?.name ?? "processes";
  return (
    <div class="page">
      <div class="page-head">
        <h1>Workers & limits</h1>
      </div>
      <Tabs label="Workers and limits" tabs={tabs} current={current} />
      {current === "processes" ? <Nodes /> : current === "limits" ? <LimitsView /> : <Types query={query} />}
    </div>
  );
}

function Nodes() {
  const now = useNow();
  const { data, reason, reload } = useFetch<Page<NodeView>>("/nodes");
  const settings = useFetch<{ items: Setting[] }>("/config");
  useFresh(String(Math.floor(now / ANEW_MS)), reload, ANEW_MS);
  const lease = settings.data?.items.find((one) => one.name === "engine.lease_seconds")?.value;
  if (!data) return <Panel title="Processes">{reason ? <Failed reason={reason} onRetry={reload} /> : <Loading />}</Panel>;
  const executing = data.items.filter((node) => node.alive && node.slots > 0);
  const slots = executing.reduce((sum, node) => sum + node.slots, 0);
  const columns: Column<NodeView>[] = [
    { name: "process", head: "Process", cell: (node) => <span class="mono">{node.id}</span> },
    { name: "host", head: "Host", cell: (node) => <span class="nowrap">{node.host} <span class="dim">pid {node.pid}</span></span> },
    { name: "state", head: "State", cell: (node) => <NodeState node={node} /> },
    { name: "slots", head: "Slots", numeric: true, cell: (node) => (node.slots ? count(node.slots) : <span class="dim" title="It executes nothing">0</span>) },
    { name: "seen", head: "Last sign of life", cell: (node) => <Lease node={node} lease={typeof lease === "number" ? lease : null} now={now} /> },
    { name: "capabilities", head: "Can also", minor: true, cell: (node) => (node.capabilities.length ? node.capabilities.join(", ") : <span class="dim">–</span>) },
    { name: "version", head: "Version", minor: true, cell: (node) => <span title={`protocol ${node.protocol}, keys ${node.key_version}`}>{node.version}</span> },
    { name: "since", head: "Since", minor: true, cell: (node) => <span class="nowrap"><Time at={node.since} /></span> },
  ];
  const versions = new Set(data.items.filter((node) => node.alive).map((node) => node.version));
  const keys = new Set(data.items.filter((node) => node.alive && node.slots > 0).map((node) => node.key_version));
  return (
    <>
      {reason ? <Partial onRetry={reload}>Not up to date: {reason} </Partial> : null}
      {versions.size > 1 ? <Partial>Processes of {versions.size} versions work together: {[...versions].join(", ")}.</Partial> : null}
      {keys.size > 1 ? <Partial>Not all processes have the same key for secrets.</Partial> : null}
      <Panel title="Processes" note={executing.length ? `${count(executing.length)} ${executing.length === 1 ? "executes" : "execute"} jobs, ${count(slots)} slots in all` : "nobody executes jobs"} flush>
        <DataTable
          label="processes"
          columns={columns}
          rows={data.items}
          keyOf={(node) => node.id}
          empty={
            <>
              Start one with <code>quaero worker</code>.
            </>
          }
        />
      </Panel>
    </>
  );
}

function NodeState({ node }: { node: NodeView }) {
  const word = !node.alive ? "silent" : node.draining ? "draining" : "alive";
  return (
    <span class="node-state">
      <i class={`dot ${word}`} aria-hidden="true" />
      {word}
      {node.leader ? <span class="flag-word" title="It makes the schedules fire, recounts and cleans up">leader</span> : null}
    </span>
  );
}

function Lease({ node, lease, now }: { node: NodeView; lease: number | null; now: number }) {
  const left = lease === null ? null : leaseLeft(node.seen, lease, now);
  return (
    <span class="lease">
      <Time at={node.seen} />
      {left === null || lease === null || !node.alive ? null : (
        <>
          <span class="lease-bar" aria-hidden="true">
            <i style={{ width: `${Math.min(100, (left / lease / 1000) * 100)}%` }} class={left < lease * 300 ? "low" : ""} />
          </span>
          <span class="dim nowrap" title="Without a sign of life until then, its jobs are given to others">
            {Math.ceil(left / 1000)} s left
          </span>
        </>
      )}
    </span>
  );
}

function LimitsView() {
  const now = useNow();
  const { data, reason, reload } = useFetch<Page<LimitView>>("/limits");
  useFresh(String(Math.floor(now / ANEW_MS)), reload, ANEW_MS);
  const columns: Column<LimitView>[] = [
    { name: "type", head: "Worker type", cell: ({ limiter }) => <a href={`/workers?tab=types&type=${encodeURIComponent(limiter.worker_type)}`}>{limiter.worker_type}</a> },
    { name: "key", head: "Key", cell: ({ limiter }) => (limiter.key ? <code>{limiter.key}</code> : <span class="dim">all of it</span>) },
    {
      name: "use",
      head: "In use",
      cell: ({ limiter, limits }) => (
        <span class="use">
          <span class="nowrap">
            {count(limiter.in_use)}
            {limits?.concurrency ? <span class="dim"> of {count(limits.concurrency)}</span> : null}
          </span>
          {limits?.concurrency ? (
            <span class="lease-bar" aria-hidden="true">
              <i class={limiter.in_use >= limits.concurrency ? "low" : ""} style={{ width: `${Math.min(100, (100 * limiter.in_use) / limits.concurrency)}%` }} />
            </span>
          ) : null}
        </span>
      ),
    },
    { name: "tokens", head: "Tokens", cell: (view) => <Tokens view={view} now={now} /> },
    { name: "rate", head: "Rate", minor: true, cell: ({ limits }) => (limits?.rate ? rateText(limits.rate) : <span class="dim">–</span>) },
    { name: "from", head: "Limit from", minor: true, cell: ({ limits }) => (limits ? "this installation's settings" : <span class="dim">the steps' own definitions</span>) },
  ];
  return (
    <Panel title="Limits" note="shared by all runs and processes; steps may set narrower ones" flush>
      {data && reason ? <Partial onRetry={reload}>Not up to date: {reason} </Partial> : null}
      <DataTable
        label="limits"
        columns={columns}
        rows={data?.items ?? null}
        keyOf={({ limiter }) => `${limiter.worker_type} ${limiter.key}`}
        reason={reason}
        onRetry={reload}
        empty="A limit shows up here when a step with one has run. Steps set them under [step.NAME.limits], the installation in its settings."
      />
    </Panel>
  );
}

function Tokens({ view, now }: { view: LimitView; now: number }) {
  const tokens = tokensNow(view, now);
  if (tokens === null) return <span class="dim">–</span>;
  const wait = untilToken(view, now);
  const most = view.limits?.rate?.count;
  return (
    <span class="use">
      <span class="nowrap">
        {tokens >= 10 ? count(Math.floor(tokens)) : tokens.toFixed(1)}
        {most ? <span class="dim"> of {count(most)}</span> : null}
      </span>
      {wait ? <span class="dim nowrap">next in {durationText(wait)}</span> : null}
    </span>
  );
}

function Types({ query }: { query: URLSearchParams }) {
  const { data, reason, reload } = useFetch<Page<WorkerType>>("/workers");
  if (!data) return reason ? <Failed reason={reason} onRetry={reload} /> : <Loading />;
  if (!data.items.length) return <Empty title="No worker types." />;
  const text = (query.get("find") ?? "").toLowerCase();
  const shown = data.items.filter((one) => `${one.type} ${one.description} ${one.documents.join(" ")}`.toLowerCase().includes(text));
  const chosen = data.items.find((one) => one.type === query.get("type")) ?? shown[0] ?? null;
  return (
    <div class="types">
      <nav class="panel type-list" aria-label="Worker types">
        <input type="search" class="field" data-focus-key placeholder="Find a type" aria-label="Find a worker type" value={query.get("find") ?? ""} onInput={(event) => setQuery({ find: event.currentTarget.value })} />
        <ul>
          {shown.map((one) => (
            <li key={one.type}>
              <a href={`/workers?tab=types&type=${encodeURIComponent(one.type)}${text ? `&find=${encodeURIComponent(text)}` : ""}`} aria-current={one.type === chosen?.type ? "true" : undefined}>
                <strong>{one.type}</strong>
                <span class="dim ellipsis">{one.description}</span>
              </a>
            </li>
          ))}
        </ul>
        {shown.length ? null : <p class="dim none">No type fits.</p>}
      </nav>
      {chosen ? <TypeView key={chosen.type} worker={chosen} /> : null}
    </div>
  );
}

function TypeView({ worker }: { worker: WorkerType }) {
  const columns: Column<Parameter>[] = [
    {
      name: "name",
      head: "Parameter",
      cell: (one) => (
        <>
          <code>{one.name}</code>
          {one.aliases.length ? <span class="dim"> or {one.aliases.join(", ")}</span> : null}
        </>
      ),
    },
    { name: "type", head: "Type", cell: (one) => one.type },
    { name: "default", head: "Default", cell: (one) => (one.required ? <strong>required</strong> : one.default === null ? <span class="dim">none</span> : <code>{JSON.stringify(one.default)}</code>) },
    { name: "description", head: "Meaning", minor: true, cell: (one) => (one.description ? <Prose text={one.description} /> : <span class="dim">–</span>) },
  ];
  return (
    <div class="type-view">
      <Panel title={worker.type}>
        <p>{worker.description}</p>
        <Pairs pairs={[["writes documents of type", worker.documents.length ? worker.documents.join(", ") : "none"], ["job type", worker.job_type]]} />
      </Panel>
      <Panel title="Parameters" note={count(worker.parameters.length)} flush>
        <DataTable label="parameters" columns={columns} rows={worker.parameters} keyOf={(one) => one.name} />
      </Panel>
      {worker.example ? (
        <Panel title="Example">
          <Code text={worker.example} label="Example" />
        </Panel>
      ) : null}
      <details class="trace">
        <summary>JSON Schema of its parameters</summary>
        <Code text={JSON.stringify(worker.schema, null, 2)} label="JSON Schema" />
      </details>
    </div>
  );
}

/** Text in which ``names`` are set as code. */
function Prose({ text }: { text: string }) {
  return <>{text.split(/``(.+?)``/).map((part, index) => (index % 2 ? <code key={index}>{part}</code> : part))}</>;
}
