// The list of documents: only what is on screen is in the page, more is fetched when its end comes near.
import { useEffect, useRef } from "preact/hooks";
import { Icon } from "../../parts/icon";
import { useKeys } from "../../parts/keys";
import { absoluteTime, relativeTime, useNow } from "../../parts/time";
import { fixedLayout, type ListHandle, VirtualList } from "../../parts/virtual";
import type { Doc } from "./types";

const ROW = 48;
const AHEAD = 40;

interface Props {
  rows: readonly Doc[];
  total: number | null;
  shown: string | null;
  chosen: ReadonlySet<string>;
  onShow: (id: string) => void;
  /** Into the pane beside the list. */
  onEnter: () => void;
  onChoose: (ids: readonly string[], on: boolean) => void;
  onMore: (() => void) | null;
}

export function DocumentList({ rows, total, shown, chosen, onShow, onEnter, onChoose, onMore }: Props) {
  const now = useNow();
  const list = useRef<ListHandle | null>(null);
  const anchor = useRef(-1);
  const at = rows.findIndex((row) => row.id === shown);

  const goTo = (index: number): void => {
    const row = rows[Math.max(0, Math.min(rows.length - 1, index))];
    if (!row) return;
    list.current?.reveal(rows.indexOf(row));
    onShow(row.id);
  };
  const toggle = (index: number, withRange: boolean): void => {
    const row = rows[index];
    if (!row) return;
    const on = !chosen.has(row.id);
    const from = withRange && anchor.current >= 0 ? anchor.current : index;
    anchor.current = index;
    onChoose(rows.slice(Math.min(from, index), Math.max(from, index) + 1).map((one) => one.id), on);
  };
  useKeys({ j: () => goTo(at + 1), k: () => goTo(at - 1), x: () => toggle(at, false) });
  const placed = useRef(false);
  useEffect(() => {
    if (!placed.current && at >= 0) {
      placed.current = true;
      list.current?.reveal(at);
    }
  }, [at]);

  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const page = Math.max(1, Math.floor((list.current?.element?.clientHeight ?? 400) / ROW) - 1);
    switch (event.key) {
      case "ArrowDown":
        goTo(at + 1);
        break;
      case "ArrowUp":
        goTo(at - 1);
        break;
      case "PageDown":
        goTo(at + page);
        break;
      case "PageUp":
        goTo(at - page);
        break;
      case "Home":
        goTo(0);
        break;
      case "End":
        goTo(rows.length - 1);
        break;
      case "Enter":
        if (at >= 0) onShow(rows[at]!.id);
        onEnter();
        break;
      case " ":
        toggle(at, event.shiftKey);
        break;
      default:
        return;
    }
    event.preventDefault();
    event.stopPropagation();
  };

  return (
    <VirtualList
      class="document-list"
      layout={fixedLayout(rows.length, ROW)}
      handle={list}
      onRange={(_, last) => last >= rows.length - AHEAD && onMore?.()}
      attributes={{
        role: "grid",
        tabIndex: 0,
        "aria-label": "Documents",
        "aria-rowcount": total ?? -1,
        "aria-multiselectable": true,
        "aria-activedescendant": at >= 0 ? `row-${rows[at]!.id}` : undefined,
        onKeyDown,
      }}
      render={(index) => {
        const row = rows[index]!;
        const isChosen = chosen.has(row.id);
        return (
          <div
            role="row"
            id={`row-${row.id}`}
            class={`document-row ${index === at ? "active" : ""} ${row.gone_at ? "gone" : ""}`}
            aria-rowindex={index + 1}
            aria-selected={isChosen}
            aria-current={index === at ? "true" : undefined}
            onClick={(event) => {
              if (event.shiftKey || event.ctrlKey || event.metaKey) toggle(index, event.shiftKey);
              else onShow(row.id);
            }}
          >
            <span
              role="gridcell"
              class="tick-cell"
              title={isChosen ? "Chosen (Space)" : "Choose (Space)"}
              onClick={(event) => {
                event.stopPropagation();
                toggle(index, event.shiftKey);
              }}
            >
              <span class={isChosen ? "tick on" : "tick"}>{isChosen ? <Icon name="check" size={11} /> : null}</span>
            </span>
            <span role="gridcell" class="document-main">
              <span class="document-title ellipsis">{row.title || row.source_id}</span>
              <span class="document-note ellipsis">
                {row.gone_at ? <b class="gone-mark">gone</b> : null}
                <span class="type">{row.source_type}</span> <span title={row.source_id}>{shortSource(row)}</span>
              </span>
            </span>
            <span role="gridcell" class="document-side">
              <time dateTime={row.updated_at} title={`changed ${absoluteTime(row.updated_at)}`}>
                {relativeTime(row.updated_at, now)}
              </time>
              <span class="dim">{row.revision > 1 ? `rev. ${row.revision}` : ""}</span>
            </span>
          </div>
        );
      }}
    />
  );
}

/** The path within the folder where there is one, else the id at the source. */
function shortSource(row: Doc): string {
  const path = row.metadata.file_path;
  return typeof path === "string" && path ? path : row.source_id;
}
