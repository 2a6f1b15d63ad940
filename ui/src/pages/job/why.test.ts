import { expect, test } from "vitest";
import type { Reason, Why } from "./types";
import { countdown, heading, isHarmless, linksOf, moment } from "./why";

const reason = (more: Partial<Reason>): Reason => ({
  code: "slots_busy",
  message: "",
  job_id: null,
  limiter: null,
  key: null,
  capability: null,
  process_id: null,
  since: null,
  until: null,
  estimated_start: null,
  ahead: null,
  holders: [],
  ...more,
});

test("headings name what is in the way", () => {
  expect(heading(reason({ ahead: 220 }))).toBe("220 jobs come before it");
  expect(heading(reason({ ahead: 1 }))).toBe("1 job comes before it");
  expect(heading(reason({ code: "no_capability", capability: "browser" }))).toBe("No worker process has “browser”");
  expect(heading(reason({ code: "run_paused" }))).toBe("The run is paused");
  expect(heading(reason({ code: "something_new" }))).toBe("something new");
});

test("links lead to what is in the way, never to the job itself", () => {
  const holders = Array.from({ length: 7 }, (_, i) => ({ job_id: 100 + i, run_id: 1, process_id: 1, since: null }));
  expect(linksOf(reason({ job_id: 5 }), 5)).toEqual([]);
  expect(linksOf(reason({ job_id: 9 }), 5).map((one) => one.href)).toEqual(["/jobs/9"]);
  const links = linksOf(reason({ code: "limiter_full", limiter: "web", key: "host=a", holders }), 5);
  expect(links[0]).toEqual({ href: "/workers?tab=limits", text: "limit of web, host=a" });
  expect(links.length).toBe(7);
  expect(links.at(-1)!.text).toBe("and 2 more");
});

test("a countdown runs to the moment and no further", () => {
  const now = Date.parse("2026-01-01T00:00:00Z");
  expect(countdown("2026-01-01T00:04:10Z", now)).toBe("in 4m 10s");
  expect(countdown("2026-01-01T00:00:00Z", now)).toBe("any moment");
  expect(moment(reason({ until: "2026-01-01T00:00:00Z", code: "back_off" }))).toEqual({ at: "2026-01-01T00:00:00Z", text: "ends" });
  expect(moment(reason({}))).toBeNull();
});

test("running and ended are nobody's obstacle", () => {
  const why = (codes: string[]): Why => ({ job_id: 1, status: "pending", as_of: "", estimated_start: null, reasons: codes.map((code) => reason({ code })) });
  expect(isHarmless(why(["running"]))).toBe(true);
  expect(isHarmless(why(["running", "limiter_full"]))).toBe(false);
});
