import { expect, test } from "vitest";
import { type Job, rowOf } from "../../api/types";
import { type Deed, isPossible, questionOf } from "./deeds";

const run = (more: Partial<Job> = {}) =>
  rowOf({
    id: 7,
    kind: "manager",
    name: "Nightly",
    status: "completed",
    manager_id: 7,
    counters: { total: 10, pending: 2, running: 1, completed: 4, failed: 3, cancelled: 0, skipped: 0, retried: 0 },
    paused_at: null,
    cancel_requested_at: null,
    ...more,
  } as Job);

test("what can be done follows from how the run stands", () => {
  const possible = (row: ReturnType<typeof run>): Deed[] => (["cancel", "pause", "resume", "retry-failed", "rerun", "resume-from", "delete"] as const).filter((deed) => isPossible(deed, row));
  expect(possible(run())).toEqual(["retry-failed", "rerun", "resume-from", "delete"]);
  expect(possible(run({ status: "running" }))).toEqual(["cancel", "pause"]);
  expect(possible(run({ status: "running", paused_at: "2026-01-01" }))).toEqual(["cancel", "resume"]);
  expect(possible(run({ status: "running", cancel_requested_at: "2026-01-01" }))).toEqual([]);
});

test.each(["cancel", "pause", "resume", "retry-failed", "rerun", "resume-from", "delete"] as const)("%s names the run, its consequences and the deed", (deed) => {
  const question = questionOf(deed, run(), { step: "fetch" });
  expect(question.title).toContain("Nightly");
  expect(String(question.body).length).toBeGreaterThan(40);
  expect(question.confirm).not.toBe("OK");
  expect(Boolean(question.danger)).toBe(deed === "cancel" || deed === "delete");
});

test("retrying a family says how many jobs", () => {
  expect(questionOf("retry-failed", run(), { family: "Timeout", jobs: 1200 }).confirm).toBe("Retry 1,200 jobs");
});
