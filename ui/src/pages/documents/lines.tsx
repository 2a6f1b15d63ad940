// A text line by line with numbers: wrapped while it is short, else only what is on screen and cut at the right.
import { useMemo, useRef, useState } from "preact/hooks";
import { Icon } from "../../parts/icon";
import { recall, remember } from "../../parts/taste";
import { count } from "../../parts/time";
import { fixedLayout, type ListHandle, VirtualList } from "../../parts/virtual";

const ROW = 19;
const MOST_WRAPPED = 2000;
const LONGEST_SHOWN = 4000;

export function TextLines({ text, label }: { text: string; label: string }) {
  const lines = useMemo(() => text.split(/\r?\n/), [text]);
  const list = useRef<ListHandle | null>(null);
  const [wrap, setWrap] = useState(() => recall("documents.wrap") !== "no");
  const isShort = lines.length <= MOST_WRAPPED && text.length < 400_000;
  const cut = (line: string): string => (line.length > LONGEST_SHOWN ? `${line.slice(0, LONGEST_SHOWN)}… (${count(line.length)} characters)` : line);
  const longest = useMemo(() => Math.min(LONGEST_SHOWN + 40, lines.reduce((most, line) => Math.max(most, line.length), 0)), [lines]);
  return (
    <div class="lines-box">
      <div class="pane-tools">
        <span class="dim">
          {count(lines.length)} {lines.length === 1 ? "line" : "lines"}, {count(text.length)} characters
        </span>
        <span class="grow" />
        {isShort ? (
          <button
            type="button"
            class="icon-button"
            aria-label="Wrap lines"
            title="Wrap lines"
            aria-pressed={wrap}
            onClick={() => {
              remember("documents.wrap", wrap ? "no" : null);
              setWrap(!wrap);
            }}
          >
            <Icon name="wrap" />
          </button>
        ) : null}
      </div>
      {isShort ? (
        <div class={wrap ? "lines wrap" : "lines"} tabIndex={0} role="region" aria-label={label}>
          {lines.map((line, index) => (
            <div class="line" key={index}>
              <span class="line-number">{index + 1}</span>
              <span class="line-text">{line}</span>
            </div>
          ))}
        </div>
      ) : (
        <VirtualList
          class="lines"
          layout={fixedLayout(lines.length, ROW)}
          handle={list}
          overscan={20}
          attributes={{ tabIndex: 0, role: "region", "aria-label": label, style: { "--longest": `${longest + 10}ch` } }}
          render={(index) => (
            <div class="line">
              <span class="line-number">{index + 1}</span>
              <span class="line-text">{cut(lines[index]!)}</span>
            </div>
          )}
        />
      )}
    </div>
  );
}
