// The lines of a run under a filter: brought up to date line by line, made anew only when the filter or the past changes.
import type { Level } from "../../api/types";
import { type LogFilter, matches } from "../../live/filters";
import type { Gap, LogBuffer, LogItem, LogLine } from "../../live/log";

export class LogView {
  items: LogItem[] = [];
  counts: Record<Level, number> = { debug: 0, info: 0, warning: 0, error: 0 };
  /** Lines in `items`, without markers; and how many are held in all. */
  shown = 0;
  held = 0;
  /** Rises when items were put elsewhere than at the end. */
  generation = 0;
  /** Older lines fetched for this filter, in order. */
  older: LogLine[] = [];
  oldestReached = false;
  /** Number of the newest line by step: lines of a step are numbered without holes. */
  readonly lastOfStep = new Map<number, number>();
  private filter: LogFilter | null = null;
  private source: LogBuffer | null = null;
  private seenRebuilt = -1;
  private seenEra = -1;
  private done = 0;

  update(source: LogBuffer, filter: LogFilter): void {
    if (source !== this.source || filter !== this.filter || source.era !== this.seenEra) {
      this.older = [];
      this.oldestReached = false;
      this.seenEra = source.era;
      this.reset(source, filter);
    } else if (source.rebuilt !== this.seenRebuilt) this.reset(source, filter);
    for (; this.done < source.items.length; this.done++) this.take(source.items[this.done]!);
    this.held = source.items.length;
  }

  /** Older lines, fetched; they must join on at the front. */
  prepend(lines: readonly LogLine[]): void {
    const first = this.older[0]?.seq ?? Infinity;
    const start = this.source?.first ?? Infinity;
    this.older = [...lines.filter((line) => line.seq < Math.min(first, start) && matches(line, this.filter!)), ...this.older];
    this.seenRebuilt = -1;
  }

  /** Lines of the gap between the older ones and those held. */
  fillOlder(lines: readonly LogLine[]): void {
    const last = this.older.at(-1)?.seq ?? 0;
    const start = this.source?.first ?? Infinity;
    this.older = [...this.older, ...lines.filter((line) => line.seq > last && line.seq < start && matches(line, this.filter!))];
    this.seenRebuilt = -1;
  }

  get firstSeq(): number | null {
    return this.older[0]?.seq ?? this.source?.first ?? null;
  }

  /** Place of a line, or of the next one that is shown. */
  indexOf(seq: number): number {
    let low = 0;
    let high = this.items.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.items[middle]!.seq < seq) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  private reset(source: LogBuffer, filter: LogFilter): void {
    this.source = source;
    this.filter = filter;
    this.seenRebuilt = source.rebuilt;
    this.items = [];
    this.counts = { debug: 0, info: 0, warning: 0, error: 0 };
    this.shown = 0;
    this.done = 0;
    this.generation++;
    for (const line of this.older) this.take(line);
    const isWhole = !filter.words.length && !filter.levels.length && !filter.steps.length && !filter.jobs.length && !filter.without.length;
    const end = this.older.at(-1)?.seq;
    if (isWhole && end !== undefined && source.first !== null && source.first > end + 1) {
      this.items.push({ kind: "gap", seq: end + 1, to: source.first - 1 } satisfies Gap);
    }
  }

  private take(item: LogItem): void {
    if (item.kind === "gap") {
      this.items.push(item);
      return;
    }
    const { step_id, line } = item.line;
    if (step_id !== null && line > (this.lastOfStep.get(step_id) ?? 0)) this.lastOfStep.set(step_id, line);
    if (!matches(item, this.filter!, false)) return;
    this.counts[item.line.level]++;
    if (this.filter!.levels.length && !this.filter!.levels.includes(item.line.level)) return;
    this.items.push(item);
    this.shown++;
  }
}

/** How many rows a text takes when it is cut at `columns` characters; wide characters take two. */
export function rowsOf(text: string, columns: number): number {
  if (text.length <= columns && !text.includes("\n") && isNarrow(text)) return 1;
  let rows = 0;
  for (const part of text.split("\n")) {
    let width = 0;
    let lines = 1;
    for (const character of part) {
      const own = character.codePointAt(0)! >= 0x1100 ? 2 : 1;
      if (width + own > columns) {
        lines++;
        width = 0;
      }
      width += own;
    }
    rows += lines;
  }
  return rows;
}

function isNarrow(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) >= 0x1100) return false;
  return true;
}
