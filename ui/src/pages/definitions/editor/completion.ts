// What may be written at a place of a definition: keys, values, names of steps, placeholders.
import type { Schema, SchemaKey } from "../types";
import { type Item, samePath, scan, type Spot, spotAt, stepNames, unquoted, valueOf } from "./toml";

export interface Option {
  label: string;
  kind: "key" | "table" | "value" | "step" | "worker" | "placeholder";
  /** What is written; the cursor goes `back` characters before its end. */
  insert: string;
  back: number;
  detail: string;
  info: string;
}

export interface Offer {
  from: number;
  /** Characters behind the cursor that the choice replaces. */
  to: number;
  options: Option[];
}

export interface Surroundings {
  definitions?: readonly string[];
  zones?: readonly string[];
}

const SUBTABLES = ["retry", "limits", "config"];
const STATUSES = ["completed", "failed", "skipped", "cancelled"];

export function complete(text: string, pos: number, schema: Schema, around: Surroundings = {}): Offer | null {
  const items = scan(text);
  const spot = spotAt(text, pos, items);
  switch (spot.kind) {
    case "header":
      return headers(text, pos, items);
    case "key":
      return keys(text, pos, items, spot, schema);
    case "value":
      return values(text, pos, items, spot, schema, around);
    default:
      return null;
  }
}

/** The keys that a table knows; null where any may stand. */
export function keysOf(table: readonly string[], stepType: string, schema: Schema): SchemaKey[] | null {
  if (table.length === 0) return schema.top;
  const [first, , third] = table;
  if (first === "config") return schema.config;
  if (first === "error_tolerance") return schema.error_tolerance;
  if (first !== "step" || table.length > 3) return null;
  if (table.length === 1) return null;
  if (third === "retry") return schema.retry;
  if (third === "limits") return schema.limits;
  if (third !== undefined && third !== "config") return null;
  const common = schema.step.filter((key) => third === undefined || (key.name !== "type" && key.name !== "config"));
  return [...common, ...parametersOf(stepType, schema).filter((own) => !common.some((key) => key.name === own.name))];
}

export function parametersOf(stepType: string, schema: Schema): SchemaKey[] {
  const worker = schema.workers.find((one) => one.type === stepType);
  return (worker?.parameters ?? []).map((one) => ({ ...one, values: wordsOf(one.type) }));
}

export function typeOfStep(text: string, items: readonly Item[], table: readonly string[]): string {
  return table[0] === "step" && table[1] ? unquoted(valueOf(text, items, ["step", table[1]], "type")) : "";
}

/** The words of a type like `"auto" | "explicit"`. */
function wordsOf(type: string): string[] {
  return type.includes("|") || /^"[^"]*"$/.test(type) ? [...type.matchAll(/"([^"]*)"/g)].map((found) => found[1]!) : [];
}

function headers(text: string, pos: number, items: readonly Item[]): Offer {
  const lineStart = text.lastIndexOf("\n", pos - 1) + 1;
  const bracket = text.indexOf("[", lineStart) + 1;
  const to = /^[^\]\n]*\]?/.exec(text.slice(pos))![0].length;
  const taken = new Set(items.flatMap((item) => (item.kind === "header" && !(item.from <= pos && pos <= item.to) ? [item.path.join(".")] : [])));
  const table = (path: string, info: string): Option => ({ label: `[${path}]`, kind: "table", insert: `${path}]`, back: 0, detail: "", info });
  const options: Option[] = [
    table("config", "Values for the whole definition, readable as {config.name}."),
    table("error_tolerance", "How many failed jobs a run bears."),
    { label: "[step.NAME]", kind: "table", insert: "step.]", back: 1, detail: "a new step", info: "Lower-case letters, digits and _." },
  ];
  for (const step of stepNames(items)) {
    if (`step.${step}` === text.slice(bracket, pos + to).replace(/\]$/, "")) continue;
    for (const part of SUBTABLES) options.push(table(`step.${step}.${part}`, part === "retry" ? "How often its jobs are tried." : part === "limits" ? "How many of its jobs run at once." : "Its keys count as keys of the step."));
  }
  options.push(table("meta", "Free notes; nothing in it is read."));
  return { from: bracket, to, options: options.filter((one) => !taken.has(one.label.slice(1, -1))) };
}

