import { expect, test } from "vitest";
import type { ApiKey, AuditEntry } from "./types";
import { actorText, groupsOf, isBad, isFound, outcomeText, stateOf, valueText } from "./words";

const setting = (name: string, value: unknown = 1) => ({ name, value, origin: "default", description: "Slots of it." });

test("settings are grouped by their table", () => {
  const groups = groupsOf([setting("data"), setting("engine.slots"), setting("logs.level"), setting("engine.lease")]);
  expect(groups.map((group) => [group.name, group.settings.length])).toEqual([["general", 1], ["engine", 2], ["logs", 1]]);
});

test("values read as words", () => {
  expect([null, "", true, [], ["a", "b"], 20, { a: 1 }].map(valueText)).toEqual(["none", "none", "yes", "none", "a, b", "20", '{"a":1}']);
});

test("a setting is found by name, description and value", () => {
  for (const text of ["", "ENGINE", "slots of", "128"]) expect(isFound(setting("engine.slots", 128), text)).toBe(true);
  expect(isFound(setting("engine.slots"), "postgres")).toBe(false);
});

test("an API key is in force until it ends or is revoked", () => {
  const key = { revoked_at: null, expires_at: "2026-01-02T00:00:00Z" } as ApiKey;
  expect(stateOf(key, Date.parse("2026-01-01"))).toBe("in force");
  expect(stateOf(key, Date.parse("2026-01-03"))).toBe("expired");
  expect(stateOf({ ...key, revoked_at: "2026-01-01T00:00:00Z" }, 0)).toBe("revoked");
  expect(stateOf({ ...key, expires_at: null }, Date.now())).toBe("in force");
});

test("who did it, and how it ended, in words", () => {
  expect(actorText("key:ci")).toBe("API key ci");
  expect(actorText("")).toBe("nobody known");
  const entry = (outcome: string) => ({ outcome }) as AuditEntry;
  expect(["202", "done", "403", "409", "500"].map((one) => outcomeText(entry(one)))).toEqual(["done", "done", "refused: not allowed", "refused: does not fit", "failed"]);
  expect(["202", "done", "403", "500"].map((one) => isBad(entry(one)))).toEqual([false, false, true, true]);
});
