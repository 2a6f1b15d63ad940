// What the list can be narrowed down by, with how many documents each value has.
import { useState } from "preact/hooks";
import type { Job } from "../../api/types";
import { store, useLive } from "../../live";
import { type Chip, Facet } from "../../parts/chips";
import { useFetch } from "../../parts/fetching";
import { changesTo, type DocumentFilter, SINCE, tagGroups } from "./filter";
import { setQuery } from "../../router";
import type { Facets } from "./types";

const FIRST = 10;

export function FacetColumn({ filter, facets, reason }: { filter: DocumentFilter; facets: Facets | null; reason: string | null }) {
  const change = (next: Partial<DocumentFilter>): void => setQuery(changesTo(next), { push: true });
  const values = (counts: Record<string, number> = {}, chosen: readonly string[]): Chip<string>[] =>
    Object.entries({ ...Object.fromEntries(chosen.map((one) => [one, 0])), ...counts }).map(([value, n]) => ({ value, text: value, count: n }));
  const types = values(facets?.source_types, filter.sourceType ? [filter.sourceType] : []);
  const categories = values(facets?.categories, filter.categories);
  return (
    <div class="facets">
      {reason ? <p class="field-problem">The counts can't be had: {reason}</p> : null}
      <Facet label="Source type" single chips={types} chosen={filter.sourceType ? [filter.sourceType] : []} onChange={([one]) => change({ sourceType: one ?? null })} />
      {categories.length ? <Facet label="Category" chips={categories} chosen={filter.categories} onChange={(chosen) => change({ categories: chosen })} /> : null}
      {tagGroups(facets?.tags ?? {}, filter.tags).map((group) => (
        <LongFacet
          key={group.label}
          label={group.label}
          chips={group.tags}
          chosen={filter.tags.filter((tag) => group.tags.some((one) => one.value === tag))}
          onChange={(chosen) => change({ tags: [...filter.tags.filter((tag) => !group.tags.some((one) => one.value === tag)), ...chosen] })}
        />
      ))}
      <RunFacet filter={filter} change={change} />
      <section class="facet" aria-label="Changed">
        <h3>Changed</h3>
        <select class="field" aria-label="Changed since" value={SINCE.some(([value]) => value === filter.since) ? filter.since! : filter.since ? "day" : ""} onChange={(event) => change({ since: event.currentTarget.value === "day" ? new Date().toISOString().slice(0, 10) : event.currentTarget.value || null })}>
          <option value="">any time</option>
          {SINCE.map(([value, text]) => (
            <option key={value} value={value}>
              {text}
            </option>
          ))}
          <option value="day">since a day…</option>
        </select>
        {filter.since && /^\d{4}/.test(filter.since) ? <input type="date" class="field" aria-label="Changed since this day" value={filter.since} onChange={(event) => change({ since: event.currentTarget.value || null })} /> : null}
      </section>
      <section class="facet" aria-label="Gone documents">
        <label class="check">
          <input type="checkbox" checked={filter.withGone} onChange={(event) => change({ withGone: event.currentTarget.checked })} /> also those that their source no longer has
        </label>
      </section>
    </div>
  );
}

/** The most frequent values first; the rest on demand, with a field to find one. */
function LongFacet({ label, chips, chosen, onChange }: { label: string; chips: Chip<string>[]; chosen: string[]; onChange: (chosen: string[]) => void }) {
  const [all, setAll] = useState(false);
  const [find, setFind] = useState("");
  if (chips.length === 0) return null;
  const found = find ? chips.filter((chip) => chip.value.includes(find.toLowerCase())) : chips;
  const shown = all ? found : found.filter((chip, index) => index < FIRST || chosen.includes(chip.value));
  return (
    <div class="long-facet">
      {all && chips.length > FIRST ? <input type="search" class="field small" placeholder={`Find a ${label.toLowerCase()}`} aria-label={`Find a ${label.toLowerCase()}`} value={find} onInput={(event) => setFind(event.currentTarget.value)} /> : null}
      <Facet label={label} chips={shown} chosen={chosen} onChange={onChange} />
      {chips.length > FIRST ? (
        <button
          type="button"
          class="link-button"
          onClick={() => {
            setAll(!all);
            setFind("");
          }}
        >
          {all ? "Fewer" : `All ${chips.length}`}
        </button>
      ) : null}
    </div>
  );
}

function RunFacet({ filter, change }: { filter: DocumentFilter; change: (next: Partial<DocumentFilter>) => void }) {
  useLive();
  const run = useFetch<Job>(filter.run === null ? null : `/runs/${filter.run}`);
  const recent = store.roots().slice(0, 50).map((id) => store.rows.get(id)!);
  const steps = run.data?.id === filter.run ? (run.data?.steps ?? []) : [];
  return (
    <section class="facet" aria-label="Run">
      <h3>Run</h3>
      <input
        class="field"
        inputMode="numeric"
        list="recent-runs"
        placeholder="number of a run"
        aria-label="Number of a run"
        value={filter.run ?? ""}
        onChange={(event) => {
          const number = /\d+/.exec(event.currentTarget.value);
          change({ run: number ? Number(number[0]) : null });
        }}
      />
      <datalist id="recent-runs">
        {recent.map((row) => (
          <option key={row.id} value={row.id}>
            {`${row.name}, ${row.documents} documents`}
          </option>
        ))}
      </datalist>
      {filter.run !== null && run.reason ? <p class="field-problem">{run.reason}</p> : null}
      {steps.length ? <Facet label="Step" chips={steps.map((step) => ({ value: step.name, text: step.name, count: step.document_count }))} chosen={filter.steps} onChange={(chosen) => change({ steps: chosen })} /> : null}
    </section>
  );
}
