// What can be done to a run, and what each deed means before it is done.
import { isOver, type Row } from "../../api/types";
import type { Question } from "../../parts/dialog";
import { count } from "../../parts/time";
import { askedToCancel } from "../queue/commands";

export type Deed = "cancel" | "pause" | "resume" | "retry-failed" | "rerun" | "resume-from" | "delete";

export interface Details {
  family?: string;
  /** How many jobs failed with this family. */
  jobs?: number;
  step?: string;
}

export function isPossible(deed: Deed, run: Row): boolean {
  const over = isOver(run.status);
  switch (deed) {
    case "cancel":
      return !over && !run.cancelling && !askedToCancel.has(run.id);
    case "pause":
      return !over && !run.paused && !run.cancelling;
    case "resume":
      return !over && run.paused;
    case "retry-failed":
      return over && (run.counters.failed > 0 || run.status !== "completed");
    case "rerun":
    case "resume-from":
    case "delete":
      return over;
  }
}

const jobs = (n: number): string => `${count(n)} ${n === 1 ? "job" : "jobs"}`;

/** What will happen, what stays and what is lost. */
export function questionOf(deed: Deed, run: Row, details: Details = {}): Question {
  const name = `“${run.name}” #${run.id}`;
  const { counters } = run;
  const open = counters.pending + counters.running;
  const anew = "That is a new run, on the definition this one was started with. This one stays as it is.";
  switch (deed) {
    case "cancel":
      return {
        title: `Cancel ${name}?`,
        body: `${jobs(counters.pending)} that did not start will not be done. ${counters.running ? `${jobs(counters.running)} that run are asked to stop, and what they have not handed in is lost. ` : ""}${jobs(counters.completed)} that are completed stay, with their documents. This can't be undone; what is missing can be done later with “Retry failed”.`,
        confirm: "Cancel the run",
        danger: true,
      };
    case "pause":
      return {
        title: `Pause ${name}?`,
        body: `Nothing more of it starts: ${jobs(counters.pending)} wait until it is resumed. ${jobs(counters.running)} that run go on to their end. Deadlines go on as well.`,
        confirm: "Pause the run",
      };
    case "resume":
      return { title: `Resume ${name}?`, body: `${jobs(open)} go on where they stopped. Deadlines have gone on meanwhile.`, confirm: "Resume the run" };
    case "retry-failed":
      return details.family === undefined
        ? {
            title: `Retry what failed in ${name}?`,
            body: `${jobs(counters.failed)} that failed are done again. So are steps that failed, were stopped or skipped, as a whole, and every step behind these. What else is completed is taken over with its documents. ${anew}`,
            confirm: "Retry in a new run",
          }
        : {
            title: `Retry one family of ${name}?`,
            body: `${details.jobs === undefined ? "Jobs" : jobs(details.jobs)} that failed with “${details.family}” are done again, then every step behind these. Other failures stay as they are. ${anew}`,
            confirm: details.jobs === undefined ? "Retry the family" : `Retry ${jobs(details.jobs)}`,
          };
    case "rerun":
      return {
        title: `Run ${name} again?`,
        body: `All of its ${jobs(counters.total)} are done again; nothing is taken over. Documents that come out the same stay as they are, others get a new revision. ${anew}`,
        confirm: "Run again",
      };
    case "resume-from":
      return {
        title: `Run ${name} again from ${details.step}?`,
        body: `The step ${details.step}, what did not complete, and every step behind these are done again. Completed steps before it are taken over with their documents. ${anew}`,
        confirm: `Run from ${details.step}`,
      };
    case "delete":
      return {
        title: `Delete ${name}?`,
        body: `The record of ${jobs(counters.total)}, with errors and attempts, is lost for good. Its log lines can't be reached any more. Documents stay, without the link to this run.`,
        confirm: "Delete the run",
        danger: true,
      };
  }
}
