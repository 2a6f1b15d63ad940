// Why a document was found: which of its fields the words of the query hit. The marks of the server tell of the text;
// title and tags are compared here, by the beginning that forms of an English word share.
import { hitsOf, type Piece } from "../../text/marks";
import { partsOf, type QueryPart } from "./query";
import type { Hit } from "./types";

export interface Reason {
  field: "title" | "text" | "tag" | "type" | "changed";
  terms: string[];
}

export function reasonsFor(hit: Hit, query: string): Reason[] {
  const parts = partsOf(query).filter((part) => !part.isNegated && part.kind !== "operator");
  const words = parts.filter((part) => part.kind === "word" || part.kind === "phrase");
  const inTitle = titlePieces(hit, query).filter((piece) => piece.isHit);
  const reasons: Reason[] = [];
  const add = (field: Reason["field"], terms: readonly string[]): void => {
    const once = [...new Map(terms.map((term) => [term.toLowerCase(), term])).values()];
    if (once.length) reasons.push({ field, terms: once });
  };
  add("title", inTitle.map((piece) => piece.text));
  add("text", hitsOf(hit.snippet));
  const tags = parts.filter((part) => part.kind === "tag").map((part) => part.value.toLowerCase().split(/\s+/).join(" "));
  add("tag", hit.tags.filter((tag) => tags.includes(tag) || words.some((part) => wordsIn(tag).some((word) => fits(part, word)))));
  add("type", parts.some((part) => part.kind === "type") ? [hit.source_type] : []);
  add("changed", parts.filter((part) => part.kind === "after" || part.kind === "before").map((part) => `${part.kind} ${part.value}`));
  return reasons;
}

/** The title with the words that the query asks for. */
export function titlePieces(hit: Pick<Hit, "title">, query: string): Piece[] {
  const parts = partsOf(query).filter((part) => !part.isNegated && (part.kind === "word" || part.kind === "phrase" || part.kind === "title"));
  const pieces: Piece[] = [];
  const push = (text: string, isHit: boolean): void => {
    const last = pieces.at(-1);
    if (last && last.isHit === isHit) last.text += text;
    else if (text) pieces.push({ text, isHit });
  };
  let end = 0;
  for (const found of hit.title.matchAll(/[\p{L}\p{N}]+/gu)) {
    push(hit.title.slice(end, found.index), false);
    push(found[0], parts.some((part) => fits(part, found[0])));
    end = found.index + found[0].length;
  }
  push(hit.title.slice(end), false);
  return pieces;
}

function fits(part: QueryPart, word: string): boolean {
  const asked = wordsIn(part.value);
  return asked.some((one, index) => (part.isPrefix && index === asked.length - 1 ? plain(word).startsWith(plain(one)) : stem(one) === stem(word)));
}

const wordsIn = (text: string): string[] => text.match(/[\p{L}\p{N}]+/gu) ?? [];
const plain = (word: string): string => word.toLowerCase().normalize("NFKD").replace(/\p{M}/gu, "");

/** Near enough to the stems of the index to tell forms of a word from other words. */
export function stem(word: string): string {
  const text = plain(word);
  if (text.length <= 3) return text;
  const singular = text.replace(/(?<=..)ies$|(?<=[sxz]|ch|sh)es$|(?<=...)(?<!s)s$/, (end) => (end === "ies" ? "y" : ""));
  const short = singular
    .replace(/(?<=...)(?:ings?|ed|ly)$/, "")
    .replace(/([^aeiouls])\1$/, "$1");
  return short.replace(/(?<=..)[ey]$/, (end) => (end === "y" ? "i" : ""));
}
