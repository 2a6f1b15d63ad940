import { expect, it } from "vitest";
import { hitsOf, piecesOf, withoutMarks } from "./marks";

it("marks part the text in hits and the rest", () => {
  expect(piecesOf("a \x01claim\x02 and \x01lease\x02")).toEqual([
    { text: "a ", isHit: false },
    { text: "claim", isHit: true },
    { text: " and ", isHit: false },
    { text: "lease", isHit: true },
  ]);
  expect(piecesOf("no marks")).toEqual([{ text: "no marks", isHit: false }]);
  expect(piecesOf("")).toEqual([]);
});

it("HTML in a snippet stays text", () => {
  expect(piecesOf("<b>\x01<script>\x02")).toEqual([
    { text: "<b>", isHit: false },
    { text: "<script>", isHit: true },
  ]);
});

it("marks without a partner do no harm", () => {
  expect(piecesOf("a\x02 b \x01c")).toEqual([
    { text: "a b ", isHit: false },
    { text: "c", isHit: true },
  ]);
  expect(piecesOf("\x01a\x01b\x02\x02")).toEqual([{ text: "ab", isHit: true }]);
});

it("hits are told once each", () => {
  expect(hitsOf("\x01Claim\x02 x \x01claim\x02 y \x01claims\x02")).toEqual(["Claim", "claims"]);
  expect(withoutMarks("\x01a\x02 [b]")).toBe("a [b]");
});
