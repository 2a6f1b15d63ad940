"""Empty stores for the runs: a folder, a database, a redis. Servers are started when they are first asked for."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from time import monotonic, sleep
from types import TracebackType
from typing import Self

from postgres_server import PostgresUnavailable, empty_database, server, settings_of

from .outcomes import Skipped

POSTGRES_SETTINGS = {"shared_buffers": "512MB", "max_connections": 100, "max_wal_size": "4GB"}
REDIS_SETTINGS = {"bind": "127.0.0.1", "appendonly": "yes", "appendfsync": "everysec", "save": "", "daemonize": "no"}
PATIENCE_S = 10.0


class Stores:
    """PostgreSQL is started once, with a database for each run; a redis lives for one run."""

    def __init__(self, folder: Path) -> None:
        self.about: dict[str, str] = {}
        """Server -> its version and settings, of those that were asked for."""
        self._folder = folder
        self._open = ExitStack()
        self._server = ""
        self._unavailable = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._open.close()

    @contextmanager
    def empty(self, store: str, folder: Path) -> Iterator[str]:
        """The URL of a store for one run; for SQLite there is none, its files go into the run's folder.

        Raises:
            Skipped: there is no such server.
        """
        if store == "postgres":
            try:
                with empty_database(self._postgres()) as url:
                    yield url
            except PostgresUnavailable as error:
                raise Skipped(str(error)) from error
        elif store == "redis":
            with _redis(folder) as url:
                self.about["redis"] = ", ".join(f"{key} {value}" for key, value in REDIS_SETTINGS.items() if value)
                yield url
        else:
            yield ""

    def _postgres(self) -> str:
        if self._unavailable:
            raise Skipped(self._unavailable)
        if not self._server:
            try:
                self._server = self._open.enter_context(server(settings=POSTGRES_SETTINGS, folder=self._folder))
                found = settings_of(self._server)
            except PostgresUnavailable as error:
                self._unavailable = str(error)
                raise Skipped(self._unavailable) from error
            self.about["postgres"] = ", ".join(f"{name} {value}" for name, value in found.items())
        return self._server


@contextmanager
def _redis(folder: Path) -> Iterator[str]:
    program = shutil.which("redis-server")
    if program is None:
        raise Skipped("no redis-server on PATH")
    port = _free_port()
    settings = {**REDIS_SETTINGS, "port": str(port), "dir": str(folder)}
    command = [program, *(word for key, value in settings.items() for word in (f"--{key}", value))]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True)
    try:
        _wait_for(process, port)
        yield f"redis://127.0.0.1:{port}"
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for(process: subprocess.Popen[bytes], port: int) -> None:
    end = monotonic() + PATIENCE_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError as error:
            if process.poll() is not None or monotonic() > end:
                raise Skipped("redis-server does not start") from error
            sleep(0.02)
        else:
            return


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
