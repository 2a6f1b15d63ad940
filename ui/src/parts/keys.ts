// Keyboard: single keys and `g x` pairs, never inside inputs, the editor or a dialog.
import { useEffect, useRef } from "preact/hooks";

type Keys = Record<string, (event: KeyboardEvent) => void>;

const stack: { current: Keys }[] = [];
let pending = "";
let pendingUntil = 0;

function isTyping(target: EventTarget | null): boolean {
  const element = target as HTMLElement | null;
  return Boolean(element?.closest?.("input, textarea, select, [contenteditable=true], .cm-editor, dialog"));
}

addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape" && isTyping(event.target) && !(event.target as HTMLElement).closest("dialog, .cm-editor")) {
    (event.target as HTMLElement).blur();
    return;
  }
  if (isTyping(event.target)) return;
  const key = pending && event.timeStamp < pendingUntil ? `${pending} ${event.key}` : event.key;
  pending = "";
  for (const one of [...stack].reverse()) {
    const action = one.current[key];
    if (action) {
      event.preventDefault();
      action(event);
      return;
    }
  }
  if (event.key === "g") {
    pending = "g";
    pendingUntil = event.timeStamp + 1200;
  }
});

/** Keys while the component is shown; the newest component comes first. */
export function useKeys(keys: Keys): void {
  const held = useRef(keys);
  held.current = keys;
  useEffect(() => {
    stack.push(held);
    return () => void stack.splice(stack.indexOf(held), 1);
  }, []);
}
