"""``quaero worker``: a process that only executes, whatever run there is, until it is told to end."""

from __future__ import annotations

from quaero.cli import exits
from quaero.cli.session import Here


def worker(*, session: Here) -> int:
    """Execute all runs, present and to come, until SIGTERM or Ctrl-C; then finish what runs and leave."""
    from quaero.cli.execution import run_loop
    from quaero.cli.worker_process import work
    from quaero.queue.service_log import configure_service_log

    with session.app() as app:
        configure_service_log("info", masker=app.masker)
        is_well = run_loop(work(app))
    return exits.OK if is_well else exits.FAILED
