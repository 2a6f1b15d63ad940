// Where things stand in a TOML text that may be half written: its tables, its keys, and what the cursor is in.

export interface Header {
  kind: "header";
  from: number;
  to: number;
  path: string[];
}

export interface Pair {
  kind: "pair";
  from: number;
  to: number;
  key: string;
  table: string[];
  /** Behind the `=`; -1 where there is none yet. */
  valueFrom: number;
}

export type Item = Header | Pair;

export interface Spot {
  kind: "header" | "key" | "value" | "comment" | "nothing";
  /** The table that the position belongs to. */
  table: string[];
  /** Of a value: its key. */
  key: string;
  /** Inside a text: where it begins, with its quote; else null. */
  text: { from: number; quote: string } | null;
  inList: boolean;
}

/** A line that can only be the head of a table, also behind a list that was never closed. */
const TABLE_LINE = /^[ \t]*\[{1,2}[ \t]*(?:step|config|error_tolerance|meta|template)\b/;
const HEADER = /^[ \t]*\[{1,2}([^\]\n]*)(\]{0,2})/;

export function scan(text: string): Item[] {
  const items: Item[] = [];
  let table: string[] = [];
  let at = 0;
  while (at < text.length) {
    const end = lineEnd(text, at);
    const line = text.slice(at, end);
    const header = HEADER.exec(line);
    if (header) {
      table = pathOf(header[1]!);
      items.push({ kind: "header", from: at, to: at + header[0].length, path: table });
    } else if (line.trim() && !/^[ \t]*#/.test(line)) {
      const equals = equalsIn(line);
      const from = at + (line.length - line.trimStart().length);
      if (equals < 0) items.push({ kind: "pair", from, to: end, key: line.trim(), table, valueFrom: -1 });
      else {
        const to = valueEnd(text, at + equals + 1, text.length).to;
        items.push({ kind: "pair", from, to, key: pathOf(line.slice(0, equals)).join("."), table, valueFrom: at + equals + 1 });
        at = lineEnd(text, to) + 1;
        continue;
      }
    }
    at = end + 1;
  }
  return items;
}

export function spotAt(text: string, pos: number, items: readonly Item[] = scan(text)): Spot {
  const spot: Spot = { kind: "nothing", table: [], key: "", text: null, inList: false };
  for (const item of items) {
    if (item.from > pos) break;
    if (item.kind === "header") {
      spot.table = item.path;
      if (pos <= item.to) return { ...spot, kind: "header" };
    } else if (item.valueFrom >= 0 && pos >= item.valueFrom && pos <= item.to) {
      const value = valueEnd(text, item.valueFrom, pos);
      return { kind: value.inComment ? "comment" : "value", table: item.table, key: item.key, text: value.text, inList: value.depth > 0 };
    } else if (pos <= (item.valueFrom < 0 ? item.to : item.valueFrom)) {
      return { ...spot, kind: "key", table: item.table };
    }
  }
  const lineStart = text.lastIndexOf("\n", pos - 1) + 1;
  const before = text.slice(lineStart, pos);
  if (/#/.test(before)) return { ...spot, kind: "comment" };
  return { ...spot, kind: before.trim() === "" ? "key" : "nothing" };
}

/** Names of the steps, in the order of the text. */
export function stepNames(items: readonly Item[]): string[] {
  return [...new Set(items.flatMap((item) => (item.kind === "header" && item.path[0] === "step" && item.path[1] ? [item.path[1]] : [])))];
}

/** The text of a value as it is written, without comment. */
export function valueOf(text: string, items: readonly Item[], table: readonly string[], key: string): string | null {
  for (const item of items) {
    if (item.kind === "pair" && item.key === key && item.valueFrom >= 0 && samePath(item.table, table)) return text.slice(item.valueFrom, item.to).trim();
  }
  return null;
}

export function unquoted(value: string | null): string {
  const found = /^(["'])(.*)\1$/.exec(value ?? "");
  return found ? found[2]! : (value ?? "");
}

export interface ConfigValue {
  name: string;
  value: string;
}

/** What `[config]` sets: what a start may set otherwise. */
export function configValues(text: string): ConfigValue[] {
  return scan(text).flatMap((item) =>
    item.kind === "pair" && item.valueFrom >= 0 && item.table[0] === "config"
      ? [{ name: [...item.table.slice(1), item.key].join("."), value: text.slice(item.valueFrom, item.to).trim() }]
      : [],
  );
}

export function samePath(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((part, index) => part === b[index]);
}

function lineEnd(text: string, at: number): number {
  const end = text.indexOf("\n", at);
  return end < 0 ? text.length : end;
}

function equalsIn(line: string): number {
  let quote = "";
  for (let at = 0; at < line.length; at++) {
    const char = line[at]!;
    if (quote) quote = char === quote ? "" : quote;
    else if (char === '"' || char === "'") quote = char;
    else if (char === "=") return at;
    else if (char === "#") return -1;
  }
  return -1;
}

function pathOf(text: string): string[] {
  return [...text.matchAll(/"([^"]*)"|'([^']*)'|([^\s."'[\]]+)/g)].map((found) => found[1] ?? found[2] ?? found[3] ?? "");
}

interface Value {
  to: number;
  depth: number;
  text: { from: number; quote: string } | null;
  inComment: boolean;
}

/** Walk a value up to its end or to `until`, and say what the walk ended in. */
function valueEnd(text: string, from: number, until: number): Value {
  let depth = 0;
  let at = from;
  while (at < until) {
    const char = text[at]!;
    if (char === '"' || char === "'") {
      const quote = text.startsWith(char.repeat(3), at) ? char.repeat(3) : char;
      const end = textEnd(text, at + quote.length, quote);
      if (end > until || (end === until && !text.slice(at + quote.length, end).endsWith(quote))) return { to: until, depth, text: { from: at, quote }, inComment: false };
      at = end;
    } else if (char === "#") {
      const end = lineEnd(text, at);
      if (depth === 0) return { to: trimmed(text, from, at), depth, text: null, inComment: until < text.length && until > at };
      if (end >= until) return { to: until, depth, text: null, inComment: true };
      at = end;
    } else if (char === "\n") {
      if (depth === 0 || TABLE_LINE.test(text.slice(at + 1, lineEnd(text, at + 1)))) return { to: trimmed(text, from, at), depth, text: null, inComment: false };
      at++;
    } else {
      if (char === "[" || char === "{") depth++;
      else if ((char === "]" || char === "}") && depth > 0) depth--;
      at++;
    }
  }
  return { to: until, depth, text: null, inComment: false };
}

/** Behind the closing quote; a text of one line that is not closed ends with its line. */
function textEnd(text: string, from: number, quote: string): number {
  const long = quote.length === 3;
  for (let at = from; at < text.length; at++) {
    if (text[at] === "\\" && quote[0] === '"') at++;
    else if (text.startsWith(quote, at)) return at + quote.length;
    else if (!long && text[at] === "\n") return at;
  }
  return text.length;
}

function trimmed(text: string, from: number, to: number): number {
  while (to > from && /[ \t\r]/.test(text[to - 1]!)) to--;
  return to;
}
