// Hits in a text: the server puts U+0001 before and U+0002 behind each.

export interface Piece {
  text: string;
  isHit: boolean;
}

/** The text in pieces, without marks; a mark without its partner ends with the text. */
export function piecesOf(marked: string): Piece[] {
  const pieces: Piece[] = [];
  let isHit = false;
  for (const part of marked.split(/([\x01\x02])/)) {
    if (part === "\x01") isHit = true;
    else if (part === "\x02") isHit = false;
    else if (part) {
      const last = pieces.at(-1);
      if (last && last.isHit === isHit) last.text += part;
      else pieces.push({ text: part, isHit });
    }
  }
  return pieces;
}

/** What is marked, each once, as it was first written. */
export function hitsOf(marked: string): string[] {
  const hits = new Map<string, string>();
  for (const piece of piecesOf(marked)) {
    const text = piece.text.trim();
    if (piece.isHit && text && !hits.has(text.toLowerCase())) hits.set(text.toLowerCase(), text);
  }
  return [...hits.values()];
}

export function withoutMarks(marked: string): string {
  return marked.replace(/[\x01\x02]/g, "");
}
