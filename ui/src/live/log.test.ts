import { expect, it } from "vitest";
import type { Line } from "../api/types";
import { type Gap, LogBuffer, MAX_LINES } from "./log";
import { line } from "./testing";

const lines = (from: number, to: number): Line[] => Array.from({ length: to - from + 1 }, (_, i) => line(from + i));
const shape = (log: LogBuffer): string => log.items.map((item) => (item.kind === "gap" ? `[${item.seq}-${item.to}]` : item.seq)).join(" ");

it("lines join on; what is held already is left out", () => {
  const log = new LogBuffer();
  log.restart(lines(5, 7), 7);
  log.append(lines(6, 9));
  expect(shape(log)).toBe("5 6 7 8 9");
});

it("skipped lines leave a marker, before or behind the lines of the frame", () => {
  const log = new LogBuffer();
  log.restart(lines(1, 2), 2);
  log.append(lines(6, 7), [3, 5]);
  log.append(lines(8, 8), [9, 20]);
  log.append(lines(21, 21));
  expect(shape(log)).toBe("1 2 [3-5] 6 7 8 [9-20] 21");
});

it("a snapshot after a pause joins on with a gap; one of another past starts anew", () => {
  const log = new LogBuffer();
  log.restart(lines(1, 3), 3);
  log.restart(lines(8, 9), 9);
  expect(shape(log)).toBe("1 2 3 [4-7] 8 9");
  log.restart(lines(1, 2), 2);
  expect(shape(log)).toBe("1 2");
});

it("a gap is filled page by page", () => {
  const log = new LogBuffer();
  log.restart(lines(1, 1), 1);
  log.append(lines(10, 10), [2, 9]);
  log.fill(log.items[1] as Gap, lines(2, 5));
  expect(shape(log)).toBe("1 2 3 4 5 [6-9] 10");
  log.fill(log.items[5] as Gap, lines(6, 9));
  expect(shape(log)).toBe("1 2 3 4 5 6 7 8 9 10");
});

it("holds the newest lines only", () => {
  const log = new LogBuffer();
  for (let at = 1; at < 30_000; at += 500) log.append(lines(at, at + 499));
  expect(log.items.length).toBeLessThanOrEqual(MAX_LINES + 1000);
  expect(log.items.at(-1)?.seq).toBe(30_000);
  expect(log.dropped + log.items.length).toBe(30_000);
});

it("fields stand behind the message, colours don't hide a word", () => {
  const log = new LogBuffer();
  log.append([line(1, { message: "\x1b[31mRead\x1b[0m", fields: { path: "a.md", size: 3 } })]);
  const [item] = log.items;
  expect(item?.kind === "line" && item.plain).toBe("read  path=a.md  size=3");
});
