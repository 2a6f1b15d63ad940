import { expect, it } from "vitest";
import { bytesText, isMarkdown, splitMetadata, valueText, wordsOf } from "./facts";

it("enrichments stand apart and say when they are out of date", () => {
  const { facts, enrichments } = splitMetadata({ file_path: "a.md", nested: { a: 1 }, keyword_extractor: { keywords: ["x"], content_hash: "h1" }, other: { content_hash: "old" } }, "h1");
  expect(facts.map(([name]) => name)).toEqual(["file_path", "nested"]);
  expect(enrichments).toEqual([
    { name: "keyword_extractor", value: { keywords: ["x"] }, isOutOfDate: false },
    { name: "other", value: {}, isOutOfDate: true },
  ]);
});

it("values are written as people read them", () => {
  expect(valueText("file_size", 7116)).toBe("7.1 kB (7,116 bytes)");
  expect(valueText("file_size", 71)).toBe("71 B");
  expect(valueText("line_count", 1234)).toBe("1,234");
  expect(valueText("job_id", 1234)).toBe("1234");
  expect(valueText("folder", "")).toBe("–");
  expect(valueText("is_fresh", true)).toBe("yes");
  expect(valueText("file_mtime_ns", 1795394788299882054)).toContain("2026");
  expect(valueText("tags", ["a", 1, null])).toBe("a, 1, –");
  expect(valueText("tags", [])).toBe("–");
  expect(valueText("tables", [{ a: 1 }])).toBeNull();
  expect(valueText("table", { a: 1 })).toBeNull();
  expect(bytesText(12_300_000)).toBe("12 MB");
  expect(wordsOf("file_mtime_ns")).toBe("File mtime");
});

it("files of other kinds than markdown are shown as they are", () => {
  expect(isMarkdown({ extension: ".MD" })).toBe(true);
  expect(isMarkdown({})).toBe(true);
  expect(isMarkdown({ extension: ".py" })).toBe(false);
  expect(isMarkdown({ extension: "" })).toBe(false);
});
