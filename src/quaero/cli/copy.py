"""``quaero copy``: move everything from SQLite to PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from quaero.cli import exits
from quaero.cli.session import Here, Json

if TYPE_CHECKING:
    from quaero.config import Config, PostgresServer
    from quaero.storage.copy_store import Summary

From = Annotated[str, Parameter(name="--from", help="sqlite (of the data folder), a data folder, or an SQLite file.")]
To = Annotated[str, Parameter(name="--to", help="postgres (the one in the settings), or its URL.")]


def copy(*, source: From = "sqlite", target: To = "postgres", json: Json = False, session: Here) -> int:
    """Copy runs, jobs, documents, keys and log lines into an empty PostgreSQL database. Nothing is taken from SQLite.

    Stop the workers first. A run that has not ended carries on over there.
    """
    from quaero.app import ThisHost, open_server
    from quaero.cli.output import console, write_json
    from quaero.storage.sqlite import SqliteDatabase

    config = session.config
    file, logs = _source(config, source)
    server = open_server(_target(config, target), config)
    # Only now: the driver is there.
    from quaero.storage.copy_store import copy_store

    with _progress() as progress:
        summary = copy_store(
            SqliteDatabase(file), logs, server, is_dead=ThisHost(is_alone=True).is_dead, progress=progress
        )
    if json:
        write_json(summary)
    else:
        console().print(_told(summary))
    return exits.OK


def _source(config: Config, named: str) -> tuple[Path, Path]:
    """The file, and the folder of its log lines."""
    from quaero.config import DATABASE_NAME, SqliteFile, database_of

    if named == "sqlite":
        found = config.database if isinstance(config.database, SqliteFile) else SqliteFile(config.data / DATABASE_NAME)
        logs = config.data / "logs"
    else:
        given = database_of(named, Path(), "--from")
        if not isinstance(given, SqliteFile):
            raise exits.UsageError("--from: copies go from SQLite to PostgreSQL; name a data folder or an SQLite file")
        found = SqliteFile(given.path / DATABASE_NAME) if given.path.is_dir() else given
        logs = found.path.parent / "logs"
    if not found.exists():
        raise exits.UsageError(f"--from: there is no {found}; name a data folder, or an SQLite file")
    return found.path, logs


def _target(config: Config, named: str) -> PostgresServer:
    from quaero.config import PostgresServer, database_of

    found = config.database if named == "postgres" else database_of(named, Path(), "--to")
    if isinstance(found, PostgresServer):
        return found
    if named == "postgres":
        raise exits.UsageError(
            "--to: the settings name no PostgreSQL; set QUAERO_DATABASE, or --to postgresql://USER@HOST/NAME"
        )
    raise exits.UsageError("--to: copies go to PostgreSQL; write --to postgresql://USER@HOST/NAME")


@contextmanager
def _progress() -> Iterator[Callable[[str, int, int], None]]:
    """A bar on a terminal; nothing elsewhere."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    from quaero.cli.output import console

    err = console(stderr=True)
    if not err.is_terminal:
        yield lambda what, done, total: None
        return
    with Progress(TextColumn("{task.description:<20}"), BarColumn(), MofNCompleteColumn(), console=err) as bars:
        bar = bars.add_task("")
        yield lambda what, done, total: bars.update(bar, description=what, completed=done, total=total)


def _told(summary: Summary) -> str:
    counts = summary.tables
    lines = [
        f"{summary.source} is copied to {summary.target}:",
        f"  {counts['runs']:,} runs with {counts['jobs']:,} jobs, {summary.log_lines:,} log lines",
        f"  {counts['documents']:,} documents, {counts['keys']:,} keys",
    ]
    if summary.open_runs:
        lines.append(f"  not over, and to be carried on there: run {', '.join(map(str, summary.open_runs))}")
    if counts["keys"]:
        lines.append("  every node needs the same encryption key: secret.key in its data folder, or QUAERO_SECRET_KEY")
    return "\n".join(lines)
