"""Real processes over one data folder: start them, kill them, and look at what is left."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from quaero.app import App
from quaero.config import load
from quaero.model.definition import JobDefinition, StepDefinition
from quaero.model.document import DocumentQuery
from quaero.model.status import JobStatus
from quaero.queue.turn import Turn
from tests.waiting import wait_until


def generated(jobs: int, *, lines: int = 2, delay_ms: int = 5, cpu_ms: int = 0) -> JobDefinition:
    """One step of jobs that log, take a while, and write one document each."""
    parameters = {
        "worker_count": jobs,
        "log_count": lines,
        "log_delay_ms": delay_ms,
        "cpu_ms": cpu_ms,
        "failure_rate": 0.0,
        "child_count": 0,
        "recursion_depth": 0,
        "document": True,
    }
    step = StepDefinition(name="load", type="test_job_generator", position=0, parameters=parameters)
    return JobDefinition(id="chaos", name="Chaos", hash=f"chaos-{jobs}-{lines}", steps=(step,))


@contextmanager
def lab(folder: Path) -> Iterator[App]:
    app = App(load(folder))
    try:
        yield app
    finally:
        app.close()


def submit(app: App, definition: JobDefinition) -> int:
    """Create a run without executing anything."""
    with app.store.transaction() as tx:
        turn = Turn(tx)
        run_id = app.dispatcher.execute(turn, definition, "", {})
        turn.settle(app.dispatcher.step_monitor.children_changed)
        turn.publish(0)
    return run_id


def worker(folder: Path, **settings: object) -> subprocess.Popen[bytes]:
    """A real ``quaero worker``; ``settings`` are those of ``[engine]``."""
    environment = {**os.environ, **{f"QUAERO_ENGINE_{k.upper()}": str(v) for k, v in settings.items()}}
    command = [sys.executable, "-m", "quaero", "worker", "--data", str(folder)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def kill(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGKILL)
    process.wait(30)


def stop(process: subprocess.Popen[bytes], folder: Path) -> None:
    """SIGSTOP between two transactions: stopped inside one, it would keep the lock that the others wait for."""

    def is_free(path: Path) -> bool:
        with closing(sqlite3.connect(path, timeout=0.1, isolation_level=None)) as db:
            try:
                db.execute("BEGIN IMMEDIATE")
                db.execute("ROLLBACK")
            except sqlite3.OperationalError:
                return False
            return True

    def stopped() -> bool:
        process.send_signal(signal.SIGSTOP)
        if all(is_free(path) for path in [folder / "quaero.db", *(folder / "logs").glob("*.db")]):
            return True
        process.send_signal(signal.SIGCONT)
        return False

    wait_until(stopped, 30)


def is_over(app: App, run_id: int) -> bool:
    return app.store.run(run_id).state.is_terminal


def check_all_done_once(app: App, run_id: int, jobs: int) -> None:
    """Nothing lost, every effect once, every counter right, every step closed once."""
    run = app.store.get_job(run_id)
    assert run.status is JobStatus.COMPLETED, run
    [step] = app.store.steps(run_id)
    assert (step.total, step.completed, step.pending, step.running) == (jobs, jobs, 0, 0)
    assert app.store.drifting(0, 100) == ([], 0)

    cursor: str | None = None
    seen = 0
    while True:
        page, cursor = app.documents.list_documents(DocumentQuery(manager_id=run_id), limit=1000, cursor=cursor)
        assert all(document.revision == 1 for document in page)
        seen += len(page)
        if cursor is None:
            break
    assert seen == jobs
    assert run.document_count == jobs

    day = app.store.run(run_id).log_day
    after, lines, closings = 0, [], 0
    while True:
        log = app.logs.query(run_id, day=day, after=after, limit=10_000)
        lines += [entry.line for entry in log.items if entry.step_id == step.id]
        closings += sum(entry.message == "step.completed" for entry in log.items)
        if log.next is None:
            break
        after = log.next
    assert lines == list(range(1, len(lines) + 1))
    assert closings == 1
