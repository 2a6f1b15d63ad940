// What detail pages are made of: panels with a heading, tabs that are links, pairs of name and value, blocks of code.
import type { ComponentChildren } from "preact";
import { Icon } from "./icon";
import { toast } from "./toast";
import "./panel.css";

interface PanelProps {
  title: string;
  /** Beside the heading. */
  note?: ComponentChildren;
  /** At the right of the heading. */
  actions?: ComponentChildren;
  /** Its content goes up to the edges, as a table does. */
  flush?: boolean;
  children: ComponentChildren;
}

export function Panel({ title, note, actions, flush = false, children }: PanelProps) {
  return (
    <section class="panel sheet" aria-label={title}>
      <header class="panel-head">
        <h2>{title}</h2>
        {note ? <span class="panel-note dim">{note}</span> : null}
        <span class="grow" />
        {actions}
      </header>
      <div class={flush ? "panel-body flush" : "panel-body"}>{children}</div>
    </section>
  );
}

export interface Tab {
  name: string;
  text: string;
  href: string;
  count?: ComponentChildren;
}

export function Tabs({ label, tabs, current }: { label: string; tabs: readonly Tab[]; current: string }) {
  return (
    <nav class="tabs" aria-label={label}>
      {tabs.map((tab) => (
        <a key={tab.name} href={tab.href} aria-current={tab.name === current ? "page" : undefined}>
          {tab.text}
          {tab.count === undefined || tab.count === null ? null : <span class="chip-count">{tab.count}</span>}
        </a>
      ))}
    </nav>
  );
}

export type Pair = readonly [name: string, value: ComponentChildren] | null | false;

/** Pairs that are null are left out. */
export function Pairs({ pairs, wide = false }: { pairs: readonly Pair[]; wide?: boolean }) {
  return (
    <dl class={wide ? "pairs wide" : "pairs"}>
      {pairs.map((pair) =>
        pair ? (
          <div key={pair[0]}>
            <dt>{pair[0]}</dt>
            <dd>{pair[1]}</dd>
          </div>
        ) : null,
      )}
    </dl>
  );
}

export async function copyText(text: string, what: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
    toast("done", `${what} copied.`);
  } catch {
    toast("error", "The browser does not allow copying here.");
  }
}

/** Text as it is, with a button that copies it. */
export function Code({ text, label, tall = false }: { text: string; label: string; tall?: boolean }) {
  return (
    <div class="code-box">
      <button type="button" class="icon-button" aria-label={`Copy: ${label}`} title="Copy" onClick={() => void copyText(text, label)}>
        <Icon name="copy" size={13} />
      </button>
      <pre class={tall ? "code tall" : "code"} tabIndex={0} role="group" aria-label={label}>
        {text}
      </pre>
    </div>
  );
}
