// A list of any length of which only what is on screen is in the page.
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useLayoutEffect, useReducer, useRef } from "preact/hooks";

/** Where rows stand; in pixels of the whole list. */
export interface Layout {
  count: number;
  height: number;
  top(index: number): number;
  at(y: number): number;
}

export function fixedLayout(count: number, rowHeight: number): Layout {
  return {
    count,
    height: count * rowHeight,
    top: (index) => index * rowHeight,
    at: (y) => Math.max(0, Math.min(count - 1, Math.floor(y / rowHeight))),
  };
}

/** Rows of their own heights; `tops` has one entry more than rows. */
export function variableLayout(tops: readonly number[]): Layout {
  const count = tops.length - 1;
  return {
    count,
    height: tops[count]!,
    top: (index) => tops[index]!,
    at: (y) => {
      let low = 0;
      let high = Math.max(0, count - 1);
      while (low < high) {
        const middle = (low + high + 1) >> 1;
        if (tops[middle]! <= y) low = middle;
        else high = middle - 1;
      }
      return low;
    },
  };
}

/** Browsers cut off elements taller than this; beyond it the scroll bar is a fraction of the list. */
const TALLEST = 12_000_000;

export interface ListHandle {
  /** Scroll as little as it takes to have the row on screen; below `headroom` pixels from the top. */
  reveal(index: number, headroom?: number): void;
  scrollTo(index: number, offset?: number): void;
  toEnd(): void;
  /** First row on screen and how far it is scrolled past its top. */
  anchor(): { index: number; offset: number };
  isAtEnd(): boolean;
  element: HTMLElement | null;
}

interface Props {
  layout: Layout;
  render: (index: number) => ComponentChildren;
  handle: { current: ListHandle | null };
  class?: string;
  overscan?: number;
  /** First and last row that is painted. */
  onRange?: (first: number, last: number) => void;
  onScroll?: () => void;
  attributes?: JSX.HTMLAttributes<HTMLDivElement>;
  children?: (first: number) => ComponentChildren;
}

export function VirtualList({ layout, render, handle, class: className, overscan = 6, onRange, onScroll, attributes, children }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const [, tick] = useReducer((n: number) => n + 1, 0);
  const viewport = box.current?.clientHeight ?? 0;
  const shownHeight = Math.min(layout.height, TALLEST);
  const scale = shownHeight > viewport && layout.height > shownHeight ? (layout.height - viewport) / (shownHeight - viewport) : 1;
  const scrollTop = Math.max(0, Math.min(box.current?.scrollTop ?? 0, shownHeight - viewport));
  const y = scrollTop * scale;
  const first = layout.count === 0 ? 0 : Math.max(0, layout.at(y) - overscan);
  const last = layout.count === 0 ? -1 : Math.min(layout.count - 1, layout.at(y + viewport) + overscan);
  const firstOnScreen = layout.count === 0 ? 0 : layout.at(y);

  useLayoutEffect(() => {
    const element = box.current!;
    const set = (top: number): void => {
      const most = Math.max(0, layout.height - element.clientHeight);
      element.scrollTop = Math.max(0, Math.min(top, most)) / scale;
      tick(undefined);
    };
    handle.current = {
      element,
      scrollTo: (index, offset = 0) => set(layout.top(Math.max(0, Math.min(index, layout.count))) + offset),
      reveal: (index, headroom = 0) => {
        if (index < 0 || index >= layout.count) return;
        const top = layout.top(index);
        const bottom = layout.top(index + 1) || layout.height;
        const now = element.scrollTop * scale;
        if (top - headroom < now) set(top - headroom);
        else if (bottom > now + element.clientHeight) set(bottom - element.clientHeight);
      },
      toEnd: () => {
        element.scrollTop = element.scrollHeight;
        tick(undefined);
      },
      anchor: () => {
        const now = element.scrollTop * scale;
        const index = layout.count ? layout.at(now) : 0;
        return { index, offset: layout.count ? now - layout.top(index) : 0 };
      },
      isAtEnd: () => element.scrollTop + element.clientHeight >= element.scrollHeight - 4,
    };
  });
  useEffect(() => {
    const observer = new ResizeObserver(() => tick(undefined));
    observer.observe(box.current!);
    return () => observer.disconnect();
  }, []);
  useEffect(() => onRange?.(firstOnScreen, last), [firstOnScreen, last, layout.count]);

  const rows: ComponentChildren[] = [];
  for (let index = first; index <= last; index++) {
    rows.push(
      <div class="vrow" key={index} role="presentation" style={{ transform: `translateY(${layout.top(index) - y + scrollTop}px)` }}>
        {render(index)}
      </div>,
    );
  }
  return (
    <div
      {...attributes}
      ref={box}
      class={`vlist ${className ?? ""}`}
      onScroll={() => {
        tick(undefined);
        onScroll?.();
      }}
    >
      {children?.(firstOnScreen)}
      <div class="vspace" role="presentation" style={{ height: `${shownHeight}px` }}>
        {rows}
      </div>
    </div>
  );
}
