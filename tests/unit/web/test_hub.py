"""The hub: whatever happens, and in whatever order, a client ends up with what the source says."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    precondition,
    rule,
)

from quaero.errors import NotFound, StoreUnavailable
from quaero.model.job import Counters
from quaero.model.log import LogEntry, LogLevel
from quaero.model.node import Node
from quaero.model.status import JobKind, JobStatus
from quaero.ports.views import LiveRow
from quaero.web.live import hub as hub_module
from quaero.web.live import topics as topics_module
from quaero.web.live.hub import Client, Hub, Plan, Reading
from quaero.web.live.topics import FRAME_LINES, QUEUE_FRAMES, parse_topics
from tests.live_client import LiveClient

NOW = datetime(2026, 3, 1, tzinfo=UTC)
STEPS = 2


class FakeSource:
    """Runs with steps and worker jobs in memory; ``calls`` names what was asked."""

    def __init__(self, newest: int = 100) -> None:
        self.jobs: dict[int, LiveRow] = {}
        self.last: dict[int, int] = {}
        self.calls: list[str] = []
        self.error: Exception | None = None
        self.node_seen = NOW
        self._newest = newest
        self._version = 0
        self._next = 1

    # changes

    def add(self, kind: JobKind, parent: int | None = None, manager: int | None = None) -> int:
        id_ = self._next
        self._next += 1
        self.jobs[id_] = LiveRow(
            id=id_,
            kind=kind,
            parent_id=parent,
            manager_id=manager or id_,
            name=f"{kind} {id_}",
            worker_type=None,
            position=0,
            status=JobStatus.RUNNING,
            status_reason=None,
            has_errors=False,
            attempt=1,
            counters=Counters(),
            documents=0,
            message="",
            created_at=NOW,
            started_at=NOW,
            finished_at=None,
            available_at=None,
        )
        self._version += 1
        return id_

    def start(self, jobs: int = 1) -> int:
        run = self.add(JobKind.MANAGER)
        for _ in range(STEPS):
            step = self.add(JobKind.STEP, run, run)
            for _ in range(jobs):
                self.add(JobKind.WORKER, step, run)
        self.last[run] = 0
        return run

    def change(self, job: int, **changes: Any) -> None:
        if job in self.jobs:
            self.jobs[job] = msgspec.structs.replace(self.jobs[job], **changes)
            self._version += 1

    def progress(self, job: int) -> None:
        if job in self.jobs:
            self.change(job, documents=self.jobs[job].documents + 1)

    def end(self, run: int) -> None:
        for row in [row for row in self.jobs.values() if row.manager_id == run]:
            self.change(row.id, status=JobStatus.COMPLETED, finished_at=NOW + timedelta(seconds=self._version))

    def delete(self, run: int) -> None:
        self.jobs = {id_: row for id_, row in self.jobs.items() if row.manager_id != run}
        self.last.pop(run, None)
        self._version += 1

    def log(self, run: int, count: int = 1) -> None:
        if run in self.last:
            self.last[run] += count

    # what there is

    def runs(self) -> list[int]:
        return [row.id for row in self.jobs.values() if row.kind is JobKind.MANAGER]

    def below(self, runs: set[int]) -> list[LiveRow]:
        return [row for row in self.jobs.values() if row.manager_id in runs and row.kind is not JobKind.WORKER]

    def newest(self) -> set[int]:
        return set(sorted(self.runs())[-self._newest :])

    def open(self) -> set[int]:
        return {run for run in self.runs() if not self.jobs[run].status.is_terminal}

    # LiveSource

    def _asked(self, name: str) -> None:
        self.calls.append(name)
        if self.error:
            raise self.error

    def version(self) -> int:
        self._asked("version")
        return self._version

    def open_runs(self, limit: int) -> list[int]:
        self._asked("open_runs")
        return sorted(self.open(), reverse=True)[:limit]

    def newest_runs(self, limit: int) -> list[int]:
        self._asked("newest_runs")
        return sorted(self.newest(), reverse=True)

    def rows_of_runs(self, run_ids: Any) -> list[LiveRow]:
        self._asked("rows_of_runs")
        return self.below(set(run_ids))

    def run_rows(self, run_id: int) -> list[LiveRow]:
        self._asked("run_rows")
        if run_id not in self.jobs:
            raise NotFound(f"no job {run_id}")
        return self.below({run_id}) or [self.jobs[run_id]]

    def rows(self, ids: Any) -> list[LiveRow]:
        self._asked("rows")
        assert list(ids) == sorted(set(ids))
        return [self.jobs[id_] for id_ in ids if id_ in self.jobs]

    def lines(self, run_id: int, after: int, limit: int) -> list[LogEntry]:
        self._asked("lines")
        if run_id not in self.last:
            raise NotFound(f"no run {run_id}")
        return [line(run_id, seq) for seq in range(after + 1, min(after + limit, self.last[run_id]) + 1)]

    def last_lines(self, run_id: int, limit: int) -> list[LogEntry]:
        self._asked("last_lines")
        last = self.last_seq(run_id)
        return [line(run_id, seq) for seq in range(max(0, last - limit) + 1, last + 1)]

    def last_seq(self, run_id: int) -> int:
        self._asked("last_seq")
        if run_id not in self.last:
            raise NotFound(f"no run {run_id}")
        return self.last[run_id]

    def nodes(self) -> list[Node]:
        self._asked("nodes")
        return [
            Node(
                id=1,
                host="here",
                pid=1,
                version="1",
                protocol=1,
                slots=1,
                capabilities=[],
                key_version="",
                since=NOW,
                seen=self.node_seen,
                age_s=float(len(self.calls)),
                alive=True,
                draining=False,
                leader=True,
            )
        ]


def line(run: int, seq: int) -> LogEntry:
    return LogEntry(
        seq=seq,
        line=seq,
        ts=NOW,
        level=LogLevel.INFO,
        message=f"line {seq}",
        manager_id=run,
        step_id=None,
        job_id=run,
        parent_id=None,
        step_name=None,
        worker_type=None,
        originator="manager",
        phase="run",
        attempt=1,
        fields={},
    )


class Time:
    """Stands still until it is moved; the hub's wall clock and its stopwatch."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> int:
        return int((NOW.timestamp() + self.seconds) * 1e6)

    def monotonic(self) -> float:
        return self.seconds


