"""A process that was stopped past its lease: others take its jobs, and what it still brings is refused."""

from __future__ import annotations

import signal

from tests.chaos.kit import Node, Site, check_all_done_once, generated, own_site, refusals
from tests.waiting import wait_until

SHORT = {"slots": 4, "lease_seconds": 2, "renew_seconds": 0.5, "drain_seconds": 2}

LONG = {"slots": 4, "lease_seconds": 6, "renew_seconds": 0.5, "drain_seconds": 2}
"""A lease longer than the server waits for a transaction that does nothing."""


def is_carried_on_without(site: Site, run_id: int, zombie: Node, stopped: int) -> None:
    """Another process ends the run; then the stopped one wakes, and nothing it brings counts."""
    heir = site.node(**SHORT)
    site.ends(run_id)
    assert not site.rows(f"SELECT 1 FROM processes WHERE id = {stopped}")
    attempts = f"SELECT id, attempt, finished_at FROM jobs WHERE manager_id = {run_id} ORDER BY id"
    done = site.rows(attempts)

    zombie.signal(signal.SIGCONT)
    wait_until(lambda: site.registered(zombie) not in {0, stopped}, 60)
    zombie.leave()
    heir.leave()

    check_all_done_once(site, run_id, 12, lines=10)
    assert site.rows(attempts) == done
    assert max(attempt for _, attempt, _ in done) > 1


def test_the_result_of_a_zombie_is_refused(site):
    run_id = site.submit(generated(12, lines=10, delay_ms=100))
    zombie = site.node(**SHORT)
    wait_until(lambda: site.running(run_id) > 0, 60)
    site.stop_between(zombie)

    is_carried_on_without(site, run_id, zombie, site.registered(zombie))

    assert refusals(site) > 0
    assert zombie.told("engine.refused") > 0


def test_a_node_stopped_inside_a_transaction_keeps_its_locks_for_a_while_only(server, tmp_path):
    with own_site(server, tmp_path) as site:
        run_id = site.submit(generated(1_000, lines=1, delay_ms=20))
        zombie, other = (site.node(host=host, **LONG) for host in ("here", "there"))
        site.reaches(run_id, 50)
        stopped = site.registered(zombie)
        # With the counters of the step, and so the root of the run: nobody gets past that.
        site.stop_inside(zombie)

        site.ends(run_id)
        zombie.signal(signal.SIGCONT)
        site.until(lambda: site.registered(zombie) not in {0, stopped})

        check_all_done_once(site, run_id, 1_000)
        assert server.told("idle-in-transaction timeout") == 1
        for node in (zombie, other):
            node.leave()
