// Bars on a common axis of time: packed into lanes, and folded where there are more of them than pixels.
import type { JobStatus } from "../../api/types";

export interface Bar {
  id: number;
  status: JobStatus;
  /** Milliseconds. */
  start: number;
  end: number;
}

/** One or several bars that would stand on the same pixels. */
export interface Fold {
  start: number;
  end: number;
  bars: Bar[];
  worst: JobStatus;
}

const BADNESS: Record<JobStatus, number> = { failed: 5, running: 4, pending: 3, cancelled: 2, completed: 1, skipped: 0 };
const NARROW_PX = 3;

export function worse(a: JobStatus, b: JobStatus): JobStatus {
  return BADNESS[b] > BADNESS[a] ? b : a;
}

/** Bars of one lane in order; those that overlap, or are too narrow to be told apart, become one. */
export function fold(bars: readonly Bar[], pxPerMs: number): Fold[] {
  const folds: Fold[] = [];
  for (const bar of [...bars].sort((a, b) => a.start - b.start || a.end - b.end)) {
    const last = folds.at(-1);
    const isNarrow = (bar.end - bar.start) * pxPerMs < NARROW_PX;
    const lastIsNarrow = last && (last.bars.length > 1 || (last.end - last.start) * pxPerMs < NARROW_PX);
    const isHidden = last && bar.start < last.end;
    if (last && (isHidden || (isNarrow && lastIsNarrow && (bar.start - last.end) * pxPerMs < 1))) {
      last.bars.push(bar);
      last.end = Math.max(last.end, bar.end);
      last.worst = worse(last.worst, bar.status);
    } else folds.push({ start: bar.start, end: bar.end, bars: [bar], worst: bar.status });
  }
  return folds;
}

/** Lanes in which bars don't overlap. Beyond `most` lanes the rest goes where it overlaps least. */
export function lanesOf(bars: readonly Bar[], most: number): Bar[][] {
  const lanes: Bar[][] = [];
  const ends: number[] = [];
  for (const bar of [...bars].sort((a, b) => a.start - b.start || b.end - a.end)) {
    let lane = ends.findIndex((end) => end <= bar.start);
    if (lane < 0) lane = lanes.length < most ? lanes.length : ends.indexOf(Math.min(...ends));
    (lanes[lane] ??= []).push(bar);
    ends[lane] = Math.max(ends[lane] ?? 0, bar.end);
  }
  return lanes;
}

/** Round marks for an axis of so many milliseconds, about `about` of them. */
export function ticksOf(span: number, about: number): number[] {
  const seconds = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21600, 43200, 86400];
  const found = seconds.find((one) => span / (one * 1000) <= about);
  const step = found === undefined ? 86_400_000 * Math.ceil(span / 86_400_000 / about) : found * 1000;
  const ticks: number[] = [];
  for (let i = 0; i * step < span * 0.97; i++) ticks.push(i * step);
  return ticks;
}
