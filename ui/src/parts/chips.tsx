// Small switches in a row: facets and filters with their counts.
import type { ComponentChildren } from "preact";
import { count } from "./time";

export interface Chip<T extends string> {
  value: T;
  text: ComponentChildren;
  count?: number;
  title?: string;
  class?: string;
}

interface Props<T extends string> {
  label: string;
  chips: readonly Chip<T>[];
  chosen: readonly T[];
  onChange: (chosen: T[]) => void;
  /** Only one at a time. */
  single?: boolean;
}

export function Chips<T extends string>({ label, chips, chosen, onChange, single = false }: Props<T>) {
  const toggle = (value: T): void => {
    if (chosen.includes(value)) onChange(single ? [] : chosen.filter((one) => one !== value));
    else onChange(single ? [value] : [...chosen, value]);
  };
  return (
    <div class="chips" role="group" aria-label={label}>
      {chips.map((chip) => (
        <button
          key={chip.value}
          type="button"
          class={`chip ${chip.class ?? ""}`}
          aria-pressed={chosen.includes(chip.value)}
          title={chip.title}
          onClick={() => toggle(chip.value)}
        >
          {chip.text}
          {chip.count === undefined ? null : <span class="chip-count">{count(chip.count)}</span>}
        </button>
      ))}
    </div>
  );
}

/** A facet of a list page: a heading and its values, one below the other. */
export function Facet<T extends string>({ label, chips, chosen, onChange, single }: Props<T>) {
  return (
    <section class="facet" aria-label={label}>
      <h3>{label}</h3>
      {chips.length ? <Chips label={label} chips={chips} chosen={chosen} onChange={onChange} single={single} /> : <p class="dim">none</p>}
    </section>
  );
}
