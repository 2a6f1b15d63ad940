// The texts that runs were started with, and what has changed between them.
import { useState } from "preact/hooks";
import { useFetch } from "../../../parts/fetching";
import { Empty, Failed, Loading } from "../../../parts/states";
import { count, Time } from "../../../parts/time";
import { toast } from "../../../parts/toast";
import { definitionPath } from "../api";
import type { Revision } from "../types";
import { DiffView } from "./diff-view";
import { plain } from "./text";

interface Props {
  id: string;
  text: string;
  onTake: (source: string) => void;
}

export function Revisions({ id, text, onTake }: Props) {
  const { data, reason, reload } = useFetch<Revision[]>(`${definitionPath(id)}/revisions`);
  const [chosen, setChosen] = useState<number | null>(null);
  const [before, setBefore] = useState(false);
  if (!data) return reason ? <Failed reason={reason} onRetry={reload} /> : <Loading what="Loading revisions" />;
  if (data.length === 0) return <Empty title="No revisions yet.">Each text that a run is started with becomes one.</Empty>;
  const at = Math.max(0, data.findIndex((one) => one.revision === chosen));
  const revision = data[at]!;
  const older = data[at + 1] ?? null;
  return (
    <div class="revisions">
      <ul class="revision-list" aria-label="Revisions, the newest first">
        {data.map((one, index) => (
          <li key={one.revision}>
            <button type="button" class="revision" aria-pressed={one === revision} onClick={() => setChosen(one.revision)}>
              <b>Revision {one.revision}</b>
              <span class="dim">
                <Time at={one.created_at} /> · {one.runs === 1 ? "1 run" : `${count(one.runs)} runs`}
                {index === 0 ? " · the last that ran" : ""}
              </span>
            </button>
          </li>
        ))}
      </ul>
      <div class="revision-deeds">
        <div class="segments words" role="group" aria-label="Compared with">
          <button type="button" aria-pressed={!before} onClick={() => setBefore(false)}>
            With the text here
          </button>
          <button type="button" aria-pressed={before} disabled={!older} onClick={() => setBefore(true)}>
            With the one before
          </button>
        </div>
        <span class="grow" />
        <button
          type="button"
          class="button"
          disabled={plain(revision.source) === text}
          onClick={() => {
            onTake(revision.source);
            toast("done", `The text is that of revision ${revision.revision} now, not saved yet. Ctrl-Z takes it back.`);
          }}
        >
          Take this text
        </button>
      </div>
      {before && older ? (
        <DiffView key={`b${revision.revision}`} left={plain(older.source)} right={plain(revision.source)} leftName={`revision ${older.revision}`} rightName={`revision ${revision.revision}`} />
      ) : (
        <DiffView key={`t${revision.revision}`} left={plain(revision.source)} right={text} leftName={`revision ${revision.revision}`} rightName="here" />
      )}
    </div>
  );
}
