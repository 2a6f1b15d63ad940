"""What one PostgreSQL carries: the cost of a million jobs, and how 1,000 nodes share one.

``python benchmarks/scaling.py [--json] [--jobs N] [--nodes N] [--seconds S] [--only cost,nodes]``

``cost`` inserts, claims and ends jobs through the engine's own transactions and reads off what they cost the server:
CPU time, write-ahead log, disk. ``nodes`` lets virtual nodes do what real ones do at the database: register, claim a
batch for their slots, end it some time later in the transaction that claims the next, renew their lease every five
seconds, rescue who has died. The protocol and the server are real; the nodes' handlers and networks are not there, so
their work is a wait. A few nodes die without a word, and a few answer after they were taken for dead.
"""

from __future__ import annotations

import argparse
import heapq
import json
import sys
import threading
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random
from statistics import quantiles
from time import monotonic, perf_counter
from typing import Any
from uuid import uuid4

import psycopg
from rich.console import Console
from rich.table import Table

import postgres_server
from quaero.errors import StoreConflict
from quaero.model.definition import JobDefinition, StepDefinition
from quaero.ports.jobs import ChildBatch, Held, ProcessRow
from quaero.queue.attempts import finish
from quaero.queue.claims import Demand, LaneLimits, claim
from quaero.queue.dispatcher import JobDispatcher
from quaero.queue.job_manager import Definitions, JobManager
from quaero.queue.leases import rescue_dead
from quaero.queue.turn import Turn
from quaero.storage.job_store import SqlJobStore
from quaero.storage.postgres import PostgresDatabase

CHUNK = 10_000
BATCH = 500
SLOTS = 16
LEASE_US = 20_000_000
RENEW_S = 5.0
CONNECTIONS = 24
TYPES = ("work",)
SETTINGS = {"shared_buffers": "512MB", "max_wal_size": "8GB", "max_connections": 200}


class Client:
    """One connection with the engine's rules around it."""

    def __init__(self, url: str) -> None:
        self.store = SqlJobStore(PostgresDatabase(url))
        self.jobs = JobManager()
        self.definitions = Definitions()
        self.dispatcher = JobDispatcher(self.jobs, self.definitions, Random(0))
        self.conflicts = 0

    def turn(self, work: Any) -> Any:
        while True:
            try:
                with self.store.transaction() as tx:
                    turn = Turn(tx)
                    answer = work(turn)
                    turn.settle(self.dispatcher.step_monitor.children_changed)
                    turn.publish(0)
            except StoreConflict:
                self.conflicts += 1
                self.dispatcher.rolled_back()
            else:
                return answer

    def limits_of(self, turn: Turn, step_id: int) -> LaneLimits:
        return LaneLimits("work")

    def filled(self, count: int, name: str = "run") -> int:
        """A run with one step of so many planned jobs."""
        definition = JobDefinition(
            id=name, name=name, hash=name, steps=(StepDefinition(name="work", position=0, type="work"),)
        )
        run_id = int(self.turn(lambda turn: self.dispatcher.execute(turn, definition, "", {})))
        me = self.register()
        [step] = self.turn(lambda turn: turn.tx.claim_steps(None, TYPES, 1, me))
        held = Held(step.id, step.attempt)
        self.turn(lambda turn: self.dispatcher.steps_claimed(turn, [step]))
        for first in range(0, count, CHUNK):
            numbers = range(first, min(first + CHUNK, count))
            batch = ChildBatch(
                keys=[f"{name}-{number}" for number in numbers],
                payloads=[json.dumps({"number": number}).encode() for number in numbers],
            )
            self.turn(lambda turn, batch=batch: self.dispatcher.expand(turn, held, batch))
        self.turn(lambda turn: self.dispatcher.seal(turn, held, planned=count, warnings=0, plan_hash=""))
        return run_id

    def register(self) -> int:
        # Every node on a host of its own: none looks at the others' pids.
        row = ProcessRow(0, "virtual", uuid4().hex, "none", 0, None, "0", SLOTS, "[]", 0, 0, 0, 0)
        return int(
            self.turn(lambda t: t.tx.add_process(row._replace(lease_until=t.tx.lease_now + LEASE_US, started_at=t.now)))
        )

    def close(self) -> None:
        self.store.close()


# the cost of jobs


def cost(url: str, jobs: int) -> dict[str, float]:
    """One connection, batches of 500: what a job costs the server from its insert to its end."""
    client = Client(url)
    figures: dict[str, float] = {"jobs": jobs}
    with psycopg.connect(url, autocommit=True) as db:
        meter = Meter(db)
        begun = perf_counter()
        run_id = client.filled(jobs)
        figures |= meter.read("insert", jobs, perf_counter() - begun)
        me = client.register()
        held: list[Any] = []
        begun = perf_counter()
        while True:
            haul = client.turn(partial(_exchange, client, me, held, BATCH))
            held = [(job.id, job.attempt, step_id) for step_id, found in haul.jobs for job in found]
            if not held:
                break
        figures |= meter.read("work", jobs, perf_counter() - begun)
        if not client.store.run(run_id).state.is_terminal:
            raise SystemExit("the run did not end")
        figures["disk_bytes"] = _value(db, _DISK) / jobs
    client.close()
    return figures


