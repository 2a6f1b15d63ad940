"""``quaero migrate``: bring the database's schema up to this program."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec
from cyclopts import Parameter

from quaero.cli import exits
from quaero.cli.session import Here, Json
from quaero.errors import Refused

if TYPE_CHECKING:
    from quaero.config import Config
    from quaero.storage.migrate import SchemaState

Check = Annotated[bool, Parameter(help="Change nothing; exit code 1 when a step is missing.")]
Force = Annotated[bool, Parameter(help="Although other nodes are registered. They fail until they are upgraded.")]


class Report(msgspec.Struct, frozen=True):
    """What ``--json`` prints. ``found``: the step that the database is at now."""

    database: str
    found: int
    newest: int
    applied: list[str] = []
    missing: list[str] = []

    def text(self) -> str:
        if self.applied:
            return f"{self.database}: schema {self.found}; taken: {', '.join(self.applied)}"
        missing = f"; missing: {', '.join(self.missing)}; run: quaero migrate" if self.missing else ""
        return f"{self.database}: schema {self.found} of {self.newest}{missing}"


def migrate(*, check: Check = False, force: Force = False, json: Json = False, session: Here) -> int:
    """Take the steps that the database's schema lacks.

    The schema of a PostgreSQL server is changed by this command alone, while no node works on it. A SQLite file is
    brought up by any command that opens it, a file of log lines when lines are added to it. Exit code: with --check, 1
    when a step is missing.
    """
    from quaero.cli.output import say, write_json

    report = _look(session.config) if check else _upgrade(session.config, force=force)
    if json:
        write_json(report)
    else:
        say(report.text())
    return exits.FAILED if report.missing else exits.OK


def _look(config: Config) -> Report:
    from quaero.app import open_database
    from quaero.storage.migrate import SchemaState, check_schema, migrations

    database = open_database(config)
    if not config.database.exists():
        return _report(config, SchemaState(0, migrations(database.dialect, "main")[-1].number))
    readers = database.readers()
    try:
        return _report(config, check_schema(readers.get(), "main"))
    finally:
        readers.close()


def _report(config: Config, state: SchemaState) -> Report:
    return Report(str(config.database), *state, missing=_names(config, state.found))


def _names(config: Config, found: int) -> list[str]:
    """Of the steps behind ``found``."""
    from quaero.app import open_database
    from quaero.storage.migrate import migrations

    steps = migrations(open_database(config).dialect, "main")
    return [f"{step.number:04}_{step.name}" for step in steps if step.number > found]


def _upgrade(config: Config, *, force: bool) -> Report:
    from quaero.app import open_database
    from quaero.config import SqliteFile
    from quaero.storage.migrate import check_schema, live_nodes
    from quaero.storage.migrate import migrate as bring_up
    from quaero.storage.sqlite import make_private_folder, refuse_network_file_system

    if isinstance(config.database, SqliteFile):
        make_private_folder(config.database.path.parent)
        refuse_network_file_system(config.database.path.parent)
    db = open_database(config).connect()
    try:
        before = check_schema(db, "main")
        if before.found not in (0, before.newest) and db.dialect == "postgres" and not force:
            _refuse_while_used(live_nodes(db, db.now))
        bring_up(db, "main")
        return Report(str(config.database), before.newest, before.newest, applied=_names(config, before.found))
    finally:
        db.close()


def _refuse_while_used(nodes: list[tuple[int, str, int, str]]) -> None:
    if nodes:
        shown = "; ".join(f"process {n} on {host}, pid {pid}, Quaero {version}" for n, host, pid, version in nodes)
        raise Refused(f"nodes work on this database: {shown}; stop them first (SIGTERM), or use --force")
