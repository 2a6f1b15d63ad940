import { expect, test } from "vitest";
import { countDelta, diffLines, percentDelta, rateDelta, secondsDelta, toneOf } from "./delta";

test("differences have a sign, also when there is none", () => {
  expect([null, 0, 3, -1200].map(countDelta)).toEqual(["–", "±0", "+3", "−1,200"]);
  expect([null, 0, 1.5, -90].map(secondsDelta)).toEqual(["–", "±0", "+1.5 s", "−1m 30s"]);
  expect([null, 0, 0.001, 346.4, -13.37, 0.5].map(rateDelta)).toEqual(["–", "±0", "±0", "+346", "−13.4", "+0.50"]);
});

test("per cent are left out where they say nothing", () => {
  expect(percentDelta(2, 3)).toBe("+50 %");
  expect(percentDelta(100, 100.2)).toBe("");
  expect(percentDelta(0, 5)).toBe("");
  expect(percentDelta(null, 5)).toBe("");
  expect(percentDelta(1, 25)).toBe("×25.0");
});

test("less time is better, fewer jobs a second are worse, small changes are neither", () => {
  expect(toneOf(-5, true)).toBe("better");
  expect(toneOf(5, true)).toBe("worse");
  expect(toneOf(-5, false)).toBe("worse");
  expect(toneOf(0.1, true, 10, 0.05)).toBe("same");
  expect(toneOf(null, true)).toBe("same");
});

test("a diff keeps its lines and loses the names of the files", () => {
  const kinds = diffLines("--- a\n+++ b\n@@ -1 +1 @@\n x\n-old\n+new\n").map((line) => line.kind);
  expect(kinds).toEqual(["place", "same", "take", "add"]);
  expect(diffLines("")).toEqual([]);
});
