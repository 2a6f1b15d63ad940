import { expect, test } from "vitest";
import { leaseLeft, type LimitView, rateText, tokensNow, untilToken } from "./limits";

const at = Date.parse("2026-01-01T00:00:00Z");
const view = (tokens: number | null, rate: { count: number; seconds: number } | null): LimitView => ({
  limiter: { worker_type: "web", key: "", in_use: 0, tokens, refilled_at: "2026-01-01T00:00:00Z" },
  limits: rate ? { concurrency: null, key: null, rate } : null,
});

test("tokens come back evenly and no further than the rate", () => {
  const minute = view(0, { count: 60, seconds: 60 });
  expect(tokensNow(minute, at + 5000)).toBe(5);
  expect(tokensNow(minute, at + 500_000)).toBe(60);
  expect(untilToken(minute, at + 250)).toBe(750);
  expect(untilToken(minute, at + 5000)).toBe(0);
});

test("without a known rate nothing is made up", () => {
  expect(tokensNow(view(0.5, null), at + 5000)).toBe(0.5);
  expect(untilToken(view(0.5, null), at)).toBeNull();
  expect(tokensNow(view(null, null), at)).toBeNull();
});

test("a lease runs down to nothing", () => {
  expect(leaseLeft("2026-01-01T00:00:00Z", 20, at + 5000)).toBe(15_000);
  expect(leaseLeft("2026-01-01T00:00:00Z", 20, at + 50_000)).toBe(0);
});

test("rates in words", () => {
  expect(rateText({ count: 5, seconds: 1 })).toBe("5 per second");
  expect(rateText({ count: 100, seconds: 90 })).toBe("100 per 90 s");
});
