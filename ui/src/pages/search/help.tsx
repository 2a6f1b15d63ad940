// What can be written into the search field, beside the field.
import { useEffect, useRef, useState } from "preact/hooks";
import { Icon } from "../../parts/icon";

export const SYNTAX: readonly [string, string][] = [
  ["lease claim", "both words, anywhere"],
  ['"stale claim"', "the phrase"],
  ["lease OR claim", "one of them; OR binds weakest"],
  ["lease -claim", "the first without the second; also NOT"],
  ["(lease OR claim) AND sqlite", "with parentheses"],
  ["clai*", "words that begin so"],
  ["title:engine", "in the title"],
  ["tag:category:docs", "documents with exactly this tag"],
  ["type:local_dir", "of this source type"],
  ["after:2026-01", "last changed then or later; a year, month, day or time"],
  ["before:2026", "last changed before"],
];

export function SyntaxHelp({ onTry }: { onTry: (query: string) => void }) {
  const [open, setOpen] = useState(false);
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (!open) return;
    const close = (event: Event) => !box.current?.contains(event.target as Node) && setOpen(false);
    addEventListener("pointerdown", close);
    return () => removeEventListener("pointerdown", close);
  }, [open]);
  const leave = (): void => {
    setOpen(false);
    (box.current!.firstElementChild as HTMLElement).focus();
  };
  return (
    <div
      class="syntax"
      ref={box}
      onKeyDown={(event) => {
        if (event.key !== "Escape" || !open) return;
        event.preventDefault();
        event.stopPropagation();
        leave();
      }}
      onFocusOut={(event) => event.relatedTarget && !box.current!.contains(event.relatedTarget as Node) && setOpen(false)}
    >
      <button type="button" class="icon-button" aria-label="What can be written here" title="What can be written here" aria-expanded={open} aria-controls="syntax-help" onClick={() => setOpen(!open)}>
        <Icon name="help" />
      </button>
      {open ? (
        <div class="syntax-help" id="syntax-help" role="dialog" aria-label="Search syntax">
          <dl>
            {SYNTAX.map(([example, meaning]) => (
              <div key={example}>
                <dt>
                  <button
                    type="button"
                    class="example"
                    title="Try it"
                    onClick={() => {
                      setOpen(false);
                      onTry(example);
                    }}
                  >
                    {example}
                  </button>
                </dt>
                <dd>{meaning}</dd>
              </div>
            ))}
          </dl>
          <p class="dim">Case and accents don't matter; claims finds claimed. A hit in the title counts most, then one in a tag. AND, OR and NOT in capitals only. What a run has stored can be found at once.</p>
        </div>
      ) : null}
    </div>
  );
}
