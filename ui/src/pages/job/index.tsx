// A run, a step or a worker job under its own address: how it stands, why, what came of it, and what can be done.
import { useEffect } from "preact/hooks";
import { isOver } from "../../api/types";
import { Tabs } from "../../parts/panel";
import { Empty, Failed, Loading, Partial } from "../../parts/states";
import { count } from "../../parts/time";
import type { PageProps } from "../../router";
import { LogPane } from "../queue/log-pane";
import "../queue/queue.css";
import { Compare } from "./compare";
import { useJob } from "./data";
import { Documents } from "./documents";
import { Families } from "./families";
import { Header } from "./header";
import { Inputs, RawJson } from "./inputs";
import { JobOverview, RunOverview, StepOverview } from "./overview";
import { Timeline } from "./timeline-view";
import type { Looked } from "./types";
import "./job.css";

export default function JobPage({ params, query }: PageProps) {
  const id = Number(params.id);
  if (!Number.isSafeInteger(id) || id < 1) return <Failed reason={`${params.id} is not the number of a job.`} />;
  return <JobView key={id} id={id} query={query} />;
}

function JobView({ id, query }: { id: number; query: URLSearchParams }) {
  const { looked, reason, isGone, reload } = useJob(id);
  useEffect(() => {
    if (looked) document.title = `${looked.job.name} #${id} – Quaero`;
  }, [looked?.job.name]);
  if (isGone) {
    return (
      <Empty title={`Run #${id} was deleted.`}>
        <a href="/">To the queue</a>
      </Empty>
    );
  }
  if (!looked) return reason ? <Failed reason={reason} onRetry={reload} /> : <Loading />;
  const tabs = tabsOf(looked);
  const wanted = query.get("tab") ?? "overview";
  const current = tabs.some((tab) => tab.name === wanted) ? wanted : "overview";
  return (
    <div class={`page job-page ${current === "log" ? "with-log" : ""}`}>
      {reason ? <Partial onRetry={reload}>What you see may be out of date: {reason} </Partial> : null}
      <Header looked={looked} />
      <Tabs label={`Parts of ${looked.job.name}`} tabs={tabs} current={current} />
      <Part name={current} looked={looked} query={query} />
    </div>
  );
}

function tabsOf({ job, row }: Looked) {
  const base = `/${job.kind === "manager" ? "runs" : "jobs"}/${job.id}`;
  const href = (name: string, more = ""): string => (name === "overview" ? base : `${base}?tab=${name}${more}`);
  const scope = job.kind === "step" ? `&step=${encodeURIComponent(job.step_name ?? job.name)}` : job.kind === "worker" ? `&job=${job.id}` : "";
  const failed = row.counters.failed;
  const tab = (name: string, text: string, n?: number) => ({ name, text, href: href(name, name === "log" ? scope : ""), count: n ? count(n) : undefined });
  const isRun = job.kind === "manager";
  return [
    tab("overview", job.kind === "step" ? "Jobs" : "Overview"),
    isRun && tab("timeline", "Timeline"),
    job.kind !== "worker" && tab("errors", "Errors", failed),
    (job.kind !== "worker" || job.document_count > 0) && tab("documents", "Documents", row.documents),
    tab("log", "Log"),
    job.kind !== "worker" && tab("inputs", "Inputs"),
    isRun && tab("compare", "Compare"),
    tab("json", "JSON"),
  ].filter((one) => one !== false);
}

function Part({ name, looked, query }: { name: string; looked: Looked; query: URLSearchParams }) {
  const { job, row, runRow } = looked;
  switch (name) {
    case "timeline":
      return <Timeline run={runRow} />;
    case "errors":
      return <Families looked={looked} />;
    case "documents":
      return <Documents looked={looked} />;
    case "log":
      return (
        <div class="panel job-log">
          <LogPane run={runRow} query={query} />
        </div>
      );
    case "inputs":
      return <Inputs looked={looked} />;
    case "compare":
      return <Compare run={looked.run} isOver={isOver(row.status)} query={query} />;
    case "json":
      return <RawJson job={job} />;
  }
  if (job.kind === "manager") return <RunOverview looked={looked} />;
  if (job.kind === "step") return <StepOverview looked={looked} query={query} />;
  return <JobOverview looked={looked} />;
}
