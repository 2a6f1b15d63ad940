// The last results of a definition as bars: up when it went well, down when it did not, as high as they took long.
import type { Row } from "../../api/types";
import { isOver } from "../../api/types";
import { type Shown, shownStatus, statusWord } from "../../parts/status";
import { count, durationText, lasted, relativeTime } from "../../parts/time";

export interface Bar {
  id: number;
  status: Shown;
  way: "up" | "down" | "open" | "none";
  /** 0 to 1. */
  height: number;
  text: string;
}

export const MOST_BARS = 12;
const LEAST = 0.25;

/** `last`: the newest first; the bars: the oldest first. */
export function barsOf(last: readonly Row[], now: number): Bar[] {
  const shown = last.slice(0, MOST_BARS).reverse();
  const times = shown.map((row) => lasted(row, now) ?? 0);
  const longest = Math.max(1, ...times);
  return shown.map((row, index) => {
    const status = shownStatus(row);
    const share = Math.sqrt(times[index]! / longest);
    return { id: row.id, status, way: wayOf(row), height: LEAST + (1 - LEAST) * share, text: textOf(row, status, times[index]!, now) };
  });
}

function wayOf(row: Row): Bar["way"] {
  if (!isOver(row.status)) return "open";
  if (row.status === "completed") return "up";
  return row.status === "failed" ? "down" : "none";
}

function textOf(row: Row, status: Shown, took: number, now: number): string {
  const failed = row.counters.failed ? `, ${count(row.counters.failed)} jobs failed` : "";
  const lastedText = row.started_at ? `, ${isOver(row.status) ? "took" : "running for"} ${durationText(took)}` : "";
  return `Run #${row.id}: ${statusWord(status)}, ${relativeTime(row.created_at, now)}${lastedText}${failed}`;
}
