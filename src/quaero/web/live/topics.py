"""Topics: what a live view shows, told as numbered frames, and what each client still has to get. No I/O, no waiting.

A topic holds state, not events: a frame carries the latest value of every row that differs from what was told before.
Log lines are the one thing that is only ever appended.
"""

from __future__ import annotations

import re
import sys
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

import msgspec
from msgspec import UNSET, Raw, UnsetType

from quaero.errors import BadData
from quaero.model.log import LogEntry
from quaero.model.node import Node
from quaero.model.status import JobKind
from quaero.ports.views import LiveRow

QUEUE: Final = "queue"
RING_FRAMES: Final = 300
RING_BYTES: Final = 8 << 20
QUEUE_FRAMES: Final = 50
QUEUE_BYTES: Final = 4 << 20
SNAPSHOT_LINES: Final = 500
SNAPSHOT_LINES_BYTES: Final = 2 << 20
FRAME_LINES: Final = 200
FRAME_LINES_BYTES: Final = 1 << 20
MOST_TOPICS: Final = 20
SAME_SNAPSHOT: Final = timedelta(seconds=0.2)
"""So old a snapshot may be given to one more client: many come at once after a restart."""
_RUN = re.compile(r"run\.([1-9][0-9]{0,17})")
_SEQ = re.compile(r"[0-9]{1,15}")


class Subscription(NamedTuple):
    topic: str
    seq: int | None
    """The last frame of it that the client has."""


class Frame(NamedTuple):
    seq: int
    text: str

    @property
    def size(self) -> int:
        """Bytes of memory: a text with one emoji takes four for each of its characters."""
        return sys.getsizeof(self.text)


class Snapshot(msgspec.Struct, tag_field="t", tag="snap", kw_only=True):
    topic: str
    seq: int
    now: datetime
    rows: list[Raw]
    nodes: list[Node] | UnsetType = UNSET
    lines: list[Raw] | UnsetType = UNSET
    last: int | UnsetType = UNSET


class Delta(msgspec.Struct, tag_field="t", tag="d", kw_only=True):
    topic: str
    seq: int
    now: datetime
    rows: list[Raw]
    gone: list[int]
    nodes: list[Node] | UnsetType = UNSET
    lines: list[Raw] | UnsetType = UNSET
    skipped: tuple[int, int] | UnsetType = UNSET


class Watched(msgspec.Struct, tag_field="t", tag="w", kw_only=True):
    now: datetime
    rows: list[Raw]


class Beat(msgspec.Struct, tag_field="t", tag="beat", kw_only=True):
    now: datetime
    trouble: str | UnsetType = UNSET


class No(msgspec.Struct, tag_field="t", tag="no", kw_only=True):
    topic: str
    reason: str


class Hello(msgspec.Struct, tag_field="t", tag="hello", kw_only=True):
    v: int
    epoch: str
    version: str
    bundle: str
    now: datetime


# Values that JSON lacks don't get into stored lines; should one, it is shown as text.
_encode = msgspec.json.Encoder(enc_hook=str).encode


def text_of(message: Snapshot | Delta | Watched | Beat | No | Hello) -> str:
    return _encode(message).decode()


def encoded(row: LiveRow) -> Raw:
    return Raw(_encode(row))


def parse_topics(text: str) -> list[Subscription]:
    """``queue:SEQ,run.12:SEQ``, each ``:SEQ`` optional.

    Raises:
        BadData: anything else; names the part.
    """
    found: dict[str, Subscription] = {}
    for part in text.split(",") if text else ():
        name, colon, seq = part.partition(":")
        if name != QUEUE and not _RUN.fullmatch(name):
            raise BadData(f"topics: no topic is called {name[:40]!r}; write queue or run.ID")
        if colon and not _SEQ.fullmatch(seq):
            raise BadData(f"topics: {name}: not the number of a frame: {seq[:40]!r}")
        if name in found:
            raise BadData(f"topics: {name} stands twice")
        found[name] = Subscription(name, int(seq) if colon else None)
    if len(found) > MOST_TOPICS:
        raise BadData(f"topics: at most {MOST_TOPICS} at once")
    return list(found.values())