class Lab:
    """A hub without loop or threads, on a source in memory."""

    def __init__(self, source: FakeSource | None = None) -> None:
        self.source = source or FakeSource()
        self.time = Time()
        self.hub = self.make_hub()

    def make_hub(self) -> Hub:
        return Hub(self.source, self.time, monotonic=self.time.monotonic)

    def tick(self, seconds: float = 0.2, *, is_whole: bool = True) -> None:
        self.time.seconds += seconds
        if plan := self.hub.plan(is_whole=is_whole):
            self.hub.apply(self.hub.read(plan))

    def connect(self, topics: str, epoch: str | None = None) -> tuple[Client, LiveClient]:
        return self.hub.connect(parse_topics(topics), epoch=epoch), LiveClient()


def drain(client: Client, page: LiveClient) -> list[dict[str, Any]]:
    found = []
    while (text := client.take()) is not None:
        found.append(page.hear(text))
    return found


@pytest.fixture
def lab() -> Lab:
    return Lab()


# what is read


def test_without_a_client_nothing_is_read(lab):
    lab.source.start()
    lab.tick()
    client, _ = lab.connect("queue")
    lab.tick()
    lab.hub.disconnect(client)
    asked = len(lab.source.calls)

    lab.tick()

    assert len(lab.source.calls) == asked
    assert lab.hub.clients == 0


def test_where_nothing_was_committed_no_rows_are_read(lab):
    run = lab.source.start()
    client, page = lab.connect(f"queue,run.{run}")
    lab.tick()
    drain(client, page)
    lab.source.calls.clear()

    lab.tick()

    assert lab.source.calls == ["version", "last_seq"]
    assert drain(client, page) == []


