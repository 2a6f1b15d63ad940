// The editor of a definition: text, what is wrong with it, its steps, what has changed, and its past.
import { useCallback, useEffect, useMemo, useRef, useState } from "preact/hooks";
import { ApiError, get, post, reasonOf } from "../../../api/client";
import { confirmAction } from "../../../parts/dialog";
import { Icon } from "../../../parts/icon";
import { Menu, type MenuEntry } from "../../../parts/menu";
import { Split } from "../../../parts/split";
import { Failed, Loading, Partial } from "../../../parts/states";
import { count } from "../../../parts/time";
import { toast } from "../../../parts/toast";
import { navigate, setQuery, useLeaveGuard } from "../../../router";
import type { PageProps } from "../../../router";
import { createDefinition, isConflict, readDefinition, saveAs, storeDefinition } from "../api";
import { FindingList } from "../findings";
import { RunDialog } from "../run-dialog";
import { askDelete, StandingText } from "../shared";
import { templateText } from "../templates";
import type { Checked, DefinitionText, DefinitionView, Finding, Schema } from "../types";
import { freeId, standingOf } from "../words";
import { type Code, openCode } from "./code";
import type { Surroundings } from "./completion";
import { Conflict } from "./conflict";
import { diffCounts, diffRows } from "./diff";
import { DiffView } from "./diff-view";
import { Revisions } from "./revisions";
import { Steps } from "./steps";
import { eolOf, plain } from "./text";
import "./editor.css";

export default function EditorPage({ params, query }: PageProps) {
  const id = params.id ?? null;
  const [read, setRead] = useState<{ id: string | null; found: DefinitionText | null; text: string } | null>(null);
  const [reason, setReason] = useState<string | null>(null);
  const [turn, setTurn] = useState(0);
  const template = query.get("template");
  useEffect(() => {
    const abort = new AbortController();
    setReason(null);
    const load = async (): Promise<void> => {
      if (id !== null) {
        const found = await readDefinition(id, abort.signal);
        setRead({ id, found, text: plain(found.source) });
        return;
      }
      const wish = template && template !== "blank" ? template : "my-definition";
      const taken = await get<{ items: DefinitionView[] }>("/definitions", {}, abort.signal).then((page) => new Set(page.items.map((view) => view.definition.id)));
      setRead({ id, found: null, text: templateText(template ?? "blank", freeId(wish, taken)) });
    };
    load().catch((error: unknown) => {
      if (!abort.signal.aborted) setReason(reasonOf(error));
    });
    return () => abort.abort();
  }, [id, template, turn]);
  if (reason) return <Failed reason={reason} onRetry={() => setTurn(turn + 1)} />;
  if (!read || read.id !== id) return <Loading what="Loading the definition" />;
  return <Editor key={`${id} ${template}`} stored={read.found} text={read.text} panel={query.get("panel") ?? "steps"} line={Number(query.get("line")) || null} />;
}

let schema: Schema | null = null;
let around: Surroundings = {};

/** What completion needs; fetched once. */
async function prepare(): Promise<void> {
  if (!schema) schema = await get<Schema>("/definitions/schema");
  const page = await get<{ items: DefinitionView[] }>("/definitions");
  around = { definitions: page.items.map((view) => view.definition.id), zones: Intl.supportedValuesOf("timeZone") };
}

const CHECK_AFTER_MS = 300;
const LOOK_EVERY_MS = 20_000;

interface Props {
  stored: DefinitionText | null;
  text: string;
  panel: string;
  line: number | null;
}

interface Refusal {
  reason: string;
  canBeDraft: boolean;
}

