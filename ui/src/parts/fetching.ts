// Data over REST for a component: fetched when the address changes, kept while it is fetched anew, aborted when it leaves.
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { get, type Query, reasonOf } from "../api/client";
import type { Page } from "../api/types";

export interface Fetched<T> {
  data: T | null;
  /** The server's reason why not; data may still be the one from before. */
  reason: string | null;
  loading: boolean;
  reload: () => void;
}

/** `path` null: nothing to fetch yet. Fetched anew whenever `occasion` changes. */
export function useFetch<T>(path: string | null, query: Query = {}, occasion: string | number = 0): Fetched<T> {
  const key = path === null ? "" : `${path} ${JSON.stringify(query)}`;
  const [state, setState] = useState<{ key: string; data: T | null; reason: string | null; loading: boolean }>({ key: "", data: null, reason: null, loading: path !== null });
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    if (path === null) return setState({ key, data: null, reason: null, loading: false });
    const abort = new AbortController();
    setState((old) => ({ ...old, loading: true }));
    get<T>(path, query, abort.signal).then(
      (data) => setState({ key, data, reason: null, loading: false }),
      (error: unknown) => {
        if (!abort.signal.aborted) setState((old) => ({ key, data: old.key === key ? old.data : null, reason: reasonOf(error), loading: false }));
      },
    );
    return () => abort.abort();
  }, [key, turn, occasion]);
  const reload = useCallback(() => setTurn((n) => n + 1), []);
  return { data: state.data, reason: state.reason, loading: state.loading, reload };
}

export interface Paged<T> {
  rows: T[] | null;
  reason: string | null;
  loading: boolean;
  /** Fetches the next page; null at the end. */
  more: (() => void) | null;
  reload: () => void;
}

/** A list by keyset pages, for "Show more" and endless lists. */
export function usePages<T>(path: string | null, query: Query = {}): Paged<T> {
  const key = path === null ? "" : `${path} ${JSON.stringify(query)}`;
  const [rows, setRows] = useState<T[] | null>(null);
  const [next, setNext] = useState<string | null>(null);
  const [reason, setReason] = useState<string | null>(null);
  const [loading, setLoading] = useState(false);
  const [turn, setTurn] = useState(0);
  const abort = useRef<AbortController | null>(null);
  const load = (cursor: string | null): void => {
    if (path === null) return;
    abort.current?.abort();
    const mine = (abort.current = new AbortController());
    setLoading(true);
    get<Page<T>>(path, { ...query, cursor }, mine.signal).then(
      (page) => {
        setRows((old) => (cursor === null ? page.items : [...(old ?? []), ...page.items]));
        setNext(page.next);
        setReason(null);
        setLoading(false);
      },
      (error: unknown) => {
        if (mine.signal.aborted) return;
        setReason(reasonOf(error));
        setLoading(false);
      },
    );
  };
  useEffect(() => {
    setRows(null);
    setNext(null);
    load(null);
    return () => abort.current?.abort();
  }, [key]);
  useEffect(() => {
    if (turn) load(null);
  }, [turn]);
  const reload = useCallback(() => setTurn((n) => n + 1), []);
  return { rows, reason, loading, more: next !== null && !loading ? () => load(next) : null, reload };
}