def test_a_run_that_has_ended_and_nodes_are_looked_at_once_a_second(lab):
    run = lab.source.start()
    lab.source.end(run)
    lab.connect(f"queue,run.{run}")
    lab.tick()
    lab.source.calls.clear()

    for _ in range(8):
        lab.source.progress(run)
        lab.tick(0.25)

    assert lab.source.calls.count("version") == 8
    assert lab.source.calls.count("run_rows") == 2
    assert lab.source.calls.count("nodes") == 2


def test_a_partial_tick_reads_only_what_nobody_has_seen(lab):
    run = lab.source.start()
    first, first_page = lab.connect("queue")
    lab.tick()
    drain(first, first_page)
    lab.source.progress(run)
    second, second_page = lab.connect(f"queue,run.{run}")

    lab.tick(0.0, is_whole=False)

    assert drain(first, first_page) == []
    assert [frame["t"] for frame in drain(second, second_page)] == ["snap", "snap"]
    lab.tick()
    assert [frame["t"] for frame in drain(first, first_page)] == ["d"]


def test_one_read_answers_all_who_watch_and_each_gets_its_own(lab):
    lab.source.start(jobs=3)
    workers = [id_ for id_, row in lab.source.jobs.items() if row.kind is JobKind.WORKER]
    a, a_page = lab.connect("")
    b, b_page = lab.connect("")
    a.watch(workers[:4])
    b.watch(workers[2:])
    lab.tick()
    drain(a, a_page), drain(b, b_page)
    assert sorted(a_page.watched) == workers[:4]
    assert sorted(b_page.watched) == workers[2:]
    lab.source.calls.clear()

    lab.source.progress(workers[0])
    lab.source.progress(workers[3])
    lab.tick()

    assert lab.source.calls == ["version", "rows"]
    assert [[r["id"] for r in f["rows"]] for f in drain(a, a_page)] == [[workers[0], workers[3]]]
    assert [[r["id"] for r in f["rows"]] for f in drain(b, b_page)] == [[workers[3]]]
    lab.tick()
    assert lab.source.calls == ["version", "rows", "version"]


def test_all_watched_rows_come_right_after_watch(lab):
    lab.source.start(jobs=2)
    workers = [id_ for id_, row in lab.source.jobs.items() if row.kind is JobKind.WORKER]
    client, page = lab.connect("")
    client.watch(workers)
    lab.tick()
    drain(client, page)

    client.watch(workers[:1])
    lab.tick(0.0, is_whole=False)

    assert [[r["id"] for r in f["rows"]] for f in drain(client, page)] == [workers[:1]]


# runs


def test_the_end_of_a_run_is_told_even_when_it_is_not_among_the_newest():
    lab = Lab(FakeSource(newest=1))
    old, _ = lab.source.start(), lab.source.start()
    client, page = lab.connect("queue")
    lab.tick()
    drain(client, page)

    lab.source.end(old)
    lab.tick()
    drain(client, page)

    assert page.topics["queue"].rows[old]["status"] == "completed"
    assert page.topics["queue"].rows[old + 1]["status"] == "completed"
    lab.source.progress(old + 1)
    lab.tick()
    drain(client, page)
    assert old in page.topics["queue"].rows


def test_runs_that_ended_stay_in_view_up_to_a_number():
    lab = Lab(FakeSource(newest=1))
    runs = [lab.source.start() for _ in range(60)]
    client, page = lab.connect("queue")
    lab.tick()
    for run in runs:
        lab.source.end(run)
    lab.tick()
    lab.source.progress(runs[-1])
    lab.tick()
    drain(client, page)

    shown = [row["id"] for row in page.topics["queue"].rows.values() if row["kind"] == "manager"]
    assert sorted(shown) == runs[-51:]


