// Times: relative in the text, absolute on hover, one clock that ticks for all.
import { useEffect, useReducer } from "preact/hooks";
import { store } from "../live";

const listeners = new Set<() => void>();
let timer: ReturnType<typeof setInterval> | undefined;

/** The server's time in ms; the component is painted anew once a second. */
export function useNow(): number {
  const [, tick] = useReducer((n: number) => n + 1, 0);
  useEffect(() => {
    const listener = () => tick(undefined);
    listeners.add(listener);
    timer ??= setInterval(() => {
      if (!document.hidden) for (const one of [...listeners]) one();
    }, 1000);
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0) {
        clearInterval(timer);
        timer = undefined;
      }
    };
  }, []);
  return store.now();
}

const ZONE = Intl.DateTimeFormat().resolvedOptions().timeZone;
const DATE_TIME = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const DAY = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const CLOCK = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });

export function timeZone(): string {
  return ZONE;
}

/** With the name of the local time zone. */
export function absoluteTime(at: string | number): string {
  return `${DATE_TIME.format(new Date(at))} (${ZONE})`;
}

export function clockTime(at: string | number): string {
  return CLOCK.format(new Date(at));
}

export function relativeTime(at: string, now: number): string {
  const seconds = Math.round((now - Date.parse(at)) / 1000);
  const ahead = seconds < -2;
  const s = Math.abs(seconds);
  const text =
    s < 3 ? "now" : s < 60 ? `${s} s` : s < 3600 ? `${Math.floor(s / 60)} min` : s < 86400 ? `${Math.floor(s / 3600)} h` : s < 86400 * 7 ? `${Math.floor(s / 86400)} d` : DAY.format(new Date(at));
  if (text === "now" || s >= 86400 * 7) return text;
  return ahead ? `in ${text}` : `${text} ago`;
}

export function durationText(ms: number): string {
  if (ms < 0) ms = 0;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  const s = ms / 1000;
  if (s < 10) return `${s.toFixed(1)} s`;
  if (s < 60) return `${Math.floor(s)} s`;
  if (s < 3600) return `${Math.floor(s / 60)}m ${pad(Math.floor(s % 60))}s`;
  if (s < 86400) return `${Math.floor(s / 3600)}h ${pad(Math.floor((s % 3600) / 60))}m`;
  return `${Math.floor(s / 86400)}d ${pad(Math.floor((s % 86400) / 3600))}h`;
}

const pad = (n: number): string => String(n).padStart(2, "0");

/** From start to end, or to now; null when it has not started. */
export function lasted(job: { started_at: string | null; finished_at: string | null }, now: number): number | null {
  if (!job.started_at) return null;
  return (job.finished_at ? Date.parse(job.finished_at) : now) - Date.parse(job.started_at);
}

export function Time({ at }: { at: string | null }) {
  const now = useNow();
  if (!at) return <span class="dim">–</span>;
  return (
    <time dateTime={at} title={absoluteTime(at)}>
      {relativeTime(at, now)}
    </time>
  );
}

const NUMBER = new Intl.NumberFormat("en-US");

export function count(n: number): string {
  return NUMBER.format(n);
}
