"""Which steps start and how steps and runs end: the tables of the rules, and what holds for every graph."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quaero.model.definition import StepDefinition
from quaero.model.status import StatusReason
from quaero.ports.jobs import RunRow, State, StepRow
from quaero.queue.flow import (
    PRE_JOBS,
    Change,
    Ending,
    all_steps,
    is_active,
    is_blocked,
    next_change,
    run_ending,
    step_ending,
)
from tests.engine_kit import define, step

BLOCKED = {"state": State.WAITING, "available_at": None}
ERROR, FATAL, USER = StatusReason.ERROR, StatusReason.FATAL, StatusReason.USER
DEPENDENCY, CONDITION = StatusReason.DEPENDENCY, StatusReason.CONDITION
TIMEOUT, TOLERANCE = StatusReason.TIMEOUT, StatusReason.TOLERANCE


def row(name: str = "a", **changes: Any) -> StepRow:
    """A step that ran; ``total`` is the sum of its counters."""
    values: dict[str, Any] = dict.fromkeys(StepRow._fields, 0) | {
        "name": name,
        "worker_type": "work",
        "state": State.RUNNING,
        "reason": None,
        "attempt": 1,
        "claimed_by": None,
        "available_at": None,
        "stop_reason": None,
        "deadline": None,
        "message": "",
        "cache_key": None,
    }
    values |= changes
    values["total"] = sum(values[s] for s in ("pending", "running", "completed", "failed", "cancelled", "skipped"))
    return StepRow(**values)


def run(**changes: Any) -> RunRow:
    values: dict[str, Any] = dict.fromkeys(RunRow._fields, 0) | {
        "state": State.RUNNING,
        "reason": None,
        "stop_reason": None,
        "message": "",
    }
    return RunRow(**values | changes)


# how a step ends: the first match counts


@pytest.mark.parametrize(
    ("counters", "run_stop", "state", "reason", "has_errors"),
    [
        ({}, None, State.COMPLETED, None, False),
        ({"completed": 3}, None, State.COMPLETED, None, False),
        ({"completed": 3, "failed": 1}, None, State.COMPLETED, None, True),
        ({"completed": 1, "cancelled": 5}, None, State.COMPLETED, None, False),
        ({"failed": 2}, None, State.FAILED, ERROR, True),
        ({"failed": 2, "cancelled": 2}, None, State.FAILED, ERROR, True),
        ({"cancelled": 2}, None, State.CANCELLED, None, False),
        ({"skipped": 2}, None, State.CANCELLED, None, False),
        ({"completed": 3}, USER, State.CANCELLED, USER, False),
        ({"failed": 3}, USER, State.CANCELLED, USER, True),
        ({"completed": 3, "stop_reason": TIMEOUT}, USER, State.CANCELLED, USER, False),
        ({"completed": 3, "stop_reason": TIMEOUT}, None, State.FAILED, TIMEOUT, True),
        ({"stop_reason": StatusReason.PERMANENT}, None, State.FAILED, StatusReason.PERMANENT, True),
        ({"completed": 3}, TOLERANCE, State.CANCELLED, TOLERANCE, False),
        ({"completed": 3}, FATAL, State.CANCELLED, FATAL, False),
        ({"attempt": 0, **BLOCKED}, FATAL, State.SKIPPED, FATAL, False),
        ({"attempt": 0, **BLOCKED}, USER, State.CANCELLED, USER, False),
    ],
)
def test_a_step_ends_by_the_first_rule_that_matches(
    counters: dict[str, Any], run_stop: StatusReason | None, state: State, reason: StatusReason | None, has_errors: Any
) -> None:
    ending = step_ending(row(**counters), run_stop)

    assert ending[:3] == (state, reason, has_errors)


def test_a_step_without_jobs_says_that_there_was_nothing_to_do() -> None:
    assert step_ending(row(), None) == Ending(State.COMPLETED, None, has_errors=False, message="nothing to do")


# how a run ends: the first match counts


OK, BAD, HALF = {"state": State.COMPLETED}, {"state": State.FAILED}, {"state": State.COMPLETED, "has_errors": 1}
OUT, OFF = {"state": State.SKIPPED}, {"state": State.CANCELLED}


@pytest.mark.parametrize(
    ("flags", "steps", "state", "reason", "has_errors"),
    [
        ({}, [], State.COMPLETED, None, False),
        ({}, [OK, OK], State.COMPLETED, None, False),
        ({}, [OK, HALF], State.COMPLETED, None, True),
        ({}, [OK, BAD], State.COMPLETED, None, True),
        ({}, [OK, BAD, OUT], State.COMPLETED, None, True),
        ({}, [BAD, OUT, OUT], State.FAILED, ERROR, True),
        ({}, [BAD, BAD], State.FAILED, ERROR, True),
        ({}, [OUT, OUT], State.COMPLETED, None, False),
        ({}, [BAD, OFF], State.COMPLETED, None, True),
        ({"warned": 1}, [OK], State.COMPLETED, None, True),
        ({"failing": 1}, [OK, BAD, OUT], State.FAILED, ERROR, True),
        ({"stop_reason": FATAL}, [BAD, OFF], State.FAILED, FATAL, True),
        ({"stop_reason": TIMEOUT}, [OK, OFF], State.FAILED, TIMEOUT, True),
        ({"stop_reason": TOLERANCE}, [OFF], State.FAILED, TOLERANCE, True),
        ({"stop_reason": USER}, [BAD, BAD], State.CANCELLED, USER, False),
        ({"stop_reason": USER, "failing": 1}, [BAD, OFF], State.CANCELLED, USER, False),
    ],
)
def test_a_run_ends_by_the_first_rule_that_matches(
    flags: dict[str, Any], steps: list[dict[str, Any]], state: State, reason: StatusReason | None, has_errors: Any
) -> None:
    ending = run_ending(run(**flags), [row(f"s{n}", **fields) for n, fields in enumerate(steps)])

    assert ending[:3] == (state, reason, has_errors)


def test_a_failed_run_names_the_steps_that_failed() -> None:
    assert run_ending(run(), [row("a", **BAD), row("b", **BAD)]).message == "failed: a, b"


# which step is next


def change(steps: list[StepDefinition], states: dict[str, dict[str, Any]], **options: Any) -> Change | None:
    rows = {s.name: row(s.name, **states.get(s.name, {"attempt": 0, **BLOCKED})) for s in steps}
    options = {"failing": False, "max_parallel": 4, "holds": lambda _: True} | options
    return next_change(steps, rows, **options)


def test_the_first_step_in_file_order_starts_first() -> None:
    assert change([step("b"), step("a")], {}) == Change("b", "start")


def test_a_step_waits_for_all_that_it_depends_on() -> None:
    steps = [step("a"), step("b"), step("c", "a", "b")]

    assert change(steps, {"a": OK, "b": {}}) is None
    assert change(steps, {"a": OK, "b": OK}) == Change("c", "start")


@pytest.mark.parametrize("before", [BAD, OUT, OFF])
def test_a_step_is_skipped_when_one_before_it_did_not_complete(before: dict[str, Any]) -> None:
    steps = [step("a"), step("b", "a")]

    assert change(steps, {"a": before}) == Change("b", "skip", DEPENDENCY)
    assert change([step("a"), step("b", "a", always_run=True)], {"a": before}) == Change("b", "start")


def test_a_step_whose_condition_does_not_hold_is_skipped() -> None:
    assert change([step("a", condition="x")], {}, holds=lambda _: False) == Change("a", "skip", CONDITION)


def test_a_failing_run_starts_only_what_always_runs() -> None:
    assert change([step("a"), step("m", always_run=True)], {}, failing=True) == Change("a", "skip", DEPENDENCY)
    assert change([step("a"), step("m", always_run=True)], {"a": OUT}, failing=True) == Change("m", "start")


def test_a_failing_run_skips_a_step_that_waits_to_be_planned_but_not_one_that_began() -> None:
    fresh = {"state": State.READY, "attempt": 0, "available_at": 1}

    assert change([step("a")], {"a": fresh}, failing=True) == Change("a", "skip", DEPENDENCY)
    assert change([step("a")], {"a": fresh | {"attempt": 1}}, failing=True) is None
    assert change([step("a", always_run=True)], {"a": fresh}, failing=True) is None


def test_no_step_starts_while_as_many_are_active_as_may_be() -> None:
    assert change([step("a"), step("b")], {"a": {}}, max_parallel=1) is None
    assert change([step("a"), step("b")], {"a": OK}, max_parallel=1) == Change("b", "start")


def test_a_step_that_waits_to_be_planned_again_is_active_not_blocked() -> None:
    retry = row(state=State.WAITING, available_at=5)

    assert is_active(retry)
    assert not is_blocked(retry)


def test_every_step_depends_on_the_generated_one_where_there_are_pre_jobs() -> None:
    steps = all_steps(define("d", step("a"), step("b", "a"), pre_jobs=("x",)))

    assert [(s.name, s.depends, s.position) for s in steps] == [
        (PRE_JOBS, (), 0),
        ("a", (PRE_JOBS,), 1),
        ("b", ("a", PRE_JOBS), 2),
    ]
    assert all_steps(define("d", step("a"))) == define("d", step("a")).steps


# whatever the graph


@st.composite
def graphs(draw: st.DrawFn) -> list[StepDefinition]:
    steps: list[StepDefinition] = []
    for n in range(draw(st.integers(1, 7))):
        before = draw(st.sets(st.sampled_from([s.name for s in steps]), max_size=3)) if steps else set()
        on_error = draw(st.sampled_from(["continue", "fail"]))
        always = draw(st.booleans())
        condition = draw(st.sampled_from(["", "", "no"]))
        steps.append(step(f"s{n}", *sorted(before), on_error=on_error, always_run=always, condition=condition))
    return draw(st.permutations(steps))


@given(graphs(), st.integers(1, 4), st.randoms(use_true_random=False))
def test_any_graph_runs_to_its_end_and_never_out_of_order(steps: list[StepDefinition], most: int, random: Any) -> None:
    rows = {s.name: row(s.name, attempt=0, **BLOCKED) for s in steps}
    failing = False
    for _ in range(100):
        for _ in range(len(steps) + 1):
            found = next_change(steps, rows, failing=failing, max_parallel=most, holds=lambda s: s.condition != "no")
            if found is None:
                break
            definition = next(s for s in steps if s.name == found.name)
            before = [rows[name].state for name in definition.depends]
            if found.action == "start":
                assert all(state.is_terminal for state in before)
                assert definition.always_run or (not failing and set(before) <= {State.COMPLETED})
                rows[found.name] = row(found.name, state=State.RUNNING)
            else:
                rows[found.name] = row(found.name, state=State.SKIPPED)
        assert next_change(steps, rows, failing=failing, max_parallel=most, holds=lambda s: s.condition != "no") is None
        active = [r for r in rows.values() if is_active(r)]
        assert len(active) <= most
        if not active:
            break
        done = random.choice(active)
        bad = random.random() < 0.3
        rows[done.name] = row(done.name, state=State.FAILED if bad else State.COMPLETED)
        failing = failing or (bad and next(s for s in steps if s.name == done.name).on_error == "fail")

    assert all(r.state.is_terminal for r in rows.values()), "nothing waits for ever"
