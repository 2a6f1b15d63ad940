// Sizes in words, and the bars of the activity chart.
import type { JobStatus } from "../../api/types";

export interface StorageFacts {
  database: string;
  backend: "sqlite" | "postgres";
  server_version: string;
  schema: number;
  size: number;
  free: number | null;
  wal_size: number | null;
  logs_size: number;
  log_days: string[];
  rows: Record<string, number>;
  oldest_transaction_s: number | null;
  drift: number;
  audited_at: string | null;
}

export interface Activity {
  at: string;
  counts: Partial<Record<JobStatus, number>>;
}

const UNITS = ["bytes", "KB", "MB", "GB", "TB"];

export function sizeText(bytes: number): string {
  let size = bytes;
  let unit = 0;
  while (size >= 1000 && unit < UNITS.length - 1) {
    size /= 1000;
    unit++;
  }
  return unit === 0 ? `${size} bytes` : `${size >= 100 ? Math.round(size) : size.toFixed(1)} ${UNITS[unit]}`;
}

export const STACK: readonly JobStatus[] = ["completed", "failed", "running", "pending", "cancelled", "skipped"];

export interface Segment {
  status: JobStatus;
  count: number;
  y: number;
  height: number;
}

export interface ChartBar {
  at: string;
  total: number;
  x: number;
  width: number;
  segments: Segment[];
}

export interface Chart {
  bars: ChartBar[];
  /** The value at the top of the axis. */
  top: number;
  marks: number[];
}

/** A round number at or above `n`, that halves well. */
export function roundUp(n: number): number {
  if (n <= 2) return 2;
  const power = 10 ** Math.floor(Math.log10(n));
  return [1, 2, 4, 6, 8, 10].map((factor) => factor * power).find((one) => one >= n)!;
}

/** Stacked bars in a box; anything that is there is at least a pixel high. */
export function chartOf(activity: readonly Activity[], width: number, height: number): Chart {
  const totals = activity.map((one) => STACK.reduce((sum, status) => sum + (one.counts[status] ?? 0), 0));
  const top = roundUp(Math.max(0, ...totals));
  const step = activity.length ? width / activity.length : width;
  const gap = step > 6 ? 2 : step > 3 ? 1 : 0;
  const bars = activity.map((one, index): ChartBar => {
    let y = height;
    const segments: Segment[] = [];
    for (const status of STACK) {
      const count = one.counts[status] ?? 0;
      if (!count) continue;
      const tall = Math.max(1, (count / top) * height);
      y -= tall;
      segments.push({ status, count, y, height: tall });
    }
    return { at: one.at, total: totals[index]!, x: index * step + gap / 2, width: Math.max(1, step - gap), segments };
  });
  return { bars, top, marks: [0, top / 2, top] };
}