function keys(text: string, pos: number, items: readonly Item[], spot: Spot, schema: Schema): Offer | null {
  const known = keysOf(spot.table, typeOfStep(text, items, spot.table), schema);
  if (!known) return null;
  const word = /[A-Za-z0-9_-]*$/.exec(text.slice(0, pos))![0];
  const from = pos - word.length;
  const rest = /^[A-Za-z0-9_-]*/.exec(text.slice(pos))![0].length;
  const hasValue = /^[A-Za-z0-9_-]*[ \t]*=/.test(text.slice(pos));
  const present = new Set(items.flatMap((item) => (item.kind === "pair" && samePath(item.table, spot.table) && item.from !== from ? [item.key] : [])));
  const own = new Set(parametersOf(typeOfStep(text, items, spot.table), schema).map((one) => one.name));
  const options = known
    .filter((key) => !present.has(key.name) && key.type !== "table")
    .map((key): Option => {
      const [skeleton, back] = hasValue ? ["", 0] : skeletonOf(key);
      return {
        label: key.name,
        kind: "key",
        insert: hasValue ? key.name : `${key.name} = ${skeleton}`,
        back,
        detail: `${key.type}${key.required ? ", required" : ""}${own.has(key.name) && !schema.step.some((one) => one.name === key.name) ? " · of the worker" : ""}`,
        info: withDefault(key),
      };
    });
  return options.length ? { from, to: rest, options } : null;
}

export function withDefault(key: SchemaKey): string {
  const shown = key.default === null || key.default === undefined || key.default === "" || (Array.isArray(key.default) && !key.default.length) ? "" : ` Default: ${JSON.stringify(key.default)}.`;
  const words = key.values.length ? ` One of ${key.values.join(", ")}.` : "";
  return `${key.description.replaceAll("``", "")}${words}${shown}`.trim();
}

/** A value to begin with, and how far before its end the cursor stands. */
function skeletonOf(key: SchemaKey): [string, number] {
  if (key.type.startsWith("list")) return ['[""]', 2];
  if (/^(true or false|boolean|whole number|integer|number)/.test(key.type)) return ["", 0];
  if (/^array/.test(key.type)) return ["[]", 1];
  return ['""', 1];
}

