// Addresses in a document that nobody has checked: what a link may lead to, and what a person is told of it.

export type Target =
  | { kind: "web"; href: string; host: string }
  | { kind: "mail"; href: string }
  | { kind: "anchor"; id: string }
  | { kind: "none"; written: string };

/** Ids of headings begin so: no document can take the name of something of the page's own. */
export const ANCHOR = "md-";
const INLINE_IMAGE = /^data:image\/(?:png|jpe?g|gif|webp);base64,[A-Za-z0-9+/=\s]+$/;
const LONGEST_INLINE_IMAGE = 2_000_000;

/** Only http(s), mail and places in the document itself; everything else leads nowhere. */
export function targetOf(written: string, base: string | null): Target {
  const text = written.replaceAll("&amp;", "&").trim();
  if (text.startsWith("#")) return { kind: "anchor", id: ANCHOR + slugOf(decoded(text.slice(1))) };
  let url: URL;
  try {
    url = base === null ? new URL(text) : new URL(text, base);
  } catch {
    return { kind: "none", written };
  }
  if (url.protocol === "mailto:") return { kind: "mail", href: url.href };
  if (url.protocol !== "http:" && url.protocol !== "https:") return { kind: "none", written };
  url.username = "";
  url.password = "";
  return { kind: "web", href: url.href, host: url.host };
}

/** The address of a document, if a browser may go there. */
export function webAddress(url: string): { href: string; host: string } | null {
  const target = targetOf(url, null);
  return target.kind === "web" ? target : null;
}

export function isInlineImage(address: string): boolean {
  return address.length < LONGEST_INLINE_IMAGE && INLINE_IMAGE.test(address);
}

/** Does the text of a link say honestly which host it leads to? Then the host need not be added. */
export function namesHost(text: string, host: string): boolean {
  const plain = text.trim().toLowerCase();
  const rest = plain.replace(/^https?:\/\//, "");
  return rest === host || rest.startsWith(`${host}/`) || rest.startsWith(`${host}?`) || rest.startsWith(`${host}#`);
}

export function slugOf(text: string): string {
  return text
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, "")
    .trim()
    .replace(/\s/g, "-");
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
