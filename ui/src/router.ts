// History routing: the URL holds page, item, filters and sort, so links can be shared and back works.
import { useEffect, useReducer } from "preact/hooks";

export interface Place {
  path: string;
  query: URLSearchParams;
}

/** What the component of a page is handed. */
export interface PageProps {
  params: Record<string, string>;
  query: URLSearchParams;
}

export type Changes = Record<string, string | number | null | undefined | readonly string[]>;

let place: Place = read();
let leaveQuestion: (() => Promise<boolean>) | null = null;
const listeners = new Set<() => void>();

function read(): Place {
  return { path: location.pathname, query: new URLSearchParams(location.search) };
}

function moved(): void {
  place = read();
  for (const listener of [...listeners]) listener();
}

export async function navigate(to: string, options: { replace?: boolean } = {}): Promise<void> {
  const target = new URL(to, location.href);
  if (target.pathname !== location.pathname && leaveQuestion && !(await leaveQuestion())) return;
  if (target.href === location.href) return;
  history[options.replace ? "replaceState" : "pushState"](null, "", target);
  moved();
}

/** Change some of the query; null and empty take a key away. Replaces the entry unless told otherwise. */
export function setQuery(changes: Changes, options: { push?: boolean } = {}): void {
  const query = new URLSearchParams(location.search);
  for (const [name, value] of Object.entries(changes)) {
    query.delete(name);
    if (Array.isArray(value)) {
      if (value.length) query.set(name, value.join(","));
    } else if (value !== null && value !== undefined && value !== "") query.set(name, String(value));
  }
  const text = query.toString().replaceAll("%2C", ",").replaceAll("%3A", ":");
  const url = location.pathname + (text ? `?${text}` : "");
  if (url === location.pathname + location.search) return;
  history[options.push ? "pushState" : "replaceState"](null, "", url);
  moved();
}

export function currentPlace(): Place {
  return place;
}

export function usePlace(): Place {
  const [, tick] = useReducer((n: number) => n + 1, 0);
  useEffect(() => {
    const listener = () => tick(undefined);
    listeners.add(listener);
    return () => void listeners.delete(listener);
  }, []);
  return place;
}

export function listOf(query: URLSearchParams, name: string): string[] {
  return (query.get(name) ?? "").split(",").filter(Boolean);
}

export function numberOf(query: URLSearchParams, name: string): number | null {
  const text = query.get(name);
  return text !== null && /^\d+$/.test(text) ? Number(text) : null;
}

/** Ask before the page is left, while `ask` is given: for unsaved changes. */
export function useLeaveGuard(ask: (() => Promise<boolean>) | null): void {
  useEffect(() => {
    leaveQuestion = ask;
    const unload = (event: BeforeUnloadEvent) => event.preventDefault();
    if (ask) addEventListener("beforeunload", unload);
    return () => {
      leaveQuestion = null;
      removeEventListener("beforeunload", unload);
    };
  }, [ask]);
}

/** Parameters of `runs/:id` in a path, or null when it is another one. */
export function matchPath(pattern: string, path: string): Record<string, string> | null {
  const wanted = pattern.split("/").filter(Boolean);
  const given = path.split("/").filter(Boolean);
  if (wanted.length !== given.length) return null;
  const params: Record<string, string> = {};
  for (const [index, part] of wanted.entries()) {
    const value = decodeURIComponent(given[index]!);
    if (part.startsWith(":")) params[part.slice(1)] = value;
    else if (part !== value) return null;
  }
  return params;
}

/** Links work as links, without loading the page anew. */
export function startRouter(): void {
  let shown = location.href;
  addEventListener("popstate", async () => {
    const wanted = location.href;
    if (leaveQuestion && new URL(shown).pathname !== location.pathname) {
      history.pushState(null, "", shown);
      if (!(await leaveQuestion())) return;
      history.replaceState(null, "", wanted);
    }
    shown = location.href;
    moved();
  });
  listeners.add(() => {
    shown = location.href;
  });
  document.addEventListener("click", (event) => {
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const link = (event.target as Element).closest?.("a[href]") as HTMLAnchorElement | null;
    if (!link || link.target || link.hasAttribute("download") || link.origin !== location.origin) return;
    if (/^\/(api|docs|openapi)/.test(link.pathname) || link.getAttribute("href")!.startsWith("#")) return;
    event.preventDefault();
    void navigate(link.href);
  });
}
