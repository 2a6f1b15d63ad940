// The dialog that adds and removes tags of one document or many.
import { useState } from "preact/hooks";
import { Chips } from "../../parts/chips";
import { Dialog } from "../../parts/dialog";
import { count } from "../../parts/time";
import { type Named, retag } from "./commands";

export function TagDialog({ documents, onClose }: { documents: readonly Named[]; onClose: (changed: boolean) => void }) {
  const [text, setText] = useState("");
  const [removed, setRemoved] = useState<string[]>([]);
  const [problem, setProblem] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const present = new Map<string, number>();
  for (const document of documents) {
    for (const tag of document.tags) if (!tag.startsWith("source_type:")) present.set(tag, (present.get(tag) ?? 0) + 1);
  }
  const added = tagsIn(text);
  const save = async (event: Event): Promise<void> => {
    event.preventDefault();
    if (busy) return;
    setBusy(true);
    const reason = await retag(documents.map((document) => document.id), added, removed);
    setBusy(false);
    if (reason === null) onClose(true);
    else setProblem(reason);
  };
  const what = documents.length === 1 ? `“${documents[0]!.title}”` : `${count(documents.length)} documents`;
  return (
    <Dialog title={`Tags of ${what}`} onClose={() => onClose(false)}>
      <form class="tag-form" onSubmit={(event) => void save(event)}>
        <label for="tags-to-add">Add, with commas between</label>
        <input
          id="tags-to-add"
          class="field"
          autofocus
          value={text}
          aria-invalid={problem !== null}
          aria-describedby={problem ? "tags-problem" : undefined}
          onInput={(event) => {
            setText(event.currentTarget.value);
            setProblem(null);
          }}
        />
        {present.size ? (
          <>
            <h3>Take away</h3>
            <Chips
              label="Tags to take away"
              chosen={removed}
              onChange={setRemoved}
              chips={[...present].sort((a, b) => b[1] - a[1] || a[0].localeCompare(b[0])).map(([tag, n]) => ({ value: tag, text: tag, count: documents.length > 1 ? n : undefined, class: "removable" }))}
            />
          </>
        ) : null}
        <p class="dim">Makes no revision. A run that makes a document again adds the tags of its step again.</p>
        {problem ? (
          <p class="field-problem" id="tags-problem" role="alert">
            {problem}
          </p>
        ) : null}
        <div class="dialog-buttons">
          <button type="button" class="button" onClick={() => onClose(false)}>
            Keep as they are
          </button>
          <button type="submit" class="button primary" disabled={busy || (added.length === 0 && removed.length === 0)}>
            {[added.length ? `Add ${added.length}` : "", removed.length ? `${added.length ? "take" : "Take"} away ${removed.length}` : ""].filter(Boolean).join(", ") || "Change tags"}
          </button>
        </div>
      </form>
    </Dialog>
  );
}

export function tagsIn(text: string): string[] {
  return [...new Set(text.split(",").map((tag) => tag.trim().toLowerCase().replace(/\s+/g, " ")).filter(Boolean))];
}
