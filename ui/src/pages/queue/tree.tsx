// The tree: run → step → worker, an ARIA tree of which only what is on screen is in the page.
import { useLayoutEffect, useRef } from "preact/hooks";
import { isOver, type Row } from "../../api/types";
import { connection, repaint, store, useLive } from "../../live";
import { MAX_WATCHED } from "../../live/protocol";
import type { RowItem, TreeItem } from "../../live/tree";
import { Icon } from "../../parts/icon";
import { useKeys } from "../../parts/keys";
import { ProgressBar } from "../../parts/progress";
import { reasonWord, shownStatus, StatusIcon, statusWord } from "../../parts/status";
import { absoluteTime, count, durationText, lasted, relativeTime, useNow } from "../../parts/time";
import { fixedLayout, type ListHandle, VirtualList } from "../../parts/virtual";
import { navigate } from "../../router";
import { askedToCancel } from "./commands";
import type { Cursor, QueueModel } from "./model";

const ROW = 26;
const SHORTCUTS = "npfg/?x*";

interface Props {
  model: QueueModel;
  select: (cursor: Cursor) => void;
  onMore: () => void;
}

export function Tree({ model, select, onMore }: Props) {
  useLive();
  const now = useNow();
  const list = useRef<ListHandle | null>(null);
  const typed = useRef({ text: "", until: 0 });
  const { tree } = model;
  const cursorIndex = model.indexOfCursor();
  const range = useRef({ first: 0, last: 0 });

  const goTo = (index: number): void => {
    const cursor = model.cursorAt(index);
    if (!cursor) return;
    model.cursor = cursor;
    list.current?.reveal(index, ROW * 2);
    select(cursor);
    repaint();
  };

  const goToFailure = (direction: 1 | -1): void => {
    const from = cursorIndex < 0 ? (direction === 1 ? -1 : tree.length) : cursorIndex;
    const hits = (id: number): number => {
      const row = store.rows.get(id);
      const workers = model.workers.get(id);
      if (!row || !workers) return 0;
      if (workers.filter.statuses.length) return workers.filter.statuses.includes("failed") && workers.filter.statuses.length === 1 ? row.counters.failed : 0;
      return workers.filter.order === "failed_first" ? row.counters.failed : 0;
    };
    const isHit = (item: RowItem): boolean => {
      const row = store.rows.get(item.id);
      if (!row) return false;
      if (item.open) return row.kind === "step" && row.status === "failed" && hits(row.id) === 0;
      return row.counters.failed > 0 || row.status === "failed";
    };
    const found = tree.next(from, direction, isHit, hits);
    if (found >= 0) return goTo(found);
  };

  /** Into the failures of a closed or otherwise sorted row under the cursor. */
  const openFailures = (): boolean => {
    const row = model.rowOf(model.cursor);
    if (!row || row.kind === "worker" || row.counters.failed === 0) return false;
    if (row.kind === "step") {
      const workers = model.workersOf(row);
      const sorted = workers.filter.order === "failed_first" || workers.filter.statuses.join() === "failed";
      if (sorted && model.expansion.isOpen(row.id)) return false;
      if (!sorted) workers.setFilter({ order: "failed_first", statuses: [], family: null });
    } else if (model.expansion.isOpen(row.id)) return false;
    model.open(row.id, true);
    return true;
  };

  useKeys({
    n: () => {
      if (openFailures()) requestAnimationFrame(() => requestAnimationFrame(() => jump.current(1)));
      else goToFailure(1);
    },
    p: () => goToFailure(-1),
  });
  const jump = useRef(goToFailure);
  jump.current = goToFailure;

  /** Fetch and watch what is on screen. */
  const lookAfter = (): void => {
    const { first, last } = range.current;
    const ids: number[] = [];
    let from = first;
    while (from <= last) {
      const item = tree.at(from);
      if (item?.kind !== "worker") {
        if (item?.kind === "more") onMore();
        from++;
        continue;
      }
      const row = store.rows.get(item.step)!;
      const lastOfBlock = Math.min(last - from, item.of - 1 - item.index) + item.index;
      const workers = model.workersOf(row);
      workers.want(item.index, lastOfBlock, row);
      for (let i = item.index; i <= lastOfBlock && ids.length < MAX_WATCHED; i++) {
        const id = workers.idAt(i);
        if (id !== null) ids.push(id);
      }
      from += lastOfBlock - item.index + 1;
    }
    connection.watch(ids);
  };
  useLayoutEffect(lookAfter);

  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const item = tree.at(cursorIndex);
    const isRow = item?.kind === "row";
    const page = Math.max(1, Math.floor((list.current?.element?.clientHeight ?? 400) / ROW) - 2);
    const typing = event.timeStamp < typed.current.until;
    if (event.key.length === 1 && event.key !== " " && (typing || !SHORTCUTS.includes(event.key))) {
      typed.current = { text: (typing ? typed.current.text : "") + event.key.toLowerCase(), until: event.timeStamp + 700 };
      findByName(typed.current.text);
      event.preventDefault();
      return;
    }
    switch (event.key) {
      case "ArrowDown":
        goTo(Math.min(cursorIndex + 1, tree.length - 1));
        break;
      case "ArrowUp":
        goTo(Math.max(cursorIndex - 1, 0));
        break;
      case "PageDown":
        goTo(Math.min(cursorIndex + page, tree.length - 1));
        break;
      case "PageUp":
        goTo(Math.max(cursorIndex - page, 0));
        break;
      case "Home":
        goTo(0);
        break;
      case "End":
        goTo(tree.length - (tree.at(tree.length - 1)?.kind === "more" ? 2 : 1));
        break;
      case "ArrowRight":
        if (isRow && item.expandable) item.open ? goTo(cursorIndex + 1) : model.open(item.id, true);
        break;
      case "ArrowLeft":
        if (isRow && item.open) model.open(item.id, false);
        else {
          const parent = tree.ancestors(cursorIndex).at(-1);
          if (parent) goTo(tree.indexOf(parent.id));
        }
        break;
      case "Enter": {
        const row = model.rowOf(model.cursor);
        if (row) void navigate(row.kind === "manager" ? `/runs/${row.id}` : `/jobs/${row.id}`);
        break;
      }
      case " ":
        if (isRow) toggleChosen(model, item.id);
        break;
      case "*":
        if (isRow) for (let i = 0; i < tree.length; i++) openSibling(tree.at(i), item);
        break;
      default:
        return;
    }
    event.preventDefault();
    event.stopPropagation();
  };

  const openSibling = (other: TreeItem | undefined, item: RowItem): void => {
    if (other?.kind === "row" && other.parent === item.parent && other.expandable) model.open(other.id, true);
  };

  const findByName = (text: string): void => {
    const length = Math.min(tree.length, 5000);
    for (let step = text.length > 1 ? 0 : 1; step <= length; step++) {
      const index = (Math.max(cursorIndex, 0) + step) % tree.length;
      const item = tree.at(index);
      const row = item?.kind === "row" ? store.rows.get(item.id) : null;
      if (row && (row.name.toLowerCase().startsWith(text) || String(row.id).startsWith(text))) return goTo(index);
    }
  };

  const layout = fixedLayout(tree.length, ROW);
  return (
    <VirtualList
      class="tree"
      layout={layout}
      handle={list}
      onRange={(first, last) => {
        range.current = { first, last };
        lookAfter();
      }}
      attributes={{
        role: "tree",
        tabIndex: 0,
        id: "queue-tree",
        "aria-label": "Runs, steps and worker jobs",
        "aria-multiselectable": true,
        "aria-activedescendant": cursorIndex >= 0 ? `t-${cursorIndex}` : undefined,
        onKeyDown,
        onFocus: () => cursorIndex < 0 && goTo(0),
      }}
      render={(index) => (
        <TreeRow
          item={tree.at(index)!}
          index={index}
          model={model}
          now={now}
          active={index === cursorIndex}
          onPick={(toggle) => {
            if (toggle) {
              const item = tree.at(index);
              if (item?.kind === "row") toggleChosen(model, item.id);
            } else goTo(index);
          }}
        />
      )}
    >
      {(first) => <Sticky model={model} first={first} now={now} onPick={goTo} />}
    </VirtualList>
  );
}

