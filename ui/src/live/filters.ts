// The filter language of the log pane: `level:error,warning worker:123 step:"index files" originator:worker timeout -retry`.
import type { Level } from "../api/types";
import type { LogLine } from "./log";

export const LEVELS: readonly Level[] = ["debug", "info", "warning", "error"];

export interface LogFilter {
  /** Empty: all. */
  levels: readonly Level[];
  steps: readonly string[];
  /** Ids of jobs; a job's lines and those of what it made. */
  jobs: readonly number[];
  originators: readonly string[];
  attempts: readonly number[];
  /** All must be in the line, in lower case. */
  words: readonly string[];
  without: readonly string[];
}

export interface Parsed {
  filter: LogFilter;
  /** What could not be understood, in words. */
  problems: string[];
}

export const EMPTY: LogFilter = { levels: [], steps: [], jobs: [], originators: [], attempts: [], words: [], without: [] };

const SHORT_LEVELS: Record<string, Level> = { warn: "warning", err: "error", dbg: "debug", inf: "info" };

/** Read a query text. Never throws: what it can't read is a problem, the rest holds. */
export function parseFilter(text: string): Parsed {
  const levels = new Set<Level>();
  const steps: string[] = [];
  const jobs: number[] = [];
  const originators: string[] = [];
  const attempts: number[] = [];
  const words: string[] = [];
  const without: string[] = [];
  const problems: string[] = [];

  for (const token of tokens(text)) {
    const colon = token.quoted ? -1 : token.text.indexOf(":");
    const key = colon > 0 ? token.text.slice(0, colon).toLowerCase() : "";
    const values = colon > 0 ? splitList(token.text.slice(colon + 1)) : [];
    if (["level", "step", "worker", "job", "originator", "attempt"].includes(key) && values.length === 0) {
      problems.push(`${key}: needs a value`);
      continue;
    }
    switch (key) {
      case "level":
        for (const value of values) {
          const level = readLevel(value);
          if (level.length) for (const one of level) levels.add(one);
          else problems.push(`no level "${value}"; there are ${LEVELS.join(", ")}`);
        }
        break;
      case "step":
        steps.push(...values.map((value) => value.toLowerCase()));
        break;
      case "worker":
      case "job":
      case "attempt":
        for (const value of values) {
          const number = /^#?(\d+)$/.exec(value);
          if (number) (key === "attempt" ? attempts : jobs).push(Number(number[1]));
          else problems.push(`${key}:${value} is not a number`);
        }
        break;
      case "originator":
        originators.push(...values.map((value) => value.toLowerCase()));
        break;
      default:
        if (!token.quoted && token.text.startsWith("-") && token.text.length > 1) without.push(token.text.slice(1).toLowerCase());
        else if (token.text) words.push(token.text.toLowerCase());
    }
  }
  return { filter: { levels: LEVELS.filter((level) => levels.has(level)), steps, jobs, originators, attempts, words, without }, problems };
}

export function isEmpty(filter: LogFilter): boolean {
  return Object.values(filter).every((list: readonly unknown[]) => list.length === 0);
}

/** Two filters at once. Lists of the same key: the second one's if it has any. */
export function both(first: LogFilter, second: LogFilter): LogFilter {
  const pick = <T>(a: readonly T[], b: readonly T[]): readonly T[] => (b.length ? b : a);
  return {
    levels: pick(first.levels, second.levels),
    steps: pick(first.steps, second.steps),
    jobs: pick(first.jobs, second.jobs),
    originators: pick(first.originators, second.originators),
    attempts: pick(first.attempts, second.attempts),
    words: [...first.words, ...second.words],
    without: [...first.without, ...second.without],
  };
}

export function matches(item: LogLine, filter: LogFilter, withLevel = true): boolean {
  const line = item.line;
  if (withLevel && filter.levels.length && !filter.levels.includes(line.level)) return false;
  if (filter.steps.length && !filter.steps.includes((line.step_name ?? "").toLowerCase())) return false;
  if (filter.jobs.length && !filter.jobs.includes(line.job_id) && !(line.parent_id !== null && filter.jobs.includes(line.parent_id))) {
    return false;
  }
  if (filter.originators.length && !filter.originators.includes(line.originator)) return false;
  if (filter.attempts.length && !filter.attempts.includes(line.attempt)) return false;
  for (const word of filter.words) if (!item.plain.includes(word)) return false;
  for (const word of filter.without) if (item.plain.includes(word)) return false;
  return true;
}

interface Token {
  text: string;
  quoted: boolean;
}

function tokens(text: string): Token[] {
  const found: Token[] = [];
  for (const match of text.matchAll(/"([^"]*)"?|((?:[^\s":]+:)?(?:"[^"]*"?|[^\s"])*)/g)) {
    if (match[1] !== undefined) found.push({ text: match[1], quoted: true });
    else if (match[2]) found.push({ text: match[2], quoted: false });
  }
  return found;
}

function splitList(text: string): string[] {
  return [...text.matchAll(/"([^"]*)"?|([^,]+)/g)].map((match) => match[1] ?? match[2] ?? "").filter(Boolean);
}

/** `error`, `warn`, or `warning+` for that level and above. */
function readLevel(text: string): Level[] {
  const above = text.endsWith("+");
  const name = text.toLowerCase().replace(/\+$/, "");
  const level = SHORT_LEVELS[name] ?? LEVELS.find((one) => one === name);
  if (!level) return [];
  return above ? LEVELS.slice(LEVELS.indexOf(level)) : [level];
}
