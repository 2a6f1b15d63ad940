import { expect, test } from "vitest";
import { type Bar, fold, lanesOf, ticksOf, worse } from "./timeline";

const bar = (id: number, start: number, end: number, status: Bar["status"] = "completed"): Bar => ({ id, start, end, status });

test("bars that are wide enough stay apart", () => {
  const folds = fold([bar(1, 0, 100), bar(2, 100, 200), bar(3, 250, 300)], 1);
  expect(folds.map((one) => one.bars.length)).toEqual([1, 1, 1]);
});

test("where there are more bars than pixels they become one, with the worst status and the whole span", () => {
  const many = Array.from({ length: 10_000 }, (_, i) => bar(i, i * 10, i * 10 + 9, i === 7777 ? "failed" : "completed"));
  const folds = fold(many, 800 / 100_000);
  expect(folds.length).toBe(1);
  expect(folds[0]).toMatchObject({ start: 0, end: 99_999, worst: "failed" });
  expect(folds[0]!.bars.length).toBe(10_000);
});

test("narrow bars with a gap of a pixel or more are not joined", () => {
  expect(fold([bar(1, 0, 1), bar(2, 50, 51)], 1).length).toBe(2);
  expect(fold([bar(1, 0, 1), bar(2, 50, 51)], 0.01).length).toBe(1);
});

test("bars that hide one another are one", () => {
  const folds = fold([bar(1, 0, 100), bar(2, 50, 180, "failed")], 10);
  expect(folds).toEqual([{ start: 0, end: 180, worst: "failed", bars: [bar(1, 0, 100), bar(2, 50, 180, "failed")] }]);
});

test("no bar is lost in lanes, and none overlaps while there are lanes left", () => {
  const bars = [bar(1, 0, 10), bar(2, 5, 15), bar(3, 10, 20), bar(4, 12, 30)];
  const lanes = lanesOf(bars, 10);
  expect(lanes.map((lane) => lane.map((one) => one.id))).toEqual([[1, 3], [2], [4]]);
  const crowded = lanesOf(Array.from({ length: 50 }, (_, i) => bar(i, 0, 10)), 4);
  expect(crowded.length).toBe(4);
  expect(crowded.flat().length).toBe(50);
});

test("the worse of two statuses is the one to look at", () => {
  expect(worse("completed", "running")).toBe("running");
  expect(worse("failed", "running")).toBe("failed");
});

test.each([50, 900, 1900, 61_000, 7_200_000, 40 * 86_400_000])("an axis of %i ms has a few round marks from its start", (span) => {
  const ticks = ticksOf(span, 8);
  expect(ticks[0]).toBe(0);
  expect(ticks.length).toBeGreaterThan(1);
  expect(ticks.length).toBeLessThanOrEqual(9);
  expect(ticks.at(-1)!).toBeLessThan(span);
});
