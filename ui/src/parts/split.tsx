// Two panes with a divider that mouse and keyboard move; the size is remembered.
import type { ComponentChildren } from "preact";
import { useRef, useState } from "preact/hooks";
import { recall, remember } from "./taste";

interface Props {
  /** Name under which the size is kept. */
  name: string;
  label: string;
  first: ComponentChildren;
  second: ComponentChildren;
  /** Share of the first pane, in per cent. */
  initial?: number;
}

const SMALLEST = 20;
const LARGEST = 80;

export function Split({ name, label, first, second, initial = 50 }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const [share, setShare] = useState(() => Number(recall(`split.${name}`)) || initial);
  const move = (percent: number): void => {
    const next = Math.round(Math.max(SMALLEST, Math.min(LARGEST, percent)) * 10) / 10;
    setShare(next);
    remember(`split.${name}`, String(next));
  };
  const drag = (event: PointerEvent): void => {
    const handle = event.currentTarget as HTMLElement;
    handle.setPointerCapture(event.pointerId);
    const follow = (moved: PointerEvent): void => {
      const area = box.current!.getBoundingClientRect();
      move((100 * (moved.clientX - area.left)) / area.width);
    };
    handle.addEventListener("pointermove", follow);
    handle.addEventListener("lostpointercapture", () => handle.removeEventListener("pointermove", follow), { once: true });
  };
  return (
    <div class="split" ref={box} style={{ "--share": `${share}%` }}>
      <div class="pane first">{first}</div>
      <div
        class="divider"
        role="separator"
        tabIndex={0}
        aria-orientation="vertical"
        aria-label={label}
        aria-valuenow={Math.round(share)}
        aria-valuemin={SMALLEST}
        aria-valuemax={LARGEST}
        onPointerDown={drag}
        onDblClick={() => move(initial)}
        onKeyDown={(event) => {
          if (event.key === "ArrowLeft") move(share - 2);
          else if (event.key === "ArrowRight") move(share + 2);
          else return;
          event.preventDefault();
        }}
      />
      <div class="pane second">{second}</div>
    </div>
  );
}
