import { describe, expect, it } from "vitest";
import type { Graph, StepNode } from "../types";
import { placeSteps } from "./graph-layout";
import { wavesOf } from "./waves";

const step = (name: string, depends: string[] = []): StepNode => ({ name, type: "x", position: 0, depends, description: "", condition: "", on_error: "continue", always_run: false, line: 1 });
const graph = (...steps: StepNode[]): Graph => ({ steps, edges: steps.flatMap((one) => one.depends.filter((name) => steps.some((other) => other.name === name)).map((source) => ({ source, target: one.name }))) });
const names = (steps: StepNode[]): string[] => steps.map((one) => one.name);

describe("wavesOf", () => {
  it("puts steps into waves, unknown names aside", () => {
    const { waves, stuck } = wavesOf(graph(step("a"), step("b", ["a", "nowhere"]), step("c"), step("d", ["b", "c"])));
    expect(waves.map(names)).toEqual([["a", "c"], ["b"], ["d"]]);
    expect(stuck).toEqual([]);
  });
  it("tells what a cycle holds up", () => {
    const { waves, stuck } = wavesOf(graph(step("a"), step("b", ["c"]), step("c", ["b"]), step("d", ["c"])));
    expect(waves.map(names)).toEqual([["a"]]);
    expect(names(stuck)).toEqual(["b", "c", "d"]);
  });
});

describe("placeSteps", () => {
  it("puts a step below those it waits for, cycles and all", () => {
    const placed = placeSteps(graph(step("a"), step("b", ["a"]), step("self", ["self"]), step("x", ["y"]), step("y", ["x"])));
    const y = (name: string): number => placed.steps.find((one) => one.step.name === name)!.y;
    expect(y("b")).toBeGreaterThan(y("a"));
    expect(placed.edges.every((edge) => edge.path.startsWith("M"))).toBe(true);
  });
});
