// The one connection: opens, listens, notices silence, comes back. Says to the store what came and to the views how it stands.
import { type Command, CLOSE_BAD_REQUEST, CLOSE_VERSION, MAX_WATCHED, parseFrame, VERSION } from "./protocol";
import type { LiveStore } from "./store";

export type Link = "connecting" | "live" | "stale" | "lost";

export interface WebSocketLike {
  onopen: ((event: never) => void) | null;
  onmessage: ((event: { data: unknown }) => void) | null;
  onclose: ((event: { code: number; reason: string }) => void) | null;
  onerror: ((event: never) => void) | null;
  send(text: string): void;
  close(code?: number): void;
}

/** What the connection needs of the world; tests bring their own. */
export interface World {
  open(path: string): WebSocketLike;
  later(task: () => void, delayMs: number): unknown;
  never(timer: unknown): void;
  now(): number;
  random(): number;
}

export const STALE_AFTER_MS = 3000;
const FIRST_DELAY_MS = 250;
const LONGEST_DELAY_MS = 5000;
const STEADY_AFTER_MS = 5000;

export class Connection {
  link: Link = "connecting";
  /** When the last frame came, in our time. */
  lastFrameAt: number | null = null;
  /** The server speaks another version, or has another page: reload to go on. */
  needsReload = false;
  refusal: string | null = null;
  private socket: WebSocketLike | null = null;
  private retry: unknown = null;
  private watchdog: unknown = null;
  private attempts = 0;
  private openedAt = 0;
  private watched: readonly number[] = [];
  private hidden = false;
  private topics: readonly string[] = [];
  private stopped = false;

  constructor(
    private readonly store: LiveStore,
    private readonly world: World,
    /** Told after every frame and every change of the link. */
    private readonly changed: () => void,
    /** Told when the server is another one than before: what was fetched over REST may be out of date. */
    private readonly restarted: () => void = () => {},
  ) {}

  start(topics: readonly string[]): void {
    this.topics = topics;
    this.store.setTopics(topics);
    this.connect();
  }

  setTopics(topics: readonly string[]): void {
    if (topics.join() === this.topics.join()) return;
    this.topics = topics;
    this.store.setTopics(topics);
    this.send({ t: "topics", topics: this.store.topicsText() });
    this.changed();
  }

  watch(ids: readonly number[]): void {
    const sorted = [...new Set(ids)].sort((a, b) => a - b).slice(0, MAX_WATCHED);
    if (sorted.join() === this.watched.join()) return;
    this.watched = sorted;
    this.send({ t: "watch", ids: sorted });
  }

  setHidden(hidden: boolean): void {
    if (hidden === this.hidden) return;
    this.hidden = hidden;
    this.send({ t: "hidden", hidden });
    if (!hidden) this.hurry();
  }

  /** The network or the user is back: don't wait for the timer. */
  hurry(): void {
    if (this.stopped || this.socket !== null) return;
    this.attempts = 0;
    this.connect();
  }

  stop(): void {
    this.stopped = true;
    this.world.never(this.retry);
    this.world.never(this.watchdog);
    this.socket?.close();
    this.socket = null;
  }

  private connect(): void {
    this.world.never(this.retry);
    const epoch = this.store.epoch ? `&epoch=${encodeURIComponent(this.store.epoch)}` : "";
    const socket = this.world.open(`/ws?v=${VERSION}${epoch}&topics=${encodeURIComponent(this.store.topicsText())}`);
    this.socket = socket;
    this.openedAt = this.world.now();
    this.feed();
    socket.onopen = () => {
      if (this.watched.length) this.send({ t: "watch", ids: [...this.watched] });
      if (this.hidden) this.send({ t: "hidden", hidden: true });
    };
    socket.onmessage = (event) => {
      if (this.socket === socket) this.receive(String(event.data));
    };
    socket.onclose = (event) => {
      if (this.socket === socket) this.closed(event.code, event.reason);
    };
    socket.onerror = () => {};
  }

  private receive(text: string): void {
    this.lastFrameAt = this.world.now();
    if (this.lastFrameAt - this.openedAt > STEADY_AFTER_MS) this.attempts = 0;
    this.feed();
    this.link = "live";
    this.refusal = null;
    const frame = parseFrame(text);
    if (frame) {
      const todo = this.store.apply(frame, this.lastFrameAt);
      if (frame.t === "hello" && frame.v !== VERSION) this.needsReload = true;
      if (todo?.kind === "resync") this.send({ t: "resync", topic: todo.topic });
      if (todo?.kind === "reload") this.needsReload = true;
      if (todo?.kind === "restart") this.restarted();
    }
    this.changed();
  }

  private closed(code: number, reason: string): void {
    this.socket = null;
    this.world.never(this.watchdog);
    this.link = this.lastFrameAt === null ? "connecting" : "lost";
    if (code === CLOSE_VERSION) this.needsReload = true;
    if (code === CLOSE_BAD_REQUEST) this.refusal = reason || "The server refused the connection.";
    if (!this.stopped) this.retry = this.world.later(() => this.connect(), this.delay());
    this.changed();
  }

  /** Exponential with jitter, between a quarter of a second and five. */
  private delay(): number {
    const ceiling = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** this.attempts);
    this.attempts = Math.min(this.attempts + 1, 10);
    return Math.max(FIRST_DELAY_MS, ceiling * (0.5 + this.world.random() / 2));
  }

  /** Silence means stale, and after twice that a new connection: TCP may not have noticed. */
  private feed(): void {
    this.world.never(this.watchdog);
    this.watchdog = this.world.later(() => {
      if (this.lastFrameAt !== null) this.link = "stale";
      this.changed();
      this.watchdog = this.world.later(() => {
        const socket = this.socket;
        if (!socket) return;
        socket.onclose = null;
        socket.close();
        this.closed(1006, "");
      }, STALE_AFTER_MS);
    }, STALE_AFTER_MS);
  }

  private send(command: Command): void {
    try {
      this.socket?.send(JSON.stringify(command));
    } catch {
      // not open yet: onopen and the URL say the same
    }
  }
}
