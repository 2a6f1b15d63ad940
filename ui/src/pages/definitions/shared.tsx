// What the list, the editor and the schedules have in common.
import { useEffect, useRef } from "preact/hooks";
import { reasonOf } from "../../api/client";
import { store, useLive } from "../../live";
import { confirmAction } from "../../parts/dialog";
import { count } from "../../parts/time";
import { toast } from "../../parts/toast";
import { deleteDefinition, isConflict } from "./api";
import type { Entry, Schedule } from "./types";
import type { Standing } from "./words";
import "./shared.css";

const AGAIN_MS = 30_000;

/** Read anew when a run begins or ends, when the page is looked at again, and now and then. */
export function useFreshness(reload: () => void): void {
  useLive();
  const runs = store
    .roots()
    .map((id) => `${id}${store.rows.get(id)?.finished_at ? "." : ""}`)
    .join(" ");
  const first = useRef(true);
  useEffect(() => {
    if (first.current) {
      first.current = false;
      return;
    }
    const timer = setTimeout(reload, 700);
    return () => clearTimeout(timer);
  }, [runs]);
  useEffect(() => {
    const look = (): void => {
      if (!document.hidden) reload();
    };
    const timer = setInterval(look, AGAIN_MS);
    addEventListener("focus", look);
    return () => {
      clearInterval(timer);
      removeEventListener("focus", look);
    };
  }, []);
}

const WORDS: Record<Standing, string> = { ready: "ready", disabled: "disabled", draft: "draft", error: "has errors" };

export function StandingText({ standing }: { standing: Standing }) {
  return (
    <span class={`standing ${standing}`}>
      <svg width="10" height="10" viewBox="0 0 10 10" aria-hidden="true">
        {standing === "ready" ? <circle cx="5" cy="5" r="4" class="fill" /> : null}
        {standing === "disabled" ? <circle cx="5" cy="5" r="3.5" class="line" /> : null}
        {standing === "draft" ? <path d="M1.5 8.5 2 6.5l5-5 1.5 1.5-5 5z" class="line" /> : null}
        {standing === "error" ? <path d="M3 .5h4L9.5 3v4L7 9.5H3L.5 7V3z" class="fill" /> : null}
      </svg>
      {WORDS[standing]}
    </span>
  );
}

/** Ask, then delete; true when it is gone. */
export async function askDelete(entry: Entry, runs: number | null, schedule: Schedule | null): Promise<boolean> {
  const meant = await confirmAction({
    title: `Delete “${entry.name}”?`,
    body: (
      <>
        <p>
          The file <code>{entry.file}</code> is lost for good{schedule && schedule.state !== "removed" && schedule.cron ? ", and it stops running by itself" : ""}.
        </p>
        <p>{runs === null ? "Its runs" : runs === 0 ? "It has no runs; documents" : runs === 1 ? "Its run" : `Its ${count(runs)} runs`} {runs === 0 ? "stay." : "and their documents stay, with the text they were started with."}</p>
      </>
    ),
    confirm: "Delete the file",
    danger: true,
  });
  if (!meant) return false;
  try {
    await deleteDefinition(entry);
    toast("done", `${entry.name} was deleted.`);
    return true;
  } catch (error) {
    toast("error", isConflict(error) ? `${entry.name} was changed elsewhere since you looked, and is still there.` : reasonOf(error));
    return false;
  }
}