def test_a_run_that_began_and_ended_between_two_ticks_is_told(lab):
    client, page = lab.connect("queue")
    lab.tick()
    drain(client, page)

    run = lab.source.start()
    lab.source.end(run)
    lab.tick()
    drain(client, page)

    assert page.topics["queue"].rows[run]["status"] == "completed"


def test_a_deleted_run_is_gone_from_the_queue_and_followed_no_more(lab):
    run, other = lab.source.start(), lab.source.start()
    client, page = lab.connect(f"queue,run.{run}")
    lab.tick()
    drain(client, page)

    lab.source.end(run)
    lab.source.delete(run)
    lab.tick()
    drain(client, page)

    assert page.refused == {f"run.{run}": f"no job {run}"}
    assert {row["manager_id"] for row in page.topics["queue"].rows.values()} == {other}
    assert list(client.topics) == ["queue"]


def test_a_topic_that_is_no_run_is_refused(lab):
    run = lab.source.start()
    client, page = lab.connect(f"run.999,run.{run + 1},run.{run}")
    lab.tick()
    drain(client, page)

    assert page.refused == {"run.999": "no job 999", f"run.{run + 1}": f"job {run + 1} is a step, not a run"}
    assert list(page.topics) == [f"run.{run}"]


# clients


def test_a_client_that_comes_back_gets_only_what_it_missed(lab):
    run = lab.source.start()
    client, page = lab.connect(f"queue,run.{run}")
    lab.tick()
    drain(client, page)
    lab.hub.disconnect(client)
    lab.source.progress(run)
    lab.source.log(run, 3)
    lab.tick()

    client = lab.hub.connect(parse_topics(page.resume), epoch=lab.hub.epoch)
    lab.tick()
    drain(client, page)

    assert page.kinds == {"snap": 2, "d": 2}
    assert page.topics[f"run.{run}"].lines == [1, 2, 3]


def test_a_client_of_an_earlier_server_gets_snapshots(lab):
    lab.source.start()
    lab.connect("queue")
    lab.tick()
    client, page = lab.connect("queue:1", epoch="earlier")

    assert [frame["t"] for frame in drain(client, page)] == ["snap"]


def test_a_topic_that_was_forgotten_meanwhile_is_not_mistaken_for_the_one_of_before(lab):
    run = lab.source.start()
    client, page = lab.connect("queue")
    for _ in range(4):
        lab.source.progress(run)
        lab.tick()
    drain(client, page)
    lab.hub.disconnect(client)
    lab.time.seconds += 100
    lab.hub._forget_idle()
    lab.connect("queue")
    for _ in range(8):
        lab.source.progress(run)
        lab.tick()

    client = lab.hub.connect(parse_topics(page.resume), epoch=lab.hub.epoch)
    drain(client, page)

    assert page.kinds["snap"] == 2
    assert page.topics["queue"].rows[run]["documents"] == 12


def test_what_was_read_for_those_who_left_meanwhile_is_not_shown_to_who_comes_later(lab):
    run = lab.source.start()
    client, _ = lab.connect("queue")
    plan = lab.hub.plan()
    reading = lab.hub.read(plan)
    lab.hub.disconnect(client)
    lab.hub.apply(reading)
    lab.source.progress(run)

    client, page = lab.connect("queue")
    assert drain(client, page) == []
    lab.tick()
    drain(client, page)
    assert page.topics["queue"].rows[run]["documents"] == 1


def test_a_reading_of_a_topic_that_was_forgotten_meanwhile_tells_nobody(lab):
    run = lab.source.start()
    client, _ = lab.connect("queue")
    plan = lab.hub.plan()
    reading = lab.hub.read(plan)
    lab.hub.disconnect(client)
    lab.time.seconds += 100
    lab.hub._forget_idle()
    client, page = lab.connect("queue")
    lab.source.progress(run)

    lab.hub.apply(reading)
    assert drain(client, page) == []
    lab.tick()
    drain(client, page)
    assert page.topics["queue"].rows[run]["documents"] == 1


