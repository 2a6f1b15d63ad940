// A strip of cells over the children of a step: where a cell stands, which one is under the pointer, what it says.
import { count, durationText } from "../../parts/time";
import type { HeatCell } from "./types";

export interface HeatLayout {
  columns: number;
  rows: number;
  cellWidth: number;
  cellHeight: number;
  gap: number;
}

export const MOST_CELLS = 1000;
const GAP = 1;
const HEIGHT = 14;
const WIDEST = 18;
const NARROWEST = 7;

/** Cells fill rows from left to right; few cells are wide ones. */
export function layoutOf(width: number, cells: number): HeatLayout {
  const usable = Math.max(NARROWEST + GAP, width);
  const most = Math.floor((usable + GAP) / (NARROWEST + GAP));
  const wanted = Math.floor((usable + GAP) / (WIDEST + GAP));
  const columns = Math.max(1, cells <= wanted ? wanted : Math.min(most, Math.max(wanted, Math.ceil(cells / 8))));
  const cellWidth = Math.max(NARROWEST, Math.floor((usable + GAP) / columns) - GAP);
  return { columns, rows: Math.max(1, Math.ceil(cells / columns)), cellWidth, cellHeight: HEIGHT, gap: GAP };
}

/** Index of the cell at a point; the nearest one outside. */
export function cellAt(layout: HeatLayout, cells: number, x: number, y: number): number {
  const column = clamp(Math.floor(x / (layout.cellWidth + layout.gap)), 0, layout.columns - 1);
  const row = clamp(Math.floor(y / (layout.cellHeight + layout.gap)), 0, layout.rows - 1);
  return clamp(row * layout.columns + column, 0, cells - 1);
}

/** Index after a key, or null when the key does not move. */
export function moved(layout: HeatLayout, cells: number, at: number, key: string): number | null {
  const steps: Record<string, number> = {
    ArrowLeft: -1,
    ArrowRight: 1,
    ArrowUp: -layout.columns,
    ArrowDown: layout.columns,
    PageUp: -layout.columns * 4,
    PageDown: layout.columns * 4,
    Home: -cells,
    End: cells,
  };
  const step = steps[key];
  return step === undefined ? null : clamp(at + step, 0, cells - 1);
}

export interface Places {
  first: number;
  last: number;
}

/** Places among the children that two cells and all between them cover. */
export function placesOf(cells: readonly HeatCell[], a: number, b: number): Places {
  const from = cells[Math.min(a, b)]!;
  const to = cells[Math.max(a, b)]!;
  return { first: from.first_place, last: to.first_place + to.count - 1 };
}

/** Cells that places touch, first and last index; null where there are none. */
export function cellsOf(cells: readonly HeatCell[], places: Places): [number, number] | null {
  let first = -1;
  let last = -1;
  for (const [index, cell] of cells.entries()) {
    if (cell.first_place + cell.count - 1 < places.first || cell.first_place > places.last) continue;
    if (first < 0) first = index;
    last = index;
  }
  return first < 0 ? null : [first, last];
}

/** Next cell with a failure, onwards from `at`, around the end; null where nothing failed. */
export function nextFailed(cells: readonly HeatCell[], at: number, step: 1 | -1 = 1): number | null {
  for (let i = 1; i <= cells.length; i++) {
    const index = (at + step * i + cells.length * 2) % cells.length;
    if (cells[index]!.failed > 0) return index;
  }
  return null;
}

/** How much of a cell failed, in three grades. */
export function failedGrade(cell: HeatCell): 1 | 2 | 3 {
  const share = cell.count ? cell.failed / cell.count : 0;
  return share < 0.1 ? 1 : share < 0.5 ? 2 : 3;
}

/** How long the longest took, in five grades on a logarithmic scale. */
export function timeGrade(cell: HeatCell, longest: number): 0 | 1 | 2 | 3 | 4 {
  if (cell.longest_s <= 0 || longest <= 0) return 0;
  const grade = 4 + Math.ceil(Math.log2(cell.longest_s / longest));
  return clamp(grade, 0, 4) as 0 | 1 | 2 | 3 | 4;
}

export function cellText(cell: HeatCell): string {
  const last = cell.first_place + cell.count - 1;
  const place = cell.count === 1 ? `Job ${count(cell.first_place + 1)}` : `Jobs ${count(cell.first_place + 1)}–${count(last + 1)}`;
  const facts = cell.count === 1 ? [cell.worst] : [cell.failed ? `${count(cell.failed)} failed` : "", cell.open ? `${count(cell.open)} open` : "", !cell.failed && !cell.open ? cell.worst : ""];
  if (cell.longest_s > 0) facts.push(`longest ${durationText(cell.longest_s * 1000)}`);
  return `${place}: ${facts.filter(Boolean).join(", ")}`;
}

const clamp = (n: number, low: number, high: number): number => Math.max(low, Math.min(high, n));
