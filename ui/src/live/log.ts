// The lines of a run that the page holds: the newest, with markers where the server left some out.
import type { Line } from "../api/types";

export const MAX_LINES = 20_000;
const SLACK = 1_000;

export interface LogLine {
  kind: "line";
  seq: number;
  line: Line;
  /** Message and fields as shown; may hold ANSI colours. */
  text: string;
  /** The same without colours, in lower case. */
  plain: string;
}

export interface Gap {
  kind: "gap";
  seq: number;
  to: number;
}

export type LogItem = LogLine | Gap;

const ANSI = /\x1b\[[0-9;?]*[ -/]*[@-~]/g;

export function logLine(line: Line): LogLine {
  const text = textOf(line);
  return { kind: "line", seq: line.seq, line, text, plain: text.replace(ANSI, "").toLowerCase() };
}

export function textOf(line: Line): string {
  let text = line.message;
  for (const [key, value] of Object.entries(line.fields ?? {})) {
    text += `  ${key}=${typeof value === "string" ? value : JSON.stringify(value)}`;
  }
  return text;
}

export class LogBuffer {
  items: LogItem[] = [];
  /** Number of the run's last line. */
  last = 0;
  /** Rises whenever items were put elsewhere than at the end. */
  rebuilt = 0;
  /** Rises when the lines are another run's or another past's: nothing kept beside them holds any more. */
  era = 0;
  /** How many items were dropped at the front in all. */
  dropped = 0;

  /** A snapshot: keeps what is held, if the lines join on or leave a known gap. */
  restart(lines: readonly Line[], last: number): void {
    const first = lines[0]?.seq ?? last + 1;
    if (this.last > 0 && this.last <= last) {
      const skipped: [number, number] | undefined = first > this.last + 1 ? [this.last + 1, first - 1] : undefined;
      this.append(lines, skipped);
    } else {
      this.items = lines.map(logLine);
      this.rebuilt++;
      this.era++;
    }
    this.last = Math.max(last, lines.at(-1)?.seq ?? 0);
  }

  /** New lines at the end; `skipped` may lie before or behind them. Lines that are held already are left out. */
  append(lines: readonly Line[], skipped?: readonly [number, number]): void {
    let gap: Gap | null = null;
    if (skipped && skipped[1] > this.last) {
      gap = { kind: "gap", seq: Math.max(skipped[0], this.last + 1), to: skipped[1] };
    }
    for (const line of lines) {
      if (gap && gap.seq < line.seq) {
        this.items.push(gap);
        this.last = gap.to;
        gap = null;
      }
      if (line.seq <= this.last) continue;
      this.items.push(logLine(line));
      this.last = line.seq;
    }
    if (gap) {
      this.items.push(gap);
      this.last = gap.to;
    }
    if (this.items.length > MAX_LINES + SLACK) {
      const surplus = this.items.length - MAX_LINES;
      this.items = this.items.slice(surplus);
      this.dropped += surplus;
      this.rebuilt++;
    }
  }

  /** Lines fetched for (part of) a gap, in order; what is still missing stays a gap. */
  fill(gap: Gap, lines: readonly Line[]): void {
    const at = this.items.indexOf(gap);
    if (at < 0) return;
    const inside = lines.filter((line) => line.seq >= gap.seq && line.seq <= gap.to).map(logLine);
    const rest: LogItem[] = [];
    const reached = inside.at(-1)?.seq ?? gap.to;
    if (reached < gap.to) rest.push({ kind: "gap", seq: reached + 1, to: gap.to });
    this.items = [...this.items.slice(0, at), ...inside, ...rest, ...this.items.slice(at + 1)];
    this.rebuilt++;
  }

  /** Number of the first line held; null when there is none. */
  get first(): number | null {
    return this.items[0]?.seq ?? null;
  }
}
