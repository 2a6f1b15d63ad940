import { expect, it } from "vitest";
import { apiQuery, changesTo, filterOf, NO_FILTER, partsOf, readList, searchQuery, tagGroups, writeList } from "./filter";

const FULL = "type=local_dir&tag=handbook,a%5C%2Cb&category=docs&run=12&step=index&since=7d&gone=1";

it("the URL holds the whole filter", () => {
  const filter = filterOf(new URLSearchParams(FULL));
  expect(filter).toEqual({ sourceType: "local_dir", tags: ["handbook", "a,b"], categories: ["docs"], run: 12, steps: ["index"], since: "7d", withGone: true });
  const changes = changesTo(filter) as Record<string, string>;
  expect(filterOf(new URLSearchParams(Object.entries(changes).map(([key, value]) => [key, String(value)])))).toEqual(filter);
  expect(filterOf(new URLSearchParams("run=x&since=yesterday"))).toEqual(NO_FILTER);
});

it("values with commas and backslashes survive", () => {
  for (const values of [["a,b", "c\\", "d"], ["\\,"], []]) expect(readList(writeList(values))).toEqual(values);
});

it("a step needs its run", () => {
  expect(changesTo({ run: null })).toEqual({ run: null, step: null });
  expect(apiQuery({ ...NO_FILTER, steps: ["a"] }, 0).step).toEqual([]);
});

it("times are counted back from now, days stay days", () => {
  const now = Date.parse("2026-03-10T12:00:30Z");
  expect(apiQuery({ ...NO_FILTER, since: "24h" }, now).updated_after).toBe("2026-03-09T12:00:00.000Z");
  expect(apiQuery({ ...NO_FILTER, since: "2026-01-01" }, now).updated_after).toBe("2026-01-01");
});

it("every part can be taken away by itself", () => {
  const filter = filterOf(new URLSearchParams(FULL));
  const parts = partsOf(filter);
  expect(parts.map((part) => part.text)).toEqual(["type: local_dir", "category: docs", "tag: handbook", "tag: a,b", "run #12", "step: index", "changed: last 7 days", "with gone ones"]);
  let left = filter;
  while (partsOf(left).length) left = { ...left, ...partsOf(left)[0]!.without };
  expect(left).toEqual(NO_FILTER);
});

it("the same selection in the search language", () => {
  expect(searchQuery({ ...NO_FILTER, sourceType: "local_dir", tags: ["two words"], categories: ["docs"], since: "2026-01-01" })).toBe('type:local_dir tag:"two words" tag:category:docs after:2026-01-01');
});

it("tags that repeat another facet are left out, unless chosen", () => {
  const [tags, days] = tagGroups({ "source_type:x": 3, "category:docs": 2, "date:2026-01-01": 1, "date:2026-02-01": 1, handbook: 5 }, ["category:docs", "rare"]);
  expect(tags!.tags.map((tag) => `${tag.value} ${tag.count}`)).toEqual(["category:docs 2", "rare 0", "handbook 5"]);
  expect(days!.tags.map((tag) => tag.text)).toEqual(["2026-02-01", "2026-01-01"]);
});
