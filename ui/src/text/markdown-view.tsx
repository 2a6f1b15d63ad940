// A markdown text in the page. The machinery is loaded when the first one is shown.
import { useEffect, useRef, useState } from "preact/hooks";
import { Loading, Partial } from "../parts/states";
import "./markdown.css";

/** Rendering more would hold up the page; the rest is in the raw view. */
export const MOST_RENDERED = 200_000;

interface Props {
  text: string;
  base: string | null;
  topLevel?: number;
  /** What to do about a text that can't be rendered, or not whole. */
  onRaw?: () => void;
}

export function Markdown({ text, base, topLevel = 3, onRaw }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const [state, setState] = useState<"loading" | "shown" | "failed">("loading");
  useEffect(() => {
    const abort = new AbortController();
    import("./render")
      .then(({ renderMarkdown }) => renderMarkdown(text.slice(0, MOST_RENDERED), { base, topLevel }, abort.signal))
      .catch(() => null)
      .then((fragment) => {
        if (abort.signal.aborted) return;
        if (fragment) box.current!.replaceChildren(fragment);
        setState(fragment ? "shown" : "failed");
      });
    return () => abort.abort();
  }, [text, base, topLevel]);
  const raw = onRaw ? (
    <button type="button" class="link-button" onClick={onRaw}>
      Show the raw text
    </button>
  ) : null;
  return (
    <>
      {state === "loading" ? <Loading /> : null}
      {state === "failed" ? <Partial>This text can't be shown as markdown: laying it out takes too long. {raw}</Partial> : null}
      {state === "shown" && text.length > MOST_RENDERED ? (
        <Partial>
          The first {MOST_RENDERED.toLocaleString("en-US")} of {text.length.toLocaleString("en-US")} characters. {raw}
        </Partial>
      ) : null}
      <div class="markdown" ref={box} hidden={state !== "shown"} />
    </>
  );
}
