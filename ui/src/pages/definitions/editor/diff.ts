// Differences of two texts: lines that went, came or stayed, and within changed lines the words.

export interface Part {
  text: string;
  changed: boolean;
}

export interface DiffRow {
  kind: "same" | "gone" | "new" | "changed";
  /** Line numbers from 1; null where the side has no such line. */
  leftLine: number | null;
  rightLine: number | null;
  left: Part[];
  right: Part[];
}

export interface Hunk {
  rows: DiffRow[];
  /** Equal lines that were left out before it. */
  skipped: number;
}

type Edit = { kind: "same" | "gone" | "new"; a: number; b: number };

/** Beyond so many edits the texts count as different from the first to the last changed line. */
const MOST_EDITS = 1_000;

/** Myers: the shortest way from one list to the other. */
export function edits<T>(left: readonly T[], right: readonly T[]): Edit[] {
  let head = 0;
  while (head < left.length && head < right.length && left[head] === right[head]) head++;
  let tail = 0;
  while (tail < left.length - head && tail < right.length - head && left[left.length - 1 - tail] === right[right.length - 1 - tail]) tail++;
  const n = left.length - head - tail;
  const m = right.length - head - tail;
  const found: Edit[] = [];
  for (let at = 0; at < head; at++) found.push({ kind: "same", a: at, b: at });
  found.push(...middle(left.slice(head, head + n), right.slice(head, head + m)).map((edit) => ({ ...edit, a: edit.a + head, b: edit.b + head })));
  for (let at = 0; at < tail; at++) found.push({ kind: "same", a: head + n + at, b: head + m + at });
  return found;
}

function middle<T>(left: readonly T[], right: readonly T[]): Edit[] {
  const n = left.length;
  const m = right.length;
  const most = Math.min(n + m, MOST_EDITS);
  const reach = new Map<number, number>([[1, 0]]);
  const trace: Map<number, number>[] = [];
  for (let d = 0; d <= most; d++) {
    trace.push(new Map(reach));
    for (let k = -d; k <= d; k += 2) {
      let x = k === -d || (k !== d && reach.get(k - 1)! < reach.get(k + 1)!) ? reach.get(k + 1)! : reach.get(k - 1)! + 1;
      while (x < n && x - k < m && left[x] === right[x - k]) x++;
      reach.set(k, x);
      if (x >= n && x - k >= m) return backtrack(trace, n, m);
    }
  }
  return [...left.map((_, a): Edit => ({ kind: "gone", a, b: 0 })), ...right.map((_, b): Edit => ({ kind: "new", a: n, b }))];
}

function backtrack(trace: readonly Map<number, number>[], n: number, m: number): Edit[] {
  const found: Edit[] = [];
  let x = n;
  let y = m;
  for (let d = trace.length - 1; d >= 0; d--) {
    const reach = trace[d]!;
    const k = x - y;
    const before = k === -d || (k !== d && reach.get(k - 1)! < reach.get(k + 1)!) ? k + 1 : k - 1;
    const fromX = reach.get(before)!;
    const fromY = fromX - before;
    while (x > fromX && y > fromY && x > 0 && y > 0) found.push({ kind: "same", a: --x, b: --y });
    if (d > 0) {
      if (x === fromX) found.push({ kind: "new", a: x, b: --y });
      else found.push({ kind: "gone", a: --x, b: y });
    }
  }
  return found.reverse();
}

/** Lines side by side: what went stands beside what came in its place. */
export function diffRows(left: string, right: string): DiffRow[] {
  const a = left.split("\n");
  const b = right.split("\n");
  const rows: DiffRow[] = [];
  let gone: number[] = [];
  let came: number[] = [];
  const flush = (): void => {
    const pairs = Math.min(gone.length, came.length);
    for (let at = 0; at < Math.max(gone.length, came.length); at++) {
      const leftAt = gone[at] ?? null;
      const rightAt = came[at] ?? null;
      if (at < pairs) {
        const [leftParts, rightParts] = wordParts(a[leftAt!]!, b[rightAt!]!);
        rows.push({ kind: "changed", leftLine: leftAt! + 1, rightLine: rightAt! + 1, left: leftParts, right: rightParts });
      } else if (leftAt !== null) rows.push({ kind: "gone", leftLine: leftAt + 1, rightLine: null, left: [{ text: a[leftAt]!, changed: false }], right: [] });
      else rows.push({ kind: "new", leftLine: null, rightLine: rightAt! + 1, left: [], right: [{ text: b[rightAt!]!, changed: false }] });
    }
    gone = [];
    came = [];
  };
  for (const edit of edits(a, b)) {
    if (edit.kind === "gone") gone.push(edit.a);
    else if (edit.kind === "new") came.push(edit.b);
    else {
      flush();
      const same = [{ text: a[edit.a]!, changed: false }];
      rows.push({ kind: "same", leftLine: edit.a + 1, rightLine: edit.b + 1, left: same, right: same });
    }
  }
  flush();
  return rows;
}

/** The words that differ in two lines; a line with little in common is marked as a whole by its row. */
export function wordParts(left: string, right: string): [Part[], Part[]] {
  const a = left.match(/\w+|\s+|[^\w\s]/g) ?? [];
  const b = right.match(/\w+|\s+|[^\w\s]/g) ?? [];
  const steps = edits(a, b);
  const kept = steps.reduce((sum, edit) => sum + (edit.kind === "same" ? a[edit.a]!.trim().length : 0), 0);
  if (kept * 3 < Math.min(left.trim().length, right.trim().length)) return [[{ text: left, changed: false }], [{ text: right, changed: false }]];
  const leftParts: Part[] = [];
  const rightParts: Part[] = [];
  const push = (parts: Part[], text: string, changed: boolean): void => {
    const last = parts.at(-1);
    if (last && last.changed === changed) last.text += text;
    else parts.push({ text, changed });
  };
  for (const edit of steps) {
    if (edit.kind !== "new") push(leftParts, a[edit.a]!, edit.kind === "gone");
    if (edit.kind !== "gone") push(rightParts, b[edit.b]!, edit.kind === "new");
  }
  return [leftParts, rightParts];
}

/** Changed rows with a few equal ones around them. */
export function hunksOf(rows: readonly DiffRow[], context = 3): { hunks: Hunk[]; rest: number } {
  const near = rows.map(() => false);
  rows.forEach((row, at) => {
    if (row.kind !== "same") for (let i = Math.max(0, at - context); i <= Math.min(rows.length - 1, at + context); i++) near[i] = true;
  });
  const hunks: Hunk[] = [];
  let skipped = 0;
  let open = false;
  rows.forEach((row, at) => {
    if (!near[at]) {
      skipped++;
      open = false;
      return;
    }
    if (!open) hunks.push({ rows: [], skipped });
    open = true;
    skipped = 0;
    hunks.at(-1)!.rows.push(row);
  });
  return { hunks, rest: skipped };
}

export function diffCounts(rows: readonly DiffRow[]): { added: number; removed: number } {
  return {
    added: rows.filter((row) => row.kind === "new" || row.kind === "changed").length,
    removed: rows.filter((row) => row.kind === "gone" || row.kind === "changed").length,
  };
}
