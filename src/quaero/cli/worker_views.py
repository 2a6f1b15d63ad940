"""Worker types as text."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from quaero.cli.output import one_line, table
from quaero.definitions.worker_docs import DescribedWorker, as_toml, parameters


def print_worker(worker: DescribedWorker, on: Console) -> None:
    on.print(Text(worker.worker_type, style="bold").append(f"  {worker.description}", style="not bold"))
    if worker.documents:
        on.print(f"writes documents of type {', '.join(worker.documents)}")
    rows = table("parameter", "type", "default", "description")
    for one in parameters(worker.config):
        name = " or ".join((one.name, *one.aliases))
        default = Text("required", style="yellow") if one.required else as_toml(one.default)
        rows.add_row(name, one.type, default, one_line(one.description))
    on.print(rows)
    if worker.example:
        on.print(Text("\nexample", style="bold"))
        on.print(worker.example.rstrip())
