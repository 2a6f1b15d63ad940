// Definitions: what can be run, when it runs by itself, and how it went.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { reasonOf } from "../../api/client";
import { Chips } from "../../parts/chips";
import { useFetch } from "../../parts/fetching";
import { Icon } from "../../parts/icon";
import { Menu } from "../../parts/menu";
import { Empty, Failed, Loading, Partial } from "../../parts/states";
import { absoluteTime, count, timeZone, useNow } from "../../parts/time";
import { toast } from "../../parts/toast";
import { listOf, navigate, setQuery } from "../../router";
import type { PageProps } from "../../router";
import { isConflict, readDefinition, saveAs, setEnabled } from "./api";
import { Gallery } from "./gallery";
import { ImportDialog } from "./import-dialog";
import { RunDialog } from "./run-dialog";
import { askDelete, StandingText, useFreshness } from "./shared";
import { Sparkline } from "./sparkline";
import type { DefinitionView, Entry, Schedule } from "./types";
import { countdown, isFound, inZone, scheduleWords, type Standing, standingOf } from "./words";
import "./list.css";

const STANDINGS: readonly Standing[] = ["ready", "disabled", "draft", "error"];

export default function Definitions({ query }: PageProps) {
  const { data, reason, reload } = useFetch<{ items: DefinitionView[] }>("/definitions");
  useFreshness(reload);
  const [dialog, setDialog] = useState<{ kind: "new" } | { kind: "run"; entry: Entry } | { kind: "import"; files: File[] } | null>(null);
  const picker = useRef<HTMLInputElement>(null);
  const views = data?.items ?? null;
  const text = query.get("find") ?? "";
  const tags = listOf(query, "tag");
  const standings = listOf(query, "status") as Standing[];

  const shown = useMemo(
    () => views?.filter(({ definition }) => isFound(definition, text.trim()) && tags.every((tag) => definition.tags.includes(tag)) && (!standings.length || standings.includes(standingOf(definition)))).sort((a, b) => a.definition.name.localeCompare(b.definition.name)) ?? [],
    [views, text, query.get("tag"), query.get("status")],
  );
  const tagCounts = useMemo(() => countsOf(views ?? [], (view) => view.definition.tags), [views]);
  const standingCounts = useMemo(() => countsOf(views ?? [], (view) => [standingOf(view.definition)]), [views]);
  const hasFilter = text !== "" || tags.length > 0 || standings.length > 0;
  const clear = (): void => setQuery({ find: null, tag: null, status: null });

  return (
    <div class="page definitions">
      <div class="page-head">
        <h1>Definitions</h1>
        <input type="search" class="field" data-focus-key placeholder="Find by name, id, tag" aria-label="Find definitions" value={text} onInput={(event) => setQuery({ find: event.currentTarget.value })} />
        <span class="grow" />
        <button type="button" class="button" onClick={() => picker.current!.click()}>
          Import…
        </button>
        <input
          ref={picker}
          type="file"
          accept=".toml"
          multiple
          hidden
          aria-label="Files to import"
          onChange={(event) => {
            const files = [...(event.currentTarget.files ?? [])];
            event.currentTarget.value = "";
            if (files.length) setDialog({ kind: "import", files });
          }}
        />
        <button type="button" class="button primary" onClick={() => setDialog({ kind: "new" })}>
          New
        </button>
      </div>
      {views && views.length > 0 ? (
        <div class="definition-filters">
          <Chips<Standing>
            label="Status"
            chosen={standings}
            chips={STANDINGS.filter((one) => standingCounts.has(one) || standings.includes(one)).map((one) => ({ value: one, text: <StandingText standing={one} />, count: standingCounts.get(one) ?? 0 }))}
            onChange={(chosen) => setQuery({ status: chosen })}
          />
          {tagCounts.size || tags.length ? (
            <Chips label="Tags" chosen={tags} chips={[...new Set([...tags, ...[...tagCounts.keys()].sort()])].map((tag) => ({ value: tag, text: tag, count: tagCounts.get(tag) ?? 0 }))} onChange={(chosen) => setQuery({ tag: chosen })} />
          ) : null}
        </div>
      ) : null}
      {reason && views ? <Partial onRetry={reload}>This may be out of date: {reason} </Partial> : null}
      {views === null ? (
        reason ? (
          <Failed reason={reason} onRetry={reload} />
        ) : (
          <Loading what="Loading definitions" />
        )
      ) : views.length === 0 ? (
        <Empty title="No definitions yet.">
          A definition says what a run consists of: one TOML file in the folder <code>definitions</code> of the data folder.
          <p class="empty-deed">
            <button type="button" class="button primary" onClick={() => setDialog({ kind: "new" })}>
              Begin with a template
            </button>
          </p>
        </Empty>
      ) : shown.length === 0 ? (
        <Empty title="No definition fits the filter.">
          {hasFilter ? (
            <button type="button" class="button" onClick={clear}>
              Clear the filter
            </button>
          ) : null}
        </Empty>
      ) : (
        <List views={shown} onRun={(entry) => setDialog({ kind: "run", entry })} onChanged={reload} />
      )}
      {dialog?.kind === "new" ? <Gallery onClose={() => setDialog(null)} /> : null}
      {dialog?.kind === "run" ? <RunDialog entry={dialog.entry} onClose={() => setDialog(null)} onStarted={reload} /> : null}
      {dialog?.kind === "import" ? <ImportDialog files={dialog.files} entries={(views ?? []).map((view) => view.definition)} onClose={() => setDialog(null)} onDone={reload} /> : null}
    </div>
  );
}