def _exchange(client: Client, me: int, done: list[Any], count: int, turn: Turn) -> Any:
    finish(turn, done, [], me, client.dispatcher.job_monitor.children_failed)
    return claim(turn, Demand(process_id=me, jobs=count, types=TYPES), client.limits_of)


_DISK = "SELECT sum(pg_total_relation_size(c.oid)) FROM pg_class c WHERE c.relname IN ('jobs', 'job_io')"
_WAL = "SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn"


class Meter:
    """What the server has used between two readings."""

    def __init__(self, db: psycopg.Connection[Any]) -> None:
        self._db = db
        self._postmaster = _postmaster(db)
        self._wal = _value(db, _WAL)
        self._cpu = self._cpu_s()

    def read(self, name: str, jobs: int, seconds: float) -> dict[str, float]:
        wal, cpu = _value(self._db, _WAL), self._cpu_s()
        figures = {f"{name}_per_s": jobs / seconds, f"{name}_wal_bytes": (wal - self._wal) / jobs}
        if self._postmaster:
            figures[f"{name}_server_cpu_us"] = (cpu - self._cpu) / jobs * 1e6
            figures[f"{name}_server_cores"] = (cpu - self._cpu) / seconds
        self._wal, self._cpu = wal, cpu
        return figures

    def _cpu_s(self) -> float:
        """Of the server's processes, those that have ended included; 0 where the server is on another machine."""
        import psutil

        if not self._postmaster:
            return 0.0
        server = psutil.Process(self._postmaster)
        total = 0.0
        for process in (server, *server.children(recursive=True)):
            try:
                times = process.cpu_times()
            except psutil.NoSuchProcess:
                continue
            total += times.user + times.system
            if process is server:
                total += times.children_user + times.children_system
        return total


def _postmaster(db: psycopg.Connection[Any]) -> int:
    try:
        text = Path(str(_value(db, "SHOW data_directory")), "postmaster.pid").read_text(encoding="ascii")
    except OSError:
        return 0
    return int(text.splitlines()[0])


def _value(db: psycopg.Connection[Any], query: str) -> Any:
    row = db.execute(query.encode()).fetchone()
    assert row is not None
    return row[0]


# many nodes


@dataclass
class Node:
    """A virtual node: what it holds, and when it next talks to the database."""

    process_id: int
    held: list[tuple[int, int, int]] = field(default_factory=list)
    renew_at: float = 0.0
    is_dead: bool = False
    wakes: bool = False
    """It is taken for dead, and answers all the same."""


