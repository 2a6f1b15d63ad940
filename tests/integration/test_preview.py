"""What a run would be, before it is started. On every backend."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from quaero.model.definition import CachePolicy, JobDefinition, Limits, Rate
from quaero.ports.jobs import Child
from quaero.queue import preview as module
from quaero.queue import reruns
from quaero.queue.preview import DryPlan, Preview, StepPreview, dry_plan, preview
from quaero.queue.step_manager import StepManager, Worker
from quaero.storage.insight import SqlJobInsight
from tests.engine_kit import BACKENDS, Lab, define, step


@pytest.fixture(params=BACKENDS)
def lab(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Lab]:
    lab = Lab(request.param, tmp_path)
    yield lab
    lab.check()
    lab.close()


def ask(lab: Lab, definition: JobDefinition, source: str = "source", **options: Any) -> Preview:
    return preview(
        definition,
        source,
        lab.store,
        SqlJobInsight(lab.store.readers),
        lab.definitions,
        server_limits=lab.server,
        now=lab.clock.now(),
        **options,
    )


def steps(found: Preview) -> dict[str, StepPreview]:
    return {step.name: step for step in found.steps}


def run(lab: Lab, definition: JobDefinition, jobs: int, seconds: float, *, fail: bool = False) -> int:
    """A run whose first step has this many jobs that take so long."""
    started = lab.start(definition)
    lab.plan(started, "a", [str(i) for i in range(jobs)])
    claimed = lab.claim()
    lab.clock.advance(seconds)
    if fail:
        lab.finish(*[lab.end(job, "failed") for job in claimed])
    else:
        lab.complete(*claimed)
    lab.drive()
    return started


def test_a_definition_that_never_ran(lab: Lab) -> None:
    found = ask(lab, define("new", step("a"), step("b"), step("c", "a", "b")))

    assert (found.basis, found.last_run, found.seconds, found.diff, found.in_the_way) == ([], None, None, "", None)
    assert found.order == [["a", "b"], ["c"]]
    assert [(s.name, s.wave, s.jobs, s.seconds, s.changed) for s in found.steps] == [
        ("a", 0, None, None, None),
        ("b", 0, None, None, None),
        ("c", 1, None, None, None),
    ]


def test_what_the_last_completed_runs_say(lab: Lab) -> None:
    definition = define("run", step("a"))
    run(lab, definition, 900, 900)
    runs = [run(lab, definition, jobs, seconds) for jobs, seconds in ((10, 1), (20, 5), (30, 3), (40, 2), (50, 4))]
    failed = run(lab, definition, 1, 1, fail=True)

    found = ask(lab, definition)

    assert found.basis == runs[::-1], "five of them, without the one that failed"
    assert found.last_run == failed
    assert found.seconds == pytest.approx(3, abs=0.1)
    [a] = found.steps
    assert (a.jobs, a.changed) == (30, False)
    assert a.seconds == pytest.approx(3, abs=0.1)
    assert a.job_seconds == pytest.approx(4, abs=0.1), "of the newest"


def test_reruns_and_reused_steps_do_not_count(lab: Lab) -> None:
    definition = define("run", step("a"), step("b"))
    old = run(lab, definition, 5, 1)
    with lab.turn() as turn:
        again = reruns.resume_from(lab.dispatcher, turn, old, definition, "b")
    lab.drive()

    found = ask(lab, definition)

    assert (found.basis, found.last_run) == ([old], again)
    assert steps(found)["a"].jobs == 5


def test_what_limits_imply(lab: Lab) -> None:
    lab.server["capped"] = Limits(concurrency=2)
    definition = define(
        "run",
        step("a", limits=Limits(rate=Rate(10, 60))),
        step("b", "a", worker_type="capped", limits=Limits(concurrency=1, key="{host}")),
        step("c"),
    )
    started = lab.start(definition)
    for name in ("a", "c"):
        lab.plan(started, name, [f"{name}{i}" for i in range(21)])
    while not lab.step(started, "a").state.is_terminal:
        lab.complete(*lab.claim())
        lab.clock.advance(6)
    lab.plan(started, "b", [Child(key, limit_key=key) for key in "123"])
    while jobs := lab.claim():
        lab.clock.advance(10)
        lab.complete(*jobs)

    found = ask(lab, definition)

    a, b, c = found.steps
    assert a.least_seconds == 120, "the first one starts at once, the others one in six seconds"
    assert a.limits == ["the step: at most 10 starts in 60 s"]
    assert b.limits == ["the step: limited by key {host}", "all capped jobs: at most 2 at once"]
    assert b.least_seconds == pytest.approx(20, abs=0.1)
    assert (c.least_seconds, c.limits) == (None, [])
    assert found.least_seconds == pytest.approx(140, abs=0.1), "a, then b"


def test_cached_steps(lab: Lab) -> None:
    policy = CachePolicy(enabled=True, hours=2)
    definition = define("run", step("a", cache=policy), step("b"))
    started = lab.start(definition)
    held = lab.claim_step(started, "a")
    with lab.turn() as turn:
        turn.tx.set_step_flags(held.id, {"cache_key": "key"})
    lab.seal(held)
    lab.drive()

    a = steps(ask(lab, definition))["a"]
    assert a.cached_run == started
    assert a.cached_at is not None
    assert a.cached_until is not None
    assert (a.cached_until - a.cached_at).total_seconds() == 7200
    assert steps(ask(lab, definition))["b"].cached_run is None

    changed = define("run", step("a", cache=policy, parameters={"x": 1}), step("b"))
    assert steps(ask(lab, changed))["a"].cached_run is None
    lab.clock.advance(7200)
    assert steps(ask(lab, definition))["a"].cached_run is None


def test_what_has_changed_since_the_last_run(lab: Lab) -> None:
    run(lab, define("run", step("a"), step("b")), 1, 1)

    found = ask(lab, define("run", step("b", description="words"), step("a", timeout=5), step("n")), "source\nmore\n")

    assert {s.name: s.changed for s in found.steps} == {"b": False, "a": True, "n": None}
    assert "+more" in found.diff
    assert ask(lab, define("run", step("a"))).diff == ""


def test_an_active_run_is_in_the_way(lab: Lab) -> None:
    definition = define("run", step("a"))
    active = lab.start(definition)

    assert ask(lab, definition).in_the_way == active


# dry plans


class Config(BaseModel):
    count: int = 3
    key: str = ""


class Payload(BaseModel):
    key: str


def workers(calls: list[str]) -> StepManager:
    found = StepManager()

    def plan(config: Config) -> list[Payload]:
        calls.append(config.key)
        if config.count < 0:
            raise ValueError(f"bad key {config.key}")
        return [Payload(key=str(i)) for i in range(config.count)]

    async def plan_async(config: Config, *, job: Any) -> AsyncIterator[Payload]:
        job.log.info("planning", step=job.step_name)
        for i in range(config.count):
            yield Payload(key=str(i))

    async def plan_slowly(config: Config) -> list[Payload]:
        await asyncio.Event().wait()
        return []

    async def execute(job: Any, payload: Any) -> None:
        raise AssertionError("never executed")

    for name, function in (("work", plan), ("stream", plan_async), ("slow", plan_slowly)):
        found.add(Worker(name, Config, Payload, function, execute))
    return found


def dry(definition: JobDefinition, calls: list[str] | None = None, **options: Any) -> dict[str, DryPlan]:
    return asyncio.run(dry_plan(definition, workers([] if calls is None else calls), lambda text, _: text, **options))


def test_a_dry_plan_counts_what_first_steps_would_make(lab: Lab) -> None:
    definition = define(
        "run",
        step("a", parameters={"count": 7, "key": "{secret}"}),
        step("b", worker_type="stream", parameters={"count": 1200}),
        step("c", "a"),
    )
    calls: list[str] = []

    found = dry(definition, calls)

    assert found == {"a": DryPlan(step="a", jobs=7), "b": DryPlan(step="b", jobs=1200)}
    assert calls == ["{secret}"], "a plan sees no secret"
    assert [s.jobs for s in ask(lab, definition, dry=found).steps] == [7, 1200, None]


def test_a_dry_plan_is_cut_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "DRY_JOBS", 10)
    monkeypatch.setattr(module, "SLICE", 4)
    monkeypatch.setattr(module, "DRY_SECONDS", 0.05)
    definition = define(
        "run",
        step("a", parameters={"count": 100}),
        step("b", worker_type="stream", parameters={"count": 100}),
        step("c", worker_type="slow"),
    )

    found = dry(definition)

    assert found["a"] == DryPlan(step="a", jobs=12, more=True)
    assert found["b"] == DryPlan(step="b", jobs=10, more=True)
    assert "not planned within" in found["c"].error


def test_a_dry_plan_says_what_went_wrong_without_secrets() -> None:
    definition = define(
        "run",
        step("a", parameters={"count": -1, "key": "hidden"}),
        step("b", worker_type="unknown"),
        step("c", parameters={"count": "many"}),
    )

    found = dry(definition, mask=lambda text: text.replace("hidden", "***"))

    assert found["a"].error == "ValueError: bad key ***"
    assert "no worker type 'unknown'" in found["b"].error
    assert "count" in found["c"].error
    assert [plan.jobs for plan in found.values()] == [None, None, None]
