// Differences of two texts, line by line: the shortest list of removed and added lines (Myers).

export interface DiffLine {
  kind: "same" | "removed" | "added";
  text: string;
  /** Line number in the text before and behind, from 1; null where it is not in it. */
  before: number | null;
  after: number | null;
}

export interface Fold {
  kind: "fold";
  lines: DiffLine[];
}

/** Beyond as many changes the middle is shown as replaced: more would help nobody. */
const MOST_CHANGES = 1500;

export function diffLines(before: string, after: string): DiffLine[] {
  const a = linesOf(before);
  const b = linesOf(after);
  let start = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) start++;
  let end = 0;
  while (end < a.length - start && end < b.length - start && a[a.length - 1 - end] === b[b.length - 1 - end]) end++;

  const lines: DiffLine[] = [];
  let i = 0;
  let j = 0;
  const same = (): void => void lines.push({ kind: "same", text: a[i]!, before: ++i, after: ++j });
  const removed = (): void => void lines.push({ kind: "removed", text: a[i]!, before: ++i, after: null });
  const added = (): void => void lines.push({ kind: "added", text: b[j]!, before: null, after: ++j });
  while (i < start) same();
  for (const move of moves(a.slice(start, a.length - end), b.slice(start, b.length - end))) {
    if (move === "same") same();
    else if (move === "removed") removed();
    else added();
  }
  while (i < a.length) same();
  return lines;
}

function linesOf(text: string): string[] {
  if (text === "") return [];
  const lines = text.split(/\r?\n/);
  if (lines.at(-1) === "") lines.pop();
  return lines;
}

function moves(a: readonly string[], b: readonly string[]): DiffLine["kind"][] {
  const replaced = (): DiffLine["kind"][] => [...a.map(() => "removed" as const), ...b.map(() => "added" as const)];
  if (a.length === 0 || b.length === 0) return replaced();
  const most = Math.min(a.length + b.length, MOST_CHANGES);
  const middle = most + 1;
  const reach = new Int32Array(2 * most + 3);
  const trace: Int32Array[] = [];
  for (let changes = 0; changes <= most; changes++) {
    trace.push(reach.slice(middle - changes - 1, middle + changes + 2));
    for (let k = -changes; k <= changes; k += 2) {
      const down = k === -changes || (k !== changes && reach[middle + k - 1]! < reach[middle + k + 1]!);
      let x = down ? reach[middle + k + 1]! : reach[middle + k - 1]! + 1;
      while (x < a.length && x - k < b.length && a[x] === b[x - k]) x++;
      reach[middle + k] = x;
      if (x >= a.length && x - k >= b.length) return walkBack(trace, a.length, b.length);
    }
  }
  return replaced();
}

function walkBack(trace: readonly Int32Array[], toX: number, toY: number): DiffLine["kind"][] {
  const path: DiffLine["kind"][] = [];
  let x = toX;
  let y = toY;
  for (let changes = trace.length - 1; changes >= 0; changes--) {
    const reach = trace[changes]!;
    const at = (k: number): number => reach[k + changes + 1]!;
    const k = x - y;
    const down = k === -changes || (k !== changes && at(k - 1) < at(k + 1));
    const fromX = changes === 0 ? 0 : down ? at(k + 1) : at(k - 1);
    const fromY = changes === 0 ? 0 : fromX - (down ? k + 1 : k - 1);
    while (x > fromX && y > fromY) {
      path.push("same");
      x--;
      y--;
    }
    if (changes > 0) path.push(down ? "added" : "removed");
    x = fromX;
    y = fromY;
  }
  return path.reverse();
}

/** Long stretches without a change put away, but for `context` lines around each change. */
export function folded(lines: readonly DiffLine[], context = 3): (DiffLine | Fold)[] {
  const shown: (DiffLine | Fold)[] = [];
  let index = 0;
  while (index < lines.length) {
    if (lines[index]!.kind !== "same") {
      shown.push(lines[index++]!);
      continue;
    }
    let end = index;
    while (end < lines.length && lines[end]!.kind === "same") end++;
    const head = index === 0 ? 0 : context;
    const tail = end === lines.length ? 0 : context;
    if (end - index > head + tail + 1) {
      shown.push(...lines.slice(index, index + head), { kind: "fold", lines: lines.slice(index + head, end - tail) }, ...lines.slice(end - tail, end));
    } else shown.push(...lines.slice(index, end));
    index = end;
  }
  return shown;
}

export function changesIn(lines: readonly DiffLine[]): { added: number; removed: number } {
  let added = 0;
  let removed = 0;
  for (const line of lines) {
    if (line.kind === "added") added++;
    else if (line.kind === "removed") removed++;
  }
  return { added, removed };
}
