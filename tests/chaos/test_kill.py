"""SIGKILL at random moments: the next process carries on at once, and everything inside the store happens once."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from tests.chaos.kit import check_all_done_once, generated, is_over, kill, lab, submit, worker
from tests.waiting import wait_until

SETTINGS = {"slots": 16, "lease_seconds": 20, "renew_seconds": 5}


def finished_jobs(app, run_id: int) -> int:
    [step] = app.store.steps(run_id)
    return step.completed


def kill_until_done(folder: Path, jobs: int, at_least: int, seed: int) -> int:
    """Start workers one after the other and kill each after it has got some jobs done; returns the kills."""
    random = Random(seed)
    kills = 0
    with lab(folder) as app:
        run_id = submit(app, generated(jobs, lines=1))
        stride = max(1, jobs // (at_least + 5))
        while not is_over(app, run_id):
            before = finished_jobs(app, run_id)
            process = worker(folder, **SETTINGS)
            if kills < at_least:
                goal = before + random.randrange(1, stride + 1)
                wait_until(lambda goal=goal: finished_jobs(app, run_id) >= goal or is_over(app, run_id), 60)
                kill(process)
                kills += 1
            else:
                wait_until(lambda: is_over(app, run_id), 120)
                process.terminate()
                assert process.wait(30) == 0
        check_all_done_once(app, run_id, jobs)
    return kills


def test_a_run_survives_being_killed_again_and_again(tmp_path):
    assert kill_until_done(tmp_path, jobs=1_500, at_least=10, seed=1) >= 8


@pytest.mark.soak
def test_twenty_thousand_jobs_survive_two_hundred_kills(tmp_path):
    assert kill_until_done(tmp_path, jobs=20_000, at_least=210, seed=2) >= 200


def test_two_workers_share_a_run_and_one_of_them_is_killed(tmp_path):
    with lab(tmp_path) as app:
        run_id = submit(app, generated(2_000, lines=1))
        doomed = worker(tmp_path, **SETTINGS)
        survivor = worker(tmp_path, **{**SETTINGS, "renew_seconds": 0.5})
        wait_until(lambda: finished_jobs(app, run_id) > 300 and len(app.store.processes()) == 2, 60)
        kill(doomed)

        wait_until(lambda: is_over(app, run_id), 60)

        check_all_done_once(app, run_id, 2_000)
        survivor.terminate()
        assert survivor.wait(30) == 0


def test_a_drained_worker_gives_everything_back_and_uses_up_no_attempt(tmp_path):
    with lab(tmp_path) as app:
        run_id = submit(app, generated(400, lines=2, delay_ms=50))
        first = worker(tmp_path, slots=8, drain_seconds=1)
        wait_until(lambda: finished_jobs(app, run_id) > 10, 60)
        first.terminate()
        assert first.wait(30) == 0
        [step] = app.store.steps(run_id)
        assert step.running == 0
        assert step.pending > 0

        second = worker(tmp_path, slots=128)
        wait_until(lambda: is_over(app, run_id), 60)
        second.terminate()
        assert second.wait(30) == 0

        check_all_done_once(app, run_id, 400)
        assert app.store.steps(run_id)[0].failed == 0
