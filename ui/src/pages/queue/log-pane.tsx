// The log of a run: followed live, filtered in the browser, older lines and gaps fetched when they are wanted.
import { useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { address, get, reasonOf } from "../../api/client";
import type { Line, Page, Row } from "../../api/types";
import { repaint, store, useLive, useTopic } from "../../live";
import { both, EMPTY, isEmpty, LEVELS, parseFilter } from "../../live/filters";
import { type Gap, LogBuffer, type LogLine, logLine } from "../../live/log";
import { runTopic } from "../../live/protocol";
import { ansiSpans } from "../../parts/ansi";
import { Chips } from "../../parts/chips";
import { Icon } from "../../parts/icon";
import { useKeys } from "../../parts/keys";
import { Empty, Loading } from "../../parts/states";
import { recall, remember } from "../../parts/taste";
import { absoluteTime, clockTime, count } from "../../parts/time";
import { toast } from "../../parts/toast";
import { fixedLayout, type ListHandle, variableLayout, VirtualList } from "../../parts/virtual";
import { listOf, numberOf, setQuery } from "../../router";
import { LogView, rowsOf } from "./log-view";

const ROW = 19;
const PAGE = 500;
const MOST_OLDER = 20_000;
const NOTHING = new LogBuffer();

export function LogPane({ run, query }: { run: Row; query: URLSearchParams }) {
  const topic = runTopic(run.id);
  useTopic(topic);
  useLive();
  const [wrap, setWrap] = useState(() => (recall("log.wrap") ?? (innerWidth < 600 ? "yes" : "no")) === "yes");
  const [busy, setBusy] = useState(false);
  const follow = useRef(numberOf(query, "line") === null);
  const [, setFollowShown] = useState(follow.current);
  const list = useRef<ListHandle | null>(null);
  const view = useMemo(() => new LogView(), [run.id]);
  const anchor = useRef<{ seq: number; offset: number } | null>(null);
  const seen = useRef(0);
  const lastTop = useRef(0);
  const soughtLine = useRef<number | null>(null);

  const levels = listOf(query, "level");
  const text = query.get("q") ?? "";
  const stepName = query.get("step");
  const job = numberOf(query, "job");
  const originator = query.get("by");
  const chosenLine = numberOf(query, "line");
  const parsed = useMemo(() => parseFilter(text), [text]);
  const filter = useMemo(
    () =>
      both(parsed.filter, {
        ...EMPTY,
        levels: LEVELS.filter((level) => levels.includes(level)),
        steps: stepName ? [stepName.toLowerCase()] : [],
        jobs: job ? [job] : [],
        originators: originator ? [originator] : [],
      }),
    [parsed, levels.join(), stepName, job, originator],
  );

  const buffer = store.log(topic) ?? NOTHING;
  view.update(buffer, filter);
  const { items } = view;
  const numberByStep = filter.steps.length === 1;

  const withStep = !filter.jobs.length && innerWidth > 820;
  const charWidth = useCharWidth();
  const width = (list.current?.element?.clientWidth ?? 600) - 12;
  const gutter = charWidth * (8 + 9 + 8 + (withStep ? 10 : 0));
  const columns = Math.max(20, Math.floor((width - gutter) / charWidth));
  const tops = useMemo(() => ({ list: [0], generation: -1, columns: 0 }), [view]);
  if (wrap) {
    if (tops.generation !== view.generation || tops.columns !== columns) Object.assign(tops, { list: [0], generation: view.generation, columns });
    for (let i = tops.list.length - 1; i < items.length; i++) {
      const item = items[i]!;
      tops.list.push(tops.list[i]! + ROW * (item.kind === "gap" ? 1 : rowsOf(item.plain, columns)));
    }
  }
  const layout = wrap ? variableLayout(tops.list) : fixedLayout(items.length, ROW);

  const setFollow = (on: boolean): void => {
    if (on === follow.current) return;
    follow.current = on;
    if (!on) seen.current = items.at(-1)?.seq ?? 0;
    setFollowShown(on);
  };

  useLayoutEffect(() => {
    if (chosenLine !== null && soughtLine.current !== chosenLine && items.length) {
      const index = view.indexOf(chosenLine);
      if (items[index]?.seq === chosenLine) {
        soughtLine.current = chosenLine;
        list.current?.reveal(index, 120);
        return;
      }
      if (!busy && (view.firstSeq ?? 0) > chosenLine) void loadOlder(chosenLine + PAGE / 2);
      soughtLine.current = chosenLine;
    }
    if (follow.current) list.current?.toEnd();
  }, [items.length, view.generation, items.at(-1)?.seq, wrap, run.id]);
  useLayoutEffect(() => {
    if (!follow.current && anchor.current) list.current?.scrollTo(view.indexOf(anchor.current.seq), anchor.current.offset);
  }, [view.generation]);

  const onScroll = (): void => {
    const handle = list.current!;
    const top = handle.element!.scrollTop;
    if (handle.isAtEnd()) setFollow(true);
    else if (top < lastTop.current - 1) setFollow(false);
    lastTop.current = top;
    const { index, offset } = handle.anchor();
    const item = items[index];
    anchor.current = item ? { seq: item.seq, offset } : null;
  };

  async function loadOlder(before = view.firstSeq): Promise<void> {
    if (busy || before === null || before <= 1 || view.older.length > MOST_OLDER) return;
    setBusy(true);
    try {
      const lowest = filter.levels[0];
      const found = await get<Page<Line>>(`/runs/${run.id}/logs`, {
        before,
        limit: PAGE,
        order: "desc",
        level: lowest,
        step: filter.steps.length === 1 ? stepName : null,
        job: filter.jobs.length === 1 ? filter.jobs[0] : null,
        text: filter.words[0],
      });
      if (found.items.length < PAGE) view.oldestReached = true;
      view.prepend(found.items.map(logLine).sort((a, b) => a.seq - b.seq));
      soughtLine.current = null;
    } catch (error) {
      view.oldestReached = true;
      toast("error", `Older lines: ${reasonOf(error)}`);
    }
    setBusy(false);
    repaint();
  }

  async function fillGap(gap: Gap): Promise<void> {
    try {
      const found = await get<Page<Line>>(`/runs/${run.id}/logs`, { after: gap.seq - 1, before: gap.to + 1, limit: 1000 });
      if (buffer.items.includes(gap)) buffer.fill(gap, found.items);
      else view.fillOlder(found.items.map(logLine));
    } catch (error) {
      toast("error", `Skipped lines: ${reasonOf(error)}`);
    }
    repaint();
  }

  useKeys({ f: () => (setFollow(true), list.current?.toEnd()) });

  const fresh = follow.current ? 0 : items.length - view.indexOf(seen.current + 1);
  const chosen = chosenLine === null ? null : items[view.indexOf(chosenLine)];
  const line = chosen?.kind === "line" && chosen.seq === chosenLine ? chosen : null;
  const mayHaveOlder = !view.oldestReached && (view.firstSeq ?? 1) > 1;
  const onRange = (first: number, last: number): void => {
    if (mayHaveOlder && !busy && (first < 20 || last >= items.length - 1) && (!follow.current || items.length < 60)) void loadOlder();
  };
  const waiting = !store.has(topic) && buffer === NOTHING;
  const refusal = store.refusals.get(topic);

  return (
    <section class="log-pane" aria-label={`Log of ${run.name}`}>
      <div class="log-tools">
        <input
          type="search"
          class="field grow"
          data-focus-key
          placeholder="Filter: level:error worker:123 timeout"
          aria-label="Filter of the log"
          value={text}
          aria-invalid={parsed.problems.length > 0}
          title={parsed.problems.join("; ") || "Words, -without, level:error, level:warning+, step:name, worker:123, originator:system, attempt:2"}
          onInput={(event) => setQuery({ q: event.currentTarget.value })}
        />
        <Chips
          label="Levels"
          chosen={levels as typeof LEVELS}
          chips={LEVELS.map((level) => ({ value: level, text: level, count: view.counts[level], class: `level-${level}` }))}
          onChange={(chosen) => setQuery({ level: LEVELS.filter((level) => chosen.includes(level)) })}
        />
      </div>
      <div class="log-tools second">
        {stepName ? <Scope text={stepName} onClear={() => setQuery({ step: null })} /> : null}
        {job ? <Scope text={`job #${job}`} onClear={() => setQuery({ job: null })} /> : null}
        {originator ? <Scope text={`by ${originator}`} onClear={() => setQuery({ by: null })} /> : null}
        {!stepName && !job ? <span class="dim ellipsis">{run.name} <span class="mono">#{run.id}</span></span> : null}
        {parsed.problems.length ? <span class="field-problem ellipsis" title={parsed.problems.join("; ")}>{parsed.problems[0]}</span> : null}
        <span class="grow" />
        <span class="dim nowrap" title="Lines shown of the lines held; the run's last line">
          {count(view.shown)} of {count(buffer.last)}
        </span>
        <select class="field small" aria-label="Originator" value={originator ?? ""} onChange={(event) => setQuery({ by: event.currentTarget.value })}>
          <option value="">all sources</option>
          {["manager", "step", "worker", "system"].map((one) => (
            <option key={one}>{one}</option>
          ))}
        </select>
        <button
          type="button"
          class="icon-button"
          aria-pressed={wrap}
          aria-label="Wrap long lines"
          title="Wrap long lines"
          onClick={() => {
            setWrap(!wrap);
            remember("log.wrap", wrap ? "no" : "yes");
          }}
        >
          <Icon name="wrap" />
        </button>
        <button
          type="button"
          class="icon-button"
          aria-pressed={follow.current}
          aria-label="Follow"
          title="Follow new lines (f)"
          onClick={() => {
            setFollow(!follow.current);
            if (follow.current) list.current?.toEnd();
          }}
        >
          <Icon name="follow" />
        </button>
        <a class="icon-button" download aria-label="Download" title="Download these lines" href={address(`/runs/${run.id}/logs/download`, { step: stepName, job, level: filter.levels[0] })}>
          <Icon name="download" />
        </a>
      </div>
      <div class="log-box">
        {refusal ? (
          <Empty title="This log can't be shown.">{refusal}</Empty>
        ) : items.length === 0 ? (
          waiting ? (
            <Loading what="Waiting for lines" />
          ) : busy ? (
            <Loading what="Looking through older lines" />
          ) : isEmpty(filter) ? (
            <Empty title="No lines yet.">{run.status === "pending" ? "The run has not started." : null}</Empty>
          ) : (
            <Empty title="No line fits the filter.">
              {mayHaveOlder ? (
                <button type="button" class="button" onClick={() => void loadOlder()}>
                  Search older lines
                </button>
              ) : (
                <button type="button" class="button" onClick={() => setQuery({ q: null, level: null, step: null, job: null, by: null })}>
                  Clear the filter
                </button>
              )}
            </Empty>
          )
        ) : null}
        <VirtualList
          class={`log ${wrap ? "wrap" : ""} ${filter.levels.length === 1 ? "one-level" : ""}`}
          layout={layout}
          handle={list}
          overscan={10}
          onScroll={onScroll}
          onRange={onRange}
          attributes={{ role: "log", "aria-live": "off", "aria-label": "Lines", tabIndex: 0 }}
          render={(index) => {
            const item = items[index]!;
            if (item.kind === "gap") {
              return (
                <button type="button" class="log-gap" onClick={() => void fillGap(item)}>
                  {count(item.to - item.seq + 1)} lines were not sent: fetch them
                </button>
              );
            }
            return <LogRow item={item} chosen={item.seq === chosenLine} wrap={wrap} byStep={numberByStep} withStep={withStep} />;
          }}
        />
        {fresh > 0 ? (
          <button
            type="button"
            class="new-lines"
            onClick={() => {
              setFollow(true);
              list.current?.toEnd();
            }}
          >
            {count(fresh)} new {fresh === 1 ? "line" : "lines"} <Icon name="down" size={12} />
          </button>
        ) : null}
      </div>
      {line ? <LineBar line={line} /> : null}
    </section>
  );
}

function Scope({ text, onClear }: { text: string; onClear: () => void }) {
  return (
    <button type="button" class="scope" onClick={onClear} title="Show the lines of the whole run" aria-label={`Only ${text}; remove`}>
      <span class="ellipsis">{text}</span> <Icon name="close" size={10} />
    </button>
  );
}

function LogRow({ item, chosen, wrap, byStep, withStep }: { item: LogLine; chosen: boolean; wrap: boolean; byStep: boolean; withStep: boolean }) {
  const { line } = item;
  return (
    <div class={`log-row level-${line.level} ${chosen ? "chosen" : ""}`} onClick={() => !getSelection()?.toString() && setQuery({ line: chosen ? null : item.seq })}>
      <span class="log-number">{byStep ? line.line : line.seq}</span>
      <span class="log-time" title={absoluteTime(line.ts)}>
        {clockTime(line.ts)}
      </span>
      <span class="log-level">{line.level}</span>
      {withStep ? <span class="log-step">{line.originator === "worker" ? `#${line.job_id}` : (line.step_name ?? line.originator)}</span> : null}
      <span class="log-text">
        {ansiSpans(wrap ? item.text : item.text.replace(/\n/g, " ⏎ ")).map((span, index) => (span.className ? <span key={index} class={span.className}>{span.text}</span> : span.text))}
      </span>
    </div>
  );
}

/** What can be done with the line that was clicked. */
function LineBar({ line }: { line: LogLine }) {
  const copy = async (text: string, what: string): Promise<void> => {
    try {
      await navigator.clipboard.writeText(text);
      toast("done", `${what} copied.`);
    } catch {
      toast("error", "The browser does not allow copying here.");
    }
  };
  return (
    <div class="line-bar">
      <span class="mono nowrap">line {line.seq}</span>
      <span class="dim ellipsis grow" title={line.text}>
        {line.line.step_name ?? line.line.originator} · attempt {line.line.attempt} · {line.line.phase}
      </span>
      <button type="button" class="link-button" onClick={() => void copy(`${line.line.ts} ${line.line.level} ${line.text}`, "Line")}>
        <Icon name="copy" size={13} /> Copy
      </button>
      <button type="button" class="link-button" onClick={() => void copy(location.href, "Link")}>
        <Icon name="link" size={13} /> Link
      </button>
      <button type="button" class="link-button" onClick={() => setQuery({ job: line.line.job_id, step: null })}>
        Only #{line.line.job_id}
      </button>
      <a class="link-button" href={`/jobs/${line.line.job_id}`}>
        Details
      </a>
      <button type="button" class="icon-button" aria-label="Close" onClick={() => setQuery({ line: null })}>
        <Icon name="close" size={12} />
      </button>
    </div>
  );
}

let measured = 0;

function useCharWidth(): number {
  useLayoutEffect(() => {
    if (measured) return;
    const probe = document.createElement("span");
    probe.className = "log-probe";
    probe.textContent = "0".repeat(100);
    document.body.append(probe);
    measured = probe.getBoundingClientRect().width / 100;
    probe.remove();
    repaint();
  }, []);
  return measured || 7.2;
}
