"""SIGKILL at random moments: the next process carries on at once, and everything inside the store happens once."""

from __future__ import annotations

from random import Random

import pytest

from tests.chaos.kit import Site, check_all_done_once, generated
from tests.waiting import wait_until

SETTINGS = {"slots": 16, "lease_seconds": 20, "renew_seconds": 5}


def kill_until_done(site: Site, jobs: int, kills: int, seed: int) -> None:
    """Start workers one after the other and kill each after it has got some jobs done; the last may end the run."""
    random = Random(seed)
    run_id = site.submit(generated(jobs, lines=1))
    stride = jobs // (kills + 5)
    for _ in range(kills):
        goal = site.completed(run_id) + random.randrange(1, stride + 1)
        node = site.node(**SETTINGS)
        site.reaches(run_id, goal)
        node.kill()
    assert not site.is_over(run_id)
    last = site.node(**SETTINGS)
    site.ends(run_id, 120)
    last.leave()
    check_all_done_once(site, run_id, jobs)


def test_a_run_survives_being_killed_again_and_again(site):
    kill_until_done(site, jobs=2_000, kills=4, seed=1)


@pytest.mark.soak
def test_twenty_thousand_jobs_survive_two_hundred_kills(site):
    kill_until_done(site, jobs=20_000, kills=200, seed=2)


def test_two_workers_share_a_run_and_one_of_them_is_killed(site):
    run_id = site.submit(generated(2_000, lines=1))
    doomed = site.node(**SETTINGS)
    survivor = site.node(**{**SETTINGS, "renew_seconds": 0.5})
    wait_until(lambda: site.completed(run_id) > 300 and site.registered(doomed) and site.registered(survivor), 60)
    doomed.kill()

    site.ends(run_id)

    check_all_done_once(site, run_id, 2_000)
    survivor.leave()


def test_a_drained_worker_gives_everything_back_and_uses_up_no_attempt(site):
    run_id = site.submit(generated(400, lines=2, delay_ms=50))
    first = site.node(slots=8, drain_seconds=1)
    wait_until(lambda: site.completed(run_id) > 10, 60)
    first.leave()
    [(running, pending)] = site.rows(f"SELECT running, pending FROM steps WHERE manager_id = {run_id}")
    assert running == 0
    assert pending > 0

    second = site.node(slots=128)
    site.ends(run_id)
    second.leave()

    check_all_done_once(site, run_id, 400, lines=2)
