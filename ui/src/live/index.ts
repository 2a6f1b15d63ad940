// The page's live data: one store, one connection, and a hook that repaints at most once per animation frame.
import { useEffect, useReducer } from "preact/hooks";
import { Connection, type World } from "./socket";
import { LiveStore } from "./store";

const world: World = {
  open: (path) => {
    const socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}${path}`);
    return socket as unknown as ReturnType<World["open"]>;
  },
  later: (task, delayMs) => setTimeout(task, delayMs),
  never: (timer) => clearTimeout(timer as number | undefined),
  now: () => Date.now(),
  random: () => Math.random(),
};

const listeners = new Set<() => void>();
const restartListeners = new Set<() => void>();
let frameAsked = false;

/** Ask for a repaint of everything live; many calls within a frame are one. */
export function repaint(): void {
  if (frameAsked || document.hidden) return;
  frameAsked = true;
  requestAnimationFrame(() => {
    frameAsked = false;
    for (const listener of [...listeners]) listener();
  });
}

export const store = new LiveStore(__BUNDLE__);
export const connection = new Connection(store, world, repaint, () => {
  for (const listener of [...restartListeners]) listener();
});

const runTopics = new Map<string, number>();

function applyTopics(): void {
  connection.setTopics(["queue", ...[...runTopics.keys()].sort()]);
}

/** Subscribe to a run while the component is shown. */
export function useTopic(topic: string | null): void {
  useEffect(() => {
    if (topic === null) return;
    runTopics.set(topic, (runTopics.get(topic) ?? 0) + 1);
    applyTopics();
    return () => {
      const left = (runTopics.get(topic) ?? 1) - 1;
      if (left > 0) runTopics.set(topic, left);
      else runTopics.delete(topic);
      applyTopics();
    };
  }, [topic]);
}

/** Repaint this component when anything live has changed. Read the data from `store`. */
export function useLive(): void {
  const [, tick] = useReducer((n: number) => n + 1, 0);
  useEffect(() => {
    const listener = () => tick(undefined);
    listeners.add(listener);
    return () => void listeners.delete(listener);
  }, []);
}

/** Run `task` when the server came back as another one, for instance after an update. */
export function useRestart(task: () => void): void {
  useEffect(() => {
    restartListeners.add(task);
    return () => void restartListeners.delete(task);
  }, [task]);
}

export function startLive(): void {
  addEventListener("online", () => connection.hurry());
  document.addEventListener("visibilitychange", () => {
    connection.setHidden(document.hidden);
    if (!document.hidden) repaint();
  });
  connection.start(["queue", ...runTopics.keys()]);
}
