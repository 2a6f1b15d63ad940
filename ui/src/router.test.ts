import { expect, it, vi } from "vitest";

vi.stubGlobal("location", { pathname: "/", search: "", href: "http://localhost/" });
const { matchPath } = await import("./router");

it("paths give their parameters", () => {
  expect(matchPath("runs/:id", "/runs/12")).toEqual({ id: "12" });
  expect(matchPath("definitions/:id", "/definitions/a%20b/")).toEqual({ id: "a b" });
  expect(matchPath("", "/")).toEqual({});
  expect(matchPath("runs/:id", "/runs")).toBeNull();
  expect(matchPath("runs/:id", "/jobs/12")).toBeNull();
});
