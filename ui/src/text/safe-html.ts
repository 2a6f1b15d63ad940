// The second lock: whatever markdown became goes through an allow-list of tags, attributes and addresses before the page has it.
import DOMPurify from "dompurify";
import { isInlineImage } from "./links";

export const TAGS = ["a", "blockquote", "br", "code", "del", "div", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "img", "li", "ol", "p", "pre", "span", "strong", "table", "tbody", "td", "th", "thead", "tr", "ul"];
export const ATTRIBUTES = ["align", "alt", "class", "data-lang", "href", "id", "rel", "src", "start", "tabindex", "target", "title"];

const purify = DOMPurify(window);
purify.addHook("uponSanitizeAttribute", (_, attribute) => {
  if (attribute.attrName === "src" && !isInlineImage(attribute.attrValue)) attribute.keepAttr = false;
});
purify.addHook("afterSanitizeAttributes", (element) => {
  if (element.tagName !== "A" || element.getAttribute("href")?.startsWith("#")) return;
  element.setAttribute("target", "_blank");
  element.setAttribute("rel", "noopener noreferrer nofollow");
});

export function safeFragment(html: string): DocumentFragment {
  return purify.sanitize(html, {
    ALLOWED_TAGS: TAGS,
    ALLOWED_ATTR: ATTRIBUTES,
    ALLOW_DATA_ATTR: false,
    ALLOW_ARIA_ATTR: false,
    ALLOWED_URI_REGEXP: /^(?:https?:|mailto:|#md-)/i,
    ADD_URI_SAFE_ATTR: ATTRIBUTES.filter((name) => name !== "href" && name !== "src"),
    RETURN_DOM_FRAGMENT: true,
  });
}
