"""Real processes over one database: start them, kill them, and look at what is left."""

from __future__ import annotations

import itertools
import os
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import psycopg

from quaero.app import App
from quaero.config import load
from quaero.errors import StoreUnavailable
from quaero.model.definition import JobDefinition, RetryPolicy, StepDefinition
from quaero.model.document import DocumentQuery
from quaero.model.log import LogEntry
from quaero.model.status import JobStatus
from quaero.queue.turn import Turn
from tests.chaos.server import OwnServer
from tests.waiting import wait_until

NODE = Path(__file__).with_name("node.py")
WORKED = "test_job.worked"
"""The line that a job writes."""


def generated(
    jobs: int,
    *,
    name: str = "chaos",
    lines: int = 2,
    delay_ms: float = 5,
    cpu_ms: float = 0,
    failure_rate: float = 0.0,
    retry: RetryPolicy | None = None,
) -> JobDefinition:
    """One step of jobs that log, take a while, and write one document each."""
    parameters = {
        "worker_count": jobs,
        "log_count": lines,
        "log_delay_ms": delay_ms,
        "cpu_ms": cpu_ms,
        "failure_rate": failure_rate,
        "child_count": 0,
        "recursion_depth": 0,
        "document": True,
    }
    step = StepDefinition(
        name="load", type="test_job_generator", position=0, parameters=parameters, retry=retry or RetryPolicy()
    )
    return JobDefinition(id=name, name=name, hash=f"{name}-{jobs}-{lines}-{delay_ms}", steps=(step,))


class Node:
    """A real ``quaero worker``, and what it said on standard error."""

    def __init__(self, name: str, command: list[str], environment: dict[str, str], told: Path) -> None:
        self.name = name
        self._told = told
        with told.open("wb") as output:
            self.process = subprocess.Popen(
                command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
            )

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def is_alive(self) -> bool:
        return self.process.poll() is None

    @property
    def story(self) -> str:
        return self._told.read_text(encoding="utf-8", errors="replace")

    def told(self, event: str) -> int:
        """How many lines tell of it."""
        return sum(event in line for line in self.story.splitlines())

    def at_work(self) -> None:
        """Returns when it has registered."""
        wait_until(lambda: "executes the runs" in self.story or not self.is_alive, 60)
        assert self.is_alive, self.story

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        self.process.wait(30)

    def leave(self) -> None:
        """Asked to end, it does so in order."""
        assert self.is_alive, self.story
        self.signal(signal.SIGTERM)
        assert self.process.wait(60) == 0, self.story


