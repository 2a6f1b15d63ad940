// Short remarks at the corner: few, polite, and the same one only once.
import { useEffect, useReducer } from "preact/hooks";
import { Icon } from "./icon";

interface Toast {
  id: number;
  kind: "done" | "error";
  text: string;
  link?: { href: string; text: string };
}

const MOST = 3;
let toasts: Toast[] = [];
let lastId = 0;
let paint: (() => void) | null = null;

export function toast(kind: Toast["kind"], text: string, link?: Toast["link"]): void {
  toasts = [...toasts.filter((one) => one.text !== text), { id: ++lastId, kind, text, link }].slice(-MOST);
  const id = lastId;
  if (kind === "done") setTimeout(() => drop(id), 5000);
  paint?.();
}

function drop(id: number): void {
  toasts = toasts.filter((one) => one.id !== id);
  paint?.();
}

export function Toasts() {
  const [, tick] = useReducer((n: number) => n + 1, 0);
  useEffect(() => {
    paint = () => tick(undefined);
    return () => {
      paint = null;
    };
  }, []);
  return (
    <div class="toasts" role="status" aria-live="polite">
      {toasts.map((one) => (
        <div key={one.id} class={`toast ${one.kind}`}>
          <span>{one.text}</span>
          {one.link ? <a href={one.link.href}>{one.link.text}</a> : null}
          <button type="button" class="icon-button" aria-label="Dismiss" onClick={() => drop(one.id)}>
            <Icon name="close" size={12} />
          </button>
        </div>
      ))}
    </div>
  );
}
