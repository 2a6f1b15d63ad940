// The last runs of a definition, each a link; one stop of the Tab key, arrows move.
import { useRef } from "preact/hooks";
import type { Row } from "../../api/types";
import { store } from "../../live";
import { useNow } from "../../parts/time";
import { type Bar, barsOf } from "./bars";

export function Sparkline({ name, last }: { name: string; last: readonly Row[] }) {
  const now = useNow();
  const box = useRef<HTMLUListElement>(null);
  if (last.length === 0) return <span class="dim">never run</span>;
  const bars = barsOf(
    last.map((row) => store.get(row.id) ?? row),
    now,
  );
  const move = (event: KeyboardEvent): void => {
    const links = [...box.current!.querySelectorAll<HTMLElement>("a")];
    const at = links.indexOf(event.target as HTMLElement);
    const to = event.key === "ArrowLeft" ? at - 1 : event.key === "ArrowRight" ? at + 1 : event.key === "Home" ? 0 : event.key === "End" ? links.length - 1 : null;
    if (to === null) return;
    event.preventDefault();
    links[Math.max(0, Math.min(links.length - 1, to))]!.focus();
  };
  return (
    <ul ref={box} class="sparkline" aria-label={`Last runs of ${name}, the newest last`} onKeyDown={move}>
      {bars.map((bar, index) => (
        <li key={bar.id}>
          <a href={`/runs/${bar.id}`} aria-label={bar.text} title={bar.text} tabIndex={index === bars.length - 1 ? 0 : -1}>
            <BarShape bar={bar} />
          </a>
        </li>
      ))}
    </ul>
  );
}

const HALF = 12;

function BarShape({ bar }: { bar: Bar }) {
  const length = Math.max(3, Math.round(bar.height * (HALF - 1)));
  return (
    <svg width="8" height="24" viewBox="0 0 8 24" aria-hidden="true" class={`spark s-${bar.status}`}>
      {bar.way === "down" ? <rect x="1" y={HALF + 0.5} width="6" height={length} rx="1" /> : null}
      {bar.way === "up" ? <rect x="1" y={HALF - 0.5 - length} width="6" height={length} rx="1" /> : null}
      {bar.way === "up" && bar.status === "partial" ? <rect x="1" y={HALF + 0.5} width="6" height="3" rx="1" class="under" /> : null}
      {bar.way === "open" ? <rect x="1.75" y={HALF - 0.5 - length} width="4.5" height={length} rx="1" class="open" /> : null}
      {bar.way === "none" ? <path d="M1.5 12h5" class="flat" /> : null}
    </svg>
  );
}
