// The frame around every page: navigation, connection, theme, keys, and the page itself.
import type { ComponentType } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { connection, store, useLive } from "../live";
import { PAGES, type PageEntry } from "../pages";
import { matchPath, navigate, type PageProps, usePlace } from "../router";
import { Dialog } from "./dialog";
import { Icon } from "./icon";
import { useKeys } from "./keys";
import { Failed, Loading } from "./states";
import { currentTheme, setTheme, type Theme } from "./theme";
import { clockTime, timeZone, useNow } from "./time";
import { Toasts } from "./toast";

export function Shell() {
  const place = usePlace();
  const [help, setHelp] = useState(false);
  const [open, setOpen] = useState(false);
  const found = findPage(place.path);
  const marked = found ? (found.entry.under ?? found.entry.path) : null;
  const title = found?.entry.title ?? "Not found";

  useEffect(() => {
    document.title = `${title} – Quaero`;
    setOpen(false);
  }, [title, place.path]);
  useKeys({
    ...Object.fromEntries(PAGES.filter((page) => page.nav?.key).map((page) => [`g ${page.nav!.key}`, () => void navigate(`/${page.path}`)])),
    "/": () => document.querySelector<HTMLInputElement>("[data-focus-key]")?.focus(),
    "?": () => setHelp(true),
    Escape: () => setOpen(false),
  });

  return (
    <div class="shell">
      <a class="skip-link" href="#main">
        Skip to content
      </a>
      <header class={`side ${open ? "open" : ""}`}>
        <div class="brand-row">
          <button type="button" class="icon-button menu-toggle" aria-label="Navigation" aria-expanded={open} onClick={() => setOpen(!open)}>
            <Icon name="menu" />
          </button>
          <a class="brand" href="/">
            <Mark />
            Quaero
          </a>
          <span class="narrow-link">
            <LinkState />
          </span>
        </div>
        <nav aria-label="Pages">
          {(["work", "manage"] as const).map((group) => (
            <ul key={group}>
              {PAGES.filter((page) => page.nav && (page.nav.group ?? "work") === group).map((page) => (
                <li key={page.path}>
                  <a href={`/${page.path}`} aria-current={marked === page.path ? "page" : undefined} title={page.nav!.key ? `${page.title} (g ${page.nav!.key})` : undefined}>
                    <Icon name={page.nav!.icon} />
                    <span>{page.title}</span>
                  </a>
                </li>
              ))}
            </ul>
          ))}
        </nav>
        <div class="side-end">
          <LinkState />
          <div class="side-buttons">
            <ThemeSwitch />
            <button type="button" class="icon-button" aria-label="Keyboard help" title="Keyboard help (?)" onClick={() => setHelp(true)}>
              <Icon name="help" />
            </button>
          </div>
        </div>
      </header>
      <main id="main" tabIndex={-1}>
        <ReloadBar />
        {found ? <PageView key={found.entry.path} entry={found.entry} params={found.params} query={place.query} /> : <Failed reason={`There is no page ${place.path}.`} />}
      </main>
      <Toasts />
      {help ? <KeyHelp onClose={() => setHelp(false)} /> : null}
    </div>
  );
}

function findPage(path: string): { entry: PageEntry; params: Record<string, string> } | null {
  for (const entry of PAGES) {
    const params = matchPath(entry.path, path);
    if (params) return { entry, params };
  }
  return null;
}

function PageView({ entry, params, query }: { entry: PageEntry } & PageProps) {
  const [page, setPage] = useState<{ View: ComponentType<PageProps> } | null>(null);
  const [reason, setReason] = useState<string | null>(null);
  const load = (): void => {
    setReason(null);
    entry.load().then(
      (loaded) => setPage({ View: loaded.default }),
      () => setReason("This part of the page could not be loaded. Perhaps the server was updated: reload."),
    );
  };
  useEffect(load, [entry]);
  if (reason) return <Failed reason={reason} onRetry={() => location.reload()} />;
  if (!page) return <Loading />;
  return <page.View params={params} query={query} />;
}