function countsOf(views: readonly DefinitionView[], of: (view: DefinitionView) => readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const view of views) for (const one of of(view)) counts.set(one, (counts.get(one) ?? 0) + 1);
  return counts;
}

interface ListProps {
  views: readonly DefinitionView[];
  onRun: (entry: Entry) => void;
  onChanged: () => void;
}

function List({ views, onRun, onChanged }: ListProps) {
  return (
    <table class="table definition-table" aria-label="Definitions">
      <thead>
        <tr>
          <th scope="col">Definition</th>
          <th scope="col">Status</th>
          <th scope="col">Runs by itself</th>
          <th scope="col">Last runs</th>
          <th scope="col">Enabled</th>
          <th scope="col">
            <span class="unseen">Actions</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {views.map((view) => (
          <DefinitionRow key={view.definition.id} view={view} onRun={onRun} onChanged={onChanged} />
        ))}
      </tbody>
    </table>
  );
}

function DefinitionRow({ view, onRun, onChanged }: { view: DefinitionView; onRun: (entry: Entry) => void; onChanged: () => void }) {
  const { definition, schedule, runs, last } = view;
  const href = `/definitions/${encodeURIComponent(definition.id)}`;
  return (
    <tr>
      <td class="definition-name">
        <a href={href}>{definition.name}</a>
        <div class="dim small">
          <span class="mono">{definition.id}</span>
          {definition.description ? <span> · {definition.description}</span> : null}
        </div>
        {definition.tags.length ? (
          <div class="tags">
            {definition.tags.map((tag) => (
              <button key={tag} type="button" class="tag" title={`Only those with the tag ${tag}`} onClick={() => setQuery({ tag: [tag] })}>
                {tag}
              </button>
            ))}
          </div>
        ) : null}
      </td>
      <td class="definition-status">
        <StandingText standing={standingOf(definition)} />
        {definition.reason && definition.status === "error" ? <div class="small reason">{definition.reason}</div> : null}
        {definition.reason && definition.status === "disabled" && definition.reason !== "enabled = false" && !definition.is_draft ? <div class="small dim reason">{definition.reason}</div> : null}
      </td>
      <td class="definition-schedule">
        <When entry={definition} schedule={schedule} />
      </td>
      <td class="definition-runs">
        <Sparkline name={definition.name} last={last} />
        {runs ? (
          <a class="small dim" href={`/?definition=${encodeURIComponent(definition.id)}`}>
            {runs === 1 ? "1 run" : `${count(runs)} runs`}
          </a>
        ) : null}
      </td>
      <td class="definition-switch">
        <EnabledSwitch entry={definition} onChanged={onChanged} />
      </td>
      <td class="definition-deeds">
        <span>
          <button type="button" class="button" disabled={definition.status !== "ready"} title={definition.status === "ready" ? undefined : `It can't run: ${definition.reason}`} onClick={() => onRun(definition)}>
            <Icon name="play" size={12} /> Run<span class="unseen"> {definition.name}</span>
          </button>
          <Menu
            label={`More for ${definition.name}`}
            entries={[
              { text: "Edit", icon: "definitions", run: () => void navigate(href) },
              { text: "Export the file", icon: "download", run: () => void exportFile(definition) },
              { text: "Delete…", icon: "trash", danger: true, run: () => void askDelete(definition, runs, schedule).then((gone) => gone && onChanged()) },
            ]}
          />
        </span>
      </td>
    </tr>
  );
}

function When({ entry, schedule }: { entry: Entry; schedule: Schedule | null }) {
  const now = useNow();
  const words = scheduleWords(entry, schedule);
  if (!words) return <span class="dim none">–</span>;
  const zone = schedule?.timezone ?? entry.timezone;
  return (
    <>
      <a href={`/schedules?schedule=${encodeURIComponent(entry.id)}`} title={[schedule?.cron ?? entry.schedule, zone].filter(Boolean).join(" ")}>
        {words}
      </a>
      <div class="small dim">
        {schedule?.state === "paused" ? (
          "paused"
        ) : schedule?.next_at && entry.status === "ready" ? (
          <time dateTime={schedule.next_at} title={`${absoluteTime(schedule.next_at)}${zone && zone !== timeZone() ? `; ${inZone(schedule.next_at, zone, now)} in ${zone}` : ""}`}>
            next {countdown(schedule.next_at, now)}
          </time>
        ) : entry.status !== "ready" ? (
          "does not fire"
        ) : entry.schedule && !schedule ? (
          "not taken over yet"
        ) : null}
      </div>
    </>
  );
}

function EnabledSwitch({ entry, onChanged }: { entry: Entry; onChanged: () => void }) {
  const [asked, setAsked] = useState<boolean | null>(null);
  useEffect(() => setAsked(null), [entry.etag]);
  const on = asked ?? entry.enabled;
  const change = async (): Promise<void> => {
    setAsked(!on);
    try {
      await setEnabled(entry, !on);
    } catch (error) {
      setAsked(null);
      toast("error", isConflict(error) ? `${entry.name} was changed elsewhere. Look at it, then try again.` : reasonOf(error));
    }
    onChanged();
  };
  return (
    <button type="button" role="switch" class="switch" aria-checked={on} aria-label={`${entry.name} is enabled`} title={on ? "Enabled: it can be started, and its schedule fires" : "Disabled: it is not started"} disabled={asked !== null} onClick={() => void change()}>
      <i />
    </button>
  );
}

async function exportFile(entry: Entry): Promise<void> {
  try {
    const { source } = await readDefinition(entry.id);
    saveAs(entry.file.split("/").at(-1)!, source);
  } catch (error) {
    toast("error", reasonOf(error));
  }
}