@dataclass
class Tally:
    """What all connections have done together."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    turns: list[float] = field(default_factory=list)
    renewals: list[float] = field(default_factory=list)
    ended: Counter[int] = field(default_factory=Counter)
    refused: int = 0
    rescued: int = 0


def nodes(url: str, count: int, seconds: float, work_s: float, jobs: int) -> dict[str, float]:
    """``count`` nodes of 16 slots; every job takes ``work_s``. Runs until all jobs have ended, or the time is up."""
    starter = Client(url)
    for number in range(8):
        starter.filled(jobs // 8, f"run{number}")
    found = [Node(starter.register()) for _ in range(count)]
    random = Random(1)
    for node in random.sample(found, count // 50):
        node.is_dead = True
    for node in random.sample([n for n in found if n.is_dead], count // 100):
        node.wakes = True
    queue: list[tuple[float, int, Node]] = []
    now = monotonic()
    for place, node in enumerate(found):
        node.renew_at = now + random.uniform(0, RENEW_S)
        queue.append((now + random.uniform(0, min(work_s, 1.0)), place, node))
    heapq.heapify(queue)
    tally = Tally()
    stop = now + seconds
    condition = threading.Condition()
    threads = [
        threading.Thread(target=_serve, args=(Client(url), queue, condition, tally, stop, work_s), daemon=True)
        for _ in range(CONNECTIONS)
    ]
    with psycopg.connect(url, autocommit=True) as db:
        meter = Meter(db)
        begun = perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        elapsed = perf_counter() - begun
        done = sum(tally.ended.values())
        used = meter.read("nodes", max(done, 1), elapsed)
        drift, _ = starter.store.drifting(0, 100)
        doubled = sum(1 for times in tally.ended.values() if times > 1)
        lost = done - int(_value(db, "SELECT count(*) FROM jobs WHERE kind = 2 AND status = 3"))
    conflicts = sum(client.conflicts for client in _clients) + starter.conflicts
    starter.close()
    return used | {
        "nodes": count,
        "work_s": work_s,
        "jobs_ended": done,
        "turns_per_s": len(tally.turns) / elapsed,
        "turn_p50_ms": quantiles(tally.turns, n=100)[49] * 1000,
        "turn_p99_ms": quantiles(tally.turns, n=100)[98] * 1000,
        "renewals": len(tally.renewals),
        "renewal_p50_ms": quantiles(tally.renewals, n=100)[49] * 1000 if len(tally.renewals) > 1 else 0.0,
        "refused": tally.refused,
        "rescued": tally.rescued,
        "conflicts": conflicts,
        "ended_twice": doubled,
        "ended_not_stored": lost,
        "steps_with_drift": len(drift),
    }


_clients: list[Client] = []


def _serve(
    client: Client,
    queue: list[tuple[float, int, Node]],
    condition: threading.Condition,
    tally: Tally,
    stop: float,
    work_s: float,
) -> None:
    _clients.append(client)
    while True:
        with condition:
            if not queue or monotonic() >= stop:
                break
            due, place, node = heapq.heappop(queue)
        wait = due - monotonic()
        if wait > 0:
            threading.Event().wait(min(wait, max(0.0, stop - monotonic())))
        again = _act(client, node, tally, work_s)
        if again is not None:
            with condition:
                heapq.heappush(queue, (monotonic() + again, place, node))
    client.close()


def _act(client: Client, node: Node, tally: Tally, work_s: float) -> float | None:
    """One visit of a node to the database; seconds until its next, None when it has none."""
    if monotonic() >= node.renew_at:
        begun = perf_counter()
        rescued = client.turn(lambda turn: _renew(client, turn, node))
        with tally.lock:
            tally.renewals.append(perf_counter() - begun)
            tally.rescued += rescued
        node.renew_at = monotonic() + RENEW_S
    done = node.held
    begun = perf_counter()
    refused, haul = client.turn(lambda turn: _visit(client, turn, node, done))
    with tally.lock:
        tally.turns.append(perf_counter() - begun)
        tally.refused += refused
        if not refused:
            tally.ended.update(job for job, _, _ in done)
    node.held = [(job.id, job.attempt, step_id) for step_id, found in haul.jobs for job in found]
    if node.is_dead and node.held:
        if not node.wakes:
            return None
        node.is_dead = False
        return LEASE_US / 1e6 + 2 * RENEW_S
    return work_s if node.held else 1.0


def _renew(client: Client, turn: Turn, node: Node) -> int:
    processes = turn.tx.renew(node.process_id, turn.tx.lease_now + LEASE_US, False)
    return rescue_dead(
        turn,
        node.process_id,
        lambda process: None,
        client.limits_of,
        client.dispatcher.job_monitor.children_failed,
        processes,
    )


def _visit(client: Client, turn: Turn, node: Node, done: list[tuple[int, int, int]]) -> tuple[int, Any]:
    refused = finish(turn, done, [], node.process_id, client.dispatcher.job_monitor.children_failed)
    demand = Demand(process_id=node.process_id, jobs=SLOTS, types=TYPES)
    return refused, claim(turn, demand, client.limits_of)


# the table


def show(figures: dict[str, dict[str, float]]) -> None:
    console = Console(highlight=False)
    for name, found in figures.items():
        table = Table(title=name, title_justify="left")
        table.add_column("figure")
        table.add_column("value", justify="right")
        for key, value in found.items():
            table.add_row(key.replace("_", " "), f"{value:,.2f}" if value < 100 else f"{value:,.0f}")
        console.print(table)


def main() -> int:
    parser = argparse.ArgumentParser(description="What one PostgreSQL carries.")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--jobs", type=int, default=200_000)
    parser.add_argument("--nodes", type=int, default=1_000)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--only", default="cost,nodes,saturated")
    options = parser.parse_args()
    wanted = options.only.split(",")
    figures: dict[str, dict[str, float]] = {}
    try:
        with postgres_server.server(settings=SETTINGS) as server:
            if "cost" in wanted:
                with postgres_server.empty_database(server) as url:
                    figures["cost"] = cost(url, options.jobs)
            for name, work_s in (("nodes", 10.0), ("saturated", 0.0)):
                if name in wanted:
                    with postgres_server.empty_database(server) as url:
                        figures[name] = nodes(url, options.nodes, options.seconds, work_s, options.jobs)
    except postgres_server.PostgresUnavailable as error:
        print(error, file=sys.stderr)
        return 2
    show(figures)
    if options.json:
        print(json.dumps(figures, indent=2))
    bad = [
        f for f in figures.values() if f.get("ended_twice") or f.get("ended_not_stored") or f.get("steps_with_drift")
    ]
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
