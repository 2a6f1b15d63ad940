import { describe, expect, test } from "vitest";
import { cellAt, cellsOf, cellText, failedGrade, layoutOf, moved, nextFailed, placesOf, timeGrade } from "./heat";
import type { HeatCell } from "./types";

function cellsWith(sizes: readonly number[], failed: readonly number[] = []): HeatCell[] {
  let first = 0;
  return sizes.map((count, index) => {
    const cell: HeatCell = { first_place: first, count, worst: failed[index] ? "failed" : "completed", failed: failed[index] ?? 0, open: 0, longest_s: index };
    first += count;
    return cell;
  });
}

describe("layout", () => {
  test.each([
    [1200, 1000],
    [1200, 5],
    [360, 1000],
    [360, 1],
    [0, 10],
    [20, 0],
  ])("a width of %i and %i cells: every cell has its own place inside the box", (width, cells) => {
    const layout = layoutOf(width, cells);
    expect(layout.columns * layout.rows).toBeGreaterThanOrEqual(cells);
    expect((layout.rows - 1) * layout.columns).toBeLessThanOrEqual(Math.max(0, cells));
    if (width > 100) expect(layout.columns * (layout.cellWidth + layout.gap) - layout.gap).toBeLessThanOrEqual(width);
  });

  test("few cells are wide and stand in one row", () => {
    expect(layoutOf(1200, 20)).toMatchObject({ rows: 1, cellWidth: 18 });
  });

  test("a point finds the cell it is drawn at, and the nearest one outside", () => {
    const layout = layoutOf(800, 500);
    for (const index of [0, 1, layout.columns - 1, layout.columns, 499]) {
      const x = (index % layout.columns) * (layout.cellWidth + layout.gap) + 2;
      const y = Math.floor(index / layout.columns) * (layout.cellHeight + layout.gap) + 2;
      expect(cellAt(layout, 500, x, y)).toBe(index);
    }
    expect(cellAt(layout, 500, -50, -50)).toBe(0);
    expect(cellAt(layout, 500, 5000, 5000)).toBe(499);
  });

  test("keys move by cell, by row and to the ends", () => {
    const layout = layoutOf(800, 500);
    expect(moved(layout, 500, 3, "ArrowRight")).toBe(4);
    expect(moved(layout, 500, 0, "ArrowLeft")).toBe(0);
    expect(moved(layout, 500, 3, "ArrowDown")).toBe(3 + layout.columns);
    expect(moved(layout, 500, 3, "End")).toBe(499);
    expect(moved(layout, 500, 480, "Home")).toBe(0);
    expect(moved(layout, 500, 3, "x")).toBeNull();
  });
});

describe("selection", () => {
  const cells = cellsWith([32, 32, 32, 4]);

  test("covers all places of the cells, whichever way it was drawn", () => {
    expect(placesOf(cells, 1, 2)).toEqual({ first: 32, last: 95 });
    expect(placesOf(cells, 3, 2)).toEqual({ first: 64, last: 99 });
  });

  test("places of an address are shown on the cells they touch", () => {
    expect(cellsOf(cells, { first: 32, last: 95 })).toEqual([1, 2]);
    expect(cellsOf(cells, { first: 40, last: 41 })).toEqual([1, 1]);
    expect(cellsOf(cells, { first: 0, last: 999 })).toEqual([0, 3]);
    expect(cellsOf(cells, { first: 200, last: 300 })).toBeNull();
  });

  test("the next failure is found both ways and around the end", () => {
    const some = cellsWith([1, 1, 1, 1, 1], [0, 1, 0, 0, 1]);
    expect(nextFailed(some, 0)).toBe(1);
    expect(nextFailed(some, 1)).toBe(4);
    expect(nextFailed(some, 4)).toBe(1);
    expect(nextFailed(some, 1, -1)).toBe(4);
    expect(nextFailed(cells, 0)).toBeNull();
  });
});

test("grades tell a few failures from a cell that failed as a whole, and quick from slow", () => {
  const [few, half, all] = cellsWith([32, 32, 32], [1, 8, 32]);
  expect([few!, half!, all!].map(failedGrade)).toEqual([1, 2, 3]);
  const at = (longest_s: number) => timeGrade({ ...few!, longest_s }, 8);
  expect([0, 0.1, 1, 2, 4, 8].map(at)).toEqual([0, 0, 1, 2, 3, 4]);
});

test("a cell says which jobs it stands for and the worst of them, counted from one", () => {
  const [first, second] = cellsWith([1, 20], [0, 3]);
  expect(cellText(first!)).toBe("Job 1: completed");
  expect(cellText({ ...second!, open: 2, longest_s: 3 })).toBe("Jobs 2–21: 3 failed, 2 open, longest 3.0 s");
});
