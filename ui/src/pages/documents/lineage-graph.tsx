// The lineage graph: drag or arrow keys with Shift move it, the wheel with Ctrl and + − zoom, arrows go from node to node.
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { Partial } from "../../parts/states";
import { count } from "../../parts/time";
import { navigate } from "../../router";
import { type Direction, fitted, type GraphNode, graphOf, neighbour, revealed, type View, zoomed } from "./lineage";
import { layoutOf } from "./lineage-layout";
import type { Lineage } from "./types";

export interface GraphProps {
  lineage: Lineage;
  documentHref: (id: string) => string;
}

const DIRECTIONS: Record<string, Direction> = { ArrowLeft: "left", ArrowRight: "right", ArrowUp: "up", ArrowDown: "down" };
const STEP = 60;
const SMALLEST_READABLE = 0.6;
const START = 0.8;

export function LineageGraphView({ lineage, documentHref }: GraphProps) {
  const graph = useMemo(() => graphOf(lineage), [lineage]);
  const placed = useMemo(() => layoutOf(graph), [graph]);
  const box = useRef<SVGSVGElement>(null);
  const [view, setView] = useState<View | null>(null);
  const [at, setAt] = useState(lineage.document_id);
  const moved = useRef(false);

  const size = (): { width: number; height: number } => ({ width: box.current?.clientWidth ?? 600, height: box.current?.clientHeight ?? 400 });
  /** Everything; when that would be too small to read, readable and with the document in view. */
  const start = (): View => {
    const whole = fitted(placed, size());
    if (whole.scale >= SMALLEST_READABLE) return whole;
    const here = placed.places.get(lineage.document_id)!;
    const { width, height } = size();
    return { scale: START, x: width / 2 - here.x * START, y: height / 2 - here.y * START };
  };
  useLayoutEffect(() => {
    setAt(lineage.document_id);
    moved.current = false;
    setView(start());
  }, [placed]);
  useEffect(() => {
    const observer = new ResizeObserver(() => !moved.current && setView(start()));
    observer.observe(box.current!);
    const wheel = (event: WheelEvent): void => {
      if (!event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      const area = box.current!.getBoundingClientRect();
      moved.current = true;
      setView((old) => old && zoomed(old, event.deltaY < 0 ? 1.15 : 1 / 1.15, { x: event.clientX - area.left, y: event.clientY - area.top }));
    };
    box.current!.addEventListener("wheel", wheel, { passive: false });
    return () => {
      observer.disconnect();
      box.current?.removeEventListener("wheel", wheel);
    };
  }, [placed]);

  const zoom = (factor: number): void => {
    const { width, height } = size();
    moved.current = true;
    setView((old) => old && zoomed(old, factor, { x: width / 2, y: height / 2 }));
  };
  const pan = (dx: number, dy: number): void => {
    moved.current = true;
    setView((old) => old && { ...old, x: old.x + dx, y: old.y + dy });
  };
  const fit = (): void => {
    moved.current = true;
    setView(fitted(placed, size()));
  };
  const goTo = (id: string): void => {
    setAt(id);
    setView((old) => old && revealed(old, placed.places.get(id)!, size()));
    (box.current!.querySelector(`[data-node="${CSS.escape(id)}"]`) as SVGElement | null)?.focus({ preventScroll: true });
  };
  const drag = (event: PointerEvent): void => {
    if (event.button !== 0 || (event.target as Element).closest("a")) return;
    const element = box.current!;
    element.setPointerCapture(event.pointerId);
    let last = { x: event.clientX, y: event.clientY };
    const follow = (to: PointerEvent): void => {
      pan(to.clientX - last.x, to.clientY - last.y);
      last = { x: to.clientX, y: to.clientY };
    };
    element.addEventListener("pointermove", follow);
    element.addEventListener("lostpointercapture", () => element.removeEventListener("pointermove", follow), { once: true });
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const direction = DIRECTIONS[event.key];
    if (direction && event.shiftKey) pan(direction === "left" ? STEP : direction === "right" ? -STEP : 0, direction === "up" ? STEP : direction === "down" ? -STEP : 0);
    else if (direction) {
      const next = neighbour(placed.places, at, direction);
      if (next) goTo(next);
    } else if (event.key === "+" || event.key === "=") zoom(1.25);
    else if (event.key === "-") zoom(0.8);
    else if (event.key === "0") fit();
    else if (event.key === "Home") goTo(lineage.document_id);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  const hrefOf = (node: GraphNode): string => node.href ?? documentHref(node.id);

  return (
    <div class="graph-box">
      {graph.leftOut ? <Partial>{count(graph.leftOut)} documents farther away are left out here; the list has them.</Partial> : null}
      <svg ref={box} class="graph" role="group" aria-label="Lineage as a graph; arrow keys go from node to node" onPointerDown={drag} onKeyDown={onKeyDown}>
        <defs>
          <marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto-start-reverse">
            <path d="M0 0.8 7 4 0 7.2z" />
          </marker>
        </defs>
        {view ? (
          <g transform={`translate(${view.x} ${view.y}) scale(${view.scale})`}>
            {graph.edges.map((edge, index) => (
              <path key={`${edge.from} ${edge.to}`} class={edge.isStale ? "edge stale" : "edge"} d={placed.paths[index]} marker-end="url(#arrow)" />
            ))}
            {graph.nodes.map((node) => {
              const { x, y, width, height } = placed.places.get(node.id)!;
              const room = node.kind === "document" ? 23 : 17;
              return (
                <a
                  key={node.id}
                  href={hrefOf(node)}
                  class={`node ${node.kind} ${node.isFocus ? "focus" : ""} ${node.isStale ? "stale" : ""}`}
                  data-node={node.id}
                  tabIndex={node.id === at ? 0 : -1}
                  aria-current={node.isFocus ? "true" : undefined}
                  onFocus={() => setAt(node.id)}
                  onClick={(event) => {
                    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
                    event.preventDefault();
                    if (!node.isFocus) void navigate(hrefOf(node));
                  }}
                >
                  <title>{`${node.title}${node.note ? `\n${node.note}` : ""}${node.isStale ? "\nstale: the source has changed since" : ""}`}</title>
                  <rect x={x - width / 2} y={y - height / 2} width={width} height={height} rx={node.kind === "run" ? height / 2 : 5} />
                  <text x={x - width / 2 + (node.kind === "run" ? 14 : 10)} y={node.note ? y - 3 : y + 4}>
                    {clipped(node.title, node.kind === "run" ? 11 : room)}
                  </text>
                  {node.note ? (
                    <text class="note" x={x - width / 2 + 10} y={y + 12}>
                      {clipped(node.isStale ? `stale · ${node.note}` : node.note, room + 4)}
                    </text>
                  ) : null}
                </a>
              );
            })}
          </g>
        ) : null}
      </svg>
      <div class="graph-tools" role="group" aria-label="Size of the graph">
        <button type="button" class="button" aria-label="Larger" title="Larger (+)" onClick={() => zoom(1.25)}>
          +
        </button>
        <button type="button" class="button" aria-label="Smaller" title="Smaller (−)" onClick={() => zoom(0.8)}>
          −
        </button>
        <button type="button" class="button" title="The whole graph (0)" onClick={fit}>
          Fit
        </button>
      </div>
    </div>
  );
}

function clipped(text: string, most: number): string {
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
}
