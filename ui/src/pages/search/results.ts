// The hits of a query: the old ones stay until the new ones are there, and coming back finds them as they were left.
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { ApiError, get, reasonOf } from "../../api/client";
import type { Found, Hit } from "./types";

const PAGE = 20;

export interface Results {
  /** The query that `hits` belong to. */
  query: string;
  hits: Hit[];
  next: number | null;
  elapsedMs: number;
  /** The hit that the keyboard is at. */
  at: number;
}

let last: (Results & { withGone: boolean }) | null = null;

export interface Search {
  results: Results | null;
  reason: string | null;
  /** The query can't be understood, rather than the server can't be asked. */
  isQueryProblem: boolean;
  loading: boolean;
  more: (() => void) | null;
  retry: () => void;
  goTo: (at: number) => void;
}

export function useSearch(query: string, withGone: boolean): Search {
  const known = last && last.query === query && last.withGone === withGone ? last : null;
  const [results, setResults] = useState<Results | null>(known);
  const [problem, setProblem] = useState<{ reason: string; isQuery: boolean } | null>(null);
  const [loading, setLoading] = useState(false);
  const [turn, setTurn] = useState(0);
  const abort = useRef<AbortController | null>(null);

  const keep = (next: Results | null): void => {
    last = next && { ...next, withGone };
    setResults(next);
  };
  const load = (from: Results | null): void => {
    abort.current?.abort();
    const mine = (abort.current = new AbortController());
    setLoading(true);
    get<Found>("/search", { q: query, limit: PAGE, cursor: from?.next ?? null, include_gone: withGone || null }, mine.signal).then(
      (found) => {
        keep({ query, hits: [...(from?.hits ?? []), ...found.items], next: found.next, elapsedMs: found.elapsed_ms, at: from?.at ?? -1 });
        setProblem(null);
        setLoading(false);
      },
      (error: unknown) => {
        if (mine.signal.aborted) return;
        setProblem({ reason: reasonOf(error), isQuery: error instanceof ApiError && error.status === 422 });
        setLoading(false);
      },
    );
  };
  useEffect(() => {
    abort.current?.abort();
    setProblem(null);
    if (query.trim() === "") {
      setLoading(false);
      return keep(null);
    }
    if (known && turn === 0) return setResults(known);
    load(null);
    return () => abort.current?.abort();
  }, [query, withGone, turn]);
  const retry = useCallback(() => setTurn((n) => n + 1), []);
  const current = results?.query === query ? results : null;
  return {
    results,
    reason: problem?.reason ?? null,
    isQueryProblem: problem?.isQuery ?? false,
    loading,
    more: current && current.next !== null && !loading ? () => load(current) : null,
    retry,
    goTo: (at) => results && keep({ ...results, at }),
  };
}
