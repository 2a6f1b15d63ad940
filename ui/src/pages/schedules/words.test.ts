import { describe, expect, it } from "vitest";
import { estimateSlots, jitterText, localInput, misfireText, outcomeCounts } from "./words";

describe("estimateSlots", () => {
  const every = (minutes: number, count: number): string[] => Array.from({ length: count }, (_, n) => new Date(n * minutes * 60_000).toISOString());
  it("goes by how the coming times are spaced", () => {
    expect(estimateSlots(every(5, 100), 0, 3_600_000)).toBe(12);
    expect(estimateSlots(every(1440, 100), 0, 86_400_000 * 30)).toBe(30);
  });
  it("does not guess from one time", () => {
    expect(estimateSlots(every(5, 1), 0, 3_600_000)).toBeNull();
    expect(estimateSlots(every(5, 9), 10, 0)).toBe(0);
  });
});

describe("words", () => {
  it("tells the rules", () => {
    expect(misfireText({ misfire: "one", window_s: 86_400 })).toBe("missed times are made up for by one run, up to 1d late");
    expect(misfireText({ misfire: "skip", window_s: 86_400 })).toBe("missed times are let go");
    expect(jitterText({ jitter_s: 300 })).toBe("up to 5m later, by chance");
  });
  it("counts outcomes", () => {
    expect(outcomeCounts([{ outcome: "started" }, { outcome: "missed" }, { outcome: "started" }])).toBe("2 started, 1 missed");
  });
  it("gives local time to the input and takes it back", () => {
    const at = Date.parse("2026-11-23T12:34:00Z");
    expect(Date.parse(localInput(at))).toBe(at);
  });
});