function Editor({ stored: first, text: firstText, panel, line }: Props) {
  const [stored, setStored] = useState(first);
  const [saved, setSaved] = useState(first ? firstText : "");
  const [text, setText] = useState(firstText);
  const [checked, setChecked] = useState<{ text: string; found: Checked } | null>(null);
  const [checkReason, setCheckReason] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const [refusal, setRefusal] = useState<Refusal | null>(null);
  const [conflict, setConflict] = useState<{ theirs: DefinitionText; draft: boolean } | null>(null);
  const [elsewhere, setElsewhere] = useState<DefinitionText | null>(null);
  const [running, setRunning] = useState(false);
  const [narrowPane, setNarrowPane] = useState<"text" | "side">("text");
  const place = useRef<HTMLDivElement>(null);
  const code = useRef<Code | null>(null);

  const isDirty = first === null ? text !== firstText : text !== saved;
  const isUnsaved = stored === null || isDirty;
  const entry = stored?.definition ?? null;
  const findings = checked?.found.findings ?? [];
  const name = entry?.name ?? "New definition";
  const held = useRef({ isDirty, text, saved, stored, busy });
  held.current = { isDirty, text, saved, stored, busy };

  const saveRef = useRef<() => void>(() => {});
  useEffect(() => {
    code.current = openCode({
      parent: place.current!,
      text: firstText,
      label: `Text of ${name}`,
      schema: () => schema,
      around: () => around,
      onChange: (now) => {
        setText(now);
        setRefusal(null);
      },
      onSave: () => saveRef.current(),
    });
    if (line) code.current.jump(line);
    else code.current.focus();
    prepare().catch(() => {});
    return () => code.current?.destroy();
  }, []);
  useEffect(() => {
    if (entry) document.title = `${isDirty ? "• " : ""}${entry.name} – Quaero`;
  }, [entry?.name, isDirty]);

  const [checkTurn, setCheckTurn] = useState(0);
  useEffect(() => {
    const abort = new AbortController();
    const timer = setTimeout(
      () =>
        post<Checked>("/definitions/validate", { source: text, definition_id: entry?.id ?? null }, { signal: abort.signal }).then(
          (found) => {
            setChecked({ text, found });
            setCheckReason(null);
            if (code.current?.text() === text) code.current.mark(found.findings);
          },
          (error: unknown) => {
            if (!abort.signal.aborted) setCheckReason(reasonOf(error));
          },
        ),
      checked ? CHECK_AFTER_MS : 0,
    );
    return () => {
      clearTimeout(timer);
      abort.abort();
    };
  }, [text, entry?.id, checkTurn]);

  const ask = useCallback(async () => {
    const { isDirty, text, saved } = held.current;
    if (!isDirty) return true;
    const { added, removed } = diffCounts(diffRows(saved, text));
    return confirmAction({
      title: "Leave without saving?",
      body: `${count(Math.max(added, removed))} changed ${Math.max(added, removed) === 1 ? "line is" : "lines are"} lost.`,
      confirm: "Leave, lose the changes",
      danger: true,
    });
  }, []);
  useLeaveGuard(isDirty ? ask : null);

  const accept = (found: DefinitionText, replace: boolean): void => {
    const source = plain(found.source);
    setStored(found);
    setSaved(source);
    setElsewhere(null);
    setConflict(null);
    setRefusal(null);
    if (replace) code.current!.replace(source);
  };

  // Somebody may change the file while it is open here.
  useEffect(() => {
    const id = first?.definition.id;
    if (!id) return;
    const look = async (): Promise<void> => {
      if (document.hidden || held.current.busy) return;
      const found = await readDefinition(id).catch(() => null);
      const now = held.current;
      if (!found || now.busy || found.definition.etag === now.stored?.definition.etag) return;
      if (now.isDirty) setElsewhere(found);
      else {
        accept(found, true);
        toast("done", `${found.definition.file} was changed elsewhere; this is the new text.`);
      }
    };
    const timer = setInterval(() => void look(), LOOK_EVERY_MS);
    const onFocus = (): void => void look();
    addEventListener("focus", onFocus);
    return () => {
      clearInterval(timer);
      removeEventListener("focus", onFocus);
    };
  }, []);

  const save = async (draft: boolean, etag = stored?.definition.etag ?? ""): Promise<boolean> => {
    if (held.current.busy) return false;
    const source = code.current!.text();
    setBusy(true);
    setRefusal(null);
    try {
      if (!stored) {
        const made = await createDefinition(source, draft);
        held.current.isDirty = false;
        toast("done", draft ? `${made.name} was stored as a draft.` : `${made.name} was saved.`);
        await navigate(`/definitions/${encodeURIComponent(made.id)}`, { replace: true });
        return true;
      }
      const entry = await storeDefinition(stored.definition.id, source.replaceAll("\n", eolOf(stored.source)), etag, draft);
      setStored({ ...stored, definition: entry, source: source.replaceAll("\n", eolOf(stored.source)) });
      setSaved(source);
      setElsewhere(null);
      setConflict(null);
      toast("done", draft && !stored.definition.is_draft ? `${entry.name} is a draft now.` : !draft && stored.definition.is_draft ? `${entry.name} is published.` : `${entry.name} was saved.`);
      if (entry.id !== stored.definition.id) {
        held.current.isDirty = false;
        await navigate(`/definitions/${encodeURIComponent(entry.id)}`, { replace: true });
      }
      return true;
    } catch (error) {
      if (isConflict(error) && stored) {
        const theirs = await readDefinition(stored.definition.id).catch(() => null);
        if (theirs) setConflict({ theirs, draft });
        else setRefusal({ reason: reasonOf(error), canBeDraft: false });
      } else {
        const found = error instanceof ApiError ? (error.problem.findings as Finding[] | undefined) : undefined;
        setRefusal({ reason: found ? "It has errors, so it can't go into service." : reasonOf(error), canBeDraft: Boolean(found) && !draft });
      }
      return false;
    } finally {
      setBusy(false);
    }
  };
  const isDraft = entry?.is_draft ?? false;
  saveRef.current = () => void (isUnsaved ? save(isDraft) : toast("done", "Nothing to save."));
  useEffect(() => {
    const onKey = (event: KeyboardEvent): void => {
      if (event.key.toLowerCase() !== "s" || !(event.ctrlKey || event.metaKey) || event.altKey || event.defaultPrevented) return;
      event.preventDefault();
      if (!document.querySelector("dialog[open]")) saveRef.current();
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, []);

  const jump = (at: number, column = 1): void => {
    setNarrowPane("text");
    requestAnimationFrame(() => code.current!.jump(at, column));
  };
  const run = async (): Promise<void> => {
    if (isUnsaved && !(await save(false))) return;
    if (held.current.stored) setRunning(true);
  };
  const toDraft = async (): Promise<void> => {
    const meant =
      !entry ||
      isDraft ||
      (await confirmAction({
        title: `Make “${entry.name}” a draft?`,
        body: "A draft is not started, by its schedule or by hand, until it is published. Runs that are under way go on.",
        confirm: "Save as draft",
      }));
    if (meant) await save(true);
  };
  const errors = findings.filter((one) => one.severity === "error").length;
  const entries: MenuEntry[] = [
    { text: "Save as draft", icon: "documents", disabled: isDraft && !isDirty, run: () => void toDraft() },
    { text: "Download the text", icon: "download", run: () => saveAs(entry?.file.split("/").at(-1) ?? `${checked?.found.id || "definition"}.toml`, code.current!.text()) },
    ...(entry
      ? [
          { text: "Its runs", icon: "queue" as const, run: () => void navigate(`/?definition=${encodeURIComponent(entry.id)}`) },
          {
            text: "Delete…",
            icon: "trash" as const,
            danger: true,
            run: () =>
              void askDelete(entry, null, stored!.schedule).then((gone) => {
                if (!gone) return;
                held.current.isDirty = false;
                void navigate("/definitions");
              }),
          },
        ]
      : []),
  ];
  const changes = useMemo(() => (stored && isDirty ? diffCounts(diffRows(saved, text)) : { added: 0, removed: 0 }), [stored, isDirty, saved, text]);
  const panels = [
    { name: "steps", text: "Steps" },
    ...(stored ? [{ name: "changes", text: isDirty ? `Changes (${Math.max(changes.added, changes.removed)})` : "Changes" }, { name: "revisions", text: "Revisions" }] : []),
  ];
  const chosen = panels.some((one) => one.name === panel) ? panel : "steps";

  return (
    <div class={`editor show-${narrowPane}`}>
      <div class="editor-head">
        <nav aria-label="Where you are" class="crumbs">
          <a href="/definitions">Definitions</a>
          <span aria-hidden="true">/</span>
        </nav>
        <h1 class="ellipsis">{name}</h1>
        {entry ? <StandingText standing={standingOf(entry)} /> : null}
        {entry && entry.status === "disabled" && !isDraft ? <span class="dim small">{entry.reason}</span> : null}
        <span class="grow" />
        <span class="dim small nowrap" role="status">
          {busy ? "Saving…" : stored === null ? "Not stored yet" : isDirty ? "Unsaved changes" : "Saved"}
        </span>
        <span class="editor-deeds">
          <button type="button" class="button" disabled={busy || errors > 0 || isDraft || entry?.enabled === false} title={isDraft ? "A draft is not run: publish it first" : errors ? "It has errors" : isUnsaved ? "Save, then run" : undefined} onClick={() => void run()}>
            <Icon name="play" size={12} /> {isUnsaved ? "Save and run" : "Run"}
          </button>
          {isDraft ? (
            <>
              <button type="button" class="button" disabled={busy || !isDirty} title="Ctrl-S" onClick={() => void save(true)}>
                Save draft
              </button>
              <button type="button" class="button primary" disabled={busy || errors > 0} onClick={() => void save(false)}>
                Publish
              </button>
            </>
          ) : (
            <button type="button" class="button primary" disabled={busy || !isUnsaved} title="Ctrl-S" onClick={() => void save(false)}>
              Save
            </button>
          )}
          <Menu label="More" entries={entries} />
        </span>
        <div class="segments words narrow-panes" role="group" aria-label="Pane">
          <button type="button" aria-pressed={narrowPane === "text"} onClick={() => setNarrowPane("text")}>
            Text
          </button>
          <button type="button" aria-pressed={narrowPane === "side"} onClick={() => setNarrowPane("side")}>
            Steps and changes
          </button>
        </div>
      </div>
      {elsewhere ? (
        <Partial>
          {elsewhere.definition.file} was changed elsewhere while you were writing.{" "}
          <button type="button" class="link-button" onClick={() => setConflict({ theirs: elsewhere, draft: isDraft })}>
            Compare
          </button>
        </Partial>
      ) : null}
      {refusal ? (
        <div class="refusal editor-refusal" role="alert">
          <span>Not saved: {refusal.reason}</span>
          {refusal.canBeDraft ? (
            <button type="button" class="button" onClick={() => void toDraft()}>
              Save as draft
            </button>
          ) : null}
        </div>
      ) : null}
      <Split
        name="definition"
        label="Width of the text"
        initial={62}
        first={
          <>
            {/* The class tells the page's keys that somebody is typing: events come out of the shadow root as if from here. */}
            <div ref={place} class="code cm-editor" />
            <div class="check-line" role="status">
              <CheckWords checked={checked?.found ?? null} isOld={checked?.text !== text} reason={checkReason} onRetry={() => setCheckTurn(checkTurn + 1)} />
              <span class="grow" />
              <span class="dim code-help">
                <kbd>Ctrl</kbd> <kbd>Space</kbd> completes, <kbd>Esc</kbd> <kbd>Tab</kbd> leaves the text
              </span>
            </div>
            {findings.length ? (
              <div class="finding-box" role="region" aria-label="What is wrong" tabIndex={0}>
                <FindingList findings={findings} onJump={(finding) => jump(finding.line, finding.column)} />
              </div>
            ) : null}
          </>
        }
        second={
          <>
            <div class="side-tabs">
              <div class="segments words" role="group" aria-label="Beside the text">
                {panels.map((one) => (
                  <button key={one.name} type="button" aria-pressed={chosen === one.name} onClick={() => setQuery({ panel: one.name === "steps" ? null : one.name })}>
                    {one.text}
                  </button>
                ))}
              </div>
            </div>
            <div class="side-box">
              {chosen === "steps" ? <Steps checked={checked?.found ?? null} reason={checkReason} onJump={(step) => jump(step.line)} /> : null}
              {chosen === "changes" ? (
                <>
                  <DiffView left={saved} right={text} leftName="stored" rightName="here" />
                  {isDirty ? (
                    <p>
                      <button
                        type="button"
                        class="button danger-text"
                        onClick={() => void confirmAction({ title: "Discard the changes?", body: "The text becomes what is stored. Ctrl-Z in the text brings it back.", confirm: "Discard", danger: true }).then((meant) => meant && code.current!.replace(saved))}
                      >
                        Discard changes
                      </button>
                    </p>
                  ) : null}
                </>
              ) : null}
              {chosen === "revisions" && entry ? <Revisions id={entry.id} text={text} onTake={(source) => code.current!.replace(plain(source))} /> : null}
            </div>
          </>
        }
      />
      {conflict ? (
        <Conflict
          mine={text}
          theirs={conflict.theirs}
          onMine={() => void save(conflict.draft, conflict.theirs.definition.etag)}
          onTheirs={() => accept(conflict.theirs, true)}
          onClose={() => {
            setElsewhere(conflict.theirs);
            setConflict(null);
          }}
        />
      ) : null}
      {running && entry ? <RunDialog entry={entry} onClose={() => setRunning(false)} /> : null}
    </div>
  );
}

function CheckWords({ checked, isOld, reason, onRetry }: { checked: Checked | null; isOld: boolean; reason: string | null; onRetry: () => void }) {
  if (reason)
    return (
      <span class="finding-mark error">
        It can't be checked: {reason}{" "}
        <button type="button" class="link-button" onClick={onRetry}>
          Try again
        </button>
      </span>
    );
  if (!checked) return <span class="dim">Checking…</span>;
  const errors = checked.findings.filter((one) => one.severity === "error").length;
  const warnings = checked.findings.length - errors;
  const words = [errors ? (errors === 1 ? "1 error" : `${errors} errors`) : "", warnings ? (warnings === 1 ? "1 warning" : `${warnings} warnings`) : ""].filter(Boolean).join(", ");
  return (
    <span class={`check-words ${errors ? "error" : warnings ? "warning" : "fine"} ${isOld ? "old" : ""}`}>
      <Icon name={errors ? "close" : warnings ? "dead" : "check"} size={13} />
      {words || "No errors"}
    </span>
  );
}