function toggleChosen(model: QueueModel, id: number): void {
  const row = store.rows.get(id);
  if (row?.kind !== "manager") return;
  if (!model.chosen.delete(id)) model.chosen.add(id);
  repaint();
}

/** The run and the step whose rows are on screen stay at the top. */
function Sticky({ model, first, now, onPick }: { model: QueueModel; first: number; now: number; onPick: (index: number) => void }) {
  const { tree } = model;
  let above = tree.ancestors(first);
  const deeper = tree.ancestors(first + above.length);
  if (deeper.length < above.length) above = deeper;
  if (above.length === 0) return null;
  return (
    <div class="sticky" aria-hidden="true">
      {above.map((item) => (
        <TreeRow key={item.id} item={item} index={-1} model={model} now={now} active={false} onPick={() => onPick(tree.indexOf(item.id))} />
      ))}
    </div>
  );
}

interface RowProps {
  item: TreeItem;
  index: number;
  model: QueueModel;
  now: number;
  active: boolean;
  onPick: (toggle: boolean) => void;
}

function TreeRow({ item, index, model, now, active, onPick }: RowProps) {
  if (item.kind === "more") return <div class="row more">{model.older.loading ? "Looking for older runs…" : (model.older.reason ?? "Older runs")}</div>;
  const row = item.kind === "row" ? store.rows.get(item.id) : (model.workers.get(item.step)?.at(item.index) ?? null);
  const aria = {
    id: index >= 0 ? `t-${index}` : undefined,
    role: index >= 0 ? "treeitem" : undefined,
    "aria-level": item.depth + 1,
    "aria-setsize": item.of,
    "aria-posinset": item.kind === "row" ? item.place : item.index + 1,
    "aria-selected": item.kind === "row" && row?.kind === "manager" ? model.chosen.has(item.id) : active,
  } as const;
  if (!row) {
    const reason = item.kind === "worker" ? model.workers.get(item.step)?.reason : null;
    return (
      <div {...aria} class={`row depth-${item.depth} ${active ? "active" : ""}`} aria-busy={!reason} aria-label={reason ?? "loading"} onClick={() => onPick(false)}>
        <span class="row-name">
          <span class="indent" />
          {reason ? <span class="dim">{reason}</span> : <span class="skeleton" />}
        </span>
      </div>
    );
  }
  const expandable = item.kind === "row" && item.expandable;
  const open = item.kind === "row" && item.open;
  const shown = shownStatus(row, askedToCancel.has(row.id));
  const took = lasted(row, now);
  const left = item.kind === "row" ? timeLeft(row, now) : null;
  const chosen = model.chosen.has(row.id);
  return (
    <div
      {...aria}
      class={`row kind-${row.kind} depth-${item.depth} ${active ? "active" : ""} ${chosen ? "chosen" : ""}`}
      aria-expanded={expandable ? open : undefined}
      onClick={(event) => {
        const target = event.target as Element;
        if (target.closest(".twist")) {
          if (expandable) model.open(row.id, !open);
        } else onPick(event.ctrlKey || event.metaKey || target.closest(".tick") !== null);
      }}
      onDblClick={() => expandable && model.open(row.id, !open)}
    >
      <span class="row-name">
        <span class="indent" />
        <span class={`twist ${expandable ? "" : "none"} ${open ? "open" : ""}`}>{expandable ? <Icon name="chevron" size={14} /> : null}</span>
        {row.kind === "manager" ? <span class={`tick ${chosen ? "on" : ""}`}>{chosen ? <Icon name="check" size={11} /> : null}</span> : null}
        <StatusIcon status={shown} />
        <span class="name">{row.kind === "worker" ? `#${row.id}` : row.name}</span>
        {row.kind === "manager" ? <span class="dim mono id">#{row.id}</span> : null}
        {row.attempt > 1 && row.kind === "worker" ? <span class="attempt" title={`attempt ${row.attempt}`}>×{row.attempt}</span> : null}
        <span class="note">{note(row, shown)}</span>
      </span>
      <Counts row={row} />
      {row.kind !== "worker" && row.counters.total > 0 ? <ProgressBar counters={row.counters} label={null} /> : <span class="progress none" />}
      <span class="row-time" title={left === null ? "duration" : `about ${durationText(left)} to go`}>
        {left === null ? null : <span class="dim left">−{durationText(left)}</span>}
        {took === null ? "" : durationText(took)}
      </span>
      <span class="row-age dim" title={absoluteTime(row.started_at ?? row.created_at)}>
        {relativeTime(row.started_at ?? row.created_at, now)}
      </span>
    </div>
  );
}

function note(row: Row, shown: string): string {
  if (shown === "cancelling" || shown === "paused" || shown === "queued") return shown === "queued" ? "queued behind another run" : statusWord(shown as "paused");
  if (row.message && row.message !== row.name) return row.message;
  if (row.status_reason) return reasonWord(row.status_reason);
  return "";
}

function Counts({ row }: { row: Row }) {
  const { counters } = row;
  if (counters.total === 0) return <span class="counts" />;
  const done = counters.total - counters.pending - counters.running;
  return (
    <span class="counts" title={countsText(row)}>
      {counters.failed ? <span class="c-failed">{count(counters.failed)} failed</span> : null}
      {counters.retried && !isOver(row.status) ? <span class="c-retried">↻{count(counters.retried)}</span> : null}
      {counters.running ? <span class="c-running">{count(counters.running)} running</span> : null}
      <span class="c-done">
        {count(done)}
        <span class="dim">/{count(counters.total)}</span>
      </span>
    </span>
  );
}

export function countsText({ counters }: Row): string {
  return (["pending", "running", "completed", "failed", "cancelled", "skipped", "retried"] as const)
    .filter((name) => counters[name] > 0)
    .map((name) => `${count(counters[name])} ${name}`)
    .join(", ");
}

/** How long it may still take: only when enough is done to tell. */
export function timeLeft(row: Row, now: number): number | null {
  const { counters } = row;
  const done = counters.completed + counters.failed;
  const open = counters.pending + counters.running;
  const took = lasted(row, now);
  if (row.kind !== "step" || row.status !== "running" || took === null || took < 10_000 || done < 20 || open === 0 || row.paused) return null;
  const left = (took / done) * open;
  return left < 3000 ? null : left;
}
