// Markdown is made into HTML off the page: a text that takes for ever holds up nothing.
import { type MarkdownOptions, markdownToHtml } from "./markdown";

export interface Order {
  id: number;
  text: string;
  options: MarkdownOptions;
}

/** `html` null: it could not be done. */
export interface Delivery {
  id: number;
  html: string | null;
}

addEventListener("message", ({ data }: MessageEvent<Order>) => {
  let html: string | null = null;
  try {
    html = markdownToHtml(data.text, data.options);
  } catch {
    // nesting too deep for the stack; the page shows the raw text
  }
  const delivery: Delivery = { id: data.id, html };
  postMessage(delivery);
});
