// The children of a step as a strip of cells. Drag or Shift and the arrows select a range of them.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { JobStatus, Row } from "../../api/types";
import { useFetch } from "../../parts/fetching";
import { Panel } from "../../parts/panel";
import { Failed, Loading } from "../../parts/states";
import { StatusIcon } from "../../parts/status";
import { count, durationText } from "../../parts/time";
import { markOf, useFresh } from "./data";
import { cellAt, cellsOf, cellText, failedGrade, layoutOf, MOST_CELLS, moved, nextFailed, type Places, placesOf, timeGrade } from "./heat";
import type { HeatStrip as Strip } from "./types";

interface Props {
  row: Row;
  places: Places | null;
  onSelect: (places: Places | null) => void;
}

export function Heat({ row, places, onSelect }: Props) {
  const { data, reason, reload } = useFetch<Strip>(`/jobs/${row.id}/heat`, { cells: MOST_CELLS });
  const [byTime, setByTime] = useState(false);
  useFresh(markOf(row), reload);
  const box = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(0);
  const [at, setAt] = useState(0);
  const [drag, setDrag] = useState<{ from: number; to: number } | null>(null);
  const anchor = useRef<number | null>(null);
  useEffect(() => {
    const element = box.current;
    if (!element) return;
    setWidth(element.clientWidth);
    const observer = new ResizeObserver(() => setWidth(element.clientWidth));
    observer.observe(element);
    return () => observer.disconnect();
  }, [data === null]);

  const cells = data?.cells ?? [];
  useEffect(() => {
    if (places && cells.length) setAt(cellsOf(cells, places)?.[0] ?? 0);
  }, [data === null]);
  const layout = layoutOf(width, cells.length);
  const longest = useMemo(() => cells.reduce((most, cell) => Math.max(most, cell.longest_s), 0), [cells]);
  const chosen = drag ? ([Math.min(drag.from, drag.to), Math.max(drag.from, drag.to)] as const) : places ? cellsOf(cells, places) : null;
  const cursor = Math.min(at, Math.max(0, cells.length - 1));

  const point = (event: PointerEvent): number => {
    const area = box.current!.getBoundingClientRect();
    return cellAt(layout, cells.length, event.clientX - area.left, event.clientY - area.top);
  };
  const onPointerDown = (event: PointerEvent): void => {
    if (event.button !== 0 || !cells.length) return;
    box.current!.setPointerCapture(event.pointerId);
    const index = point(event);
    const from = event.shiftKey && chosen ? chosen[0] : index;
    setAt(index);
    setDrag({ from, to: index });
  };
  const onPointerMove = (event: PointerEvent): void => {
    if (!cells.length) return;
    const index = point(event);
    setAt(index);
    if (drag && index !== drag.to) setDrag({ ...drag, to: index });
  };
  const finish = (): void => {
    if (!drag) return;
    setDrag(null);
    const single = drag.from === drag.to;
    const again = single && places && chosen && chosen[0] === chosen[1] && placesOf(cells, drag.from, drag.to).first === places.first && placesOf(cells, drag.from, drag.to).last === places.last;
    onSelect(again ? null : placesOf(cells, drag.from, drag.to));
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (!cells.length || event.ctrlKey || event.metaKey || event.altKey) return;
    const next = moved(layout, cells.length, cursor, event.key);
    if (next !== null) {
      if (event.shiftKey) {
        anchor.current ??= cursor;
        onSelect(placesOf(cells, anchor.current, next));
      } else anchor.current = null;
      setAt(next);
    } else if (event.key === "Enter" || event.key === " ") {
      anchor.current = cursor;
      onSelect(placesOf(cells, cursor, cursor));
    } else if (event.key === "Escape" && places) {
      anchor.current = null;
      onSelect(null);
    } else if (event.key === "n" || event.key === "p") {
      const found = nextFailed(cells, cursor, event.key === "n" ? 1 : -1);
      if (found !== null) setAt(found);
    } else return;
    event.preventDefault();
    event.stopPropagation();
  };

  const cell = cells[cursor];
  const perCell = cells.length && data ? Math.ceil(data.total / cells.length) : 1;
  return (
    <Panel
      title="Fan-out"
      note={data ? `${count(data.total)} jobs in ${count(cells.length)} cells${perCell > 1 ? `, ${count(cells[0]?.count ?? perCell)} in each` : ""}, in the order they were made` : null}
      actions={
        <div class="segments words" role="group" aria-label="Colour by">
          <button type="button" aria-pressed={!byTime} onClick={() => setByTime(false)}>
            Status
          </button>
          <button type="button" aria-pressed={byTime} onClick={() => setByTime(true)}>
            Duration
          </button>
        </div>
      }
    >
      {!data ? (
        reason ? <Failed reason={reason} onRetry={reload} /> : <Loading />
      ) : (
        <>
          <div
            ref={box}
            class="heat"
            tabIndex={0}
            role="slider"
            aria-label="Cells of jobs: arrows move, Shift and arrows select, Enter selects one, n and p go to failures, Esc clears"
            aria-valuemin={0}
            aria-valuemax={Math.max(0, cells.length - 1)}
            aria-valuenow={cursor}
            aria-valuetext={cell ? cellText(cell) : ""}
            style={{ height: `${layout.rows * (layout.cellHeight + layout.gap)}px` }}
            onPointerDown={onPointerDown}
            onPointerMove={onPointerMove}
            onPointerUp={finish}
            onLostPointerCapture={() => setDrag(null)}
            onKeyDown={onKeyDown}
          >
            {cells.map((one, index) => {
              const isChosen = chosen !== null && index >= chosen[0] && index <= chosen[1];
              const kind = byTime ? `t-${timeGrade(one, longest)}` : one.worst === "failed" ? `h-failed f-${failedGrade(one)}` : `h-${one.worst}`;
              return (
                <i
                  key={index}
                  class={`cell ${kind} ${chosen ? (isChosen ? "in" : "out") : ""} ${index === cursor ? "at" : ""}`}
                  style={{
                    left: `${(index % layout.columns) * (layout.cellWidth + layout.gap)}px`,
                    top: `${Math.floor(index / layout.columns) * (layout.cellHeight + layout.gap)}px`,
                    width: `${layout.cellWidth}px`,
                    height: `${layout.cellHeight}px`,
                  }}
                />
              );
            })}
          </div>
          <div class="heat-foot">
            <span class="heat-text">{cell ? cellText(cell) : ""}</span>
            <span class="grow" />
            {byTime ? <TimeLegend longest={longest} /> : <Legend present={new Set(cells.map((one) => one.worst))} />}
          </div>
          {reason ? <p class="field-problem">Not up to date: {reason}</p> : null}
        </>
      )}
    </Panel>
  );
}

const ORDER: readonly JobStatus[] = ["failed", "running", "pending", "cancelled", "completed", "skipped"];

function Legend({ present }: { present: Set<JobStatus> }) {
  return (
    <ul class="legend" aria-label="A cell shows the worst of its jobs">
      {ORDER.filter((status) => present.has(status)).map((status) => (
        <li key={status}>
          <i class={`cell h-${status} ${status === "failed" ? "f-3" : ""}`} aria-hidden="true" />
          <StatusIcon status={status} /> {status}
        </li>
      ))}
    </ul>
  );
}

function TimeLegend({ longest }: { longest: number }) {
  return (
    <ul class="legend" aria-label="Duration of the longest job of a cell">
      {([0, 1, 2, 3, 4] as const).map((grade) => (
        <li key={grade}>
          <i class={`cell t-${grade}`} aria-hidden="true" /> {grade === 0 ? "none ended, or quick" : `≤ ${durationText((longest * 1000) / 2 ** (4 - grade))}`}
        </li>
      ))}
    </ul>
  );
}