function values(text: string, pos: number, items: readonly Item[], spot: Spot, schema: Schema, around: Surroundings): Offer | null {
  const key = keysOf(spot.table, typeOfStep(text, items, spot.table), schema)?.find((one) => one.name === spot.key);
  const inText = spot.text !== null;
  const written = text.slice(spot.text ? spot.text.from + spot.text.quote.length : pos, pos);

  const brace = /\{[A-Za-z0-9_.-]*$/.exec(written);
  if (brace && spot.table[0] !== "config" && spot.table[0] !== "meta") return placeholders(text, pos, pos - brace[0].length, items, spot, schema);
  if (spot.key === "condition") return inText ? conditions(text, pos, items, schema) : null;

  const words = wordsFor(spot, key, text, items, schema, around);
  if (!words.length) return null;
  const isBare = key !== undefined && /^(true or false|boolean)/.test(key.type);
  const isList = spot.inList || (key?.type.startsWith("list") ?? false);
  let from: number;
  let to = 0;
  if (spot.text) {
    const start = spot.text.from + spot.text.quote.length;
    from = isList && !spot.inList ? start + written.lastIndexOf(",") + 1 : start;
    from += /^ */.exec(text.slice(from, pos))![0].length;
    to = /^[^"',\n]*/.exec(text.slice(pos))![0].length;
  } else {
    from = pos - /[A-Za-z0-9_-]*$/.exec(text.slice(0, pos))![0].length;
    to = /^[A-Za-z0-9_-]*/.exec(text.slice(pos))![0].length;
  }
  const wrap = (value: string): string => (inText || isBare ? value : isList && !spot.inList ? `["${value}"]` : `"${value}"`);
  return { from, to, options: words.map((one) => ({ label: one.label, kind: one.kind, insert: wrap(one.label), back: 0, detail: one.detail ?? "", info: one.info ?? "" })) };
}

interface Word {
  label: string;
  kind: Option["kind"];
  detail?: string;
  info?: string;
}

function wordsFor(spot: Spot, key: SchemaKey | undefined, text: string, items: readonly Item[], schema: Schema, around: Surroundings): Word[] {
  const value = (label: string): Word => ({ label, kind: "value" });
  const isStep = spot.table[0] === "step" && spot.table.length === 2;
  if (isStep && spot.key === "type") return schema.workers.map((one) => ({ label: one.type, kind: "worker", info: one.description }));
  if (spot.table[0] === "step" && spot.key === "agent_type") return schema.agent_types.map(value);
  if (isStep && (spot.key === "depends" || spot.key === "inputs")) {
    const chosen = new Set([...(valueOf(text, items, spot.table, spot.key) ?? "").matchAll(/["']([^"']*)["']/g)].flatMap((found) => found[1]!.split(",").map((name) => name.trim())));
    return stepNames(items)
      .filter((name) => name !== spot.table[1] && !chosen.has(name))
      .map((label) => ({ label, kind: "step", detail: typeOfStep(text, items, ["step", label]) }));
  }
  if (spot.table.length === 0 && (spot.key === "pre_jobs" || spot.key === "post_jobs")) return (around.definitions ?? []).map(value);
  if (spot.table.length === 0 && spot.key === "timezone") return (around.zones ?? []).map(value);
  if (key?.values.length) return key.values.map(value);
  if (key && /^(true or false|boolean)/.test(key.type)) return ["true", "false"].map(value);
  return [];
}

function placeholders(text: string, pos: number, from: number, items: readonly Item[], spot: Spot, schema: Schema): Offer {
  const options: Option[] = [];
  const isKey = spot.table[2] === "limits" && spot.key === "key";
  for (const item of items) {
    if (item.kind === "pair" && item.table[0] === "config" && item.valueFrom >= 0) {
      const name = [...item.table.slice(1), item.key].join(".");
      options.push({ label: `{config.${name}}`, kind: "placeholder", insert: `{config.${name}}`, back: 0, detail: text.slice(item.valueFrom, item.to).trim().slice(0, 40), info: "" });
    }
  }
  for (const one of schema.placeholders) {
    if (one.form.includes("payload") && !isKey) continue;
    const insert = one.form.replace(/[A-Z]+/, "");
    options.push({ label: one.form, kind: "placeholder", insert, back: insert.length - insert.indexOf("}"), detail: "", info: one.description });
  }
  return { from, to: text[pos] === "}" ? 1 : 0, options };
}

function conditions(text: string, pos: number, items: readonly Item[], schema: Schema): Offer {
  const from = pos - /[A-Za-z0-9_.]*$/.exec(text.slice(0, pos))![0].length;
  const option = (label: string, info = ""): Option => ({ label, kind: "value", insert: label, back: 0, detail: "", info });
  const quote = spotAt(text, pos, items).text?.quote[0] === "'" ? '"' : "'";
  const before = text.slice(text.lastIndexOf("\n", from - 1) + 1, from);
  if (/\.status\s*(==|!=)\s*$/.test(before)) return { from, to: 0, options: STATUSES.map((word) => option(`${quote}${word}${quote}`)) };
  const options = stepNames(items).flatMap((name) => [option(`steps.${name}.status`), option(`steps.${name}.documents`, "How many documents the step has made or found.")]);
  for (const item of items) if (item.kind === "pair" && item.table[0] === "config" && item.table.length === 1) options.push(option(`config.${item.key}`));
  for (const word of schema.condition) if (/^(and|or|not)$/.test(word)) options.push(option(word));
  return { from, to: 0, options };
}

/** A word on what is under a position: of a key, a worker, a placeholder. */
export function explain(text: string, pos: number, schema: Schema): { from: number; to: number; title: string; text: string } | null {
  const items = scan(text);
  const spot = spotAt(text, pos, items);
  const from = pos - /[A-Za-z0-9_.-]*$/.exec(text.slice(0, pos))![0].length;
  const to = pos + /^[A-Za-z0-9_.-]*/.exec(text.slice(pos))![0].length;
  const word = text.slice(from, to);
  if (!word) return null;
  if (spot.kind === "key") {
    const key = keysOf(spot.table, typeOfStep(text, items, spot.table), schema)?.find((one) => one.name === word);
    return key ? { from, to, title: `${key.name}: ${key.type}${key.required ? ", required" : ""}`, text: withDefault(key) } : null;
  }
  if (spot.kind !== "value") return null;
  if (spot.key === "type" && spot.table[0] === "step") {
    const worker = schema.workers.find((one) => one.type === word);
    if (worker) return { from, to, title: worker.type, text: worker.description };
  }
  if (text[from - 1] === "{" && text[to] === "}") {
    if (word.startsWith("config.")) {
      const value = valueOf(text, items, ["config"], word.slice(7));
      return { from: from - 1, to: to + 1, title: `{${word}}`, text: value === null ? "[config] has no such key." : `= ${value}` };
    }
    const form = schema.placeholders.find((one) => one.form === (word.startsWith("env.") ? "{env.NAME}" : word.startsWith("payload.") ? "{payload.FIELD}" : "{NAME}"));
    return form ? { from: from - 1, to: to + 1, title: `{${word}}`, text: form.description } : null;
  }
  return null;
}
