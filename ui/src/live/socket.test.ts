import { beforeEach, expect, it } from "vitest";
import { Connection, type WebSocketLike, type World } from "./socket";
import { LiveStore } from "./store";
import { row } from "./testing";

/** A world whose time stands still until a test moves it. */
class TestWorld implements World {
  time = 0;
  paths: string[] = [];
  sockets: (WebSocketLike & { sent: string[] })[] = [];
  timers = new Map<number, { at: number; task: () => void }>();
  private lastTimer = 0;
  open = (path: string): WebSocketLike => {
    this.paths.push(path);
    const sent: string[] = [];
    const socket = { sent, onopen: null, onmessage: null, onclose: null, onerror: null, send: (text: string) => void sent.push(text), close: () => {} };
    this.sockets.push(socket);
    return socket;
  };
  later = (task: () => void, delay: number): number => (this.timers.set(++this.lastTimer, { at: this.time + delay, task }), this.lastTimer);
  never = (timer: unknown): void => void this.timers.delete(timer as number);
  now = () => this.time;
  random = () => 1;
  pass(ms: number): void {
    const end = this.time + ms;
    for (;;) {
      const due = [...this.timers].filter(([, timer]) => timer.at <= end).sort((a, b) => a[1].at - b[1].at)[0];
      if (!due) break;
      this.time = due[1].at;
      this.timers.delete(due[0]);
      due[1].task();
    }
    this.time = end;
  }
  get socket() {
    return this.sockets.at(-1)!;
  }
  say(frame: object): void {
    this.socket.onmessage?.({ data: JSON.stringify({ now: "2026-01-01T00:00:00Z", ...frame }) });
  }
}

let world: TestWorld;
let store: LiveStore;
let connection: Connection;

beforeEach(() => {
  world = new TestWorld();
  store = new LiveStore("b1");
  connection = new Connection(store, world, () => {});
  connection.start(["queue"]);
  world.say({ t: "hello", v: 1, epoch: "e1", version: "1", bundle: "b1" });
  world.say({ t: "snap", topic: "queue", seq: 4, rows: [row(1)] });
});

it("three seconds of silence are stale; a beat is enough to be live", () => {
  expect(connection.link).toBe("live");
  world.pass(2000);
  world.say({ t: "beat" });
  world.pass(2900);
  expect(connection.link).toBe("live");
  world.pass(200);
  expect(connection.link).toBe("stale");
  world.say({ t: "beat" });
  expect(connection.link).toBe("live");
});

it("a dead connection is replaced, with epoch and number", () => {
  world.pass(6500);
  expect(world.paths).toHaveLength(2);
  expect(world.paths[1]).toBe("/ws?v=1&epoch=e1&topics=queue%3A4");
});

it("waits longer each time, five seconds at most, and for ever", () => {
  const waits: number[] = [];
  for (let i = 0; i < 8; i++) {
    const start = world.time;
    const before = world.sockets.length;
    world.socket.onclose?.({ code: 1006, reason: "" });
    while (world.sockets.length === before) world.pass(50);
    waits.push(world.time - start);
  }
  expect(waits).toEqual([250, 500, 1000, 2000, 4000, 5000, 5000, 5000]);
});

it("comes back at once when the network does", () => {
  world.socket.onclose?.({ code: 1006, reason: "" });
  expect(connection.link).toBe("lost");
  connection.hurry();
  expect(world.sockets).toHaveLength(2);
});

it("a hole asks the server for a snapshot", () => {
  world.say({ t: "d", topic: "queue", seq: 9 });
  expect(world.socket.sent).toEqual(['{"t":"resync","topic":"queue"}']);
});

it("another protocol or page asks for a reload", () => {
  world.socket.onclose?.({ code: 4426, reason: "" });
  expect(connection.needsReload).toBe(true);
});

it("says again what it watches on a new connection", () => {
  connection.watch([3, 1, 3]);
  expect(world.socket.sent.at(-1)).toBe('{"t":"watch","ids":[1,3]}');
  world.socket.onclose?.({ code: 1006, reason: "" });
  world.pass(250);
  world.socket.onopen?.(undefined as never);
  expect(world.socket.sent).toEqual(['{"t":"watch","ids":[1,3]}']);
});
