import { expect, it } from "vitest";
import { both, EMPTY, isEmpty, matches, parseFilter } from "./filters";
import { logLine } from "./log";
import { line } from "./testing";

const error = logLine(line(1, { level: "error", message: "Timeout of host", job_id: 123, parent_id: 9, step_name: "Fetch pages", fields: { host: "a" } }));
const fits = (text: string) => matches(error, parseFilter(text).filter);

it("words must all be there, in any case and order", () => {
  expect(fits("timeout")).toBe(true);
  expect(fits("HOST timeout")).toBe(true);
  expect(fits("timeout nothing")).toBe(false);
  expect(fits("host=a")).toBe(true);
  expect(fits("-timeout")).toBe(false);
  expect(fits('"of host"')).toBe(true);
});

it("keys narrow down", () => {
  expect(fits("level:error worker:123 timeout")).toBe(true);
  expect(fits("level:info,error")).toBe(true);
  expect(fits("level:warn+")).toBe(true);
  expect(fits("level:info")).toBe(false);
  expect(fits('step:"fetch pages"')).toBe(true);
  expect(fits("step:index")).toBe(false);
  expect(fits("job:9")).toBe(true);
  expect(fits("worker:124")).toBe(false);
  expect(fits("originator:worker attempt:1")).toBe(true);
  expect(fits("originator:system")).toBe(false);
});

it("an address with a colon is a word", () => {
  expect(parseFilter("http://a:80").filter.words).toEqual(["http://a:80"]);
});

it("what can't be read is said and the rest holds", () => {
  const parsed = parseFilter("level:loud worker:x step: timeout");
  expect(parsed.problems).toEqual(['no level "loud"; there are debug, info, warning, error', "worker:x is not a number", "step: needs a value"]);
  expect(parsed.filter.words).toEqual(["timeout"]);
});

it("an empty text filters nothing", () => {
  expect(isEmpty(parseFilter("  ").filter)).toBe(true);
  expect(matches(error, EMPTY)).toBe(true);
});

it("of two filters the second says levels, and words add up", () => {
  const filter = both(parseFilter("level:info a").filter, parseFilter("level:error b").filter);
  expect(filter.levels).toEqual(["error"]);
  expect(filter.words).toEqual(["a", "b"]);
});
