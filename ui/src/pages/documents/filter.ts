// Which documents are shown: the state of the list in the URL, as a query to the API, and in words.
import type { Query } from "../../api/client";
import type { Changes } from "../../router";

export interface DocumentFilter {
  sourceType: string | null;
  tags: string[];
  categories: string[];
  run: number | null;
  steps: string[];
  /** `24h`, `7d`, `30d`, or a day. */
  since: string | null;
  withGone: boolean;
}

export const SINCE = [
  ["24h", "last 24 hours"],
  ["7d", "last 7 days"],
  ["30d", "last 30 days"],
] as const;

const HOURS: Record<string, number> = { "24h": 24, "7d": 168, "30d": 720 };
const DAY = /^\d{4}-\d{2}-\d{2}$/;

export function filterOf(query: URLSearchParams): DocumentFilter {
  const run = query.get("run") ?? "";
  const since = query.get("since") ?? "";
  return {
    sourceType: query.get("type") || null,
    tags: readList(query.get("tag")),
    categories: readList(query.get("category")),
    run: /^\d+$/.test(run) ? Number(run) : null,
    steps: readList(query.get("step")),
    since: since in HOURS || DAY.test(since) ? since : null,
    withGone: query.get("gone") === "1",
  };
}

/** What to change in the URL so that it holds this filter. */
export function changesTo(filter: Partial<DocumentFilter>): Changes {
  const changes: Changes = {};
  if ("sourceType" in filter) changes.type = filter.sourceType;
  if (filter.tags) changes.tag = writeList(filter.tags);
  if (filter.categories) changes.category = writeList(filter.categories);
  if ("run" in filter) {
    changes.run = filter.run;
    if (filter.run === null) changes.step = null;
  }
  if (filter.steps) changes.step = writeList(filter.steps);
  if ("since" in filter) changes.since = filter.since;
  if ("withGone" in filter) changes.gone = filter.withGone ? 1 : null;
  return changes;
}

export const NO_FILTER: DocumentFilter = { sourceType: null, tags: [], categories: [], run: null, steps: [], since: null, withGone: false };

export function apiQuery(filter: DocumentFilter, now: number): Query {
  return {
    source_type: filter.sourceType,
    tag: filter.tags,
    category: filter.categories,
    run: filter.run,
    step: filter.run === null ? [] : filter.steps,
    updated_after: sinceTime(filter.since, now),
    include_gone: filter.withGone ? true : null,
  };
}

/** To the minute, so that the same question keeps its address for a while. */
function sinceTime(since: string | null, now: number): string | null {
  if (since === null) return null;
  const hours = HOURS[since];
  if (hours === undefined) return since;
  return new Date(Math.floor((now - hours * 3_600_000) / 60_000) * 60_000).toISOString();
}

export interface FilterPart {
  text: string;
  without: Partial<DocumentFilter>;
}

/** The filter in parts that can be taken away one by one. */
export function partsOf(filter: DocumentFilter): FilterPart[] {
  const parts: FilterPart[] = [];
  if (filter.sourceType !== null) parts.push({ text: `type: ${filter.sourceType}`, without: { sourceType: null } });
  for (const one of filter.categories) parts.push({ text: `category: ${one}`, without: { categories: filter.categories.filter((other) => other !== one) } });
  for (const one of filter.tags) parts.push({ text: `tag: ${one}`, without: { tags: filter.tags.filter((other) => other !== one) } });
  if (filter.run !== null) parts.push({ text: `run #${filter.run}`, without: { run: null, steps: [] } });
  if (filter.run !== null) for (const one of filter.steps) parts.push({ text: `step: ${one}`, without: { steps: filter.steps.filter((other) => other !== one) } });
  if (filter.since !== null) parts.push({ text: `changed: ${SINCE.find(([value]) => value === filter.since)?.[1] ?? `since ${filter.since}`}`, without: { since: null } });
  if (filter.withGone) parts.push({ text: "with gone ones", without: { withGone: false } });
  return parts;
}

/** The same selection in the search language, as far as that goes. */
export function searchQuery(filter: DocumentFilter): string {
  const quoted = (value: string): string => (/[\s()"]/.test(value) ? `"${value.replaceAll('"', "")}"` : value);
  const words = [];
  if (filter.sourceType !== null) words.push(`type:${quoted(filter.sourceType)}`);
  for (const tag of filter.tags) words.push(`tag:${quoted(tag)}`);
  if (filter.categories.length === 1) words.push(`tag:${quoted(`category:${filter.categories[0]}`)}`);
  if (filter.since !== null && DAY.test(filter.since)) words.push(`after:${filter.since}`);
  return words.join(" ");
}

/** Lists stand in the URL with commas between; a comma in a value has a backslash before it. */
export function writeList(values: readonly string[]): string {
  return values.map((value) => value.replace(/[\\,]/g, "\\$&")).join(",");
}

export function readList(text: string | null): string[] {
  if (!text) return [];
  const values = [""];
  for (let i = 0; i < text.length; i++) {
    const char = text[i]!;
    if (char === ",") values.push("");
    else values[values.length - 1] += char === "\\" && i + 1 < text.length ? text[++i]! : char;
  }
  return values.filter(Boolean);
}

export interface TagGroup {
  label: string;
  tags: { value: string; text: string; count: number }[];
}

/** Tags for the facets: those that repeat another facet left out, days apart from the rest. */
export function tagGroups(tags: Readonly<Record<string, number>>, chosen: readonly string[]): TagGroup[] {
  const all: Record<string, number> = { ...Object.fromEntries(chosen.map((tag) => [tag, 0])), ...tags };
  const plain: TagGroup["tags"] = [];
  const days: TagGroup["tags"] = [];
  for (const [value, count] of Object.entries(all)) {
    if (value.startsWith("source_type:") || (value.startsWith("category:") && !chosen.includes(value))) continue;
    if (value.startsWith("date:")) days.push({ value, text: value.slice(5), count });
    else plain.push({ value, text: value, count });
  }
  days.sort((a, b) => b.text.localeCompare(a.text));
  return [
    { label: "Tag", tags: plain },
    { label: "First stored", tags: days },
  ];
}
