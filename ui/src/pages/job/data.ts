// What the page looks at: the job over REST, kept up to date by the live topic of its run.
import { useEffect, useRef } from "preact/hooks";
import { type Row, rowOf } from "../../api/types";
import { connection, store, useLive, useRestart, useTopic } from "../../live";
import { runTopic } from "../../live/protocol";
import { useFetch } from "../../parts/fetching";
import type { JobDetail, Looked } from "./types";

/** Fetch anew when `mark` has changed, at most every `ms`. */
export function useFresh(mark: string, reload: () => void, ms = 2000): void {
  const last = useRef({ mark, at: Date.now() });
  useEffect(() => {
    if (mark === last.current.mark) return;
    const timer = setTimeout(
      () => {
        last.current = { mark, at: Date.now() };
        reload();
      },
      Math.max(0, last.current.at + ms - Date.now()),
    );
    return () => clearTimeout(timer);
  }, [mark, reload, ms]);
}

/** Rises with all that may change what a fetched view of the job shows. */
export function markOf(row: Row | undefined): string {
  if (!row) return "";
  return [row.status, row.attempt, row.paused, row.cancelling, row.documents, row.message, ...Object.values(row.counters)].join(" ");
}

export interface Look {
  looked: Looked | null;
  reason: string | null;
  isGone: boolean;
  reload: () => void;
}

export function useJob(id: number): Look {
  useLive();
  const own = useFetch<JobDetail>(`/jobs/${id}`);
  const job = own.data;
  const runId = job?.manager_id ?? null;
  const fetchedRun = useFetch<JobDetail>(runId === null ? null : `/runs/${runId}`);
  const run = fetchedRun.data;
  useTopic(runId === null ? null : runTopic(runId));
  const isWorker = job?.kind === "worker";
  useEffect(() => {
    if (!isWorker) return;
    connection.watch([id]);
    return () => connection.watch([]);
  }, [id, isWorker]);
  const live = store.get(id);
  const liveRun = runId === null ? undefined : store.rows.get(runId);
  useFresh(markOf(live), own.reload);
  useFresh(markOf(liveRun), fetchedRun.reload);
  useRestart(own.reload);
  const looked = job && run ? { job, run, row: live ?? rowOf(job), runRow: liveRun ?? rowOf(run) } : null;
  return { looked, reason: own.reason ?? fetchedRun.reason, isGone: store.gone.has(id), reload: own.reload };
}
