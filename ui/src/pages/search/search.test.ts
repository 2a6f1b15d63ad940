import { expect, it } from "vitest";
import { fieldOf, partsOf, placeOfProblem, withField, withoutPart } from "./query";
import { remembered } from "./saved";
import type { Hit } from "./types";
import { reasonsFor, stem, titlePieces } from "./why";

const short = (text: string): string[] => partsOf(text).map((part) => `${part.isNegated ? "not " : ""}${part.kind} ${part.value}${part.isPrefix ? "*" : ""}`);

it("the parts of a query", () => {
  expect(short('lease "stale claim" clai* title:engine tag:category:docs type:local_dir after:2026-01 before:2026')).toEqual([
    "word lease", "phrase stale claim", "word clai*", "title engine", "tag category:docs", "type local_dir", "after 2026-01", "before 2026",
  ]);
  expect(short("lease -claim NOT sqlite")).toEqual(["word lease", "not word claim", "not word sqlite"]);
  expect(short("(lease OR claim) AND -(a b) c")).toEqual(["word lease", "operator OR", "word claim", "operator AND", "not word a", "not word b", "word c"]);
  expect(short('tag:"two words" title:"a b"* -tag:draft')).toEqual(["tag two words", "title a b*", "not tag draft"]);
  expect(short('or and - " ??? a')).toEqual(["word or", "word and", "word a"]);
  expect(short("“curly quotes”")).toEqual(["phrase curly quotes"]);
  expect(short("")).toEqual([]);
});

it("places are those in the text", () => {
  const text = 'lease -tag:draft NOT "a b"';
  expect(partsOf(text).map((part) => text.slice(part.from, part.to))).toEqual(["lease", "-tag:draft", 'NOT "a b"']);
});

it.each([
  ["lease tag:x claim", 1, "lease claim"],
  ["lease OR claim", 0, "claim"],
  ["lease OR claim", 2, "lease"],
  ["a AND b AND c", 2, "a AND c"],
  ["NOT a b", 0, "b"],
  ["(a) b", 0, "b"],
  ["only", 0, ""],
  ["a -b", 0, "-b"],
])("%j without part %i is %j", (text, index, left) => {
  expect(withoutPart(text, partsOf(text)[index]!)).toBe(left);
});

it("a facet narrows the whole query down", () => {
  expect(withField("lease claim", "type", "local_dir")).toBe("lease claim type:local_dir");
  expect(withField("lease OR claim", "tag", "two words")).toBe('(lease OR claim) tag:"two words"');
  expect(withField("", "tag", "x")).toBe("tag:x");
  expect(fieldOf("tag:X -tag:y", "tag")).toEqual(["x"]);
});

it("the place of what can't be read", () => {
  const text = "lease after:2026-13 claim";
  expect(placeOfProblem(text, "after:2026-13 is not a date; write YYYY")).toEqual({ from: 6, to: 19 });
  expect(placeOfProblem(text, "the store can't be reached")).toBeNull();
});

const hit = (more: Partial<Hit>): Hit => ({ document_id: "doc_1", source_type: "local_dir", source_id: "x", title: "", url: "", tags: [], snippet: "", score: 1, updated_at: "", ...more });

it("tells which fields were hit, and by what", () => {
  const found = hit({ title: "Claiming a lease", tags: ["handbook", "claims", "date:2026-01-01"], snippet: "a \x01claimed\x02 job, \x01Claimed\x02 twice" });
  expect(reasonsFor(found, "claim tag:handbook type:local_dir after:2026 -lease")).toEqual([
    { field: "title", terms: ["Claiming"] },
    { field: "text", terms: ["claimed"] },
    { field: "tag", terms: ["handbook", "claims"] },
    { field: "type", terms: ["local_dir"] },
    { field: "changed", terms: ["after 2026"] },
  ]);
  expect(reasonsFor(hit({ title: "Other" }), "claim")).toEqual([]);
});

it("titles are marked without regard to case, accents and form", () => {
  expect(titlePieces({ title: "Café: Lease, leases & leasing" }, "cafe title:lease")).toEqual([
    { text: "Café", isHit: true },
    { text: ": ", isHit: false },
    { text: "Lease", isHit: true },
    { text: ", ", isHit: false },
    { text: "leases", isHit: true },
    { text: " & ", isHit: false },
    { text: "leasing", isHit: true },
  ]);
  expect(titlePieces({ title: "Engineering" }, "eng*")).toEqual([{ text: "Engineering", isHit: true }]);
});

it("forms of a word share a stem", () => {
  for (const forms of [["claim", "claims", "claimed", "claiming"], ["query", "queries"], ["stop", "stopped", "stopping"], ["match", "matches"], ["store", "stored", "stores"]]) {
    expect(new Set(forms.map(stem)).size).toBe(1);
  }
  expect(stem("process")).not.toBe(stem("proceed"));
});

it("the newest search comes first, each once, and not too many", () => {
  expect(remembered(["b", "a"], "a", 5)).toEqual(["a", "b"]);
  expect(remembered(["c", "b", "a"], "d", 3)).toEqual(["d", "c", "b"]);
  expect(remembered(["a"], "  ", 3)).toEqual(["a"]);
});
