"""Several nodes over one store, interleaved by a seed, with everything that can go wrong between two commits.

A node that dies forgets what it knew; one that stalls does not know that others took it for dead; wall clocks jump;
wake-ups get lost or come twice. In the end nothing is lost, doubled or left open. Runs on every backend.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from quaero.errors import PermanentError, StaleClaim
from quaero.model.definition import ErrorTolerance, JobDefinition, Limits, RetryPolicy
from quaero.model.document import draft
from quaero.ports.jobs import Child, Held
from quaero.queue import job_manager
from quaero.queue.attempts import Ended
from quaero.queue.dispatcher import JobDispatcher
from quaero.queue.job_manager import Definitions, JobManager
from quaero.queue.upkeep import mend
from tests.engine_kit import BACKENDS, LEASE_S, SECOND, Job, Lab, define, spawned, step

DEATHS = 8
"""Fewer than it takes to fail a job for its lost leases."""
CHUNK = 3
DEFINITIONS: tuple[JobDefinition, ...] = (
    define("crawl", step("a", retry=RetryPolicy(max_attempts=3, backoff=1)), step("b", "a"), step("c", "a")),
    define("capped", step("a", worker_type="capped", limits=Limits(concurrency=3)), step("b", "a", always_run=True)),
    define(
        "keyed",
        step("a", worker_type="keyed", limits=Limits(concurrency=1, key="{payload.key}"), on_error="fail"),
        step("b"),
        overlap="allow",
    ),
    define(
        "strict",
        step("a", retry=RetryPolicy(max_attempts=2, backoff=1)),
        step("b", "a"),
        tolerance=ErrorTolerance(max_child_failures=2, failure_action="stop_all"),
    ),
)
KINDS = ("plain", "plain", "page", "page", "spawn", "flaky", "snooze", "broken")


class Crash(Exception):
    """Everything stops just before the commit."""


class Script:
    """What each job does, by its key alone: so that the end is known before it begins."""

    def keys(self, step_name: str) -> list[str]:
        return [f"{step_name}{n}" for n in range(7 if step_name == "a" else 4)]

    def kind(self, key: str) -> str:
        return "page" if "." in key else KINDS[int(key[1:]) if key[0] == "a" else int(key[1:]) % 4]

    def expected(self, definition: JobDefinition, step_name: str) -> dict[str, str]:
        """The status each key has in the end."""
        keys = self.keys(step_name)
        keys += [f"{key}.{n}" for key in keys if self.kind(key) == "spawn" for n in range(3)]
        retries = definition.step(step_name).retry.max_attempts > 1
        fails = {"broken"} if retries else {"broken", "flaky"}
        return {key: "failed" if self.kind(key) in fails else "completed" for key in keys}

    def has_page(self, key: str) -> bool:
        return self.kind(key) in {"page", "spawn", "flaky"}


class Node:
    """A process: what it holds and knows, all of which dies with it."""

    def __init__(self, lab: Lab, number: int) -> None:
        self.number = number
        self.process = lab.process()
        self.jobs = JobManager()
        self.definitions = Definitions()
        self.dispatcher = JobDispatcher(self.jobs, self.definitions, lab.random)
        self.stopped: set[int] = set()
        self.held: list[Job] = []
        self.plan: tuple[Held, str, int] | None = None
        self.stalled_until = 0


class World:
    """The store, its nodes, and the scheduler that a seed drives."""

    def __init__(self, backend: str, folder: Path, seed: int) -> None:
        self.random = Random(seed)
        self.lab = Lab(backend, folder, seed=seed)
        with self.lab.turn() as turn:
            turn.tx.remove_process(self.lab.me)
        self.script = Script()
        self.nodes = [Node(self.lab, n) for n in range(self.random.choice((3, 4)))]
        self.gone: set[int] = set()
        """Processes whose death can be seen by their pid; others are only found by their lease."""
        self.deaths = 0
        self.tick = 0
        self.latest = 0
        self.faults = True
        self.cancelled: set[int] = set()
        self.runs: dict[int, JobDefinition] = {}
        self.lost_answers = 0

    def become(self, node: Node) -> None:
        """The lab acts as this node."""
        lab = self.lab
        lab.me, lab.jobs, lab.dispatcher, lab.definitions = node.process, node.jobs, node.dispatcher, node.definitions
        lab.stopped = node.stopped

    # the scheduler

    def play(self) -> None:
        self.become(self.nodes[0])
        for definition in self.random.sample(DEFINITIONS, self.random.choice((1, 2, 3))):
            self.runs[self.lab.start(definition)] = definition
        for _ in range(self.random.randrange(60, 160)):
            self.step()
        self.faults = False
        # What a clock set back put off is due now.
        self.lab.clock.time = max(self.latest, self.lab.clock.time) + 3_600 * SECOND
        for run_id in self.runs:
            if not self.lab.run(run_id).state.is_terminal:
                self.lab.resume(run_id)
        for _ in range(400):
            if all(self.lab.run(run_id).state.is_terminal for run_id in self.runs):
                break
            for node in self.nodes:
                for act in (self.renew, self.look, self.make_plan, self.make_plan, self.work, self.sweep):
                    self.act(node, act)
            self.pass_time(5)
        for node in self.nodes:
            self.act(node, self.renew)
            self.act(node, self.work)

    def step(self) -> None:
        self.tick += 1
        node = self.random.choice(self.nodes)
        if node.stalled_until > self.tick:
            return
        roll = self.random.random()
        if roll < 0.06:
            self.pass_time(self.random.choice((1, 5, LEASE_S + 1)))
        elif roll < 0.09:
            # A wall clock is set, by any odd amount around an hour.
            self.latest = max(self.latest, self.lab.clock.time)
            self.lab.clock.time += self.random.choice((-1, 1)) * self.random.randrange(3_599_000_000, 3_601_000_000)
        elif roll < 0.12:
            node.stalled_until = self.tick + self.random.randrange(5, 40)
        elif roll < 0.15:
            self.command(node)
        else:
            acts = (self.renew, self.look, self.look, self.make_plan, self.work, self.work, self.sweep, self.audit)
            self.act(node, self.random.choice(acts))

    def pass_time(self, seconds: float) -> None:
        """On both clocks. Who can renew does so in time; who stalls does not."""
        for _ in range(max(1, int(seconds // 5))):
            self.lab.lease_clock.advance(min(seconds, 5))
            self.lab.clock.advance(min(seconds, 5))
            for node in self.nodes:
                if node.stalled_until <= self.tick and (not self.faults or self.random.random() < 0.9):
                    self.act(node, self.renew)

    def act(self, node: Node, what: Callable[[Node], None]) -> None:
        """One protocol step of a node, which may die in the middle of it or right after."""
        self.become(node)
        roll = self.random.random() if self.faults and self.deaths < DEATHS else 1.0
        if roll < 0.04:
            self.lab.before_commit = self.crash
        try:
            what(node)
        except Crash:
            if self.random.random() < 0.5:
                self.die(node)
            return
        finally:
            self.lab.before_commit = lambda: None
        if roll > 0.96 and roll < 1.0:
            self.die(node)

    def crash(self) -> None:
        raise Crash

    def die(self, node: Node) -> None:
        """It forgets everything; another begins in its place."""
        self.deaths += 1
        if self.random.random() < 0.5:
            self.gone.add(node.process)
        self.nodes[node.number] = Node(self.lab, node.number)
        self.act(self.nodes[node.number], self.renew)

    # what a node does

    def renew(self, node: Node) -> None:
        if self.lab.renew(node.process):
            self.lab.rescue(node.process, dead=self.gone)
            return
        # It was taken for dead. What it holds is not its own any more, but its outcomes may be on their way.
        node.process = self.lab.process()
        if self.random.random() < 0.5:
            node.held, node.plan = [], None

    def look(self, node: Node) -> None:
        if self.faults and self.random.random() < 0.2:
            return
        self.lab.due()
        node.held += self.lab.claim(self.random.choice((1, 2, 5, 10)), node.process)

    def make_plan(self, node: Node) -> None:
        if node.plan is None:
            for claimed in self.lab.claim_steps(1, node.process):
                node.plan = Held(claimed.id, claimed.attempt), self.lab.store.step(claimed.id).name, 0
            return
        held, name, done = node.plan
        keys = self.script.keys(name)
        try:
            if done < len(keys):
                self.lab.expand(held, self.children(held.id, keys[done : done + CHUNK]))
                node.plan = held, name, done + CHUNK
            else:
                self.lab.seal(held, len(keys))
                node.plan = None
        except StaleClaim:
            node.plan = None
            with self.lab.turn() as turn:
                node.dispatcher.planning_stopped(turn, held)

    def children(self, step_id: int, keys: list[str]) -> list[Child]:
        keyed = self.lab.store.step(step_id).worker_type == "keyed"
        return [Child(key, limit_key=f"host{len(key) + ord(key[-1]) % 2}" if keyed else None) for key in keys]

    def work(self, node: Node) -> None:
        """Hand over some outcomes, maybe twice: the answer to the first time may have been lost."""
        batch = node.held[: self.random.choice((1, 3, 100))]
        ended = [self.outcome(job) for job in batch]
        plain = [job for job, end in zip(batch, ended, strict=True) if end is None]
        rich = [end for end in ended if end is not None]
        self.lab.finish(*rich, done=plain)
        if self.faults and self.random.random() < 0.1:
            self.lost_answers += 1
            again = self.lab.finish(*[self.outcome(job) or self.lab.end(job) for job in batch])
            assert again == len(batch), "no outcome counts twice"
        node.held = node.held[len(batch) :]

    def outcome(self, job: Job) -> Ended | None:
        kind = self.script.kind(job.key)
        if kind == "broken":
            return self.lab.failure(job, PermanentError("broken"))
        if kind == "flaky" and job.failures == 0:
            return self.lab.failure(job)
        if kind == "snooze" and job.attempt == 1:
            return self.lab.end(job, "snoozed", delay_us=SECOND)
        if kind == "plain" and not self.lab.end(job).limiter:
            return None
        end = self.lab.end(job)
        if self.script.has_page(job.key):
            content = f"made by attempt {job.attempt} of {job.id}"
            page = draft("page", f"{job.manager_id}/{job.key}", title=job.key, content=content)
            end.documents = self.lab.documents(job, page)
        if kind == "spawn":
            end.children = spawned(job, *[f"{job.key}.{n}" for n in range(3)])
            if job.limit_key:
                end.children.rows = [row._replace(limit_key=job.limit_key) for row in end.children.rows]
        return end

    def sweep(self, node: Node) -> None:
        for run_id in sorted(node.stopped):
            if not self.lab.sweep_chunk(run_id):
                node.stopped.discard(run_id)

    def audit(self, node: Node) -> None:
        suspected, _ = self.lab.store.drifting(0, 100)
        assert not suspected, "the auditor never finds anything"
        with self.lab.turn() as turn:
            mend(turn, suspected)

    def command(self, node: Node) -> None:
        """Somebody pauses, resumes or (seldom) cancels a run."""
        self.become(node)
        run_id = self.random.choice(sorted(self.runs))
        if self.lab.run(run_id).state.is_terminal:
            return
        what: Any = self.random.choice((self.lab.pause, self.lab.resume, self.lab.resume, self.lab.cancel))
        if what == self.lab.cancel:
            if self.random.random() < 0.7:
                return
            self.cancelled.add(run_id)
        what(run_id)

    # the end

    def verify(self) -> None:
        lab = self.lab
        lab.check()
        for run_id, definition in self.runs.items():
            run = lab.run(run_id)
            assert run.state.is_terminal, f"run {run_id} never ended: {lab.statuses(run_id)}"
            if run.stop_reason is None:
                self.verify_run(run_id, definition)
            else:
                assert run_id in self.cancelled or definition.id == "strict"
        ended = {job for run_id in self.runs for job in (run_id, *(s.id for s in lab.store.steps(run_id)))}
        assert lab.endings == dict.fromkeys(ended, 1)
        assert lab.rows("SELECT count(*) FROM jobs WHERE claimed_by IS NOT NULL") == [(0,)]
        assert lab.slots_in_use() == {}
        assert lab.store.fact("drift") is None
        self.verify_documents()

    def verify_run(self, run_id: int, definition: JobDefinition) -> None:
        for name, row in self.lab.steps(run_id).items():
            shown = {key: str(job.status) for key, job in self.lab.jobs_of(run_id, name).items()}
            assert shown == ({} if str(row.state.status) == "skipped" else self.script.expected(definition, name))
            counted = Counter(shown.values())
            assert (row.total, row.completed, row.failed) == (len(shown), counted["completed"], counted["failed"])

    def verify_documents(self) -> None:
        """One for each job that completed and makes one, at its first revision, made by the attempt that counted."""
        made = {
            f"{job.manager_id}/{key}": f"made by attempt {job.attempt} of {job.id}"
            for run_id in self.runs
            for name in self.lab.steps(run_id)
            for key, job in self.lab.jobs_of(run_id, name).items()
            if str(job.status) == "completed" and self.script.has_page(key)
        }
        rows = self.lab.rows(
            "SELECT d.source_id, c.content, d.revision FROM documents AS d JOIN document_contents AS c ON c.no = d.no"
        )
        assert {source: content for source, content, _ in rows} == made
        assert all(revision == 1 for _, _, revision in rows)


SHORT = {"sqlite": 150, "postgres": 25}
LONG = {"sqlite": 5_000, "postgres": 500}
"""Seeds. A statement to a server costs twenty times one to a file in this process."""


def simulate(backend: str, folder: Path, seed: int) -> World:
    folder.mkdir()
    world = World(backend, folder, seed)
    try:
        world.play()
        world.verify()
    except Exception as error:
        raise AssertionError(f"seed {seed}: {error}") from error
    finally:
        world.lab.close()
    return world


def simulate_many(backend: str, folder: Path, seeds: range) -> None:
    seen: Counter[str] = Counter()
    for seed in seeds:
        world = simulate(backend, folder / str(seed), seed)
        seen.update(refused=world.lab.refused > 0, deaths=world.deaths, cancelled=len(world.cancelled))
        for file in (folder / str(seed)).iterdir():
            file.unlink()
    assert seen["refused"] > len(seeds) / 10, "late results were among what was tried"
    assert seen["deaths"] > len(seeds)
    assert seen["cancelled"]


@pytest.mark.parametrize("backend", BACKENDS)
def test_nothing_is_lost_or_doubled_whatever_fails(
    backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_manager, "SWEEP_CHUNK", 3)
    simulate_many(backend, tmp_path, range(SHORT[backend]))


@pytest.mark.soak
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("backend", BACKENDS)
def test_nothing_is_lost_or_doubled_in_thousands_of_runs(
    backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_manager, "SWEEP_CHUNK", 3)
    simulate_many(backend, tmp_path, range(1_000, 1_000 + LONG[backend]))
