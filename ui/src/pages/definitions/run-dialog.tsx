// Start a run: values of [config] that are to be others this time, and what the run is expected to be.
import { useEffect, useMemo, useState } from "preact/hooks";
import { ApiError, reasonOf } from "../../api/client";
import { Dialog } from "../../parts/dialog";
import { Loading } from "../../parts/states";
import { count, durationText } from "../../parts/time";
import { toast } from "../../parts/toast";
import { previewRun, readDefinition, startRun } from "./api";
import { configValues } from "./editor/toml";
import { FindingList } from "./findings";
import type { Entry, Finding, Preview } from "./types";

interface Props {
  entry: Pick<Entry, "id" | "name">;
  onClose: () => void;
  onStarted?: (id: number) => void;
}

interface Refusal {
  reason: string;
  jobId: number | null;
  findings: Finding[];
}

function refusalOf(error: unknown): Refusal {
  const problem = error instanceof ApiError ? error.problem : {};
  return { reason: reasonOf(error), jobId: problem.job_id ?? null, findings: (problem.findings ?? []) as Finding[] };
}

export function RunDialog({ entry, onClose, onStarted }: Props) {
  const [source, setSource] = useState<string | null>(null);
  const [given, setGiven] = useState<Record<string, string>>({});
  const [extra, setExtra] = useState<{ name: string; value: string }[]>([]);
  const [preview, setPreview] = useState<Preview | null>(null);
  const [noPreview, setNoPreview] = useState(false);
  const [refusal, setRefusal] = useState<Refusal | null>(null);
  const [busy, setBusy] = useState(false);
  const values = useMemo(() => (source === null ? [] : configValues(source).filter((one) => !one.value.startsWith("{") && one.name !== "variables")), [source]);
  const overrides = useMemo(() => {
    const all: Record<string, string> = {};
    for (const [name, value] of Object.entries(given)) if (value.trim()) all[name] = value.trim();
    for (const { name, value } of extra) if (name.trim()) all[name.trim()] = value;
    return all;
  }, [given, extra]);

  useEffect(() => {
    const abort = new AbortController();
    readDefinition(entry.id, abort.signal).then(
      (read) => setSource(read.source),
      (error: unknown) => !abort.signal.aborted && setRefusal(refusalOf(error)),
    );
    return () => abort.abort();
  }, [entry.id]);
  useEffect(() => {
    let stale = false;
    const timer = setTimeout(
      () =>
        previewRun(entry.id, overrides).then(
          (found) => {
            if (stale) return;
            setPreview(found);
            setRefusal(null);
          },
          (error: unknown) => {
            if (stale) return;
            setPreview(null);
            if (error instanceof ApiError && (error.status === 404 || error.status === 405)) setNoPreview(true);
            else setRefusal(refusalOf(error));
          },
        ),
      Object.keys(overrides).length ? 400 : 0,
    );
    return () => {
      stale = true;
      clearTimeout(timer);
    };
  }, [entry.id, JSON.stringify(overrides)]);

  const start = async (): Promise<void> => {
    setBusy(true);
    try {
      const { id } = await startRun(entry.id, overrides);
      toast("done", `${entry.name} runs.`, { href: `/?run=${id}`, text: `Show #${id}` });
      onStarted?.(id);
      onClose();
    } catch (error) {
      setRefusal(refusalOf(error));
      setBusy(false);
    }
  };

  return (
    <Dialog title={`Run ${entry.name}`} onClose={onClose} wide>
      <form
        class="run-form"
        onSubmit={(event) => {
          event.preventDefault();
          void start();
        }}
      >
        <fieldset>
          <legend>Values of [config] for this run only</legend>
          {source === null && !refusal ? <span class="dim">Loading…</span> : null}
          {source !== null && values.length === 0 && extra.length === 0 ? <p class="dim">The definition sets none.</p> : null}
          <div class="run-values">
            {values.map((one) => (
              <label key={one.name}>
                <span class="mono ellipsis" title={one.name}>
                  {one.name}
                </span>
                <input class="field mono" placeholder={one.value} value={given[one.name] ?? ""} onInput={(event) => setGiven({ ...given, [one.name]: event.currentTarget.value })} />
              </label>
            ))}
            {extra.map((one, index) => (
              <div key={index} class="run-extra">
                <input class="field mono" aria-label="Key" placeholder="key" value={one.name} onInput={(event) => setExtra(extra.with(index, { ...one, name: event.currentTarget.value }))} />
                <input class="field mono" aria-label={`Value of ${one.name || "the key"}`} placeholder="value" value={one.value} onInput={(event) => setExtra(extra.with(index, { ...one, value: event.currentTarget.value }))} />
              </div>
            ))}
          </div>
          <button type="button" class="link-button" onClick={() => setExtra([...extra, { name: "", value: "" }])}>
            Another key
          </button>
          <p class="dim small">A value is read as TOML where it is some (3, true, ["a"]), else as text. Empty: as in the file.</p>
        </fieldset>

        {noPreview ? null : (
          <section aria-label="What it will be">
            <h3>What it will be</h3>
            {preview ? <PreviewTable preview={preview} /> : refusal ? <p class="dim">Not known.</p> : <Loading what="Working it out" />}
          </section>
        )}

        {refusal ? (
          <div class="refusal" role="alert">
            <p>
              {refusal.reason} {refusal.jobId !== null ? <a href={`/?run=${refusal.jobId}`}>Show run #{refusal.jobId}</a> : null}
            </p>
            {refusal.findings.length ? <FindingList findings={refusal.findings} /> : null}
          </div>
        ) : null}
        <div class="dialog-buttons">
          <button type="button" class="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" class="button primary" autofocus disabled={busy}>
            {busy ? "Starting…" : Object.keys(overrides).length ? "Run with these values" : "Run"}
          </button>
        </div>
      </form>
    </Dialog>
  );
}

export function PreviewTable({ preview }: { preview: Preview }) {
  const total = preview.seconds !== null ? `About ${durationText(preview.seconds * 1000)}, by the last ${preview.basis.length === 1 ? "run" : `${preview.basis.length} runs`}.` : "How long is not known: it has not completed yet.";
  return (
    <>
      {preview.in_the_way ? (
        <p class="partial">
          <a href={`/?run=${preview.in_the_way}`}>Run #{preview.in_the_way}</a> of it is active.
        </p>
      ) : null}
      <div class="table-box preview-box">
        <table class="table" aria-label="Steps of the run">
          <thead>
            <tr>
              <th scope="col">Step</th>
              <th scope="col">Worker</th>
              <th scope="col" class="minor">
                After
              </th>
              <th scope="col" class="numeric">
                Jobs
              </th>
              <th scope="col" class="numeric">
                Takes
              </th>
            </tr>
          </thead>
          <tbody>
            {preview.steps.map((step) => (
              <tr key={step.name}>
                <td>
                  {step.name}
                  {step.changed ? <span class="preview-badge">changed</span> : null}
                  {step.cached_run !== null ? (
                    <span class="preview-badge" title={`The result of run #${step.cached_run} is taken over if the documents it reads are the same.`}>
                      from #{step.cached_run}
                    </span>
                  ) : null}
                </td>
                <td class="dim">{step.worker_type}</td>
                <td class="dim minor">{step.depends.join(", ") || "–"}</td>
                <td class="numeric">{step.jobs === null ? "–" : count(step.jobs)}</td>
                <td class="numeric">{step.seconds === null ? "–" : durationText(step.seconds * 1000)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <p class="dim small">{total}</p>
    </>
  );
}
