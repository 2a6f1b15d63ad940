import { expect, it } from "vitest";
import { changesIn, type DiffLine, diffLines, folded } from "./diff";

const short = (lines: DiffLine[]): string[] => lines.map((line) => `${{ same: " ", removed: "-", added: "+" }[line.kind]}${line.text}`);
const rebuilt = (lines: DiffLine[], side: "before" | "after"): string[] => lines.filter((line) => line[side] !== null).map((line) => line.text);

it("tells removed and added lines, with their numbers", () => {
  const lines = diffLines("a\nb\nc\nd\n", "a\nB\nc\nd\ne\n");
  expect(short(lines)).toEqual([" a", "-b", "+B", " c", " d", "+e"]);
  expect(lines[2]).toEqual({ kind: "added", text: "B", before: null, after: 2 });
  expect(changesIn(lines)).toEqual({ added: 2, removed: 1 });
});

it("equal texts, empty texts, and line ends", () => {
  expect(changesIn(diffLines("a\nb", "a\nb"))).toEqual({ added: 0, removed: 0 });
  expect(short(diffLines("", "a"))).toEqual(["+a"]);
  expect(short(diffLines("a", ""))).toEqual(["-a"]);
  expect(diffLines("", "")).toEqual([]);
  expect(changesIn(diffLines("a\r\nb\r\n", "a\nb\n"))).toEqual({ added: 0, removed: 0 });
});

it("both texts can be read off any difference, and it is as short as can be", () => {
  let seed = 7;
  const random = (n: number): number => (seed = (seed * 48271) % 2147483647) % n;
  for (let round = 0; round < 300; round++) {
    const text = (): string[] => Array.from({ length: random(12) }, () => "abc"[random(3)]!);
    const [a, b] = [text(), text()];
    const lines = diffLines(a.join("\n"), b.join("\n"));
    expect(rebuilt(lines, "before")).toEqual(a);
    expect(rebuilt(lines, "after")).toEqual(b);
    const { added, removed } = changesIn(lines);
    expect(added + removed).toBe(a.length + b.length - 2 * longestCommon(a, b));
  }
});

function longestCommon(a: string[], b: string[]): number {
  const row = new Array<number>(b.length + 1).fill(0);
  for (const one of a) {
    let corner = 0;
    for (let j = 1; j <= b.length; j++) {
      const above = row[j]!;
      row[j] = one === b[j - 1] ? corner + 1 : Math.max(above, row[j - 1]!);
      corner = above;
    }
  }
  return row[b.length]!;
}

it("large texts with nothing in common are shown as replaced, at once", () => {
  const many = (word: string): string => Array.from({ length: 20_000 }, (_, i) => `${word} ${i}`).join("\n");
  const began = performance.now();
  expect(changesIn(diffLines(many("a"), many("b")))).toEqual({ added: 20_000, removed: 20_000 });
  expect(performance.now() - began).toBeLessThan(2000);
});

it("folds what did not change, but for the lines around", () => {
  const before = Array.from({ length: 30 }, (_, i) => `line ${i}`);
  const after = before.with(15, "changed");
  const rows = folded(diffLines(before.join("\n"), after.join("\n")));
  expect(rows.map((row) => (row.kind === "fold" ? `fold ${row.lines.length}` : row.kind))).toEqual(["fold 12", "same", "same", "same", "removed", "added", "same", "same", "same", "fold 11"]);
});
