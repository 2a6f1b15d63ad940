import { expect, test } from "vitest";
import type { ErrorFamily } from "../../api/types";
import { causesOf, fits } from "./letters";

const family = (manager_id: number, name: string, count: number, more: Partial<ErrorFamily> = {}): ErrorFamily => ({
  family: name,
  count,
  manager_id,
  definition_id: "crawl",
  run_name: "Crawl",
  steps: ["fetch"],
  first_job: manager_id + 1,
  sample: null,
  last_failed_at: `2026-01-0${manager_id}T00:00:00Z`,
  ignored: false,
  ...more,
});

test("families of several runs are one cause, with all its jobs and the newest run first", () => {
  const [first, second] = causesOf([family(1, "timeout", 5), family(3, "refused", 6), family(2, "timeout", 4, { steps: ["parse"], ignored: true })]);
  expect(first).toMatchObject({ family: "timeout", count: 9, steps: ["fetch", "parse"], lastFailedAt: "2026-01-02T00:00:00Z", isIgnored: false });
  expect(first!.runs.map((one) => one.manager_id)).toEqual([2, 1]);
  expect(second!.family).toBe("refused");
});

test("a cause is found by message, step, definition and run", () => {
  const [cause] = causesOf([family(1, "timeout at x", 5)]);
  for (const text of ["", "TIMEOUT", "fetch", "crawl #1"]) expect(fits(cause!, text)).toBe(true);
  expect(fits(cause!, "nothing")).toBe(false);
});
