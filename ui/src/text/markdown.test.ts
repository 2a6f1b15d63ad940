import { expect, it } from "vitest";
import { isInlineImage, namesHost, targetOf } from "./links";
import { markdownToHtml } from "./markdown";

const OWN_TAGS = /^<\/?(?:a|blockquote|br|code|del|div|em|h[1-6]|hr|img|li|ol|p|pre|span|strong|table|tbody|td|th|thead|tr|ul)(?:\s+(?:align|alt|class|data-lang|href|id|rel|src|start|tabindex|target|title)="[^"<>]*")*\s*>$/;

/** Every tag that a browser would see, and every address in one. */
function judge(html: string): { foreign: string[]; addresses: string[] } {
  const tags = html.match(/<[^>]*>?/g) ?? [];
  const addresses = [...html.matchAll(/(?:href|src)="([^"]*)"/g)].map((found) => decoded(found[1]!));
  return { foreign: tags.filter((tag) => !OWN_TAGS.test(tag)), addresses };
}

const decoded = (text: string): string => text.replace(/&#(\d+);/g, (_, code) => String.fromCharCode(Number(code)));

const ATTACKS = [
  "<script>alert(1)</script>",
  "a <script>alert(1)</script> b",
  "<img src=x onerror=alert(1)>",
  "text <img src=x onerror=alert(1)> text",
  "<IMG SRC=\"jav\tascript:alert('XSS');\">",
  '<svg onload="alert(1)">',
  "<svg><script>alert&#40;1)</script></svg>",
  "<iframe src=\"javascript:alert(1)\"></iframe>",
  "<math><mtext><table><mglyph><style><!--</style><img title=\"--&gt;&lt;img src=1 onerror=alert(1)&gt;\">",
  "<form><button formaction=javascript:alert(1)>x</button></form>",
  "<a href=\"javascript:alert(1)\">x</a>",
  "<pre>&lt;img src=x onerror=alert(1)&gt;</pre>",
  "inline <pre>&lt;script&gt;alert(1)&lt;/script&gt;</pre>",
  "<style>@import 'https://evil.example/x.css'</style>",
  "<base href=\"https://evil.example/\">",
  "<meta http-equiv=refresh content=\"0;url=https://evil.example\">",
  "<div style=\"position:fixed;inset:0\">cover</div>",
  "<a id=\"app\" name=\"location\">clobber</a>",
  "<!-- <script>alert(1)</script> -->",
  "<!--><img src=x onerror=alert(1)>-->",
  "<!-- --!><script>alert(1)</script>",
  "[x](javascript:alert(1))",
  "[x](JaVaScRiPt:alert(1))",
  "[x](java\nscript:alert(1))",
  "[x](java%0ascript:alert(1))",
  "[x](&#106;avascript:alert(1))",
  "[x](&#x6A;avascript&colon;alert(1))",
  "[x](\x01javascript:alert(1))",
  "[x](vbscript:msgbox(1))",
  "[x](data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==)",
  "[x](file:///etc/passwd)",
  "[x](blob:https://a.example/1)",
  "<javascript:alert(1)>",
  "[x][1]\n\n[1]: javascript:alert(1)",
  '[x](https://a.example "title\\" onmouseover=alert(1)")',
  "[x](https://a.example/\"onmouseover=alert(1))",
  "[x](https://a.example/'onmouseover=alert(1)//)",
  "[<img src=x onerror=alert(1)>](https://a.example)",
  "![x](javascript:alert(1))",
  "![x](https://evil.example/pixel.gif)",
  "![x](//evil.example/pixel.gif)",
  "![\" onerror=alert(1) x=\"](x)",
  "![x](data:image/svg+xml;base64,PHN2ZyBvbmxvYWQ9YWxlcnQoMSk+)",
  '![x](data:image/png;base64,AAAA"onerror=alert(1))',
  "# <img src=x onerror=alert(1)>",
  "# \"><script>alert(1)</script>",
  "```\"><script>alert(1)</script>\ncode\n```",
  "```js onload=\"alert(1)\"\n</code></pre><script>alert(1)</script>\n```",
  "`</code><script>alert(1)</script>`",
  "    </code></pre><img src=x onerror=alert(1)>",
  "| <img src=x onerror=alert(1)> |\n|---|\n| <script>alert(1)</script> |",
  "> <script>\n> alert(1)\n> </script>",
  "- [ ] <input autofocus onfocus=alert(1)>",
  "~~<svg/onload=alert(1)>~~ **<svg/onload=alert(1)>**",
  "&lt;script&gt;alert(1)&lt;/script&gt;",
  "\\<script>alert(1)\\</script>",
  "<<script>script>alert(1)<</script>/script>",
  "<x onclick=alert(1)\n\n>",
  "https://a.example/<script>alert(1)</script>",
  "www.a.example/\"onmouseover=\"alert(1)",
  "<https://a.example/\"onmouseover=alert(1)>",
];

it.each(ATTACKS)("nothing of %j becomes a tag or an address of its own", (attack) => {
  for (const base of [null, "https://docs.example/guide/"]) {
    const { foreign, addresses } = judge(markdownToHtml(attack, { base }));
    expect(foreign).toEqual([]);
    for (const address of addresses) expect(address).toMatch(/^(?:https?:\/\/|mailto:|#md-|data:image\/(?:png|jpeg|gif|webp);base64,[A-Za-z0-9+/=]+$)/);
  }
});

it("no image is loaded from anywhere; its address is shown instead", () => {
  const html = markdownToHtml("![Chart](https://evil.example/p.gif?id=1) ![x](pictures/a.png)");
  expect(html).not.toContain("<img");
  expect(html).toContain("Chart");
  expect(decoded(html)).toContain("https://evil.example/p.gif?id=1");
  expect(markdownToHtml("![dot](data:image/png;base64,iVBORw0KGgo=)")).toContain('<img src="data:image/png;base64,iVBORw0KGgo=" alt="dot">');
});

it("links open elsewhere, tell nobody where they come from, and show their host", () => {
  expect(markdownToHtml("[Bank](https://evil.example/login)")).toBe(
    '<p><a href="https://evil.example/login" target="_blank" rel="noopener noreferrer nofollow">Bank</a> <span class="host">evil.example</span></p>\n',
  );
  expect(markdownToHtml("[https://bank.example](https://evil.example)")).toContain('<span class="host">evil.example</span>');
  expect(markdownToHtml("[bank.example](https://bank.example@evil.example/)")).toContain('href="https://evil.example/"');
  expect(markdownToHtml("https://a.example/path")).not.toContain("host");
});

it("what a link may lead to", () => {
  expect(targetOf("guide.md", null)).toEqual({ kind: "none", written: "guide.md" });
  expect(targetOf("guide.md", "https://a.example/docs/")).toEqual({ kind: "web", href: "https://a.example/docs/guide.md", host: "a.example" });
  expect(targetOf("#What a step reads", null)).toEqual({ kind: "anchor", id: "md-what-a-step-reads" });
  expect(targetOf("mailto:a@b.example", null)).toEqual({ kind: "mail", href: "mailto:a@b.example" });
  expect(targetOf("javascript:alert(1)", "https://a.example/").kind).toBe("none");
  expect(targetOf("https://аpple.example/", null)).toMatchObject({ host: expect.stringContaining("xn--") });
  expect(namesHost("a.example/x", "a.example")).toBe(true);
  expect(namesHost("a.example.evil.example", "a.example")).toBe(false);
  expect(isInlineImage("data:image/svg+xml;base64,AAAA")).toBe(false);
});

it("headings go below those of the page and can be linked to", () => {
  expect(markdownToHtml("# One two\n\n# One two\n\n###### Six")).toBe('<h3 class="h1" id="md-one-two">One two</h3>\n<h3 class="h1" id="md-one-two-1">One two</h3>\n<h6 class="h6" id="md-six">Six</h6>\n');
});

it("tables, tasks, code and comments", () => {
  expect(markdownToHtml("|a|b|\n|-|-:|\n|1|2|")).toContain('<th align="right">b</th>');
  expect(markdownToHtml("- [x] done\n- [ ] open")).toMatch(/☑ done[^]*☐ open/);
  expect(markdownToHtml("```python\na < b\n```")).toContain('<pre tabindex="0" data-lang="python"><code>a &#60; b');
  expect(markdownToHtml("a <!-- hidden --> b &amp; c")).toBe("<p>a  b &amp; c</p>\n");
  expect(markdownToHtml("x <b>y</b>")).toContain('<span class="raw-html">&#60;b&#62;</span>y');
});
