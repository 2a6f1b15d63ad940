import { type Piece } from "./marks";

/** Text with its hits highlighted; nothing in it is taken for HTML. */
export function MarkedText({ pieces }: { pieces: readonly Piece[] }) {
  return (
    <>
      {pieces.map((piece, index) => (piece.isHit ? <mark key={index}>{piece.text}</mark> : piece.text))}
    </>
  );
}
