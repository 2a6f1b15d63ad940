// What became of slots, and the rules of schedules, in words.
import { spanText } from "../definitions/words";
import type { Fire, Outcome, Schedule } from "./types";

export const OUTCOMES: Record<Outcome, string> = {
  started: "started",
  queued: "queued behind an active run",
  skipped_overlap: "skipped: a run was active",
  missed: "missed",
  paused: "passed by while paused",
  failed: "could not start",
};

export const CAUSES: Record<Fire["cause"], string> = { schedule: "on time", backfill: "backfill", auto_start: "server start" };

const MISFIRES: Record<Schedule["misfire"], string> = { skip: "missed times are let go", one: "missed times are made up for by one run", all: "each missed time is made up for" };
const OVERLAPS: Record<Schedule["overlap"], string> = {
  skip: "not started while a run is active",
  queue: "queued while a run is active",
  cancel_previous: "cancels the run that is active",
  allow: "starts beside an active run",
};

export function misfireText(schedule: Pick<Schedule, "misfire" | "window_s">): string {
  return schedule.misfire === "skip" ? MISFIRES.skip : `${MISFIRES[schedule.misfire]}, up to ${spanText(schedule.window_s)} late`;
}

export function overlapText(schedule: Pick<Schedule, "overlap">): string {
  return OVERLAPS[schedule.overlap];
}

export function jitterText(schedule: Pick<Schedule, "jitter_s">): string {
  return schedule.jitter_s > 0 ? `up to ${spanText(schedule.jitter_s)} later, by chance` : "exactly on time";
}

/** About how many slots lie in a span, from how the coming ones are spaced. */
export function estimateSlots(next: readonly string[], since: number, until: number): number | null {
  if (until < since) return 0;
  if (next.length < 2) return null;
  const apart = (Date.parse(next.at(-1)!) - Date.parse(next[0]!)) / (next.length - 1);
  return apart > 0 ? Math.round((until - since) / apart) : null;
}

/** A moment as the value of an input of type datetime-local, in local time. */
export function localInput(at: number): string {
  const date = new Date(at);
  return new Date(at - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

/** `2 started, 1 missed`. */
export function outcomeCounts(slots: readonly { outcome: Outcome }[]): string {
  const counts = new Map<Outcome, number>();
  for (const slot of slots) counts.set(slot.outcome, (counts.get(slot.outcome) ?? 0) + 1);
  return [...counts].map(([outcome, count]) => `${count} ${OUTCOMES[outcome]}`).join(", ");
}