/** Live, reconnecting, or stale since when. */
function LinkState() {
  useLive();
  const now = useNow();
  const { link, lastFrameAt } = connection;
  const since = lastFrameAt === null ? "" : clockTime(lastFrameAt);
  const text = link === "live" ? "Live" : link === "connecting" ? "Connecting…" : link === "stale" ? `Stale since ${since}` : `Reconnecting, stale since ${since}`;
  const offset = Math.round((now - Date.now()) / 1000);
  const title = `${connection.refusal ?? (link === "live" ? `Server ${store.serverVersion}` : "What you see may be out of date.")}. Times are ${timeZone()}${Math.abs(offset) > 2 ? `; the server's clock differs by ${offset} s` : ""}.`;
  return (
    <span class={`link-state ${link}`} role="status" title={title}>
      <i aria-hidden="true" />
      {text}
    </span>
  );
}

function ReloadBar() {
  useLive();
  if (!connection.needsReload) return null;
  return (
    <div class="reload-bar" role="status">
      <span>A new version of Quaero is running on the server. Unsaved work stays until you reload.</span>
      <button type="button" class="button primary" onClick={() => location.reload()}>
        Reload
      </button>
    </div>
  );
}

const THEMES: readonly { theme: Theme; icon: "screen" | "sun" | "moon"; text: string }[] = [
  { theme: "system", icon: "screen", text: "As the system" },
  { theme: "light", icon: "sun", text: "Light" },
  { theme: "dark", icon: "moon", text: "Dark" },
];

function ThemeSwitch() {
  const [theme, choose] = useState(currentTheme);
  return (
    <div class="segments" role="group" aria-label="Theme">
      {THEMES.map((one) => (
        <button
          key={one.theme}
          type="button"
          aria-pressed={theme === one.theme}
          aria-label={`Theme: ${one.text}`}
          title={one.text}
          onClick={() => {
            setTheme(one.theme);
            choose(one.theme);
          }}
        >
          <Icon name={one.icon} size={14} />
        </button>
      ))}
    </div>
  );
}

function Mark() {
  return (
    <svg width="20" height="20" viewBox="0 0 32 32" aria-hidden="true">
      <rect width="32" height="32" rx="7" class="mark-ground" />
      <circle cx="15" cy="15" r="7" fill="none" stroke="#fff" stroke-width="3" />
      <path d="m19.5 19.5 5.5 5.5" stroke="#7fd6c2" stroke-width="3.4" stroke-linecap="round" />
    </svg>
  );
}

const KEYS: readonly [string, string][] = [
  ["/", "to the filter or search field"],
  ["?", "this help"],
  ["Esc", "leave a field, close"],
  ["↑ ↓ Home End", "move in a list or tree"],
  ["← →", "close and open; to the parent, to the first child"],
  ["*", "open all siblings"],
  ["Enter", "details of a row"],
  ["Space", "choose a run for bulk actions"],
  ["n  p", "next and previous failure"],
  ["f", "follow the log"],
];

function KeyHelp({ onClose }: { onClose: () => void }) {
  const box = useRef<HTMLButtonElement>(null);
  useEffect(() => box.current?.focus(), []);
  return (
    <Dialog title="Keyboard" onClose={onClose}>
      <div class="key-help">
        <dl>
          {PAGES.filter((page) => page.nav?.key).map((page) => (
            <div key={page.path}>
              <dt>
                <kbd>g</kbd> <kbd>{page.nav!.key}</kbd>
              </dt>
              <dd>{page.title}</dd>
            </div>
          ))}
        </dl>
        <dl>
          {KEYS.map(([key, text]) => (
            <div key={key}>
              <dt>
                {key.split(" ").filter(Boolean).map((one) => (
                  <kbd key={one}>{one}</kbd>
                ))}
              </dt>
              <dd>{text}</dd>
            </div>
          ))}
        </dl>
      </div>
      <div class="dialog-buttons">
        <button ref={box} type="button" class="button" onClick={onClose}>
          Close
        </button>
      </div>
    </Dialog>
  );
}
