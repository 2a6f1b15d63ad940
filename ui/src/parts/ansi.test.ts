import { expect, it } from "vitest";
import { ansiSpans } from "./ansi";

it("colours become classes, everything else is dropped or stays text", () => {
  expect(ansiSpans("a \x1b[1;31mred\x1b[0m <b>")).toEqual([
    { text: "a ", className: "" },
    { text: "red", className: "ansi-red ansi-bold" },
    { text: " <b>", className: "" },
  ]);
  expect(ansiSpans("\x1b[2J\x1b]0;title\x07plain\x1b[38;5;120m text")).toEqual([{ text: "plain text", className: "" }]);
});