def test_a_run_that_is_gone_when_nobody_follows_it_any_more_is_no_error(lab):
    run = lab.source.start()
    client, _ = lab.connect(f"run.{run}")
    plan = lab.hub.plan()
    lab.source.delete(run)
    reading = lab.hub.read(plan)
    lab.hub.disconnect(client)
    lab.time.seconds += 100
    lab.hub._forget_idle()

    lab.hub.apply(reading)

    assert not lab.hub._topics


def test_ids_that_are_watched_while_a_read_is_under_way_are_read_next(lab):
    lab.source.start(jobs=2)
    workers = [id_ for id_, row in lab.source.jobs.items() if row.kind is JobKind.WORKER]
    client, page = lab.connect("")
    client.watch(workers[:1])
    reading = lab.hub.read(lab.hub.plan())
    client.watch(workers[1:])

    lab.hub.apply(reading)
    lab.tick()
    drain(client, page)

    assert sorted(page.watched) == workers[1:]


def test_who_never_reads_gets_one_snapshot_for_each_topic_in_the_end(lab):
    run = lab.source.start()
    client, page = lab.connect(f"queue,run.{run}")
    lab.tick()
    drain(client, page)

    for _ in range(3 * QUEUE_FRAMES):
        lab.source.progress(run)
        lab.source.log(run, 1_000)
        lab.tick()
        assert client.queue.frames <= QUEUE_FRAMES
    frames = drain(client, page)

    assert [frame["t"] for frame in frames] == ["snap", "snap"]
    assert page.topics[f"run.{run}"].last == 3_000 * QUEUE_FRAMES


