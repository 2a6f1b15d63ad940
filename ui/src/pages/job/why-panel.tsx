// Why a job is not running: the chain of reasons, the outermost first.
import { useFetch } from "../../parts/fetching";
import { Icon } from "../../parts/icon";
import { Panel } from "../../parts/panel";
import { absoluteTime, Time, useNow } from "../../parts/time";
import { useFresh } from "./data";
import type { Why } from "./types";
import { countdown, heading, isHarmless, linksOf, moment } from "./why";

const ANEW_MS = 5000;

/** `always`: also when nothing is in the way. */
export function WhyPanel({ id, mark, always = false }: { id: number; mark: string; always?: boolean }) {
  const now = useNow();
  const { data, reason, reload } = useFetch<Why>(`/jobs/${id}/why`);
  const isWaiting = data !== null && !isHarmless(data);
  useFresh(`${mark} ${isWaiting ? Math.floor(now / ANEW_MS) : ""}`, reload);
  if (!data) return reason && always ? <p class="dim">Why it does not run can't be told: {reason}</p> : null;
  if (!always && !isWaiting) return null;
  return (
    <Panel
      title={isWaiting ? "Why is this not running?" : "How it stands"}
      note={
        <>
          as of <Time at={data.as_of} />
        </>
      }
      actions={
        data.estimated_start ? (
          <span class="countdown" title={absoluteTime(data.estimated_start)}>
            <Icon name="schedules" size={13} /> starts {countdown(data.estimated_start, now)}, by estimate
          </span>
        ) : null
      }
    >
      <ol class="reasons">
        {data.reasons.map((one, index) => {
          const links = linksOf(one, id);
          const when = moment(one);
          return (
            <li key={index} class={isWaiting ? "in-the-way" : ""}>
              <strong>{heading(one)}</strong>
              <span>{one.message}</span>
              <span class="reason-links">
                {when && one.estimated_start !== data.estimated_start ? (
                  <span title={absoluteTime(when.at)}>
                    {when.text} {countdown(when.at, now)}
                  </span>
                ) : null}
                {links.map((link) => (
                  <a key={link.text} href={link.href}>
                    {link.text}
                  </a>
                ))}
              </span>
            </li>
          );
        })}
      </ol>
      {reason ? <p class="field-problem">Not up to date: {reason}</p> : null}
    </Panel>
  );
}
