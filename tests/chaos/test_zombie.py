"""A process that was stopped past its lease: others take its jobs, and what it still brings is refused."""

from __future__ import annotations

import signal

from tests.chaos.kit import check_all_done_once, generated, is_over, lab, stop, submit, worker
from tests.waiting import wait_until

SHORT = {"slots": 4, "lease_seconds": 2, "renew_seconds": 0.5, "drain_seconds": 2}


def test_the_result_of_a_zombie_is_refused(tmp_path):
    with lab(tmp_path) as app:
        run_id = submit(app, generated(12, lines=10, delay_ms=100))
        zombie = worker(tmp_path, **SHORT)
        wait_until(lambda: app.store.steps(run_id)[0].running > 0, 60)
        stop(zombie, tmp_path)
        [stopped] = app.store.processes()

        heir = worker(tmp_path, **SHORT)
        wait_until(lambda: is_over(app, run_id), 60)
        assert all(process.id != stopped.id for process in app.store.processes())
        done = {child.id: child.attempt for child in app.store.list_children(app.store.steps(run_id)[0].id, limit=100)}

        zombie.send_signal(signal.SIGCONT)
        wait_until(lambda: len(app.store.processes()) == 2, 60)
        for process in (zombie, heir):
            process.terminate()
            assert process.wait(60) == 0

        check_all_done_once(app, run_id, 12)
        after = {child.id: child.attempt for child in app.store.list_children(app.store.steps(run_id)[0].id, limit=100)}
        assert after == done
        assert max(done.values()) > 1