def test_a_backlog_that_is_dropped_starts_all_topics_over(lab):
    run = lab.source.start()
    client, page = lab.connect(f"queue,run.{run}")
    lab.tick()
    drain(client, page)

    for _ in range(QUEUE_FRAMES // 2 + 1):
        lab.source.progress(run)
        lab.tick()
    lab.source.progress(run)

    assert [frame["t"] for frame in drain(client, page)] == ["snap", "snap"]
    lab.tick()
    assert [frame["t"] for frame in drain(client, page)] == ["d", "d"]


def test_lines_beyond_what_a_frame_holds_are_skipped_and_said_to_be(lab):
    run = lab.source.start()
    client, page = lab.connect(f"run.{run}")
    lab.tick()
    drain(client, page)

    lab.source.log(run, 1_000)
    lab.tick()
    [frame] = drain(client, page)

    assert frame["skipped"] == [1, 1_000 - FRAME_LINES]
    assert [one["seq"] for one in frame["lines"]] == list(range(1_001 - FRAME_LINES, 1_001))


def test_resync_starts_one_topic_over(lab):
    run = lab.source.start()
    client, page = lab.connect(f"queue,run.{run}")
    lab.tick()
    drain(client, page)

    client.resync("queue")
    client.resync("run.77")

    assert [(f["t"], f["topic"]) for f in drain(client, page)] == [("snap", "queue"), ("no", "run.77")]


def test_other_topics_replace_those_before_and_a_known_one_stays(lab):
    run = lab.source.start()
    client, page = lab.connect("queue")
    lab.tick()
    drain(client, page)

    client.follow(parse_topics(f"queue,run.{run}"))
    lab.tick()
    assert [(f["t"], f["topic"]) for f in drain(client, page)] == [("snap", f"run.{run}")]
    client.follow(parse_topics(f"run.{run}"))
    lab.source.progress(run)
    lab.tick()

    assert [(f["t"], f["topic"]) for f in drain(client, page)] == [("d", f"run.{run}")]


def test_a_topic_left_and_taken_up_again_shows_no_old_state(lab):
    run = lab.source.start()
    client, page = lab.connect("queue")
    lab.tick()
    drain(client, page)
    client.follow([])
    lab.source.progress(run)

    client.follow(parse_topics("queue"))

    assert drain(client, page) == []
    lab.tick(0.0, is_whole=False)
    drain(client, page)
    assert page.topics["queue"].rows[run]["documents"] == 1


def test_topics_that_nobody_follows_are_forgotten_in_time(lab):
    runs = [lab.source.start() for _ in range(20)]
    client, _ = lab.connect(",".join(f"run.{run}" for run in runs))
    lab.tick()
    lab.hub.disconnect(client)

    assert len(lab.hub._topics) == hub_module.IDLE_TOPICS
    lab.time.seconds += hub_module.IDLE_TOPIC_S
    lab.hub._forget_idle()
    assert not lab.hub._topics


# the loop


def test_trouble_is_told_and_its_end_too_and_nobody_is_disconnected(lab):
    async def scenario() -> None:
        run = lab.source.start()
        client, page = lab.connect("queue")
        await lab.hub.tick()
        drain(client, page)

        lab.source.error = StoreUnavailable("the disk failed")
        lab.source.progress(run)
        await lab.hub.tick()
        await lab.hub.tick()
        assert [f["t"] for f in drain(client, page)] == ["beat"]
        assert page.trouble == "the disk failed"
        late, late_page = lab.connect("queue")
        drain(late, late_page)
        assert late_page.trouble == "the disk failed"

        lab.source.error = None
        await lab.hub.tick()
        assert [f["t"] for f in drain(client, page)] == ["d", "beat"]
        assert page.trouble is None

    asyncio.run(scenario())


def test_a_defect_in_a_read_does_not_end_the_view(lab):
    async def scenario() -> None:
        lab.source.start()
        client, page = lab.connect("queue")
        lab.source.error = ZeroDivisionError("broken")
        await lab.hub.tick()
        drain(client, page)
        assert "the service log" in (page.trouble or "")

        lab.source.error = None
        await lab.hub.tick()
        assert {f["t"] for f in drain(client, page)} == {"snap", "beat"}

    asyncio.run(scenario())


def test_the_loop_serves_who_comes_and_rests_when_nobody_is_there(lab):
    async def scenario() -> None:
        hub = Hub(lab.source, lab.time, 0.01)
        await hub.start()
        run = lab.source.start()
        client, page = hub.connect(parse_topics("queue")), LiveClient()
        async with asyncio.timeout(10):
            while not page.topics:
                await client.ready.wait()
                client.ready.clear()
                drain(client, page)
            lab.source.end(run)
            while page.topics["queue"].rows[run]["status"] != "completed":
                await client.ready.wait()
                client.ready.clear()
                drain(client, page)
        hub.disconnect(client)
        await hub.stop()
        await hub.stop()
        assert hub._task is None

    asyncio.run(scenario())


def test_stop_asks_clients_to_leave(lab):
    async def scenario() -> None:
        hub = Hub(lab.source, lab.time, 0.01)
        await hub.start()
        client = hub.connect()

        async def leave() -> None:
            await client.closed.wait()
            hub.disconnect(client)

        leaving = asyncio.create_task(leave())
        async with asyncio.timeout(10):
            await hub.stop()
            await leaving
        assert hub.connect().closed.is_set()

    asyncio.run(scenario())


def test_hidden_pages_are_served_at_a_slower_pace(lab):
    a, _ = lab.connect("queue")
    b, _ = lab.connect("queue")
    a.hide(True)
    assert lab.hub._pace() == pytest.approx(0.2)
    b.hide(True)
    assert lab.hub._pace() == pytest.approx(1.0)
    lab.hub.trouble = "none"
    assert lab.hub._pace() == pytest.approx(1.0)


# anything, in any order


class Page:
    """A page with its socket: what it knows outlives the connection."""

    def __init__(self) -> None:
        self.model = LiveClient()
        self.client: Client | None = None
        self.epoch = ""
        self.wanted: set[str] = set()
        self.watching: list[int] = []


class LiveMachine(RuleBasedStateMachine):
    """Changes, pages that come, go and sleep, reads that are under way meanwhile, outages, restarts."""

    runs = Bundle("runs")
    pages = Bundle("pages")

    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        # Small enough for a short history to reach them.
        self.patch.setattr(topics_module, "QUEUE_FRAMES", 3)
        self.patch.setattr(topics_module, "RING_FRAMES", 5)
        self.patch.setattr(topics_module, "SNAPSHOT_LINES", 8)
        self.patch.setattr(hub_module, "SNAPSHOT_LINES", 8)
        self.patch.setattr(hub_module, "FRAME_LINES", 5)
        self.patch.setattr(hub_module, "IDLE_TOPICS", 2)
        self.lab = Lab(FakeSource(newest=2))
        self.all_pages: list[Page] = []
        self.planned: Plan | None = None
        self.under_way: Reading | None = None

    def teardown(self) -> None:
        try:
            self.settle()
        finally:
            self.patch.undo()

    # changes

    @initialize(target=runs)
    def first_run(self) -> int:
        return self.lab.source.start()

    @rule(target=runs)
    def start(self) -> int:
        return self.lab.source.start()

    @rule(run=runs, which=st.integers(0, 4))
    def progress(self, run: int, which: int) -> None:
        self.lab.source.progress(run + which)

    @rule(run=runs, count=st.integers(1, 12))
    def log(self, run: int, count: int) -> None:
        self.lab.source.log(run, count)

    @rule(run=runs)
    def end(self, run: int) -> None:
        self.lab.source.end(run)

    @rule(run=consumes(runs))
    def delete(self, run: int) -> None:
        self.lab.source.end(run)
        self.lab.source.delete(run)

    @rule()
    def node_renews(self) -> None:
        self.lab.source.node_seen += timedelta(seconds=5)

    # pages

    @rule(target=pages)
    def open(self) -> Page:
        page = Page()
        self.all_pages.append(page)
        return page

    @rule(page=pages, run=runs, has_queue=st.booleans(), has_run=st.booleans())
    def connect(self, page: Page, run: int, has_queue: bool, has_run: bool) -> None:
        if page.client is not None:
            return
        page.wanted = ({"queue"} if has_queue else set()) | ({f"run.{run}"} if has_run else set())
        self.plug(page)

    @initialize(target=pages, run=runs)
    def first_page(self, run: int) -> Page:
        page = self.open()
        page.wanted = {"queue", f"run.{run}"}
        self.plug(page)
        return page

    @rule(page=pages)
    def come_back(self, page: Page) -> None:
        if page.client is None:
            self.plug(page)

    def plug(self, page: Page) -> None:
        known = page.model.topics = {name: v for name, v in page.model.topics.items() if name in page.wanted}
        page.model.refused.clear()
        text = ",".join(f"{name}:{known[name].seq}" if name in known else name for name in sorted(page.wanted))
        page.client = self.lab.hub.connect(parse_topics(text), epoch=page.epoch)
        if page.epoch != self.lab.hub.epoch:
            # As a page does at the hello: numbers of another server say nothing.
            page.epoch = self.lab.hub.epoch
            page.model.topics = {}
        if page.watching:
            page.client.watch(page.watching)

    @rule(page=pages)
    def disconnect(self, page: Page) -> None:
        if page.client is not None:
            self.lab.hub.disconnect(page.client)
            page.client = None

    @rule(page=pages, frames=st.integers(1, 5))
    def take_some(self, page: Page, frames: int) -> None:
        for _ in range(frames):
            if page.client is not None and (text := page.client.take()) is not None:
                page.model.hear(text)

    @rule(page=pages, run=runs, has_queue=st.booleans(), resumes=st.booleans())
    def follow(self, page: Page, run: int, has_queue: bool, resumes: bool) -> None:
        if page.client is None:
            return
        self.hear_all(page)
        wanted = {f"run.{run}"} | ({"queue"} if has_queue else set())
        kept = {name: view for name, view in page.model.topics.items() if resumes or name in page.client.topics}
        text = ",".join(f"{name}:{kept[name].seq}" if name in kept else name for name in sorted(wanted))
        page.client.follow(parse_topics(text))
        page.model.refused.clear()
        page.wanted = wanted

    @rule(page=pages)
    def resync(self, page: Page) -> None:
        for name in list(page.client.topics) if page.client else ():
            page.client.resync(name)

    @rule(page=pages, run=runs)
    def watch(self, page: Page, run: int) -> None:
        if page.client is not None:
            self.hear_all(page)
            page.model.watched.clear()
            page.watching = [run + 2, run + 4]
            page.client.watch(page.watching)

    # the hub

    @rule(run=runs, ticks=st.integers(2, 8), lines=st.sampled_from([0, 2]))
    def work(self, run: int, ticks: int, lines: int) -> None:
        """Enough for a page that sleeps to lose its backlog."""
        for _ in range(ticks if self.planned is None and self.under_way is None else 0):
            self.lab.source.progress(run)
            self.lab.source.log(run, lines)
            self.lab.tick()

    @rule(seconds=st.sampled_from([0.0, 0.2, 1.0, 70.0]), is_whole=st.booleans())
    def tick(self, seconds: float, is_whole: bool) -> None:
        if self.planned is None and self.under_way is None:
            self.lab.tick(seconds, is_whole=is_whole)

    @precondition(lambda self: self.planned is None and self.under_way is None)
    @rule(is_whole=st.booleans())
    def begin_tick(self, is_whole: bool) -> None:
        self.lab.time.seconds += 0.2
        self.planned = self.lab.hub.plan(is_whole=is_whole) or None

    @precondition(lambda self: self.planned is not None)
    @rule(fails=st.booleans())
    def read(self, fails: bool) -> None:
        assert self.planned is not None
        plan, self.planned = self.planned, None
        if not fails:
            self.under_way = self.lab.hub.read(plan)

    @precondition(lambda self: self.under_way is not None)
    @rule()
    def apply(self) -> None:
        assert self.under_way is not None
        reading, self.under_way = self.under_way, None
        self.lab.hub.apply(reading)

    @rule()
    def restart(self) -> None:
        self.planned = self.under_way = None
        for page in self.all_pages:
            page.client = None
        self.lab.hub = self.lab.make_hub()

    @invariant()
    def nothing_piles_up(self) -> None:
        for page in self.all_pages:
            if page.client is not None:
                assert page.client.queue.frames <= 3

    # the end

    def hear_all(self, page: Page) -> None:
        assert page.client is not None
        drain(page.client, page.model)

    def settle(self) -> None:
        """Everybody gets all there is, and it is what the source says."""
        if self.under_way is not None:
            self.lab.hub.apply(self.under_way)
        for page in self.all_pages:
            if page.client is None:
                self.plug(page)
        for _ in range(3):
            self.lab.tick(1.0)
        source = self.lab.source
        for page in self.all_pages:
            self.hear_all(page)
            for name in page.wanted:
                self.check(page, name)
            there = {id_ for id_ in page.watching if id_ in source.jobs}
            assert {id_ for id_ in page.model.watched if id_ in source.jobs} >= there
            for id_ in there:
                assert page.model.watched[id_] == as_json(source.jobs[id_])

    def check(self, page: Page, name: str) -> None:
        source = self.lab.source
        if name == "queue":
            rows = page.model.topics[name].rows
            assert all(as_json(source.jobs[id_]) == row for id_, row in rows.items())
            assert {row.id for row in source.below(source.open() | source.newest())} <= rows.keys()
            assert page.model.topics[name].nodes[0]["seen"] == as_json(source.node_seen)
            return
        run = int(name.removeprefix("run."))
        if run not in source.jobs:
            assert name in page.model.refused
            return
        view = page.model.topics[name]
        assert view.rows == {row.id: as_json(row) for row in source.below({run})}
        assert view.last == source.last[run]


def as_json(value: Any) -> Any:
    return msgspec.to_builtins(value)


TestLive = LiveMachine.TestCase
TestLive.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