def run_of(topic: str) -> int | None:
    """The run that a topic is about; None: it is the queue."""
    return None if topic == QUEUE else int(topic.removeprefix("run."))


class Topic:
    """The state that was told last, and the frames that led there."""

    def __init__(self, name: str, seq: int) -> None:
        """``seq``: higher than that of any frame this topic ever had."""
        self.name = name
        self.seq = seq
        self.run_id = run_of(name)
        self.rows: Mapping[int, LiveRow] = {}
        """Never changed, only replaced: a thread may be reading it."""
        self.last = 0
        """The number of the last line told."""
        self.is_read = False
        self._encoded: dict[int, Raw] = {}
        self._nodes: list[Node] | None = None
        self._lines: deque[Raw] = deque()
        self._lines_bytes = 0
        self._ring: deque[Frame] = deque()
        self._ring_bytes = 0
        self._snapshot: tuple[datetime, str] | None = None

    @property
    def is_over(self) -> bool:
        """All that it shows has ended."""
        return all(row.status.is_terminal for row in self.rows.values() if row.kind is JobKind.MANAGER)

    @property
    def ring_bytes(self) -> int:
        return self._ring_bytes

    def begin(self, rows: Iterable[LiveRow], lines: Sequence[LogEntry] = (), nodes: list[Node] | None = None) -> None:
        """The state at the first read, of which there is no frame; ``lines``: the last ones, without a hole."""
        self._set_rows(rows)
        self._nodes = nodes
        self._add_lines(_fitting(lines, SNAPSHOT_LINES_BYTES))
        self.last = lines[-1].seq if lines else 0
        self.is_read = True

    def update(
        self,
        rows: Iterable[LiveRow] | None,
        lines: Sequence[LogEntry] = (),
        nodes: list[Node] | None = None,
        *,
        now: datetime,
    ) -> Frame | None:
        """Take over what was read (None: as before). The frame that tells of it, if anything is new.

        ``lines`` follow one another; those between the last one told and the first of them are skipped.
        """
        changed, gone = self._set_rows(rows) if rows is not None else ([], [])
        told = _fitting([line for line in lines if line.seq > self.last], FRAME_LINES_BYTES)
        is_news = nodes is not None and (self._nodes is None or _unaged(nodes) != _unaged(self._nodes))
        if not (changed or gone or told or is_news):
            return None
        delta = Delta(topic=self.name, seq=self.seq + 1, now=now, rows=changed, gone=gone)
        if is_news and nodes is not None:
            self._nodes = delta.nodes = nodes
        if self.run_id is not None:
            delta.lines = [raw for _, raw in told]
        if told:
            first = told[0][0]
            if first > self.last + 1:
                delta.skipped = (self.last + 1, first - 1)
                self._lines.clear()
                self._lines_bytes = 0
            self._add_lines(told)
            self.last = told[-1][0]
        return self._remember(delta)

    def snapshot(self, now: datetime) -> str:
        """All of it as one frame."""
        if self._snapshot is None or now - self._snapshot[0] > SAME_SNAPSHOT:
            made = Snapshot(topic=self.name, seq=self.seq, now=now, rows=list(self._encoded.values()))
            if self.run_id is None:
                made.nodes = self._nodes or []
            else:
                made.lines, made.last = list(self._lines), self.last
            self._snapshot = (now, text_of(made))
        return self._snapshot[1]

    def since(self, seq: int) -> list[Frame] | None:
        """The frames behind ``seq``; None where they are not all there any more."""
        if seq > self.seq or not self.is_read:
            return None
        missing = self.seq - seq
        if missing > len(self._ring):
            return None
        return list(self._ring)[len(self._ring) - missing :]

    def _set_rows(self, rows: Iterable[LiveRow]) -> tuple[list[Raw], list[int]]:
        old = self.rows
        new = {row.id: row for row in rows}
        changed = {id_: encoded(row) for id_, row in new.items() if old.get(id_) != row}
        gone = [id_ for id_ in old if id_ not in new]
        for id_ in gone:
            del self._encoded[id_]
        self._encoded |= changed
        self.rows = new
        return list(changed.values()), gone

    def _add_lines(self, lines: Iterable[tuple[int, Raw]]) -> None:
        for _, raw in lines:
            self._lines.append(raw)
            self._lines_bytes += len(raw)
        while len(self._lines) > SNAPSHOT_LINES or self._lines_bytes > SNAPSHOT_LINES_BYTES:
            self._lines_bytes -= len(self._lines.popleft())

    def _remember(self, delta: Delta) -> Frame:
        self.seq = delta.seq
        self._snapshot = None
        frame = Frame(delta.seq, text_of(delta))
        self._ring.append(frame)
        self._ring_bytes += frame.size
        while self._ring and (len(self._ring) > RING_FRAMES or self._ring_bytes > RING_BYTES):
            self._ring_bytes -= self._ring.popleft().size
        return frame


