import { expect, test } from "vitest";
import { chartOf, roundUp, sizeText } from "./figures";

test("sizes have a unit that fits", () => {
  expect([0, 999, 1000, 9_636_864, 105_000_000, 3.2e12].map(sizeText)).toEqual(["0 bytes", "999 bytes", "1.0 KB", "9.6 MB", "105 MB", "3.2 TB"]);
});

test("the axis ends at a round number", () => {
  expect([0, 1, 3, 5, 7, 11, 95, 101].map(roundUp)).toEqual([2, 2, 4, 6, 8, 20, 100, 200]);
});

test("bars stand on the ground, side by side, and none is lost", () => {
  const chart = chartOf([{ at: "a", counts: { completed: 3, failed: 1 } }, { at: "b", counts: {} }, { at: "c", counts: { running: 10_000 } }], 300, 100);
  expect(chart.top).toBe(10_000);
  expect(chart.bars.map((bar) => bar.total)).toEqual([4, 0, 10_000]);
  const [done, failed] = chart.bars[0]!.segments;
  expect(done!.y + done!.height).toBe(100);
  expect(failed!.y + failed!.height).toBe(done!.y);
  expect(failed!.height).toBe(1);
  expect(chart.bars[2]!.segments[0]!.height).toBe(100);
  expect(chart.bars[2]!.x + chart.bars[2]!.width).toBeLessThanOrEqual(300);
});
