"""``quaero serve``: the page and the API, and in the same process a node that executes all runs."""

from __future__ import annotations

import gc
from typing import Annotated

from cyclopts import Parameter

from quaero.cli import exits
from quaero.cli.session import Here

Host = Annotated[str | None, Parameter(help="The address to listen on (else [server] host).")]
Port = Annotated[int | None, Parameter(help="The port to listen on (else [server] port); 0: any that is free.")]


def serve(*, host: Host = None, port: Port = None, session: Here) -> int:
    """Serve the page and execute all runs, until SIGTERM or Ctrl-C; then finish what runs and leave."""
    # What a start makes stays for good: to look through it for garbage costs a tenth of the start, and pauses later.
    gc.disable()
    from quaero.cli.execution import run_loop
    from quaero.cli.output import say
    from quaero.cli.worker_process import work
    from quaero.config import listening
    from quaero.queue.engine import Engine
    from quaero.queue.service_log import configure_service_log
    from quaero.site import compose_site
    from quaero.web.serving import SiteServer

    with session.app() as app:
        configure_service_log("info", masker=app.masker)
        app.config = listening(app.config, host, port)
        server = app.config.server

        def told(url: str) -> None:
            gc.freeze()
            gc.enable()
            say(f"the page is at {url}")

        def make(engine: Engine) -> SiteServer:
            site = compose_site(app, engine)
            return SiteServer(site.asgi, server.host, server.port, told=told, leave=site.leave)

        try:
            is_well = run_loop(work(app, make))
        finally:
            gc.enable()
    return exits.OK if is_well else exits.FAILED
