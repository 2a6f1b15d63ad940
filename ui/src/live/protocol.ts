// The frames of the live protocol, version 1.
import type { Line, Node, Row } from "../api/types";

export const VERSION = 1;

export interface Hello {
  t: "hello";
  v: number;
  epoch: string;
  version: string;
  bundle: string;
  now: string;
}

export interface Snapshot {
  t: "snap";
  topic: string;
  seq: number;
  now: string;
  rows: Row[];
  nodes?: Node[];
  lines?: Line[];
  /** Number of the last line of the run. */
  last?: number;
}

export interface Delta {
  t: "d";
  topic: string;
  seq: number;
  now: string;
  rows?: Row[];
  gone?: number[];
  nodes?: Node[];
  lines?: Line[];
  /** Lines that were not sent, first and last included. */
  skipped?: [number, number];
}

export interface Watched {
  t: "w";
  now: string;
  rows: Row[];
}

export interface Beat {
  t: "beat";
  now: string;
}

export interface Refusal {
  t: "no";
  topic: string;
  reason: string;
}

export type Frame = Hello | Snapshot | Delta | Watched | Beat | Refusal;

export type Command =
  | { t: "topics"; topics: string }
  | { t: "watch"; ids: number[] }
  | { t: "resync"; topic: string }
  | { t: "hidden"; hidden: boolean };

export const CLOSE_BAD_REQUEST = 4400;
export const CLOSE_VERSION = 4426;
export const MAX_WATCHED = 500;

/** The frame in a message, or null for what this page can't read (a newer server may say more). */
export function parseFrame(text: string): Frame | null {
  try {
    const frame = JSON.parse(text) as Frame;
    return ["hello", "snap", "d", "w", "beat", "no"].includes(frame.t) ? frame : null;
  } catch {
    return null;
  }
}

export function runTopic(runId: number): string {
  return `run.${runId}`;
}

export function runOfTopic(topic: string): number | null {
  const found = /^run\.(\d+)$/.exec(topic);
  return found ? Number(found[1]) : null;
}

/** The topics of the URL and of `topics`: a topic that is known asks to go on behind its number. */
export function topicList(topics: Iterable<string>, seqs: ReadonlyMap<string, number>): string {
  return [...topics].map((topic) => (seqs.has(topic) ? `${topic}:${seqs.get(topic)}` : topic)).join(",");
}
