// Error families of all runs, put together by cause.
import type { ErrorFamily } from "../../api/types";

export interface Cause {
  family: string;
  /** Failed jobs in all runs shown. */
  count: number;
  /** One entry for each run, the newest first. */
  runs: ErrorFamily[];
  steps: string[];
  definitions: string[];
  lastFailedAt: string | null;
  sample: ErrorFamily["sample"];
  isIgnored: boolean;
}

/** The causes with the most failures first. */
export function causesOf(families: readonly ErrorFamily[]): Cause[] {
  const byFamily = new Map<string, ErrorFamily[]>();
  for (const one of families) {
    const same = byFamily.get(one.family);
    if (same) same.push(one);
    else byFamily.set(one.family, [one]);
  }
  const causes = [...byFamily].map(([family, runs]): Cause => {
    runs.sort((a, b) => b.manager_id - a.manager_id);
    return {
      family,
      count: runs.reduce((sum, one) => sum + one.count, 0),
      runs,
      steps: [...new Set(runs.flatMap((one) => one.steps))].sort(),
      definitions: [...new Set(runs.map((one) => one.definition_id))].sort(),
      lastFailedAt: runs.reduce<string | null>((last, one) => (one.last_failed_at !== null && (last === null || one.last_failed_at > last) ? one.last_failed_at : last), null),
      sample: runs[0]!.sample,
      isIgnored: runs.every((one) => one.ignored),
    };
  });
  return causes.sort((a, b) => b.count - a.count || (b.lastFailedAt ?? "").localeCompare(a.lastFailedAt ?? ""));
}

export function fits(cause: Cause, text: string): boolean {
  const wanted = text.trim().toLowerCase();
  if (!wanted) return true;
  const where = [cause.family, cause.sample?.message ?? "", cause.sample?.type ?? "", ...cause.steps, ...cause.definitions, ...cause.runs.map((one) => `${one.run_name} #${one.manager_id}`)];
  return where.some((one) => one.toLowerCase().includes(wanted));
}
