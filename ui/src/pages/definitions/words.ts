// Times and schedules in words.
import type { Entry, Schedule } from "./types";

/** How long until then, finer the nearer it is: `in 2 d 4 h`, `in 4 min 09 s`. */
export function countdown(at: string, now: number): string {
  const s = Math.round((Date.parse(at) - now) / 1000);
  if (s <= 0) return "due now";
  const part = (size: number, of: number): number => Math.floor((s % of) / size);
  if (s < 60) return `in ${s} s`;
  if (s < 3600) return `in ${Math.floor(s / 60)} min ${String(s % 60).padStart(2, "0")} s`;
  if (s < 86_400) return `in ${Math.floor(s / 3600)} h ${part(60, 3600)} min`;
  return `in ${Math.floor(s / 86_400)} d ${part(3600, 86_400)} h`;
}

const FORMATS = new Map<string, Intl.DateTimeFormat>();

/** Day and time in a zone: `Tue 24 Nov, 05:15`; the year where it is another. */
export function inZone(at: string, zone: string | undefined, now: number): string {
  const date = new Date(at);
  const isOtherYear = date.getFullYear() !== new Date(now).getFullYear();
  const key = `${zone ?? ""} ${isOtherYear}`;
  let format = FORMATS.get(key);
  if (!format) {
    const options: Intl.DateTimeFormatOptions = { weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hour12: false, timeZone: zone, ...(isOtherYear ? { year: "numeric" } : {}) };
    try {
      format = new Intl.DateTimeFormat("en-GB", options);
    } catch {
      format = new Intl.DateTimeFormat("en-GB", { ...options, timeZone: "UTC" });
    }
    FORMATS.set(key, format);
  }
  return format.format(date);
}

/** Seconds as a definition would write them: `1d`, `1h30m`, `90s`. */
export function spanText(seconds: number): string {
  if (seconds <= 0) return "0s";
  let left = Math.round(seconds);
  let text = "";
  for (const [unit, size] of [["d", 86_400], ["h", 3600], ["m", 60], ["s", 1]] as const) {
    const count = Math.floor(left / size);
    if (count) text += `${count}${unit}`;
    left -= count * size;
  }
  return text || `${seconds}s`;
}

/** What starts it by itself, in words; empty where nothing does. */
export function scheduleWords(entry: Pick<Entry, "schedule" | "auto_start">, schedule: Pick<Schedule, "words" | "auto_start" | "cron"> | null): string {
  const words = schedule?.words || entry.schedule;
  const start = schedule?.auto_start || entry.auto_start ? "when the server starts" : "";
  return [words, start].filter(Boolean).join(", and ");
}

export type Standing = "ready" | "disabled" | "draft" | "error";

export function standingOf(entry: Pick<Entry, "status" | "is_draft">): Standing {
  if (entry.is_draft) return "draft";
  return entry.status;
}

/** Does every word of the search occur in it? */
export function isFound(entry: Pick<Entry, "id" | "name" | "description" | "file" | "tags" | "type">, text: string): boolean {
  const all = [entry.id, entry.name, entry.description, entry.file, entry.type, ...entry.tags].join("\n").toLowerCase();
  return text.toLowerCase().split(/\s+/).every((word) => all.includes(word));
}

/** An id that is not taken, from a wish. */
export function freeId(wish: string, taken: ReadonlySet<string>): string {
  if (!taken.has(wish)) return wish;
  for (let n = 2; ; n++) if (!taken.has(`${wish}-${n}`)) return `${wish}-${n}`;
}
