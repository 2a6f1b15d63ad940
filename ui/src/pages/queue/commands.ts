// What people do to runs: each asks first when something is lost, says what happened, and stays "asked" until the server shows it.
import { get, post, reasonOf, remove } from "../../api/client";
import { isOver, type Row } from "../../api/types";
import { repaint, store } from "../../live";
import { confirmAction } from "../../parts/dialog";
import { toast } from "../../parts/toast";
import { count } from "../../parts/time";

export type Deed = "cancel" | "pause" | "resume" | "rerun" | "retry-failed" | "delete";

/** Runs that were asked to stop and whose row does not say so yet. */
export const askedToCancel = new Set<number>();

export function canDo(deed: Deed, run: Row): boolean {
  const over = isOver(run.status);
  switch (deed) {
    case "cancel":
      return !over && !run.cancelling && !askedToCancel.has(run.id);
    case "pause":
      return !over && !run.paused;
    case "resume":
      return !over && run.paused;
    case "rerun":
      return over;
    case "retry-failed":
      return over && (run.counters.failed > 0 || run.status === "failed");
    case "delete":
      return over;
  }
}

const DONE: Record<Deed, string> = {
  cancel: "was asked to stop",
  pause: "is paused: nothing new starts",
  resume: "goes on",
  rerun: "runs again",
  "retry-failed": "tries its failed jobs again",
  delete: "was deleted",
};

function nameOf(run: Row): string {
  return `${run.name} #${run.id}`;
}

async function isMeant(deed: Deed, runs: readonly Row[]): Promise<boolean> {
  const what = runs.length === 1 ? `“${nameOf(runs[0]!)}”` : `${count(runs.length)} runs`;
  const open = runs.reduce((sum, run) => sum + run.counters.pending + run.counters.running, 0);
  if (deed === "cancel") {
    return confirmAction({
      title: `Cancel ${what}?`,
      body: `${count(open)} open jobs will not be done; attempts that run are stopped. What is completed stays, with its documents.`,
      confirm: runs.length === 1 ? "Cancel the run" : `Cancel ${count(runs.length)} runs`,
      danger: true,
    });
  }
  if (deed === "delete") {
    const jobs = runs.reduce((sum, run) => sum + run.counters.total, 0);
    return confirmAction({
      title: `Delete ${what}?`,
      body: `The record of ${count(jobs)} jobs is lost for good, and their log can no longer be reached. Documents stay.`,
      confirm: runs.length === 1 ? "Delete the run" : `Delete ${count(runs.length)} runs`,
      danger: true,
    });
  }
  if (runs.length > 1) return confirmAction({ title: `${deed === "retry-failed" ? "Retry the failed jobs of" : deed === "rerun" ? "Run again:" : deed === "pause" ? "Pause" : "Resume"} ${what}?`, body: "", confirm: "Go on" });
  return true;
}

/** Do it to all of them; those it can't be done to are left out. */
export async function act(deed: Deed, chosen: readonly Row[], options: { family?: string } = {}): Promise<void> {
  const runs = chosen.filter((run) => canDo(deed, run));
  if (runs.length === 0 || !(await isMeant(deed, runs))) return;
  const reasons: string[] = [];
  let started: number | null = null;
  for (const run of runs) {
    if (deed === "cancel") askedToCancel.add(run.id);
    repaint();
    try {
      if (deed === "delete") await remove(`/runs/${run.id}`);
      else {
        const answer = await post<{ id?: number } | null>(`/runs/${run.id}/${deed}`, options.family ? { family: options.family } : {});
        if (deed === "rerun" || deed === "retry-failed") started = answer?.id ?? null;
      }
    } catch (error) {
      askedToCancel.delete(run.id);
      reasons.push(`${nameOf(run)}: ${reasonOf(error)}`);
    }
  }
  const done = runs.length - reasons.length;
  if (reasons.length) toast("error", reasons.length === 1 ? reasons[0]! : `${reasons.length} of ${runs.length} refused. ${reasons[0]}`);
  else toast("done", runs.length === 1 ? `${nameOf(runs[0]!)} ${DONE[deed]}.` : `${count(done)} runs: done.`, started !== null ? { href: `/?run=${started}`, text: `Show #${started}` } : undefined);
  repaint();
}

/** The same to every run that a filter finds, also those not on the page: the server counts first. */
export async function actOnAll(deed: Deed, where: Record<string, string | string[] | null>): Promise<void> {
  try {
    const { count: expected } = await get<{ count: number }>("/bulk", where);
    const meant = await confirmAction({
      title: `${deed === "delete" ? "Delete" : deed === "cancel" ? "Cancel" : "Change"} all ${count(expected)} runs that match?`,
      body: deed === "delete" ? "Their jobs are lost for good, and their logs can no longer be reached. Documents stay. Runs that are still open are refused." : "Runs that this can't be done to are left as they are.",
      confirm: `${deed === "delete" ? "Delete" : deed === "cancel" ? "Cancel" : "Change"} ${count(expected)} runs`,
      danger: true,
    });
    if (!meant) return;
    const { results } = await post<{ results: { done: boolean; reason: string }[] }>("/bulk", { action: deed.replace("-", "_"), expected }, { query: where });
    const refused = results.filter((one) => !one.done);
    if (refused.length) toast("error", `${count(results.length - refused.length)} runs done, ${count(refused.length)} refused: ${refused[0]!.reason}`);
    else toast("done", `${count(results.length)} runs: done.`);
  } catch (error) {
    toast("error", reasonOf(error));
  }
}

/** Rows that the server shows as cancelling or over need no word of ours. */
export function settle(): void {
  for (const id of askedToCancel) {
    const row = store.get(id);
    if (!row || row.cancelling || isOver(row.status)) askedToCancel.delete(id);
  }
}
