import { describe, expect, it } from "vitest";
import { diffCounts, diffRows, edits, hunksOf, wordParts } from "./diff";

/** Put the right text together from a diff, and the left one. */
function bothSides(left: string, right: string): [string, string] {
  const rows = diffRows(left, right);
  const text = (side: "left" | "right"): string =>
    rows
      .filter((row) => (side === "left" ? row.leftLine : row.rightLine) !== null)
      .map((row) => row[side].map((part) => part.text).join(""))
      .join("\n");
  return [text("left"), text("right")];
}

describe("diffRows", () => {
  it("pairs changed lines and counts lines on each side", () => {
    const rows = diffRows("a\nb = 1\nc", "a\nb = 2\nc\nd");
    expect(rows.map((row) => [row.kind, row.leftLine, row.rightLine])).toEqual([
      ["same", 1, 1],
      ["changed", 2, 2],
      ["same", 3, 3],
      ["new", null, 4],
    ]);
    expect(diffCounts(rows)).toEqual({ added: 2, removed: 1 });
  });
  it("says nothing of equal texts", () => {
    expect(diffCounts(diffRows("a\nb", "a\nb"))).toEqual({ added: 0, removed: 0 });
  });
  it("keeps both texts whole, whatever they are", () => {
    let seed = 7;
    const random = (n: number): number => (seed = (seed * 48271) % 2147483647) % n;
    for (let round = 0; round < 200; round++) {
      const make = (): string => Array.from({ length: random(12) }, () => "abc"[random(3)]!).join("\n");
      const [left, right] = [make(), make()];
      expect(bothSides(left, right)).toEqual([left, right]);
    }
  });
  it("bears texts that have nothing in common", () => {
    const many = (word: string): string => Array.from({ length: 3000 }, (_, n) => `${word} ${n}`).join("\n");
    expect(diffCounts(diffRows(many("x"), many("y")))).toEqual({ added: 3000, removed: 3000 });
  });
});

describe("edits", () => {
  it("takes the shortest way", () => {
    expect(edits([..."abcabba"], [..."cbabac"]).filter((edit) => edit.kind !== "same")).toHaveLength(5);
  });
});

describe("wordParts", () => {
  it("marks the words that differ", () => {
    const [left, right] = wordParts("max_files = 5000", "max_files = 100");
    expect(left).toEqual([
      { text: "max_files = ", changed: false },
      { text: "5000", changed: true },
    ]);
    expect(right.at(-1)).toEqual({ text: "100", changed: true });
  });
  it("marks none in lines that have little in common", () => {
    expect(wordParts("type = 1", "something else entirely")[0]).toHaveLength(1);
  });
});

describe("hunksOf", () => {
  it("leaves out what is far from a change", () => {
    const lines = Array.from({ length: 40 }, (_, n) => `line ${n}`);
    const changed = lines.with(20, "other");
    const { hunks, rest } = hunksOf(diffRows(lines.join("\n"), changed.join("\n")), 3);
    expect(hunks).toHaveLength(1);
    expect(hunks[0]!.skipped).toBe(17);
    expect(hunks[0]!.rows).toHaveLength(7);
    expect(rest).toBe(16);
  });
});
