"""Runs that are interrupted: by Ctrl-C, by a request to end, by a kill. Nothing is lost, nothing is done twice."""

from __future__ import annotations

import signal

import pytest

from tests.e2e.command import load_step, note_step, statuses
from tests.waiting import wait_until

ITEMS = [f"n{number}" for number in range(20)]


@pytest.fixture
def gate(sample):
    """Jobs of the definition wait until this file is there."""
    return sample.folder / "gate"


@pytest.fixture
def definition(sample, gate):
    return sample.define(note_step(items=ITEMS, wait_for=gate) + load_step("after", extra=['depends = "note"']))


def killed_in_the_middle(sample, definition):
    """A run whose process was killed while it held jobs."""
    with sample.started("run", definition) as process:
        process.wait_for("step note running")
        wait_until(lambda: '"note.begun"' in sample.here("logs", 1, "--json").stdout)
        process.signal(signal.SIGKILL)
        assert process.end().code == -signal.SIGKILL


def test_ctrl_c_cancels_the_run_and_exits_130(sample, definition):
    with sample.started("run", definition, "--json") as process:
        process.wait_for("step note running")
        process.signal(signal.SIGINT)
        ended = process.end()

    assert ended.code == 130
    assert "Ctrl-C again leaves at once" in ended.stderr
    assert ended.data["status"] == "cancelled"
    assert statuses(ended.data) == {"note": "cancelled", "after": "cancelled"}


def test_a_second_ctrl_c_does_not_wait_for_a_job_that_heeds_nothing(sample, gate):
    with sample.started("run", sample.define(note_step(wait_for=gate, is_stubborn=True))) as process:
        process.wait_for("step note running")
        wait_until(lambda: '"note.begun"' in sample.here("logs", 1, "--json").stdout)
        process.signal(signal.SIGINT)
        process.wait_for("Ctrl-C again")
        process.signal(signal.SIGINT)
        ended = process.end()

    assert ended.code == 130
    assert sample.ask("jobs", "show", 1)["status"] == "cancelled"


def test_a_request_to_end_drains_and_says_how_to_carry_on(sample, definition, gate):
    with sample.started("run", definition) as process:
        process.wait_for("step note running")
        process.signal(signal.SIGTERM)
        gate.touch()
        ended = process.end()

    assert ended.code == 143
    assert "quaero run --resume 1" in ended.stderr
    assert "refused" not in ended.stderr

    run = sample.json("run", "--resume")

    assert statuses(run) == {"note": "completed", "after": "completed"}
    assert run["counters"]["completed"] == len(ITEMS) + 3


def test_a_killed_run_is_finished_by_resume_each_job_once(sample, definition, gate):
    killed_in_the_middle(sample, definition)
    gate.touch()

    refused = sample("run", definition, code=2)
    run = sample.json("run", "--resume", "1")

    assert "quaero run --resume 1" in refused.stderr
    assert run["status"] == "completed"
    assert run["counters"]["completed"] == len(ITEMS) + 3
    assert run["document_count"] == len(ITEMS)
    assert {doc["revision"] for doc in sample.ask("docs", "list", "--limit", 50)["items"]} == {1}


def test_a_killed_run_is_finished_by_a_worker_which_drains_when_asked_to_end(sample, definition, gate):
    killed_in_the_middle(sample, definition)
    gate.touch()

    with sample.started("worker") as worker:
        worker.wait_for("run 1 completed")
        worker.signal(signal.SIGTERM)
        ended = worker.end()

    assert ended.code == 0
    assert sample.ask("jobs", "show", 1)["counters"]["completed"] == len(ITEMS) + 3
    assert sample.json("doctor")["ok"]


def test_a_killed_run_can_be_cancelled_without_any_process(sample, definition):
    killed_in_the_middle(sample, definition)

    sample("jobs", "cancel", 1)

    assert sample.ask("jobs", "show", 1)["status"] == "cancelled"


def test_a_run_cancelled_from_elsewhere_exits_130(sample, definition):
    with sample.started("run", definition) as process:
        process.wait_for("step note running")
        sample("jobs", "cancel", 1)

        assert process.end().code == 130


def test_a_paused_run_starts_nothing_more_until_it_is_resumed(sample, gate):
    definition = sample.define(
        "[config]\nmax_parallel_steps = 1\n" + note_step("one", wait_for=gate) + load_step("two")
    )
    with sample.started("run", definition) as process:
        process.wait_for("step one running")
        sample("jobs", "pause", 1)
        gate.touch()
        wait_until(lambda: sample.ask("jobs", "show", 1)["steps"][0]["status"] == "completed")
        paused = sample.ask("jobs", "show", 1)
        resumed = sample("jobs", "resume", 1)
        ended = process.end()

    assert paused["paused_at"]
    assert statuses(paused) == {"one": "completed", "two": "pending"}
    assert "running" in resumed.stderr
    assert ended.code == 0


def test_resume_of_a_run_that_has_ended_says_what_to_do_instead(finished):
    result = finished("run", "--resume", "1", code=2)

    assert "run 1 has ended (completed)" in result.stderr
    assert "quaero jobs retry-failed 1" in result.stderr
