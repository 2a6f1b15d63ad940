// A button that opens a small list of actions.
import { useEffect, useRef, useState } from "preact/hooks";
import { Icon, type IconName } from "./icon";

export interface MenuEntry {
  text: string;
  icon?: IconName;
  danger?: boolean;
  disabled?: boolean;
  run: () => void;
}

export function Menu({ label, entries, text }: { label: string; entries: readonly MenuEntry[]; text?: string }) {
  const [open, setOpen] = useState(false);
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (!open) return;
    const close = (event: Event) => !box.current?.contains(event.target as Node) && setOpen(false);
    addEventListener("pointerdown", close);
    (box.current?.querySelector("[role=menuitem]:not(:disabled)") as HTMLElement | null)?.focus();
    return () => removeEventListener("pointerdown", close);
  }, [open]);
  const onKeyDown = (event: KeyboardEvent): void => {
    if (!open) return;
    const items = [...box.current!.querySelectorAll<HTMLElement>("[role=menuitem]:not(:disabled)")];
    const at = items.indexOf(document.activeElement as HTMLElement);
    if (event.key === "Escape" || event.key === "Tab") {
      setOpen(false);
      if (event.key === "Escape") (box.current!.firstElementChild as HTMLElement).focus();
    } else if (event.key === "ArrowDown") items[(at + 1) % items.length]?.focus();
    else if (event.key === "ArrowUp") items[(at - 1 + items.length) % items.length]?.focus();
    else return;
    if (event.key !== "Tab") event.preventDefault();
    event.stopPropagation();
  };
  return (
    <div class="menu" ref={box} onKeyDown={onKeyDown}>
      <button type="button" class={text ? "button" : "icon-button"} aria-haspopup="menu" aria-expanded={open} aria-label={text ? undefined : label} title={label} onClick={() => setOpen(!open)}>
        {text ? (
          <>
            {text} <Icon name="down" size={12} />
          </>
        ) : (
          <Icon name="more" />
        )}
      </button>
      {open ? (
        <div class="menu-list" role="menu" aria-label={label}>
          {entries.map((entry) => (
            <button
              key={entry.text}
              type="button"
              role="menuitem"
              class={entry.danger ? "menu-item danger" : "menu-item"}
              disabled={entry.disabled}
              onClick={() => {
                setOpen(false);
                entry.run();
              }}
            >
              {entry.icon ? <Icon name={entry.icon} size={14} /> : null}
              {entry.text}
            </button>
          ))}
        </div>
      ) : null}
    </div>
  );
}
