// Settings and audit entries in words.
import type { ApiKey, AuditEntry, Setting } from "./types";

/** Settings by the part of the name before the first dot; those without one are general. */
export function groupsOf(settings: readonly Setting[]): { name: string; settings: Setting[] }[] {
  const groups = new Map<string, Setting[]>();
  for (const one of settings) {
    const dot = one.name.indexOf(".");
    const name = dot < 0 ? "general" : one.name.slice(0, dot);
    const group = groups.get(name);
    if (group) group.push(one);
    else groups.set(name, [one]);
  }
  return [...groups].map(([name, members]) => ({ name, settings: members }));
}

export function valueText(value: unknown): string {
  if (value === null || value === "") return "none";
  if (value === true) return "yes";
  if (value === false) return "no";
  if (Array.isArray(value)) return value.length ? value.map(String).join(", ") : "none";
  if (typeof value === "object") return JSON.stringify(value);
  return String(value);
}

/** Whether a setting fits a search text. */
export function isFound(setting: Setting, text: string): boolean {
  const wanted = text.trim().toLowerCase();
  return !wanted || `${setting.name} ${setting.description} ${valueText(setting.value)} ${setting.origin}`.toLowerCase().includes(wanted);
}

export type KeyState = "in force" | "expired" | "revoked";

export function stateOf(key: ApiKey, now: number): KeyState {
  if (key.revoked_at !== null) return "revoked";
  return key.expires_at !== null && Date.parse(key.expires_at) <= now ? "expired" : "in force";
}

export function actorText(actor: string): string {
  if (actor === "local") return "somebody on this machine";
  if (actor === "owner") return "signed in with the password";
  if (actor === "") return "nobody known";
  return actor.startsWith("key:") ? `API key ${actor.slice(4)}` : actor;
}

/** Was the request refused, or did it fail? */
export function isBad(entry: AuditEntry): boolean {
  return /^[45]\d\d$/.test(entry.outcome);
}

export function outcomeText(entry: AuditEntry): string {
  const code = Number(entry.outcome);
  if (!code) return entry.outcome;
  if (code < 400) return "done";
  if (code === 401) return "refused: not signed in";
  if (code === 403) return "refused: not allowed";
  if (code === 404) return "not found";
  if (code === 409 || code === 412) return "refused: does not fit";
  if (code === 422 || code === 400) return "refused: bad input";
  if (code === 429) return "refused: too often";
  return code >= 500 ? "failed" : "refused";
}
