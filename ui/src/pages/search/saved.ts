// Searches kept in this browser: those that a person saved, and the last ones.
import { recall, remember } from "../../parts/taste";

const MOST_RECENT = 10;

function read(name: string): string[] {
  try {
    const value: unknown = JSON.parse(recall(name) ?? "[]");
    return Array.isArray(value) ? value.filter((one): one is string => typeof one === "string") : [];
  } catch {
    return [];
  }
}

function write(name: string, values: readonly string[]): void {
  remember(name, values.length ? JSON.stringify(values) : null);
}

export const savedSearches = (): string[] => read("search.saved");
export const recentSearches = (): string[] => read("search.recent");

export function save(query: string): string[] {
  const next = remembered(savedSearches(), query, 100);
  write("search.saved", next);
  return next;
}

export function forget(query: string): string[] {
  const next = savedSearches().filter((one) => one !== query);
  write("search.saved", next);
  return next;
}

export function noteRecent(query: string): string[] {
  const next = remembered(recentSearches(), query, MOST_RECENT);
  write("search.recent", next);
  return next;
}

export function forgetRecent(): void {
  write("search.recent", []);
}

/** With this one first, and no more than `most`. */
export function remembered(list: readonly string[], query: string, most: number): string[] {
  const text = query.trim();
  return text === "" ? [...list] : [text, ...list.filter((one) => one !== text)].slice(0, most);
}
