import { expect, it } from "vitest";
import { rowsOf, LogView } from "./log-view";
import { EMPTY, parseFilter } from "../../live/filters";
import { LogBuffer, logLine } from "../../live/log";
import { line } from "../../live/testing";

const seqs = (view: LogView) => view.items.map((item) => (item.kind === "gap" ? `[${item.seq}-${item.to}]` : item.seq)).join(" ");

it("counts by level what the rest of the filter lets through, and shows the chosen levels", () => {
  const log = new LogBuffer();
  log.restart([line(1), line(2, { level: "error" }), line(3, { level: "error", step_name: "other" })], 3);
  const view = new LogView();
  view.update(log, parseFilter("level:error step:index").filter);
  expect(seqs(view)).toBe("2");
  expect(view.counts).toEqual({ debug: 0, info: 1, warning: 0, error: 1 });
});

it("takes up new lines without starting anew", () => {
  const log = new LogBuffer();
  log.restart([line(1)], 1);
  const view = new LogView();
  view.update(log, EMPTY);
  const { generation } = view;
  log.append([line(2)]);
  view.update(log, EMPTY);
  expect(seqs(view)).toBe("1 2");
  expect(view.generation).toBe(generation);
});

it("older lines stand before, with the gap between; another past drops them", () => {
  const log = new LogBuffer();
  log.restart([line(10)], 10);
  const view = new LogView();
  view.update(log, EMPTY);
  view.prepend([line(3), line(4)].map(logLine));
  view.update(log, EMPTY);
  expect(seqs(view)).toBe("3 4 [5-9] 10");
  expect(view.indexOf(4)).toBe(1);
  log.restart([line(1)], 1);
  view.update(log, EMPTY);
  expect(seqs(view)).toBe("1");
});

it("rows of a wrapped text", () => {
  expect(rowsOf("abc", 3)).toBe(1);
  expect(rowsOf("abcd", 3)).toBe(2);
  expect(rowsOf("ab\ncd", 3)).toBe(2);
  expect(rowsOf("日本", 3)).toBe(2);
});
