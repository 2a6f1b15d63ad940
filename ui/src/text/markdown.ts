// Markdown of a hostile document as HTML: our own tags only. What the document writes as HTML is shown as text.
import { Marked, type Tokens } from "marked";
import { ANCHOR, isInlineImage, namesHost, slugOf, targetOf } from "./links";

const LANGUAGE = /^[\w+#.-]{1,24}$/;
const LOWEST = 6;

export interface MarkdownOptions {
  /** Where the document was found: relative links lead from there. */
  base?: string | null;
  /** Level of the first heading in the page around it. */
  topLevel?: number;
}

export function markdownToHtml(text: string, { base = null, topLevel = 3 }: MarkdownOptions = {}): string {
  const slugs = new Map<string, number>();
  const marked = new Marked({ gfm: true, async: false });
  marked.use({
    renderer: {
      html({ text: raw }: Tokens.HTML | Tokens.Tag) {
        const shown = raw.replace(/<!--[\s\S]*?-->/g, "");
        return shown.trim() ? `<span class="raw-html">${escaped(shown)}</span>` : "";
      },
      text(token: Tokens.Text | Tokens.Escape) {
        return "tokens" in token && token.tokens ? this.parser.parseInline(token.tokens) : escapedText(token.text);
      },
      codespan({ text: code }) {
        return `<code>${escaped(code)}</code>`;
      },
      code({ text: code, lang }) {
        const language = (lang ?? "").split(/\s/)[0] ?? "";
        const attribute = LANGUAGE.test(language) ? ` data-lang="${escaped(language)}"` : "";
        return `<pre tabindex="0"${attribute}><code>${escaped(code)}</code></pre>\n`;
      },
      heading({ tokens, depth, text: plain }) {
        const slug = slugOf(plain);
        const nth = slugs.get(slug) ?? 0;
        slugs.set(slug, nth + 1);
        const level = Math.min(LOWEST, topLevel + depth - 1);
        return `<h${level} class="h${depth}" id="${escaped(ANCHOR + slug + (nth ? `-${nth}` : ""))}">${this.parser.parseInline(tokens)}</h${level}>\n`;
      },
      checkbox({ checked }) {
        return checked ? "☑ " : "☐ ";
      },
      table(token) {
        const cells = (row: Tokens.TableCell[]): string => row.map((cell) => this.tablecell(cell)).join("");
        const body = token.rows.map((row) => `<tr>${cells(row)}</tr>`).join("");
        return `<div class="md-table" tabindex="0"><table><thead><tr>${cells(token.header)}</tr></thead><tbody>${body}</tbody></table></div>\n`;
      },
      tablecell({ tokens, header, align }) {
        const tag = header && tokens.length > 0 ? "th" : "td";
        return `<${tag}${align ? ` align="${align}"` : ""}>${this.parser.parseInline(tokens)}</${tag}>`;
      },
      link({ href, title, tokens }) {
        const inner = this.parser.parseInline(tokens);
        const target = targetOf(href, base);
        const hint = title ? ` title="${escaped(title)}"` : "";
        if (target.kind === "none") return `<span class="dead-link" title="${escaped(`leads nowhere from here: ${target.written}`)}">${inner}</span>`;
        if (target.kind === "anchor") return `<a href="#${escaped(target.id)}"${hint}>${inner}</a>`;
        if (target.kind === "mail") return `<a href="${escaped(target.href)}" rel="noopener noreferrer nofollow"${hint}>${inner}</a>`;
        const host = namesHost(plainText(tokens), target.host) ? "" : ` <span class="host">${escaped(target.host)}</span>`;
        return `<a href="${escaped(target.href)}" target="_blank" rel="noopener noreferrer nofollow"${hint}>${inner}</a>${host}`;
      },
      image({ href, text: alt }) {
        if (isInlineImage(href)) return `<img src="${escaped(href)}" alt="${escaped(alt)}">`;
        const target = targetOf(href, base);
        const name = alt.trim() || "image";
        const address = target.kind === "web" ? target.href : href;
        return `<span class="image-kept-out" title="${escaped(`Not loaded: ${address.slice(0, 500)}`)}">${escaped(name)} <span class="host">${escaped(shortened(address))}</span></span>`;
      },
    },
  });
  return marked.parse(text) as string;
}

function plainText(tokens: readonly { raw?: string; text?: string }[]): string {
  return tokens.map((token) => token.text ?? token.raw ?? "").join("");
}

function shortened(address: string): string {
  return address.length > 80 ? `${address.slice(0, 78)}…` : address;
}

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
}

/** The same, but entities that the document writes (`&nbsp;`) keep their meaning. */
function escapedText(text: string): string {
  return text.replace(/&(?!#\d{1,7};|#[xX][a-fA-F0-9]{1,6};|[A-Za-z]\w{0,31};)/g, "&#38;").replace(/[<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
}
