// ANSI colours of a log line as runs of text with classes. Everything but colours and weight is dropped.

export interface Span {
  text: string;
  className: string;
}

const SEQUENCE = /\x1b\[([0-9;?]*)[ -/]*([@-~])|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|[\x00-\x08\x0b-\x1f\x7f]/g;
const NAMES = ["black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"];

export function ansiSpans(text: string): Span[] {
  if (!text.includes("\x1b")) return [{ text, className: "" }];
  const spans: Span[] = [];
  let color = "";
  let bold = false;
  let dim = false;
  let at = 0;
  const push = (part: string): void => {
    if (!part) return;
    const className = [color && `ansi-${color}`, bold && "ansi-bold", dim && "ansi-dim"].filter(Boolean).join(" ");
    const last = spans.at(-1);
    if (last && last.className === className) last.text += part;
    else spans.push({ text: part, className });
  };
  for (const found of text.matchAll(SEQUENCE)) {
    push(text.slice(at, found.index));
    at = found.index + found[0].length;
    if (found[2] !== "m") continue;
    const codes = (found[1] || "0").split(";").map(Number);
    for (let i = 0; i < codes.length; i++) {
      const code = codes[i]!;
      if (code === 0) [color, bold, dim] = ["", false, false];
      else if (code === 1) bold = true;
      else if (code === 2) dim = true;
      else if (code === 22) [bold, dim] = [false, false];
      else if (code >= 30 && code <= 37) color = NAMES[code - 30]!;
      else if (code >= 90 && code <= 97) color = NAMES[code - 90]!;
      else if (code === 39) color = "";
      else if (code === 38 || code === 48) i += codes[i + 1] === 2 ? 4 : 2;
    }
  }
  push(text.slice(at));
  return spans;
}
