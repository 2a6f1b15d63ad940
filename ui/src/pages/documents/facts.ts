// A document's metadata for people: its own facts, enrichments apart, and each value as text.
import { absoluteTime, count } from "../../parts/time";

export interface EnrichmentFacts {
  name: string;
  value: Record<string, unknown>;
  /** The document has changed since this was made. */
  isOutOfDate: boolean;
}

/** An enrichment is a table that says of which content it was made. */
export function splitMetadata(metadata: Readonly<Record<string, unknown>>, contentHash: string): { facts: [string, unknown][]; enrichments: EnrichmentFacts[] } {
  const facts: [string, unknown][] = [];
  const enrichments: EnrichmentFacts[] = [];
  for (const [name, value] of Object.entries(metadata)) {
    if (isTable(value) && typeof value.content_hash === "string") {
      const { content_hash: hash, ...rest } = value;
      enrichments.push({ name, value: rest, isOutOfDate: hash !== contentHash });
    } else facts.push([name, value]);
  }
  return { facts, enrichments };
}

export function isTable(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === "object" && !Array.isArray(value);
}

export function wordsOf(name: string): string {
  return name.replace(/_(ns|ms|bytes)$/, "").replaceAll("_", " ").replace(/^./, (char) => char.toUpperCase());
}

export function bytesText(bytes: number): string {
  if (bytes < 1000) return `${count(bytes)} B`;
  const units = ["kB", "MB", "GB", "TB"];
  let value = bytes;
  let unit = -1;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

const ISO_TIME = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}/;

/** A single value as text; the name tells units (`file_size`, `mtime_ns`). Null: it is a list or a table. */
export function valueText(name: string, value: unknown): string | null {
  if (value === null || value === undefined || value === "") return "–";
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (typeof value === "number") {
    if (/_ns$/.test(name) && value > 1e17) return absoluteTime(value / 1e6);
    if (/(^|_)(size|bytes)$/.test(name) && Number.isInteger(value)) return value < 1000 ? bytesText(value) : `${bytesText(value)} (${count(value)} bytes)`;
    if (Number.isInteger(value) && !/(^|_)(id|year|seed)$/.test(name)) return count(value);
    return String(value);
  }
  if (typeof value === "string") return ISO_TIME.test(value) && !Number.isNaN(Date.parse(value)) ? absoluteTime(value) : value;
  if (Array.isArray(value)) {
    if (value.length === 0) return "–";
    return value.every((one) => one === null || typeof one !== "object") ? value.map((one) => valueText("", one)).join(", ") : null;
  }
  return Object.keys(value as object).length === 0 ? "–" : null;
}

/** Is the content markdown, or a file of another kind that is shown as it is? */
export function isMarkdown(metadata: Readonly<Record<string, unknown>>): boolean {
  const extension = metadata.extension;
  return typeof extension !== "string" || [".md", ".markdown", ".mdown", ".mkd", ".mdx"].includes(extension.toLowerCase());
}
