"""``quaero workers``: what a step's ``type`` may be, which parameters it takes, and which nodes there are to run it."""

from __future__ import annotations

from cyclopts import App

from quaero.cli.session import Here, Json

app = App(name="workers", help="Worker types: what a step can do, its parameters, and the nodes that run it.")


@app.command(name="list")
def list_workers(*, json: Json = False, session: Here) -> None:
    """List the worker types that are installed here."""
    from quaero.app import workers_without_data
    from quaero.cli.output import console, table, write_page

    workers = list(workers_without_data(session.config))
    if json:
        items = [
            {"type": w.worker_type, "description": w.description, "documents": w.documents, "job_type": w.job_type}
            for w in workers
        ]
        write_page(items, None)
        return
    rows = table("type", "documents", "description")
    for worker in workers:
        rows.add_row(worker.worker_type, " ".join(worker.documents), worker.description)
    console().print(rows)


@app.command
def show(worker_type: str, /, *, json: Json = False, session: Here) -> None:
    """Show a worker type: parameters, documents, an example."""
    from quaero.app import workers_without_data
    from quaero.cli.output import console, write_json
    from quaero.cli.worker_views import print_worker
    from quaero.definitions.worker_docs import worker_data

    worker = workers_without_data(session.config).get(worker_type)
    if json:
        write_json(worker_data(worker))
    else:
        print_worker(worker, console())


@app.command
def nodes(*, json: Json = False, session: Here) -> None:
    """List the running programs that share the database: what each offers, and its last sign of life."""
    from quaero.cli.node_views import node_table
    from quaero.cli.output import console, say, write_page
    from quaero.queue.nodes import nodes_of

    with session.app() as app:
        found = nodes_of(app.store, app.clock.now())
    if json:
        write_page(found, None)
    elif found:
        console().print(node_table(found))
    else:
        say("no node is running; start one with: quaero worker")
