// How limits stand now: tokens come back with time, and a lease runs down.

export interface LimitView {
  limiter: { worker_type: string; key: string; in_use: number; tokens: number | null; refilled_at: string | null };
  limits: { concurrency: number | null; key: string | null; rate: { count: number; seconds: number } | null } | null;
}

/** Tokens there are by now, when the bucket refills evenly. */
export function tokensNow(view: LimitView, now: number): number | null {
  const { tokens, refilled_at } = view.limiter;
  if (tokens === null) return null;
  const rate = view.limits?.rate;
  if (!rate || refilled_at === null || rate.seconds <= 0) return tokens;
  const passed = Math.max(0, (now - Date.parse(refilled_at)) / 1000);
  return Math.min(rate.count, tokens + (passed * rate.count) / rate.seconds);
}

/** Milliseconds until there is one token; 0: there is one; null: nobody knows. */
export function untilToken(view: LimitView, now: number): number | null {
  const tokens = tokensNow(view, now);
  const rate = view.limits?.rate;
  if (tokens === null) return null;
  if (tokens >= 1) return 0;
  return rate && rate.count > 0 ? ((1 - tokens) * rate.seconds * 1000) / rate.count : null;
}

/** Milliseconds until a process that says nothing more is taken for dead. */
export function leaseLeft(seen: string, leaseSeconds: number, now: number): number {
  return Math.max(0, Date.parse(seen) + leaseSeconds * 1000 - now);
}

export function rateText(rate: { count: number; seconds: number }): string {
  const per = rate.seconds === 1 ? "second" : rate.seconds === 60 ? "minute" : rate.seconds === 3600 ? "hour" : rate.seconds === 86400 ? "day" : `${rate.seconds} s`;
  return `${rate.count} per ${per}`;
}
