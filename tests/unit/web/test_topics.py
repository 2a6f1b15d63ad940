"""Topics and client queues: what is told, in which frames, and what is given up when somebody can't keep up."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quaero.errors import BadData
from quaero.model.job import Counters
from quaero.model.log import LogEntry, LogLevel
from quaero.model.node import Node
from quaero.model.status import JobKind, JobStatus
from quaero.ports.views import LiveRow
from quaero.web.live.topics import (
    FRAME_LINES_BYTES,
    QUEUE_BYTES,
    QUEUE_FRAMES,
    RING_BYTES,
    RING_FRAMES,
    SNAPSHOT_LINES,
    ClientQueue,
    Frame,
    Subscription,
    Topic,
    parse_topics,
)
from tests.live_client import TopicView

NOW = datetime(2026, 3, 1, tzinfo=UTC)
LATER = NOW + timedelta(seconds=1)


def row(id_: int, done: int = 0) -> LiveRow:
    return LiveRow(
        id=id_,
        kind=JobKind.MANAGER,
        parent_id=None,
        manager_id=id_,
        name="run",
        worker_type=None,
        position=0,
        status=JobStatus.RUNNING,
        status_reason=None,
        has_errors=False,
        attempt=1,
        counters=Counters(total=9, completed=done),
        documents=0,
        message="",
        created_at=NOW,
        started_at=NOW,
        finished_at=None,
        available_at=None,
    )


def line(seq: int, message: str = "line") -> LogEntry:
    return LogEntry(
        seq=seq,
        line=seq,
        ts=NOW,
        level=LogLevel.INFO,
        message=message,
        manager_id=1,
        step_id=None,
        job_id=1,
        parent_id=None,
        step_name=None,
        worker_type=None,
        originator="manager",
        phase="run",
        attempt=1,
        fields={},
    )


def node(age_s: float = 0.0, *, is_alive: bool = True) -> Node:
    return Node(
        id=1,
        host="here",
        pid=2,
        version="1",
        protocol=1,
        slots=4,
        capabilities=[],
        key_version="",
        since=NOW,
        seen=NOW,
        age_s=age_s,
        alive=is_alive,
        draining=False,
        leader=True,
    )


def lines(first: int, last: int, message: str = "line") -> list[LogEntry]:
    return [line(seq, message) for seq in range(first, last + 1)]


def view(topic: Topic) -> TopicView:
    return TopicView(json.loads(topic.snapshot(NOW)))


def begun(*rows: LiveRow, name: str = "queue", seq: int = 1) -> Topic:
    topic = Topic(name, seq)
    topic.begin(rows)
    return topic


# topics

states = st.dictionaries(st.integers(1, 6), st.integers(0, 3), max_size=6)


@given(st.lists(states, min_size=1, max_size=20), st.data())
def test_frames_from_any_point_on_lead_to_the_same_state_as_a_snapshot(history, data):
    topic = begun(*[row(*item) for item in history[0].items()])
    views = [view(topic)]
    frames = 0
    for state in history[1:]:
        frame = topic.update([row(*item) for item in state.items()], now=NOW)
        assert (frame is None) == (view(topic).rows == views[-1].rows)
        if frame:
            frames += 1
            views.append(view(topic))
            assert frame.seq == topic.seq == views[0].seq + frames
    start = data.draw(st.sampled_from(views))

    for frame in topic.since(start.seq) or ():
        start.apply(json.loads(frame.text))

    assert (start.seq, start.rows) == (topic.seq, views[-1].rows)


def test_a_frame_holds_only_rows_that_changed_and_ids_that_are_gone():
    topic = begun(row(1), row(2), row(3))

    frame = topic.update([row(1), row(2, done=1), row(4)], now=NOW)

    told = json.loads(frame.text)
    assert [r["id"] for r in told["rows"]] == [2, 4]
    assert told["gone"] == [3]
    assert told["rows"][0]["counters"]["completed"] == 1
    assert (told["t"], told["topic"], told["seq"], told["now"]) == ("d", "queue", 2, "2026-03-01T00:00:00Z")
    assert told.keys() == {"t", "topic", "seq", "now", "rows", "gone"}
    assert told["rows"][0].keys() == {f.name for f in msgspec.structs.fields(LiveRow)}


def test_rows_that_were_not_read_are_not_gone():
    topic = begun(row(1))

    assert topic.update(None, now=NOW) is None
    assert topic.rows == {1: row(1)}


def test_nodes_are_told_when_more_than_their_age_has_changed():
    topic = begun()

    first = topic.update(None, nodes=[node(0.1)], now=NOW)
    older = topic.update(None, nodes=[node(0.3)], now=NOW)
    dead = topic.update(None, nodes=[node(9.0, is_alive=False)], now=NOW)

    assert first is not None
    assert older is None
    assert [n["alive"] for n in json.loads(dead.text)["nodes"]] == [False]


def test_a_snapshot_given_to_many_is_made_once_and_not_kept_for_long():
    topic = begun(row(1))
    first = topic.snapshot(NOW)

    assert topic.snapshot(NOW + timedelta(seconds=0.1)) is first
    assert json.loads(topic.snapshot(LATER))["now"] == "2026-03-01T00:00:01Z"
    topic.update([row(1, done=1)], now=LATER)
    assert json.loads(topic.snapshot(LATER))["seq"] == 2


def test_frames_that_are_not_all_there_any_more_are_not_replayed():
    topic = begun(row(1), seq=7)

    assert topic.since(7) == []
    assert topic.since(6) is None
    assert topic.since(8) is None
    for done in range(RING_FRAMES + 1):
        topic.update([row(1, done=done + 1)], now=NOW)
    assert topic.since(7) is None
    assert len(topic.since(8) or []) == RING_FRAMES
    assert Topic("queue", 1).since(1) is None


def test_the_ring_is_bounded_in_bytes_too():
    topic = begun(row(1), name="run.1")
    for seq in range(1, 30):
        topic.update(None, [line(seq, "é" * 400_000)], now=NOW)

    assert topic.ring_bytes <= RING_BYTES
    kept = topic.since(topic.seq - 5)
    assert kept is not None
    assert topic.since(2) is None


# lines


@given(st.lists(st.integers(0, 40), max_size=12), st.integers(0, 30))
def test_lines_are_told_without_a_gap_or_with_what_was_skipped(bursts, first):
    topic = Topic("run.1", 1)
    topic.begin([row(1)], lines(1, first))
    client = view(topic)
    last = first
    for burst in bursts:
        last += burst
        frame = topic.update(None, lines(max(last - burst, last - 15) + 1, last), now=NOW)
        assert (frame is None) == (burst == 0)
        if frame:
            client.apply(json.loads(frame.text))

    assert client.last == topic.last == last
    told = set(client.lines) | {n for a, b in client.skipped for n in range(a, b + 1)}
    assert told == set(range(1, last + 1))
    assert view(topic).lines == list(range(last - len(view(topic).lines) + 1, last + 1))


def test_lines_that_were_told_are_not_told_again():
    topic = begun(row(1), name="run.1")
    topic.update(None, lines(1, 3), now=NOW)

    frame = topic.update(None, lines(2, 5), now=NOW)

    assert [one["seq"] for one in json.loads(frame.text)["lines"]] == [4, 5]


def test_long_lines_are_skipped_rather_than_sent_in_a_frame_without_bounds():
    topic = begun(row(1), name="run.1")

    frame = topic.update(None, lines(1, 100, "x" * 60_000), now=NOW)

    assert frame.size < FRAME_LINES_BYTES * 1.1
    told = json.loads(frame.text)
    assert told["skipped"] == [1, told["lines"][0]["seq"] - 1]
    assert told["lines"][-1]["seq"] == 100


def test_one_line_longer_than_a_frame_should_be_is_told_all_the_same():
    topic = begun(row(1), name="run.1")

    frame = topic.update(None, [line(1, "x" * FRAME_LINES_BYTES)], now=NOW)

    assert len(json.loads(frame.text)["lines"]) == 1


def test_a_snapshot_holds_the_last_lines():
    topic = Topic("run.1", 1)
    topic.begin([row(1)], lines(1, SNAPSHOT_LINES))
    topic.update(None, lines(SNAPSHOT_LINES + 1, SNAPSHOT_LINES + 50), now=NOW)

    assert view(topic).lines == list(range(51, SNAPSHOT_LINES + 51))
    assert view(topic).last == SNAPSHOT_LINES + 50


# queues


def frame(seq: int, size: int = 10) -> Frame:
    return Frame(seq, "x" * size)


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("put"), st.sampled_from("ab"), st.sampled_from([10, QUEUE_BYTES // 10])),
            st.tuples(st.just("put_many"), st.sampled_from("ab"), st.integers(1, 60)),
            st.tuples(st.just("take"), st.just("a"), st.integers(1, 30)),
            st.tuples(st.just("mark"), st.sampled_from("ab"), st.just(0)),
        ),
        max_size=40,
    )
)
def test_a_queue_is_bounded_and_whoever_empties_it_sees_no_gap(actions):  # noqa: C901 - a small machine
    queue = ClientQueue()
    made = {"a": 0, "b": 0}
    seen = {"a": 0, "b": 0}
    owner: dict[str, str] = {}

    def put(topic: str, size: int) -> None:
        made[topic] += 1
        one = Frame(made[topic], f"{topic}{made[topic]}".ljust(size))
        owner[one.text] = topic
        if not queue.put(topic, one):
            queue.mark("a")
            queue.mark("b")
        assert queue.frames <= QUEUE_FRAMES
        assert queue.size_bytes <= QUEUE_BYTES

    def take() -> bool:
        if (marked := queue.take_marked(lambda topic: True)) is not None:
            seen[marked] = made[marked]
            return True
        if (got := queue.take()) is not None:
            topic = owner[got.text]
            assert got.seq == seen[topic] + 1
            seen[topic] = got.seq
            return True
        return False

    for action, topic, number in actions:
        match action:
            case "put":
                put(topic, number)
            case "put_many":
                for _ in range(number):
                    put(topic, 1)
            case "take":
                for _ in range(number):
                    take()
            case "mark":
                queue.mark(topic)
    while take():
        pass

    assert seen == made
    assert (queue.frames, queue.size_bytes) == (0, 0)


def test_a_full_queue_drops_all_it_has():
    queue = ClientQueue()
    for seq in range(1, QUEUE_FRAMES + 1):
        assert queue.put("queue", frame(seq))

    assert not queue.put("queue", frame(QUEUE_FRAMES + 1))
    assert queue.take() is None


def test_frames_of_the_ring_count_for_nothing_when_they_are_replayed():
    queue = ClientQueue()
    queue.replay("queue", [frame(seq, 100_000) for seq in range(1, 100)])

    assert queue.put("queue", frame(100))
    assert [queue.take().seq for _ in range(100)] == list(range(1, 101))


def test_a_topic_that_starts_over_needs_no_frames_until_its_snapshot_is_taken():
    queue = ClientQueue()
    queue.put("queue", frame(1))
    queue.put("run.1", frame(1))
    queue.mark("queue")
    queue.put("queue", frame(2))

    assert queue.take_marked(lambda topic: False) is None
    assert queue.frames == 1
    assert queue.take_marked(lambda topic: True) == "queue"
    queue.put("queue", frame(3))
    assert [queue.take().seq, queue.take().seq] == [1, 3]


# subscriptions


@given(
    st.dictionaries(
        st.one_of(st.just("queue"), st.integers(1, 2**59).map("run.{}".format)),
        st.none() | st.integers(0, 10**15 - 1),
        max_size=20,
    )
)
def test_topics_are_parsed_as_they_are_written(wanted):
    text = ",".join(name if seq is None else f"{name}:{seq}" for name, seq in wanted.items())

    assert parse_topics(text) == [Subscription(*item) for item in wanted.items()]


@pytest.mark.parametrize(
    "text",
    [
        ",",
        "queue,",
        "Queue",
        "run",
        "run.",
        "run.0",
        "run.01",
        "run.-1",
        "run.1.2",
        "run.٣",
        "run.1234567890123456789",
        "queue:",
        "queue:x",
        "queue:-1",
        "queue:1:2",
        "queue: 1",
        "queue:1234567890123456",
        "queue,queue:3",
        ",".join(f"run.{n}" for n in range(1, 22)),
    ],
)
def test_topics_that_are_none_are_refused_by_name(text):
    with pytest.raises(BadData, match="topics: "):
        parse_topics(text)


@given(st.text(max_size=60))
def test_no_text_breaks_the_parser(text):
    try:
        found = parse_topics(text)
    except BadData:
        return
    assert all(one.topic == "queue" or one.topic.startswith("run.") for one in found)
