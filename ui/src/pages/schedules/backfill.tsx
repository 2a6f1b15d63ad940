// Make up for slots of the past: a range, about how many runs that is, and what became of each.
import { useState } from "preact/hooks";
import { post, reasonOf } from "../../api/client";
import { Dialog } from "../../parts/dialog";
import { useFetch } from "../../parts/fetching";
import { count, timeZone, useNow } from "../../parts/time";
import { inZone } from "../definitions/words";
import { OutcomeText } from "./outcome";
import type { Schedule, ScheduleView, Slot } from "./types";
import { estimateSlots, localInput, outcomeCounts } from "./words";

const DAY_MS = 86_400_000;
const MANY = 100;

interface Props {
  schedule: Schedule;
  onClose: () => void;
  onDone: () => void;
}

export function Backfill({ schedule, onClose, onDone }: Props) {
  const now = useNow();
  const [since, setSince] = useState(() => localInput(now - DAY_MS));
  const [until, setUntil] = useState(() => localInput(now));
  const [sure, setSure] = useState(false);
  const [busy, setBusy] = useState(false);
  const [reason, setReason] = useState<string | null>(null);
  const [slots, setSlots] = useState<Slot[] | null>(null);
  const path = `/schedules/${encodeURIComponent(schedule.definition_id)}`;
  const { data } = useFetch<ScheduleView>(path, { count: 100 });

  const from = Date.parse(since);
  const to = Date.parse(until);
  const isRange = Number.isFinite(from) && Number.isFinite(to) && from <= to;
  const estimate = isRange && data ? estimateSlots(data.next, from, Math.min(to, now)) : null;
  const isMany = estimate !== null && estimate > MANY;
  const problem = !isRange ? "The end lies before the beginning." : from > now ? "The range begins in the future: there is nothing to make up for." : null;

  const start = async (): Promise<void> => {
    setBusy(true);
    setReason(null);
    try {
      setSlots(await post<Slot[]>(`${path}/backfill`, { since: new Date(from).toISOString(), until: new Date(Math.min(to, Date.now())).toISOString() }));
      onDone();
    } catch (error) {
      setReason(reasonOf(error));
    }
    setBusy(false);
  };

  if (slots)
    return (
      <Dialog title={`Made up for: ${schedule.name}`} onClose={onClose} wide>
        {slots.length === 0 ? (
          <p>No slot of that range was left to make up for.</p>
        ) : (
          <>
            <p>
              {slots.length === 1 ? "1 slot" : `${count(slots.length)} slots`}: {outcomeCounts(slots)}.
            </p>
            <div class="table-box fire-box" tabIndex={0} role="region" aria-label="Slots">
              <table class="table" aria-label="Slots that were made up for">
                <tbody>
                  {slots.map((slot) => (
                    <tr key={slot.due_at}>
                      <td class="nowrap">{inZone(slot.due_at, undefined, now)}</td>
                      <td>
                        <OutcomeText outcome={slot.outcome} />
                        {slot.note ? <div class="dim small">{slot.note}</div> : null}
                      </td>
                      <td>{slot.run_id !== null ? <a href={`/?run=${slot.run_id}`}>#{slot.run_id}</a> : null}</td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </div>
          </>
        )}
        <div class="dialog-buttons">
          <button type="button" class="button primary" autofocus onClick={onClose}>
            Close
          </button>
        </div>
      </Dialog>
    );

  return (
    <Dialog title={`Backfill ${schedule.name}`} onClose={onClose}>
      <form
        class="backfill"
        onSubmit={(event) => {
          event.preventDefault();
          void start();
        }}
      >
        <p>Starts a run for each slot in a range of the past that has none yet ({schedule.words}). Slots that were dealt with are left alone, so it is safe to repeat.</p>
        <label>
          <span>From</span>
          <input type="datetime-local" class="field" required value={since} onInput={(event) => (setSince(event.currentTarget.value), setSure(false))} />
        </label>
        <label>
          <span>Until</span>
          <input type="datetime-local" class="field" required value={until} onInput={(event) => (setUntil(event.currentTarget.value), setSure(false))} />
        </label>
        <p class="dim small">
          Times are {timeZone()}
          {schedule.timezone !== timeZone() && isRange ? `; in ${schedule.timezone}: ${inZone(new Date(from).toISOString(), schedule.timezone, now)} to ${inZone(new Date(to).toISOString(), schedule.timezone, now)}` : ""}.
        </p>
        {problem ? (
          <p class="field-problem">{problem}</p>
        ) : (
          <p aria-live="polite">
            {estimate === null ? "How many slots that is can't be told." : estimate === 0 ? "That is one slot at most." : estimate === 1 ? "That is about 1 slot." : `That is about ${count(estimate)} slots.`}
          </p>
        )}
        {isMany && !problem ? (
          <label class="backfill-sure">
            <input type="checkbox" checked={sure} onInput={(event) => setSure(event.currentTarget.checked)} />
            <span>
              More than {MANY} runs at once: they wait in the queue{schedule.overlap === "queue" ? " one behind the other" : ""}. I mean it.
            </span>
          </label>
        ) : null}
        {reason ? (
          <p class="refusal" role="alert">
            {reason}
          </p>
        ) : null}
        <div class="dialog-buttons">
          <button type="button" class="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" class="button primary" disabled={busy || problem !== null || (isMany && !sure)}>
            {busy ? "Starting…" : estimate && estimate > 1 ? `Start about ${count(estimate)} runs` : "Start"}
          </button>
        </div>
      </form>
    </Dialog>
  );
}
