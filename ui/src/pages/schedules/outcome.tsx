// What became of a slot: a shape, a colour and a word.
import { OUTCOMES } from "./words";
import type { Outcome } from "./types";

export function OutcomeText({ outcome }: { outcome: Outcome }) {
  return (
    <span class={`outcome ${outcome}`}>
      <svg width="12" height="12" viewBox="0 0 12 12" aria-hidden="true">
        {outcome === "started" ? <path d="M3.5 2v8l6-4z" class="fill" /> : null}
        {outcome === "queued" ? <path d="M6 1.5a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9zM6 3.5V6l1.6 1" class="line" /> : null}
        {outcome === "skipped_overlap" ? <path d="m2.5 3 3 3-3 3M6.5 3l3 3-3 3" class="line" /> : null}
        {outcome === "missed" ? <path d="M6 1.5a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9zM3 9l6-6" class="line" /> : null}
        {outcome === "paused" ? <path d="M4 2.5v7M8 2.5v7" class="line" /> : null}
        {outcome === "failed" ? <path d="m3 3 6 6M9 3 3 9" class="line" /> : null}
      </svg>
      {OUTCOMES[outcome]}
    </span>
  );
}
