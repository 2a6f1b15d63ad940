import { describe, expect, it } from "vitest";
import type { Row } from "../../api/types";
import { NO_COUNTERS } from "../../api/types";
import { barsOf } from "./bars";
import { templateText, TEMPLATES } from "./templates";
import type { Entry } from "./types";
import { countdown, freeId, inZone, isFound, scheduleWords, spanText, standingOf } from "./words";

const NOW = Date.parse("2026-11-23T12:00:00Z");

describe("countdown", () => {
  it("is the finer the nearer", () => {
    const after = (seconds: number): string => countdown(new Date(NOW + seconds * 1000).toISOString(), NOW);
    expect([0, 12, 249, 3600 * 3 + 61, 86_400 * 2 + 3600 * 5].map(after)).toEqual(["due now", "in 12 s", "in 4 min 09 s", "in 3 h 1 min", "in 2 d 5 h"]);
    expect(after(-5)).toBe("due now");
  });
});

describe("inZone", () => {
  it("names day and time in a zone, the year where it is another", () => {
    expect(inZone("2026-11-24T10:15:00Z", "America/New_York", NOW)).toMatch(/^Tue,? 24 Nov, 05:15$/);
    expect(inZone("2027-01-01T03:00:00Z", "UTC", NOW)).toMatch(/^Fri,? 1 Jan 2027, 03:00$/);
  });
  it("falls back to UTC for a zone the browser does not know", () => {
    expect(inZone("2026-11-24T10:15:00Z", "Mars/Olympus", NOW)).toContain("10:15");
  });
});

describe("words", () => {
  it("writes spans as definitions do", () => {
    expect([0, 90, 5400, 86_400, 93_600].map(spanText)).toEqual(["0s", "1m30s", "1h30m", "1d", "1d2h"]);
  });
  it("joins what starts a definition", () => {
    const schedule = { words: "every day at 05:15", cron: "15 5 * * *", auto_start: true };
    expect(scheduleWords({ schedule: "15 5 * * *", auto_start: true }, schedule)).toBe("every day at 05:15, and when the server starts");
    expect(scheduleWords({ schedule: "15 5 * * *", auto_start: false }, null)).toBe("15 5 * * *");
    expect(scheduleWords({ schedule: "", auto_start: false }, null)).toBe("");
  });
  it("shows a draft as a draft", () => {
    expect(standingOf({ status: "error", is_draft: true })).toBe("draft");
    expect(standingOf({ status: "ready", is_draft: false })).toBe("ready");
  });
  it("finds by all words, anywhere", () => {
    const entry = { id: "handbook", name: "Team handbook", description: "Index", file: "h.toml", tags: ["docs"], type: "local_dir" } as Entry;
    expect(isFound(entry, "TEAM docs")).toBe(true);
    expect(isFound(entry, "team other")).toBe(false);
    expect(isFound(entry, "")).toBe(true);
  });
});

describe("templates", () => {
  it("take an id that is free", () => {
    expect(freeId("a", new Set())).toBe("a");
    expect(freeId("a", new Set(["a", "a-2"]))).toBe("a-3");
    for (const template of TEMPLATES) expect(templateText(template.id, "free")).toMatch(/^id = "free"\n/);
  });
});

describe("barsOf", () => {
  const run = (id: number, status: Row["status"], seconds: number, more: Partial<Row> = {}): Row => ({
    ...{ id, kind: "manager", parent_id: null, manager_id: id, name: "r", worker_type: null, position: 0, status_reason: null, has_errors: false, attempt: 0, documents: 0, message: "", available_at: null, paused: false, cancelling: false, queued: false, definition_id: "d", rerun_of: null, claimed_by: null },
    status,
    counters: NO_COUNTERS,
    created_at: new Date(NOW - 60_000).toISOString(),
    started_at: new Date(NOW - 60_000).toISOString(),
    finished_at: status === "running" ? null : new Date(NOW - 60_000 + seconds * 1000).toISOString(),
    ...more,
  });
  it("puts the newest last, good ones up, bad ones down", () => {
    const bars = barsOf([run(4, "running", 0), run(3, "failed", 5, { counters: { ...NO_COUNTERS, failed: 2 } }), run(2, "cancelled", 1), run(1, "completed", 20, { has_errors: true })], NOW);
    expect(bars.map((bar) => [bar.id, bar.way, bar.status])).toEqual([
      [1, "up", "partial"],
      [2, "none", "cancelled"],
      [3, "down", "failed"],
      [4, "open", "running"],
    ]);
    expect(bars[2]!.text).toBe("Run #3: failed, 1 min ago, took 5.0 s, 2 jobs failed");
    expect(bars[3]!.height).toBe(1);
  });
  it("keeps a dozen, each of them to be seen", () => {
    const bars = barsOf(Array.from({ length: 20 }, (_, n) => run(20 - n, "completed", n)), NOW);
    expect(bars).toHaveLength(12);
    expect(bars.every((bar) => bar.height >= 0.25 && bar.height <= 1)).toBe(true);
  });
});
