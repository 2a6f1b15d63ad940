// Differences of two runs in words and signs.
import { count, durationText } from "../../parts/time";

export type Tone = "better" | "worse" | "same";

const MINUS = "−";

/** `null`: there is nothing to compare with. */
export function countDelta(delta: number | null): string {
  if (delta === null) return "–";
  if (delta === 0) return "±0";
  return delta > 0 ? `+${count(delta)}` : `${MINUS}${count(-delta)}`;
}

export function secondsDelta(delta: number | null): string {
  if (delta === null) return "–";
  if (Math.abs(delta) < 0.0005) return "±0";
  return `${delta > 0 ? "+" : MINUS}${durationText(Math.abs(delta) * 1000)}`;
}

export function rateDelta(delta: number | null): string {
  if (delta === null) return "–";
  const size = Math.abs(delta);
  const text = size >= 100 ? count(Math.round(size)) : size >= 1 ? size.toFixed(1) : size.toFixed(2);
  return /^[0.]+$/.test(text) ? "±0" : `${delta > 0 ? "+" : MINUS}${text}`;
}

/** Change in per cent of the old value; empty where that says nothing. */
export function percentDelta(old: number | null | undefined, fresh: number | null | undefined): string {
  if (!old || fresh === null || fresh === undefined) return "";
  const percent = ((fresh - old) / old) * 100;
  if (Math.abs(percent) < 0.5) return "";
  if (percent > 999) return `×${(fresh / old).toFixed(fresh / old < 100 ? 1 : 0)}`;
  return `${percent > 0 ? "+" : MINUS}${Math.round(Math.abs(percent))} %`;
}

/** Small changes say nothing: less than `slack` of the old value. */
export function toneOf(delta: number | null, lessIsBetter: boolean, old: number | null = null, slack = 0): Tone {
  if (delta === null || delta === 0 || (old !== null && Math.abs(delta) <= Math.abs(old) * slack)) return "same";
  return delta < 0 === lessIsBetter ? "better" : "worse";
}

export interface DiffLine {
  kind: "add" | "take" | "place" | "same";
  text: string;
}

/** Lines of a unified diff, without the names of the files. */
export function diffLines(diff: string): DiffLine[] {
  const lines = diff.split("\n");
  if (lines.at(-1) === "") lines.pop();
  return lines
    .filter((line, index) => !(index < 2 && /^(---|\+\+\+)/.test(line)))
    .map((line) => ({
      kind: line.startsWith("@@") ? "place" : line.startsWith("+") ? "add" : line.startsWith("-") ? "take" : "same",
      text: line,
    }));
}
