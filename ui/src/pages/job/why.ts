// Why a job does not run, in words: a heading for each kind of reason, where to look, and how long it may take.
import { count, durationText } from "../../parts/time";
import type { Reason, Why } from "./types";

const HEADINGS: Record<string, string> = {
  ended: "It has ended",
  running: "It is running",
  run_queued: "Another run of this definition is under way",
  run_paused: "The run is paused",
  stopping: "The run is being stopped",
  waits_for_step: "It waits for another step",
  condition_open: "Its condition can't be told yet",
  parallel_steps: "As many steps run as may run at once",
  back_off: "It waits before its next attempt",
  snoozed: "It asked to be woken later",
  suspect: "Its process died before: it runs alone, as a suspect",
  limiter_full: "A limit is reached",
  rate_limited: "The rate is used up",
  no_node: "No worker process is there",
  no_capability: "No worker process can do it",
  no_worker_type: "No worker process knows this type",
  waits_for_planning: "Its step is still being planned",
  slots_busy: "Other jobs come before it",
  about_to_start: "It is about to start",
};

/** Neither of these is in anybody's way. */
const HARMLESS = new Set(["ended", "running", "about_to_start"]);

export function isHarmless(why: Why): boolean {
  return why.reasons.every((reason) => HARMLESS.has(reason.code));
}

export function heading(reason: Reason): string {
  if (reason.code === "no_capability" && reason.capability) return `No worker process has “${reason.capability}”`;
  if (reason.code === "slots_busy" && reason.ahead) return `${count(reason.ahead)} ${reason.ahead === 1 ? "job comes" : "jobs come"} before it`;
  return HEADINGS[reason.code] ?? reason.code.replaceAll("_", " ");
}

export interface Link {
  href: string;
  text: string;
}

/** Where to look further; never at the job itself. */
export function linksOf(reason: Reason, jobId: number): Link[] {
  const links: Link[] = [];
  if (reason.job_id !== null && reason.job_id !== jobId) links.push({ href: `/jobs/${reason.job_id}`, text: `#${reason.job_id}` });
  if (reason.limiter !== null) links.push({ href: "/workers?tab=limits", text: reason.key ? `limit of ${reason.limiter}, ${reason.key}` : `limit of ${reason.limiter}` });
  if (["no_node", "no_capability", "no_worker_type"].includes(reason.code)) links.push({ href: "/workers", text: "worker processes" });
  for (const holder of reason.holders.slice(0, 5)) if (holder.job_id !== reason.job_id) links.push({ href: `/jobs/${holder.job_id}`, text: `held by #${holder.job_id}` });
  if (reason.holders.length > 5) links.push({ href: "/", text: `and ${count(reason.holders.length - 5)} more` });
  return links;
}

/** “in 4m 10s”, or that the moment has passed. */
export function countdown(at: string, now: number): string {
  const left = Date.parse(at) - now;
  return left <= 0 ? "any moment" : `in ${durationText(Math.ceil(left / 1000) * 1000)}`;
}

/** When the reason will be gone, as far as can be told. */
export function moment(reason: Reason): { at: string; text: string } | null {
  if (reason.until) return { at: reason.until, text: reason.code === "stopping" ? "given up" : "ends" };
  if (reason.estimated_start) return { at: reason.estimated_start, text: "starts, by estimate," };
  return null;
}
