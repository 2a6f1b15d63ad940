"""What ``quaero doctor`` looks at. Each check gives its findings; none of them raises or changes anything."""

from __future__ import annotations

import platform
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import apsw
import msgspec
from rich.text import Text

from quaero.cli.output import local_time, one_line, seconds, size
from quaero.cli.run import is_alive
from quaero.cli.session import Session
from quaero.config import Config, SqliteFile
from quaero.errors import ConfigError, QuaeroError
from quaero.storage.database import Reader
from quaero.storage.logs import SqlLogStore
from quaero.storage.migrate import migrations, schema_state
from quaero.storage.sqlite import Connection, file_system_of
from quaero.storage.statements import statements

if TYPE_CHECKING:
    from quaero.app import App

LITTLE_SPACE = 200 * 1024 * 1024
LONG_WAL = 512 * 1024 * 1024
FEW_CONNECTIONS = 10
CLOCK_S = 5.0
MANY_DEAD_ROWS = 1_000_000
LONG_TRANSACTION_S = 3600.0
_SHOWN_RUNS = 10


class Check(msgspec.Struct, frozen=True):
    """One finding. ``fix`` says what to do where it is not well."""

    name: str
    ok: bool
    value: Any
    fix: str = ""

    def text(self) -> Text:
        shown = self.value if isinstance(self.value, str) else msgspec.json.encode(self.value, enc_hook=str).decode()
        line = Text("✔ " if self.ok else "✘ ", style="green" if self.ok else "red")
        line.append(f"{self.name:<22}", style="bold").append(one_line(shown), style="not bold default")
        return line if self.ok else line.append(f"\n  → {one_line(self.fix)}", style="yellow")


def all_checks(session: Session) -> Iterator[Check]:
    """Every finding; what can't be looked at because of an earlier one is left out."""
    yield from _programs()
    try:
        config = session.config
    except ConfigError as error:
        yield Check("settings", False, str(error), "correct the setting that is named")
        return
    yield from _settings(config)
    yield from _worker_types(config)
    yield from _disk(config)
    if not config.database.exists():
        yield Check("database", True, "none yet: the first run makes it")
        return
    try:
        if _is_empty(config):
            yield Check("database", True, f"{config.database} is empty: the first run fills it")
            return
        with session.app() as app:
            yield from _opened(app)
    except QuaeroError as error:
        yield Check("database", False, str(error), "see the message; nothing else can be looked at before")


def _is_empty(config: Config) -> bool:
    """Opened as a whole it would be filled."""
    from quaero.app import open_database

    readers = open_database(config).readers()
    try:
        return schema_state(readers.get(), "main").found == 0
    finally:
        readers.close()


def _programs() -> Iterator[Check]:
    version = platform.python_version()
    yield Check("python", True, version)
    yield Check("sqlite", True, apsw.sqlite_lib_version())
    has_fts5 = "ENABLE_FTS5" in apsw.compile_options
    yield Check(
        "full-text search", has_fts5, "FTS5" if has_fts5 else "missing", "install apsw from PyPI: pip install apsw"
    )


def _settings(config: Config) -> Iterator[Check]:
    values = {"data": str(config.data), "database": str(config.database)}
    for section in ("engine", "logs", "postgres", "server"):
        for name, value in getattr(config, section):
            values[f"{section}.{name}"] = str(value)
    for worker_type, limits in config.limits.items():
        values |= {f"limits.{worker_type}.{name}": str(getattr(limits, name)) for name in ("concurrency", "rate")}
    chosen = {
        name: {"value": values.get(name, ""), "origin": origin}
        for name, origin in config.origins.items()
        if origin != "default" or name in {"data", "database"}
    }
    yield Check("settings", True, chosen)


def _worker_types(config: Config) -> Iterator[Check]:
    from quaero.app import workers_without_data

    try:
        types = [worker.worker_type for worker in workers_without_data(config)]
    except ConfigError as error:
        yield Check("worker types", False, str(error), "repair or uninstall the package that is named")
        return
    yield Check("worker types", bool(types), ", ".join(types) or "none", "install Quaero again: pip install quaero")


def _disk(config: Config) -> Iterator[Check]:
    there = next(folder for folder in (config.data, *config.data.parents) if folder.exists())
    yield Check("data folder", True, str(config.data) if there == config.data else f"{config.data} (not made yet)")
    free = shutil.disk_usage(there).free
    yield Check("disk free", free >= LITTLE_SPACE, size(free), f"free some space on the disk of {there}")
    yield Check("file system", True, file_system_of(there, Path("/proc/self/mounts")) or "not known")


def _opened(app: App) -> Iterator[Check]:
    yield from _database(app)
    yield from _logs(app)
    yield from _processes(app)
    yield from _runs(app)
    yield from _keys(app)


