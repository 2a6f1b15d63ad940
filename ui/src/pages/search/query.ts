// The query as the server reads it, in parts with their places: for chips, for facets, and to tell why a document was found.

export type PartKind = "word" | "phrase" | "title" | "tag" | "type" | "after" | "before" | "operator";

export interface QueryPart {
  kind: PartKind;
  /** What is asked for, without field, quotes and sign. */
  value: string;
  isNegated: boolean;
  isPrefix: boolean;
  /** Of the whole part in the text. */
  from: number;
  to: number;
}

const PART = /[()]|-?(?:(title|tag|type|after|before):)?(?:"([^"]*)"\*?|[^\s()"]+|")/gi;
const QUOTES = /[\u201c\u201d\u201e\u00ab\u00bb]/g;
const OPERATORS = ["AND", "OR", "NOT"];

export function partsOf(text: string): QueryPart[] {
  const parts: QueryPart[] = [];
  let negatesNext = false;
  let groupIsNegated = 0;
  const depth: boolean[] = [];
  for (const found of text.replace(QUOTES, '"').matchAll(PART)) {
    const whole = found[0];
    const from = found.index;
    if (whole === "(") {
      depth.push(negatesNext);
      if (negatesNext) groupIsNegated++;
      negatesNext = false;
      continue;
    }
    if (whole === ")") {
      if (depth.pop()) groupIsNegated--;
      continue;
    }
    if (whole === "-") {
      negatesNext = text[from + 1] === "(";
      continue;
    }
    if (OPERATORS.includes(whole)) {
      if (whole === "NOT") negatesNext = true;
      else parts.push({ kind: "operator", value: whole, isNegated: false, isPrefix: false, from, to: from + whole.length });
      continue;
    }
    const hasSign = whole.startsWith("-") && whole.length > 1;
    const field = found[1]?.toLowerCase() as PartKind | undefined;
    const rest = whole.slice((hasSign ? 1 : 0) + (found[1] ? found[1].length + 1 : 0));
    const quoted = found[2];
    const value = (quoted ?? rest).replace(/\*$/, "");
    if (!/[\p{L}\p{N}]/u.test(value)) continue;
    parts.push({
      kind: field ?? (quoted === undefined ? "word" : "phrase"),
      value,
      isNegated: (hasSign || negatesNext) !== groupIsNegated > 0,
      isPrefix: /\*$/.test(rest),
      from: negatesNext && !hasSign ? text.lastIndexOf("NOT", from) : from,
      to: from + whole.length,
    });
    negatesNext = false;
  }
  return parts;
}

/** The query without one of its parts, and without an operator that then has nothing beside it. */
export function withoutPart(text: string, part: QueryPart): string {
  const left = `${text.slice(0, part.from)} ${text.slice(part.to)}`;
  return left
    .replace(/-?\(\s*\)/g, " ")
    .replace(/^\s*(?:(?:AND|OR)\s+)+/, "")
    .replace(/(?:\s+(?:AND|OR|NOT))+\s*$/, "")
    .replace(/(^|\s)(AND|OR)(?:\s+(?:AND|OR))+(?=\s)/g, "$1$2")
    .replace(/^\s*(?:AND|OR|NOT)\s*$/, "")
    .replace(/\s+/g, " ")
    .trim();
}

/** The query narrowed down by a field; an OR of its own is put in parentheses first. */
export function withField(text: string, field: "tag" | "type", value: string): string {
  const added = `${field}:${/[\s()"]/.test(value) ? `"${value.replaceAll('"', "")}"` : value}`;
  const plain = text.trim();
  if (plain === "") return added;
  const hasOr = partsOf(plain).some((part) => part.kind === "operator" && part.value === "OR");
  return `${hasOr ? `(${plain})` : plain} ${added}`;
}

export function fieldOf(text: string, field: "tag" | "type"): string[] {
  return partsOf(text)
    .filter((part) => part.kind === field && !part.isNegated)
    .map((part) => part.value.toLowerCase());
}

/** Where in the query the thing is that the server's reason names (`after:2026-13 is not a date …`). */
export function placeOfProblem(text: string, reason: string): { from: number; to: number } | null {
  const named = /^(\w+):(.+?) is not a date/.exec(reason);
  if (!named) return null;
  const part = partsOf(text).find((one) => one.kind === named[1] && one.value.trim().startsWith(named[2]!.trim()));
  return part ? { from: part.from, to: part.to } : null;
}