class Site:
    """One database, and nodes that work on it. Closed, none of them is left."""

    def __init__(self, root: Path, url: str = "") -> None:
        """``url``: of a PostgreSQL database; else it is a file, and all nodes share the data folder ``root``."""
        self.root = root
        self.url = url
        self.nodes: list[Node] = []
        self._numbers = itertools.count(1)
        self._settle_in(root, url)

    @property
    def url_name(self) -> str:
        """The database's name on its server."""
        return self.url.partition("?")[0].rpartition("/")[2]

    def close(self) -> None:
        for node in self.nodes:
            if node.is_alive:
                node.signal(signal.SIGCONT)
                node.kill()

    def _settle_in(self, folder: Path, url: str) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        if url:
            (folder / "quaero.toml").write_text(f'database = "{url}"\n', encoding="utf-8")
        return folder

    def node(self, *, url: str = "", host: str = "", ahead_s: float = 0, **settings: object) -> Node:
        """Starts one. ``settings``: of ``[engine]``, others as ``postgres__answer_seconds``.

        ``url``: the way by which it reaches the database; ``host`` and ``ahead_s``: the machine it believes to be on,
        and how far that one's wall clock is ahead.
        """
        name = f"node-{next(self._numbers)}"
        way = url or self.url
        # The server knows by that name whose session it is.
        own = f"{way}{'&' if '?' in way else '?'}application_name={name}"
        folder = self._settle_in(self.root / name, own) if self.url else self.root
        start = [str(NODE), host, str(ahead_s)] if host else ["-m", "quaero"]
        environment = {key: value for key, value in os.environ.items() if not key.startswith("QUAERO_")}
        for key, value in settings.items():
            section, _, rest = key.rpartition("__")
            environment[f"QUAERO_{section or 'engine'}_{rest}".upper()] = str(value)
        command = [sys.executable, *start, "worker", "--data", str(folder)]
        node = Node(name, command, environment, self.root / f"{name}.log")
        self.nodes.append(node)
        return node

    @contextmanager
    def app(self) -> Iterator[App]:
        app = App(load(self.root))
        try:
            yield app
        finally:
            app.close()

    def submit(self, definition: JobDefinition) -> int:
        """Create a run without executing anything."""
        with self.app() as app, app.store.transaction() as tx:
            turn = Turn(tx)
            run_id = app.dispatcher.execute(turn, definition, "", {})
            turn.settle(app.dispatcher.step_monitor.children_changed)
            turn.publish(0)
        return run_id

    # a look from outside

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Raises StoreUnavailable while there is no server."""
        try:
            if self.url:
                with psycopg.connect(self.url, autocommit=True, connect_timeout=5) as db:
                    return list(db.execute(sql.encode()).fetchall())
            with closing(sqlite3.connect(self.root / "quaero.db", timeout=10)) as db:
                return list(db.execute(sql).fetchall())
        except psycopg.OperationalError as error:
            raise StoreUnavailable(str(error)) from error

    def completed(self, run_id: int) -> int:
        """Jobs of the run that are done; -1 while there is no server."""
        with suppress(StoreUnavailable):
            return int(self.rows(f"SELECT completed FROM steps WHERE manager_id = {run_id}")[0][0])
        return -1

    def running(self, run_id: int) -> int:
        return int(self.rows(f"SELECT running FROM steps WHERE manager_id = {run_id}")[0][0])

    def is_over(self, run_id: int) -> bool:
        with suppress(StoreUnavailable):
            return bool(self.rows(f"SELECT 1 FROM jobs WHERE id = {run_id} AND status > 2"))
        return False

    def reaches(self, run_id: int, completed: int, timeout: float = 60) -> None:
        """Returns when so many of its jobs are done, or it is over."""
        self.until(lambda: self.completed(run_id) >= completed or self.is_over(run_id), timeout)

    def ends(self, run_id: int, timeout: float = 60) -> None:
        self.until(lambda: self.is_over(run_id), timeout)

    def until(self, predicate: Callable[[], object], timeout: float = 30) -> None:
        """Returns when it is true; where that does not happen, with what the nodes had to say."""
        try:
            wait_until(predicate, timeout)
        except AssertionError as error:
            for node in self.nodes:
                error.add_note(f"{node.name}, alive: {node.is_alive}\n{node.story[-4000:]}")
            raise

    def registered(self, node: Node) -> int:
        """Its process id in the store; 0 where it has none, or nobody can tell."""
        with suppress(StoreUnavailable):
            found = self.rows(f"SELECT id FROM processes WHERE pid = {node.pid}")
            return int(found[0][0]) if found else 0
        return 0

    # stopped processes

    def stop_between(self, node: Node) -> None:
        """SIGSTOP between two transactions: stopped inside one, it would keep locks that the others wait for."""
        self._stop_when(node, self._is_between if self.url else self._is_free)

    def stop_inside(self, node: Node) -> None:
        """SIGSTOP in the middle of a transaction that holds the root of a run (PostgreSQL): where it tells of progress.

        Its next event is held up, it is stopped while it waits for that, and then let through.
        """
        of_node = f"SELECT 1 FROM pg_stat_activity WHERE application_name = '{node.name}'"
        with psycopg.connect(self.url) as db:
            db.execute("LOCK TABLE events IN EXCLUSIVE MODE")
            self.until(
                lambda: self.rows(f"{of_node} AND wait_event_type = 'Lock' AND query LIKE 'INSERT INTO events%'")
            )
            node.signal(signal.SIGSTOP)
            db.rollback()
        self.until(lambda: self.rows(f"{of_node} AND state = 'idle in transaction'"))

    def _stop_when(self, node: Node, is_there: Callable[[Node], bool]) -> None:
        def stopped() -> bool:
            node.signal(signal.SIGSTOP)
            if is_there(node):
                return True
            node.signal(signal.SIGCONT)
            return False

        wait_until(stopped, 30)

    def _is_free(self, _: Node) -> bool:
        return all(_takes_the_lock(path) for path in [self.root / "quaero.db", *(self.root / "logs").glob("*.db")])

    def _is_between(self, node: Node) -> bool:
        return self._sessions(node) <= {"idle"}

    def _sessions(self, node: Node) -> set[str]:
        """What the server sees of it, once none of its statements runs any more."""
        sql = f"SELECT coalesce(state, '') FROM pg_stat_activity WHERE application_name = '{node.name}'"

        def seen() -> list[str]:
            states = [row[0] for row in self.rows(sql)]
            return [] if "active" in states else states

        return set(wait_until(seen, 30))


def _takes_the_lock(path: Path) -> bool:
    with closing(sqlite3.connect(path, timeout=0.1, isolation_level=None)) as db:
        try:
            db.execute("BEGIN IMMEDIATE")
            db.execute("ROLLBACK")
        except sqlite3.OperationalError:
            return False
        return True


@contextmanager
def own_site(server: OwnServer, root: Path) -> Iterator[Site]:
    """A database on a server that may be stopped."""
    site = Site(root, server.url(server.create()))
    try:
        yield site
    finally:
        site.close()


@dataclass
class Tally:
    """What happened to some nodes, and what was left. The last three must be 0."""

    jobs: int = 0
    kills: int = 0
    restarts: int = 0
    partitions: int = 0
    cuts: int = 0
    refused: int = 0
    rescued: int = 0
    conflicts: int = 0
    lost: int = 0
    doubled: int = 0
    drift: int = 0

    def __str__(self) -> str:
        return ", ".join(f"{name} {value}" for name, value in vars(self).items())


def check_all_done_once(site: Site, run_id: int, jobs: int, *, lines: int = 1) -> Tally:
    """Nothing lost, every effect once, every counter right, every step closed once."""
    with site.app() as app:
        run = app.store.get_job(run_id)
        assert run.status is JobStatus.COMPLETED, run
        [step] = app.store.steps(run_id)
        assert (step.total, step.completed, step.pending, step.waiting, step.running) == (jobs, jobs, 0, 0, 0)
        drifting, _ = app.store.drifting(step.id - 1, 1)
        tally = Tally(jobs=jobs, drift=len(drifting) + int(app.store.fact("drift") or 0))
        attempts = dict(site.rows(f"SELECT id, attempt FROM jobs WHERE manager_id = {run_id} AND kind = 2"))
        [(done, rescued)] = site.rows(
            f"SELECT count(*), sum(rescues) FROM jobs WHERE manager_id = {run_id} AND kind = 2 AND status = 3"
        )
        tally.lost += jobs - done
        tally.rescued = int(rescued)
        _check_documents(app, run_id, jobs, tally)
        _check_lines(app, run_id, step.id, attempts, lines, tally)
    closings = Counter(_closings(site, {run_id, step.id}))
    assert closings == {run_id: 1, step.id: 1}, f"ends of the run and its step: {closings}"
    assert (tally.lost, tally.doubled, tally.drift) == (0, 0, 0), tally
    return tally


def refusals(site: Site) -> int:
    """Late results that were refused, in all runs."""
    events = site.rows("SELECT data FROM events WHERE type = 'job.refused'")
    return sum(msgspec.json.decode(data)["count"] for (data,) in events)


def _closings(site: Site, ids: set[int]) -> Iterator[int]:
    """The ends of runs and steps, from the events, which commit with what they tell of."""
    wanted = ", ".join(map(str, ids))
    changes = f"SELECT job_id, data FROM events WHERE type IN ('job.status', 'step.status') AND job_id IN ({wanted})"
    for job_id, data in site.rows(changes):
        if JobStatus(msgspec.json.decode(data)["new"]).is_terminal:
            yield job_id


def _check_documents(app: App, run_id: int, jobs: int, tally: Tally) -> None:
    cursor: str | None = None
    seen: Counter[str] = Counter()
    while True:
        page, cursor = app.documents.list_documents(DocumentQuery(manager_id=run_id), limit=1000, cursor=cursor)
        tally.doubled += sum(document.revision != 1 for document in page)
        seen.update(document.source_id for document in page)
        if cursor is None:
            break
    tally.lost += jobs - len(seen)
    tally.doubled += seen.total() - len(seen)
    assert app.store.get_job(run_id).document_count == jobs


def _check_lines(app: App, run_id: int, step_id: int, attempts: dict[int, int], lines: int, tally: Tally) -> None:
    """Numbered without a hole; of each job's last attempt every line is there, and none of any attempt twice."""
    entries = list(log_lines(app, run_id))
    assert [entry.seq for entry in entries] == list(range(1, len(entries) + 1))
    of_step = [entry for entry in entries if entry.step_id == step_id]
    assert [entry.line for entry in of_step] == list(range(1, len(of_step) + 1))
    written = Counter((e.job_id, e.attempt, e.fields["number"]) for e in of_step if e.message == WORKED)
    tally.doubled += sum(count - 1 for count in written.values())
    wanted = ((job, attempt, n) for job, attempt in attempts.items() for n in range(1, lines + 1))
    tally.lost += sum(key not in written for key in wanted)
    # Lines commit before what they tell of: an interrupted closing has left one behind.
    assert any(entry.message == "step.completed" for entry in of_step)


def log_lines(app: App, run_id: int) -> Iterator[LogEntry]:
    day = app.store.run(run_id).log_day
    after: int | None = 0
    while after is not None:
        page = app.logs.query(run_id, day=day, after=after, limit=10_000)
        yield from page.items
        after = page.next