def _database(app: App) -> Iterator[Check]:
    reader = app.store.readers.get()
    if isinstance(app.config.database, SqliteFile):
        yield from _file(app.config.database.path)
    else:
        yield from _server(reader)
    found, newest = schema_state(reader, "main")
    yield Check("schema", found == newest, f"{found} of {newest}", "upgrade Quaero to the version that wrote it")
    drift = int(app.store.fact("drift") or 0)
    fix = "counters were wrong and have been mended: please report it with the log lines auditor.drift"
    yield Check("counter drift", drift == 0, drift, fix)


def _file(path: Path) -> Iterator[Check]:
    yield Check("database", True, f"{path}, {size(path.stat().st_size)}")
    wal = path.with_name(path.name + "-wal")
    length = wal.stat().st_size if wal.exists() else 0
    yield Check(
        "write-ahead log", length < LONG_WAL, size(length), "a reader holds it: end other programs that read it"
    )


def _server(reader: Reader) -> Iterator[Check]:
    sql = statements("postgres", "doctor")
    asked = time.time_ns() // 1000
    [(version, size_bytes, connections, places, now)] = reader.fetch_all(sql["server"])
    # Halfway between question and answer.
    ahead = (now - (asked + time.time_ns() // 1000) / 2) / 1e6
    yield Check("database", True, f"{reader.place}, {size(size_bytes)}")
    yield Check("server", True, f"PostgreSQL {version}")
    yield Check(
        "connections",
        places - connections >= FEW_CONNECTIONS,
        f"{connections} of {places}",
        "raise max_connections on the server, or stop some processes; each Quaero process takes up to eight",
    )
    fix = "set this machine's clock (NTP); Quaero itself goes by the server's"
    yield Check("clock", abs(ahead) <= CLOCK_S, f"the server is {ahead:+.1f} s ahead", fix)
    for table, dead, live in reader.fetch_all(sql["dead_rows"]):
        fix = f"autovacuum does not keep up: look for an old transaction, or run VACUUM {table}"
        yield Check("dead rows", dead < max(MANY_DEAD_ROWS, live), f"{dead:,} in {table}, the most of all tables", fix)
    age = float(reader.fetch_value(sql["oldest_transaction"]))
    fix = (
        "a program holds a transaction open, so dead rows stay: see pg_stat_activity, end it with pg_terminate_backend"
    )
    yield Check("oldest transaction", age < LONG_TRANSACTION_S, seconds(age), fix)


def _logs(app: App) -> Iterator[Check]:
    days = app.logs.days()
    span = f", {days[0]} to {days[-1]}" if days else ""
    yield Check("log days", True, f"{len(days)}{span}, {size(app.logs.size_bytes())}")
    if not isinstance(app.logs, SqlLogStore):
        return
    newest = migrations("sqlite", "logs")[-1].number
    for day in days:
        version = _user_version(app.logs.folder / f"{day}.db")
        if version != newest:
            yield Check("log schema", False, f"{day}: {version} of {newest}", f"move {day}.db out of the folder")


def _user_version(path: Path) -> int | str:
    try:
        db = Connection(path, read_only=True)
    except QuaeroError as error:
        return str(error)
    try:
        return schema_state(db, "logs").found
    finally:
        db.close()


def _processes(app: App) -> Iterator[Check]:
    lease_now, lease_us = app.store.lease_now(), int(app.config.engine.lease_seconds * 1e6)
    for process in app.store.processes():
        age = max(0.0, (lease_now - process.lease_until + lease_us) / 1e6)
        host = "" if app.backend.is_alone else f" on {process.host}"
        value = f"pid {process.pid}{host}, {process.slots} slots, sign of life {seconds(age)} ago"
        fix = "it is gone: its jobs are taken over as soon as any process works here (quaero worker)"
        yield Check(f"process {process.id}", is_alive(app, process), value, fix)


def _runs(app: App) -> Iterator[Check]:
    open_runs = app.store.open_runs()
    shown = []
    for run_id in open_runs[:_SHOWN_RUNS]:
        job = app.store.get_job(run_id)
        shown.append(
            f"{run_id} {job.definition_id} ({job.status} since {local_time(job.started_at or job.created_at)})"
        )
    more = [f"and {len(open_runs) - _SHOWN_RUNS} more"] if len(open_runs) > _SHOWN_RUNS else []
    yield Check("open runs", True, "; ".join(shown + more) or "none")


def _keys(app: App) -> Iterator[Check]:
    """Every secret can be opened here."""
    names = app.keys.names()
    for name, secret in names.items():
        try:
            app.keys.find(name)
        except QuaeroError as error:
            yield Check(f"key {name}", False, "secret" if secret else "plain", str(error))
    yield Check("keys", True, f"{len(names)}")
