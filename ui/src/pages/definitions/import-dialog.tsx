// Bring in definitions from files: each is checked first, and nothing is replaced unasked.
import { useEffect, useState } from "preact/hooks";
import { post, reasonOf } from "../../api/client";
import { Dialog } from "../../parts/dialog";
import { Icon } from "../../parts/icon";
import { toast } from "../../parts/toast";
import { createDefinition, storeDefinition } from "./api";
import { FindingList } from "./findings";
import type { Checked, Entry } from "./types";

type Plan = "create" | "draft" | "replace" | "leave";

interface Candidate {
  file: string;
  source: string;
  checked: Checked | null;
  taken: Entry | null;
  plan: Plan;
  reason: string;
  done: boolean;
}

interface Props {
  files: readonly File[];
  entries: readonly Entry[];
  onClose: () => void;
  onDone: () => void;
}

const LARGEST = 1_000_000;
const PLAN_WORDS: Record<Plan, string> = { create: "Store as new", draft: "Store as draft", replace: "Replace the stored one", leave: "Leave out" };

export function ImportDialog({ files, entries, onClose, onDone }: Props) {
  const [list, setList] = useState<Candidate[] | null>(null);
  const [busy, setBusy] = useState(false);
  useEffect(() => {
    void Promise.all(files.map((file) => look(file, entries))).then(setList);
  }, []);
  const put = (index: number, change: Partial<Candidate>): void => setList((old) => old!.map((one, at) => (at === index ? { ...one, ...change } : one)));

  const carryOut = async (): Promise<void> => {
    setBusy(true);
    let stored = 0;
    let refused = 0;
    for (const [index, one] of list!.entries()) {
      if (one.plan === "leave" || one.done) continue;
      try {
        if (one.plan === "replace") await storeDefinition(one.taken!.id, one.source, one.taken!.etag, !one.checked!.is_valid);
        else await createDefinition(one.source, one.plan === "draft");
        stored++;
        put(index, { done: true, reason: "" });
      } catch (error) {
        refused++;
        put(index, { reason: reasonOf(error) });
      }
    }
    setBusy(false);
    if (stored) {
      toast("done", stored === 1 ? "1 definition was imported." : `${stored} definitions were imported.`);
      onDone();
    }
    if (!refused) onClose();
  };
  const willDo = list?.filter((one) => one.plan !== "leave" && !one.done).length ?? 0;
  const replaced = list?.filter((one) => one.plan === "replace" && !one.done).length ?? 0;

  return (
    <Dialog title="Import definitions" onClose={onClose} wide>
      {list === null ? <p class="dim">Checking…</p> : null}
      <ul class="imports">
        {list?.map((one, index) => (
          <li key={one.file}>
            <div class="import-head">
              <span class="mono ellipsis grow">{one.file}</span>
              {one.done ? (
                <span class="status">
                  <Icon name="check" size={14} /> stored
                </span>
              ) : (
                <select class="field" aria-label={`What to do with ${one.file}`} value={one.plan} disabled={busy} onChange={(event) => put(index, { plan: event.currentTarget.value as Plan })}>
                  {plansOf(one).map((plan) => (
                    <option key={plan} value={plan}>
                      {PLAN_WORDS[plan]}
                    </option>
                  ))}
                </select>
              )}
            </div>
            <p class="dim small">
              {one.checked?.id ? `id ${one.checked.id}` : "no id"}
              {one.taken ? `; taken by ${one.taken.file}, “${one.taken.name}”` : ""}
            </p>
            {one.reason ? <p class="field-problem">{one.reason}</p> : null}
            {one.checked?.findings.length ? <FindingList findings={one.checked.findings.slice(0, 4)} /> : null}
          </li>
        ))}
      </ul>
      {replaced ? <p class="partial">The text of {replaced === 1 ? "one stored definition" : `${replaced} stored definitions`} is replaced; runs keep the text they were started with.</p> : null}
      <div class="dialog-buttons">
        <button type="button" class="button" onClick={onClose}>
          Cancel
        </button>
        <button type="button" class="button primary" disabled={busy || willDo === 0} onClick={() => void carryOut()}>
          {busy ? "Storing…" : willDo === 1 ? "Import 1 definition" : `Import ${willDo} definitions`}
        </button>
      </div>
    </Dialog>
  );
}

async function look(file: File, entries: readonly Entry[]): Promise<Candidate> {
  const candidate: Candidate = { file: file.name, source: "", checked: null, taken: null, plan: "leave", reason: "", done: false };
  if (file.size > LARGEST) return { ...candidate, reason: "The file is larger than 1 MB." };
  try {
    candidate.source = await file.text();
    const first = await post<Checked>("/definitions/validate", { source: candidate.source });
    candidate.taken = entries.find((one) => one.id === first.id) ?? null;
    candidate.checked = candidate.taken ? await post<Checked>("/definitions/validate", { source: candidate.source, definition_id: first.id }) : first;
    candidate.plan = candidate.taken ? "leave" : candidate.checked.is_valid ? "create" : candidate.checked.id ? "draft" : "leave";
  } catch (error) {
    candidate.reason = reasonOf(error);
  }
  return candidate;
}

function plansOf(one: Candidate): Plan[] {
  if (!one.checked || !one.checked.id) return ["leave"];
  if (one.taken) return ["leave", "replace"];
  return one.checked.is_valid ? ["create", "draft", "leave"] : ["draft", "leave"];
}
