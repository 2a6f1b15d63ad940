"""Hub: reads what clients look at, finds what is new, and lets each of them have it. Nobody there: it reads nothing.

It tells state, not events: five times a second it looks whether anything was committed, reads the topics that somebody
follows, and compares them with what was told last. Reads run in one thread, one after the other; all else in the
event loop, so that registering a client and giving it a topic's state is one step.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from typing import Final, NamedTuple
from uuid import uuid4

import structlog
from msgspec import UNSET, Raw

from quaero.errors import NotFound, StoreUnavailable
from quaero.model.log import LogEntry
from quaero.model.node import Node
from quaero.model.status import JobKind
from quaero.ports.clock import Clock
from quaero.ports.views import LiveRow
from quaero.web.live.source import LiveSource, queue_rows
from quaero.web.live.topics import (
    FRAME_LINES,
    RING_BYTES,
    SNAPSHOT_LINES,
    Beat,
    ClientQueue,
    Frame,
    No,
    Subscription,
    Topic,
    Watched,
    encoded,
    text_of,
)

log = structlog.get_logger("quaero.live")

TICK_S: Final = 0.2
HIDDEN_TICK_S: Final = 1.0
SLOW_LOOK_S: Final = 1.0
"""How often to look at what has ended, at nodes, and at a store that is in trouble."""
SOONEST_S: Final = 0.02
"""Between two reads for clients that have just come."""
IDLE_TOPIC_S: Final = 60.0
IDLE_TOPICS: Final = 8
"""Topics that nobody follows are kept so long, and so many, for those who come back."""
STOP_S: Final = 5.0
LEAVE_S: Final = 1.0
_NEVER: Final = object()


class Client:
    """One who looks: what it follows, and what it still has to get. Knows no socket."""

    def __init__(self, hub: Hub) -> None:
        """``ready``: there may be something to take. ``closed``: it is to leave."""
        self._hub = hub
        self.topics: dict[str, None] = {}
        self.queue = ClientQueue()
        self.is_hidden = False
        self.watched: frozenset[int] = frozenset()
        self.watch_version: Hashable = _NEVER
        self.ready = asyncio.Event()
        self.closed = asyncio.Event()
        self._rows: dict[int, LiveRow] = {}
        self._waiting: dict[int, Raw] = {}
        self._refused: dict[str, str] = {}
        self._beat_due = False

    def follow(self, subscriptions: Iterable[Subscription], *, resumes: bool = True) -> None:
        """From now on these topics and no others; one that is followed already stays as it is."""
        wanted = {one.topic: one.seq for one in subscriptions}
        for topic in [name for name in self.topics if name not in wanted]:
            self._leave(topic)
        for name, seq in wanted.items():
            if name not in self.topics:
                self._join(name, seq if resumes else None)

    def resync(self, topic: str) -> None:
        if topic in self.topics:
            self.queue.mark(topic)
        else:
            self._refused[topic] = "not followed; send it in topics"
        self.ready.set()

    def watch(self, ids: Iterable[int]) -> None:
        """Worker jobs whose rows it wants: all of them at once, then those that change."""
        self.watched = frozenset(ids)
        self.watch_version = _NEVER
        self._rows.clear()
        self._waiting.clear()
        self._hub.wake()

    def hide(self, is_hidden: bool) -> None:
        self.is_hidden = is_hidden
        self._hub.wake()

    def beat(self) -> None:
        """Let it know that the hub is alive."""
        self._beat_due = True
        self.ready.set()

    def take(self) -> str | None:
        """The next frame to be sent; None: nothing for now."""
        if (frame := self.queue.take()) is not None:
            return frame.text
        if (topic := self.queue.take_marked(self._hub.has_state)) is not None:
            return self._hub.snapshot(topic)
        if self._refused:
            name = next(iter(self._refused))
            return text_of(No(topic=name, reason=self._refused.pop(name)))
        if self._waiting:
            rows = list(self._waiting.values())
            self._waiting.clear()
            return text_of(Watched(now=self._hub.now(), rows=rows))
        if self._beat_due:
            self._beat_due = False
            return text_of(Beat(now=self._hub.now(), trouble=self._hub.trouble or UNSET))
        return None

    def offer(self, topic: str, frame: Frame) -> None:
        """Called by the hub."""
        if not self.queue.put(topic, frame):
            for name in self.topics:
                self.queue.mark(name)
        self.ready.set()

    def refuse(self, topic: str, reason: str) -> None:
        self.topics.pop(topic, None)
        if self.queue.is_marked(topic):
            self.queue.forget(topic)
        self._refused[topic] = reason
        self.ready.set()

    def see(self, rows: dict[int, LiveRow], encode: Callable[[LiveRow], Raw]) -> None:
        """Watched rows as they stand now."""
        for id_ in self.watched:
            row = rows.get(id_)
            if row is not None and self._rows.get(id_) != row:
                self._rows[id_] = row
                self._waiting[id_] = encode(row)
                self.ready.set()

    def close(self) -> None:
        self.closed.set()
        self.ready.set()

    def _join(self, name: str, seq: int | None) -> None:
        self.topics[name] = None
        self._refused.pop(name, None)
        topic = self._hub.topic(name)
        frames = None if seq is None else topic.since(seq)
        if frames is None:
            self.queue.mark(name)
        else:
            self.queue.replay(name, frames)
        self.ready.set()
        self._hub.wake()

    def _leave(self, name: str) -> None:
        del self.topics[name]
        self.queue.forget(name)
        self._hub.let_go(name)


class _Followed(Topic):
    """A topic, and when it was read."""

    version: Hashable = _NEVER
    whole_version: Hashable = _NEVER
    """That of the last read that left nothing out."""
    looked_at = float("-inf")
    nodes_at = float("-inf")
    idle_since = 0.0
    is_stale = True
    """Nobody followed it for a while: its state is to be read before it is shown."""


class TopicPlan(NamedTuple):
    topic: _Followed
    version: Hashable
    whole_version: Hashable
    known: Mapping[int, LiveRow]
    last: int
    is_new: bool
    has_nodes: bool


class Plan(NamedTuple):
    """What one tick reads."""

    topics: list[TopicPlan]
    watchers: list[tuple[Client, frozenset[int], Hashable]]

    def __bool__(self) -> bool:
        return bool(self.topics or self.watchers)


class TopicReading(NamedTuple):
    plan: TopicPlan
    rows: list[LiveRow] | None
    """None: as before."""
    lines: Sequence[LogEntry] = ()
    nodes: list[Node] | None = None


class Reading(NamedTuple):
    plan: Plan
    version: Hashable
    topics: list[TopicReading]
    watched: dict[int, LiveRow]


class Hub:
    """Start it in the event loop that serves the clients; stop it before their sockets are closed."""

    def __init__(
        self,
        source: LiveSource,
        clock: Clock,
        interval_s: float = TICK_S,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.epoch = uuid4().hex
        """Frames are numbered within it: another one means that the server was started again."""
        self.trouble = ""
        """Why nothing can be read now; empty when it can."""
        self.stopping = asyncio.Event()
        self._source = source
        self._clock = clock
        self._interval_s = interval_s
        self._monotonic = monotonic
        self._clients: dict[Client, None] = {}
        self._topics: dict[str, _Followed] = {}
        self._highest = 0
        self._woken = asyncio.Event()
        self._empty = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._threads: ThreadPoolExecutor | None = None
        self.reads = 0
        """How many ticks asked the source."""

    # for clients

    def connect(self, subscriptions: Iterable[Subscription] = (), *, epoch: str | None = None) -> Client:
        """``epoch``: that of the numbers in ``subscriptions``. To be given back with :meth:`disconnect`."""
        client = Client(self)
        self._clients[client] = None
        self._empty.clear()
        client.follow(subscriptions, resumes=epoch == self.epoch)
        if self.trouble:
            client.beat()
        if self.stopping.is_set():
            client.close()
        self.wake()
        return client

    def disconnect(self, client: Client) -> None:
        client.follow(())
        self._clients.pop(client, None)
        if not self._clients:
            self._empty.set()

    @property
    def clients(self) -> int:
        return len(self._clients)

    def now(self) -> datetime:
        return datetime.fromtimestamp(self._clock.now() / 1e6, UTC)

    def topic(self, name: str) -> Topic:
        """The topic, made if nobody has followed it of late."""
        if name not in self._topics:
            self._highest += 1
            self._topics[name] = _Followed(name, self._highest)
        return self._topics[name]

    def has_state(self, name: str) -> bool:
        return not self._topics[name].is_stale

    def snapshot(self, name: str) -> str:
        return self._topics[name].snapshot(self.now())

    def let_go(self, name: str) -> None:
        """A client follows it no more."""
        topic = self._topics.get(name)
        if topic is not None and not self._followers(name):
            topic.is_stale = True
            topic.idle_since = self._monotonic()
            self._forget_idle()

    def wake(self) -> None:
        """Somebody waits for a first read."""
        self._woken.set()

    # the loop

    async def start(self) -> None:
        self._threads = ThreadPoolExecutor(1, "quaero-live")
        self._task = asyncio.create_task(self._run(), name="live hub")

    async def stop(self) -> None:
        """Tells clients to leave, and waits for that and for a read that is under way. May be called twice."""
        self.stopping.set()
        self._woken.set()
        for client in self._clients:
            client.close()
        if self._clients:
            try:
                async with asyncio.timeout(LEAVE_S):
                    await self._empty.wait()
            except TimeoutError:
                log.info("live.clients_left_behind", clients=len(self._clients))
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=STOP_S)
            self._task.cancel()
            self._task = None
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)
            self._threads = None

    async def _run(self) -> None:
        due = self._monotonic()
        while not self.stopping.is_set():
            began = self._monotonic()
            if self._clients:
                is_whole = began >= due
                await self.tick(is_whole=is_whole)
                ended = self._monotonic()
                if is_whole:
                    # A store that is slow is left alone for as long as it took.
                    due = max(began + self._pace(), ended + (ended - began))
                await asyncio.sleep(SOONEST_S)
                await self._nap(due - self._monotonic())
            else:
                await self._nap(IDLE_TOPIC_S)
                self._forget_idle()

    async def _nap(self, seconds: float) -> None:
        """Until then, or until it is woken."""
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                await self._woken.wait()
        except TimeoutError:
            return
        finally:
            self._woken.clear()

    def _pace(self) -> float:
        if self.trouble:
            return SLOW_LOOK_S
        return HIDDEN_TICK_S if all(client.is_hidden for client in self._clients) else self._interval_s

    async def tick(self, *, is_whole: bool = True) -> None:
        """One look at the stores. Not ``is_whole``: only for what nobody has seen yet."""
        plan = self.plan(is_whole=is_whole)
        if not plan:
            return
        try:
            reading = await asyncio.get_running_loop().run_in_executor(self._threads, partial(self.read, plan))
        except StoreUnavailable as error:
            self._tell_trouble(str(error))
        except Exception:  # a defect in one read must not end the view of all
            log.exception("live.failed")
            self._tell_trouble("the live view can't read what runs are doing; the service log has the traceback")
        else:
            self._tell_trouble("")
            self.apply(reading)

    # one tick in three parts: in the loop, in a thread, in the loop

    def plan(self, *, is_whole: bool = True) -> Plan:
        now = self._monotonic()
        followed = {name for client in self._clients for name in client.topics}
        topics = []
        for name in followed:
            topic = self._topics[name]
            is_due = is_whole and not (topic.is_read and topic.is_over and now - topic.looked_at < SLOW_LOOK_S)
            if topic.is_stale or (is_due if topic.run_id is not None else is_whole):
                has_nodes = topic.run_id is None and now - topic.nodes_at >= SLOW_LOOK_S
                topics.append(
                    TopicPlan(
                        topic, topic.version, topic.whole_version, topic.rows, topic.last, not topic.is_read, has_nodes
                    )
                )
        watchers = [
            (client, client.watched, client.watch_version)
            for client in self._clients
            if client.watched and (is_whole or client.watch_version is _NEVER)
        ]
        return Plan(topics, watchers)

    def read(self, plan: Plan) -> Reading:
        """The version comes first: what is committed after it shows in the next one."""
        self.reads += 1
        version = self._source.version()
        topics = [self._read_topic(one, version) for one in plan.topics]
        ids = {id_ for _, watched, seen in plan.watchers if seen != version for id_ in watched}
        rows = self._source.rows(sorted(ids)) if ids else []
        return Reading(plan, version, topics, {row.id: row for row in rows})

    def _read_topic(self, plan: TopicPlan, version: Hashable) -> TopicReading:
        run_id = plan.topic.run_id
        if run_id is None:
            # Once a second, with the nodes, what has ended is read as well.
            is_whole = plan.has_nodes
            is_same = version == (plan.whole_version if is_whole else plan.version)
            rows = None if is_same else queue_rows(self._source, plan.known, is_whole=is_whole)
            return TopicReading(plan, rows, nodes=self._source.nodes() if plan.has_nodes else None)
        try:
            # The lines come last: a run that has ended by its row has no lines behind these.
            rows = None if version == plan.version else self._source.run_rows(run_id)
            is_run = rows is None or any(row.id == run_id and row.kind is JobKind.MANAGER for row in rows)
            return TopicReading(plan, rows, self._read_lines(run_id, plan) if is_run else ())
        except NotFound:
            return TopicReading(plan, [])

    def _read_lines(self, run_id: int, plan: TopicPlan) -> list[LogEntry]:
        newest = self._source.last_seq(run_id)
        if plan.is_new:
            return self._source.last_lines(run_id, SNAPSHOT_LINES) if newest else []
        if newest <= plan.last:
            return []
        return self._source.lines(run_id, max(plan.last, newest - FRAME_LINES), FRAME_LINES)

    def apply(self, reading: Reading) -> None:
        """Tell what was read to all who follow it."""
        now, at = self.now(), self._monotonic()
        for one in reading.topics:
            if self._topics.get(one.plan.topic.name) is one.plan.topic:
                self._apply_topic(one, reading.version, now, at)
        cache: dict[int, Raw] = {}
        for client, watched, seen in reading.plan.watchers:
            if client.watched is watched and seen != reading.version:
                client.watch_version = reading.version
                client.see(reading.watched, lambda row: cache.setdefault(row.id, encoded(row)))

    def _apply_topic(self, reading: TopicReading, version: Hashable, now: datetime, at: float) -> None:
        topic = reading.plan.topic
        topic.version, topic.looked_at = version, at
        if reading.nodes is not None:
            topic.nodes_at, topic.whole_version = at, version
        frame = None
        if topic.is_read:
            frame = topic.update(reading.rows, reading.lines, reading.nodes, now=now)
            self._highest = max(self._highest, topic.seq)
        else:
            topic.begin(reading.rows or (), reading.lines, reading.nodes)
        followers = self._followers(topic.name)
        was_stale, topic.is_stale = topic.is_stale, not followers
        for client in followers:
            if frame is not None:
                client.offer(topic.name, frame)
            if was_stale:
                client.ready.set()
        if topic.run_id is not None and (reason := _missing(topic, topic.run_id)):
            for client in followers:
                client.refuse(topic.name, reason)
            del self._topics[topic.name]

    def _followers(self, name: str) -> list[Client]:
        return [client for client in self._clients if name in client.topics]

    def _tell_trouble(self, trouble: str) -> None:
        if trouble == self.trouble:
            return
        if trouble:
            log.warning("live.in_trouble", trouble=trouble)
        self.trouble = trouble
        for client in self._clients:
            client.beat()

    def _forget_idle(self) -> None:
        followed = {name for client in self._clients for name in client.topics}
        idle = [topic for topic in self._topics.values() if topic.name not in followed]
        idle.sort(key=lambda topic: topic.idle_since, reverse=True)
        oldest, kept_bytes = self._monotonic() - IDLE_TOPIC_S, 0
        for place, topic in enumerate(idle):
            kept_bytes += topic.ring_bytes
            if topic.idle_since <= oldest or place >= IDLE_TOPICS or kept_bytes > RING_BYTES:
                del self._topics[topic.name]


def _missing(topic: Topic, run_id: int) -> str:
    """Why there is nothing to follow; empty when there is."""
    row = topic.rows.get(run_id)
    if row is None:
        return f"no job {run_id}"
    return "" if row.kind is JobKind.MANAGER else f"job {run_id} is a {row.kind}, not a run"