def _fitting(lines: Sequence[LogEntry], most: int) -> list[tuple[int, Raw]]:
    """The last lines that together fit into ``most`` bytes, one at least."""
    found: list[tuple[int, Raw]] = []
    room = most
    for line in reversed(lines):
        raw = Raw(_encode(line))
        room -= len(raw)
        if room < 0 and found:
            break
        found.append((line.seq, raw))
    return found[::-1]


def _unaged(nodes: list[Node]) -> list[Node]:
    """Nodes without what changes by itself: a client counts on from ``seen``."""
    return [msgspec.structs.replace(node, age_s=0.0) for node in nodes]


class _Queued(NamedTuple):
    topic: str
    frame: Frame
    is_replay: bool


class ClientQueue:
    """What one client still has to get: frames, or word that a topic starts over with a snapshot.

    A client that does not keep up loses its whole backlog and gets one snapshot for each topic, made when it is ready
    to take it: what waits for a slow reader is bounded. Replayed frames are not counted: the topic has them anyway.
    """

    def __init__(self) -> None:
        self._frames: deque[_Queued] = deque()
        self._marked: dict[str, None] = {}
        self._count = 0
        self._bytes = 0

    @property
    def frames(self) -> int:
        return self._count

    @property
    def size_bytes(self) -> int:
        return self._bytes

    def put(self, topic: str, frame: Frame) -> bool:
        """False: there was no room, and all that waited was dropped. A topic that starts over needs no frames."""
        if topic in self._marked:
            return True
        if self._count >= QUEUE_FRAMES or self._bytes + frame.size > QUEUE_BYTES:
            self._keep([])
            return False
        self._add(_Queued(topic, frame, is_replay=False))
        return True

    def replay(self, topic: str, frames: Iterable[Frame]) -> None:
        for frame in frames:
            self._add(_Queued(topic, frame, is_replay=True))

    def mark(self, topic: str) -> None:
        """It starts over: next comes a snapshot."""
        self.forget(topic)
        self._marked[topic] = None

    def is_marked(self, topic: str) -> bool:
        return topic in self._marked

    def forget(self, topic: str) -> None:
        self._marked.pop(topic, None)
        self._keep([queued for queued in self._frames if queued.topic != topic])

    def take_marked(self, is_ready: Callable[[str], bool]) -> str | None:
        """A topic whose snapshot is due; from now on its frames are queued again."""
        found = next((topic for topic in self._marked if is_ready(topic)), None)
        if found is not None:
            del self._marked[found]
        return found

    def take(self) -> Frame | None:
        if not self._frames:
            return None
        queued = self._frames.popleft()
        if not queued.is_replay:
            self._count -= 1
            self._bytes -= queued.frame.size
        return queued.frame

    def _add(self, queued: _Queued) -> None:
        self._frames.append(queued)
        if not queued.is_replay:
            self._count += 1
            self._bytes += queued.frame.size

    def _keep(self, queued: Iterable[_Queued]) -> None:
        kept = list(queued)
        self._frames.clear()
        self._count = self._bytes = 0
        for one in kept:
            self._add(one)
