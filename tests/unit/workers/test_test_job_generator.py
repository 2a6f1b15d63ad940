"""The load generator: the same seed makes the same jobs, lines, failures and children."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest

from quaero.errors import PermanentError, TransientError
from quaero.model.contracts import CONTRACTS
from quaero.model.log import LogLevel
from quaero.model.outcome import JobOutcome
from quaero.ports.services import Services
from quaero.queue.step_manager import StepManager
from quaero.workers.testing.test_job_generator import Config, Payload, children, execute, plan, register
from tests.fakes import FakeCompute, FakeDocuments, FakeLog, make_job, stored_and_back


def load(**parameters: Any) -> Payload:
    values = {"key": "job-0", "log_delay_ms": 0, "failure_rate": 0, "log_count": 3, "recursion_depth": 0}
    return Payload.model_validate(values | parameters)


def executed(
    payload: Payload, *, log: FakeLog | None = None, compute: FakeCompute | None = None, attempt: int = 1
) -> JobOutcome:
    job = make_job("test_job_generator", log=log, attempt=attempt)
    return asyncio.run(execute(job, stored_and_back(payload), compute=compute or FakeCompute()))


def failing(seed: int) -> list[str]:
    keys = []
    for payload in plan(Config(seed=seed, worker_count=300, failure_rate=0.1, log_count=0, recursion_depth=0)):
        try:
            executed(payload)
        except TransientError:
            keys.append(payload.key)
    return keys


def test_the_defaults_are_those_of_the_specification() -> None:
    assert Config().model_dump() == {
        "seed": 0, "worker_count": 10, "log_count": 100, "log_delay_ms": 50, "failure_rate": 0.1, "child_count": 2,
        "recursion_depth": 3, "error": "transient", "cpu_ms": 0, "document": False,
    }  # fmt: skip


def test_a_plan_is_worker_count_jobs_with_keys_of_their_own() -> None:
    config = Config(worker_count=5)

    keys = [payload.key for payload in plan(config)]

    assert keys == [f"job-{i}" for i in range(5)]
    assert list(plan(config)) == list(plan(config))


def test_one_job_in_ten_fails_and_the_same_ones_each_time() -> None:
    assert 10 <= len(failing(seed=1)) <= 55
    assert failing(seed=1) == failing(seed=1)
    assert failing(seed=1) != failing(seed=2)


def test_another_attempt_ends_as_the_first_one_did() -> None:
    for attempt in (1, 2):
        with pytest.raises(TransientError, match="job-0 fails by its seed"):
            executed(load(failure_rate=1), attempt=attempt)


def test_failures_can_be_permanent() -> None:
    with pytest.raises(PermanentError):
        executed(load(failure_rate=1, error="permanent"))


def test_lines_are_mostly_info_with_some_warnings_and_few_errors() -> None:
    log = FakeLog()

    executed(load(log_count=4_000), log=log)

    shares = {level: count / 4_000 for level, count in Counter(level for level, _, _ in log.lines).items()}
    assert shares[LogLevel.INFO] == pytest.approx(0.80, abs=0.03)
    assert shares[LogLevel.WARNING] == pytest.approx(0.15, abs=0.03)
    assert shares[LogLevel.ERROR] == pytest.approx(0.05, abs=0.03)


def test_a_delay_lies_between_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)

    executed(load(log_count=3, log_delay_ms=20))

    assert slept == [0.02] * 3


def test_children_are_siblings_with_half_the_counts() -> None:
    parent = load(log_count=5, child_count=4, recursion_depth=2)

    generation = executed(parent).spawn

    assert [p.key for p in generation if isinstance(p, Payload)] == [f"job-0.{i}" for i in range(4)]
    assert {(p.depth, p.log_count, p.child_count) for p in generation if isinstance(p, Payload)} == {(1, 2, 2)}


def test_recursion_ends_at_its_depth_or_without_children() -> None:
    def descendants(payload: Payload) -> int:
        return sum(1 + descendants(child) for child in children(payload))

    assert descendants(load(child_count=4, recursion_depth=0)) == 0
    assert descendants(load(child_count=4, recursion_depth=1)) == 4
    assert descendants(load(child_count=4, recursion_depth=9)) == 4 + 4 * 2 + 4 * 2 * 1
    assert [child.log_count for child in children(load(log_count=1, child_count=1, recursion_depth=1))] == [1]
    assert [child.log_count for child in children(load(log_count=0, child_count=1, recursion_depth=1))] == [0]


def test_a_job_writes_a_document_where_asked_to() -> None:
    assert executed(load()).documents == []

    [draft] = executed(load(document=True)).documents

    assert draft.source_id == "definition/step/job-0"
    CONTRACTS[draft.source_type].model_validate(draft.metadata)


def test_cpu_work_is_done_elsewhere() -> None:
    compute = FakeCompute()

    executed(load(cpu_ms=1), compute=compute)

    assert compute.calls == ["burn"]


def test_the_worker_registers_under_its_name() -> None:
    steps = StepManager()

    register(steps, Services(documents=FakeDocuments(), compute=FakeCompute(), clock=None))  # type: ignore[arg-type]

    assert steps.get("test_job_generator").documents == ("test_job",)
