// From markdown to what may go into the page: HTML made aside within a time limit, then through the allow-list.
import type { MarkdownOptions } from "./markdown";
import type { Delivery, Order } from "./markdown-worker";
import { safeFragment } from "./safe-html";

const LIMIT_MS = 4000;
/** Checking and laying out more elements would hold up the page. */
const MOST_TAGS = 20_000;

let worker: Worker | null = null;
let lastId = 0;

/** Null: it takes too long, or can't be done. */
export async function renderMarkdown(text: string, options: MarkdownOptions, signal: AbortSignal): Promise<DocumentFragment | null> {
  const html = await htmlOf(text, options, signal);
  if (html === null || signal.aborted || tagsIn(html) > MOST_TAGS) return null;
  return safeFragment(html);
}

function htmlOf(text: string, options: MarkdownOptions, signal: AbortSignal): Promise<string | null> {
  return new Promise((resolve) => {
    const mine = (worker ??= new Worker(new URL("./markdown-worker.ts", import.meta.url), { type: "module" }));
    const id = ++lastId;
    const stop = (): void => {
      mine.terminate();
      if (worker === mine) worker = null;
      done(null);
    };
    const timer = setTimeout(stop, LIMIT_MS);
    const listen = ({ data }: MessageEvent<Delivery>): void => {
      if (data.id === id) done(data.html);
    };
    const done = (html: string | null): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", stop);
      mine.removeEventListener("message", listen);
      mine.removeEventListener("error", stop);
      resolve(html);
    };
    mine.addEventListener("message", listen);
    mine.addEventListener("error", stop);
    signal.addEventListener("abort", stop);
    const order: Order = { id, text, options };
    mine.postMessage(order);
  });
}

function tagsIn(html: string): number {
  let count = 0;
  for (let at = html.indexOf("<"); at >= 0 && count <= MOST_TAGS; at = html.indexOf("<", at + 1)) if (html[at + 1] !== "/") count++;
  return count;
}
