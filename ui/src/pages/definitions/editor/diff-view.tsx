// Two texts and what differs, inline or side by side.
import { useMemo, useState } from "preact/hooks";
import { recall, remember } from "../../../parts/taste";
import { count } from "../../../parts/time";
import { diffCounts, type DiffRow, diffRows, hunksOf, type Part } from "./diff";

interface Props {
  left: string;
  right: string;
  leftName: string;
  rightName: string;
}

export function DiffView({ left, right, leftName, rightName }: Props) {
  const [wanted, choose] = useState(() => recall("diff.sides") === "yes");
  const [all, setAll] = useState(false);
  const rows = useMemo(() => diffRows(left, right), [left, right]);
  const { hunks, rest } = useMemo(() => (all ? { hunks: [{ rows, skipped: 0 }], rest: 0 } : hunksOf(rows)), [rows, all]);
  const { added, removed } = diffCounts(rows);
  const isEqual = added === 0 && removed === 0;
  return (
    <div class="text-diff">
      <div class="diff-head">
        {isEqual ? null : (
          <span>
            <b class="went">−{count(removed)}</b> {leftName}, <b class="came">+{count(added)}</b> {rightName}
          </span>
        )}
        <span class="grow" />
        {!isEqual ? (
          <>
            <button type="button" class="link-button" onClick={() => setAll(!all)}>
              {all ? "Changes only" : "Whole text"}
            </button>
            <div class="segments words" role="group" aria-label="Layout">
              <button type="button" aria-pressed={!wanted} onClick={() => (choose(false), remember("diff.sides", null))}>
                Inline
              </button>
              <button type="button" aria-pressed={wanted} onClick={() => (choose(true), remember("diff.sides", "yes"))}>
                Side by side
              </button>
            </div>
          </>
        ) : null}
      </div>
      {isEqual ? (
        <p class="dim diff-none">No difference.</p>
      ) : (
        <div class="diff-box" tabIndex={0} role="region" aria-label={`${leftName} against ${rightName}`}>
          <table class={wanted ? "diff-table sides" : "diff-table"}>
            {wanted ? (
              <colgroup>
                <col class="number" />
                <col />
                <col class="number" />
                <col />
              </colgroup>
            ) : null}
            <thead class="unseen">
              <tr>
                <th scope="col">Line in {leftName}</th>
                <th scope="col">{wanted ? leftName : `Line in ${rightName}`}</th>
                <th scope="col">{wanted ? `Line in ${rightName}` : "Change"}</th>
                <th scope="col">{wanted ? rightName : "Text"}</th>
              </tr>
            </thead>
            <tbody>
              {hunks.map((hunk) => [
                hunk.skipped ? <Gap key={`gap ${hunk.rows[0]!.leftLine}`} lines={hunk.skipped} /> : null,
                ...hunk.rows.flatMap((row) => (wanted ? [<SideRow key={`${row.leftLine} ${row.rightLine}`} row={row} />] : inlineRows(row))),
              ])}
              {rest ? <Gap lines={rest} /> : null}
            </tbody>
          </table>
        </div>
      )}
    </div>
  );
}

function Gap({ lines }: { lines: number }) {
  return (
    <tr class="gap">
      <td colSpan={4}>{lines === 1 ? "1 equal line" : `${count(lines)} equal lines`}</td>
    </tr>
  );
}

function inlineRows(row: DiffRow) {
  const key = `${row.leftLine} ${row.rightLine}`;
  const line = (kind: "same" | "went" | "came", parts: readonly Part[]) => (
    <tr key={`${key} ${kind}`} class={kind}>
      <td class="number">{kind === "came" ? "" : row.leftLine}</td>
      <td class="number">{kind === "went" ? "" : row.rightLine}</td>
      <td class="sign">{kind === "came" ? "+" : kind === "went" ? "−" : ""}</td>
      <td class="text">
        <Words parts={parts} />
      </td>
    </tr>
  );
  if (row.kind === "same") return [line("same", row.left)];
  return [row.leftLine !== null ? line("went", row.left) : null, row.rightLine !== null ? line("came", row.right) : null];
}

function SideRow({ row }: { row: DiffRow }) {
  const isSame = row.kind === "same";
  return (
    <tr>
      <td class="number">{row.leftLine}</td>
      <td class={`text ${isSame ? "" : row.leftLine === null ? "void" : "went"}`}>
        <Words parts={row.left} />
      </td>
      <td class="number">{row.rightLine}</td>
      <td class={`text ${isSame ? "" : row.rightLine === null ? "void" : "came"}`}>
        <Words parts={row.right} />
      </td>
    </tr>
  );
}

function Words({ parts }: { parts: readonly Part[] }) {
  return (
    <>
      {parts.map((part, index) => (part.changed ? <mark key={index}>{part.text}</mark> : part.text))}
    </>
  );
}
