// Doing to a run what was asked for: ask, send, say how it went.
import { post, reasonOf, remove } from "../../api/client";
import type { Row } from "../../api/types";
import { repaint } from "../../live";
import { confirmAction } from "../../parts/dialog";
import { toast } from "../../parts/toast";
import { navigate } from "../../router";
import { askedToCancel } from "../queue/commands";
import { type Deed, type Details, questionOf } from "./deeds";

const DONE: Record<Deed, string> = {
  cancel: "was asked to stop",
  pause: "is paused",
  resume: "goes on",
  "retry-failed": "tries its failed jobs again",
  rerun: "runs again",
  "resume-from": "runs again from there",
  delete: "was deleted",
};

/** Ask, do it, and say how it went; true when it was done. */
export async function carryOut(deed: Deed, run: Row, details: Details = {}): Promise<boolean> {
  return (await confirmAction(questionOf(deed, run, details))) && perform(deed, run, details);
}

export async function perform(deed: Deed, run: Row, details: Details = {}): Promise<boolean> {
  if (deed === "cancel") askedToCancel.add(run.id);
  repaint();
  try {
    if (deed === "delete") {
      await remove(`/runs/${run.id}`);
      toast("done", `${run.name} #${run.id} was deleted.`);
      await navigate("/");
      return true;
    }
    const body = details.family !== undefined ? { family: details.family } : details.step !== undefined ? { step: details.step } : {};
    const made = await post<{ id?: number } | null>(`/runs/${run.id}/${deed}`, body);
    const isNew = (deed === "rerun" || deed === "retry-failed" || deed === "resume-from") && made?.id;
    toast("done", `${run.name} #${run.id} ${DONE[deed]}.`, isNew ? { href: `/runs/${made.id}`, text: `Open #${made.id}` } : undefined);
    return true;
  } catch (error) {
    askedToCancel.delete(run.id);
    toast("error", `${run.name} #${run.id}: ${reasonOf(error)}`);
    return false;
  } finally {
    repaint();
  }
}

/** Look past a family of errors of a run, or at it again. */
export async function setIgnored(runId: number, family: string, ignored: boolean): Promise<boolean> {
  try {
    await post(`/dead-letters/${ignored ? "ignore" : "heed"}`, { run_id: runId, family });
    toast("done", ignored ? "Ignored: these jobs stay failed, and leave the list of dead letters." : "These jobs are in the list of dead letters again.");
    return true;
  } catch (error) {
    toast("error", reasonOf(error));
    return false;
  }
}
