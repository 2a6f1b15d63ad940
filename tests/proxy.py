"""A proxy in front of PostgreSQL that can stall, cut a connection, or lose the answer to a commit.

It speaks to a server on a Unix or TCP socket and listens on 127.0.0.1. Connections through it are not encrypted.
"""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import Self
from urllib.parse import quote

from psycopg import conninfo

SIZE = 65536


class Proxy:
    """Use as a context manager; ``url`` is the database's URL by way of this proxy."""

    def __init__(self, url: str) -> None:
        given = conninfo.conninfo_to_dict(url)
        self._host = str(given.get("host") or "127.0.0.1")
        self._port = int(given.get("port") or 5432)
        self._listener = socket.create_server(("127.0.0.1", 0))
        user = quote(str(given.get("user") or "postgres"))
        password = f":{quote(str(given['password']))}" if given.get("password") else ""
        port = self._listener.getsockname()[1]
        self.url = f"postgresql://{user}{password}@127.0.0.1:{port}/{given.get('dbname')}?sslmode=disable"
        self._lock = threading.Lock()
        self._ends: list[socket.socket] = []
        self._acceptor = threading.Thread(target=self._accept, name="proxy", daemon=True)
        self._flows = threading.Event()
        self._flows.set()
        self._pumps: list[threading.Thread] = []
        self._armed: tuple[bytes, bool] | None = None
        """A statement to wait for, and whether the server is to get it."""
        self.lost = threading.Event()
        """Set when an answer was lost as asked for."""

    def __enter__(self) -> Self:
        self._acceptor.start()
        return self

    def __exit__(self, *error: object) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._acceptor.join()
        self._listener.close()
        self._flows.set()
        self.cut()
        for pump in self._pumps:
            pump.join()
        for end in self._ends:
            end.close()

    def stall(self) -> None:
        """Nothing passes any more, in either direction, and no connection ends; until :meth:`flow`."""
        self._flows.clear()

    def flow(self) -> None:
        self._flows.set()

    def cut(self) -> None:
        """End all connections; new ones can be made."""
        with self._lock:
            ends = list(self._ends)
        for end in ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def lose_answer_to(self, statement: bytes = b"COMMIT") -> None:
        """The next time a client sends this statement, the server gets it; the client is cut off before it hears."""
        self.lost.clear()
        self._armed = (statement, True)

    def lose(self, statement: bytes = b"COMMIT") -> None:
        """The next time a client sends this statement, it is cut off before the server has got it."""
        self.lost.clear()
        self._armed = (statement, False)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = self._connect()
                with self._lock:
                    self._ends += [client, server]
                silent = threading.Event()
                for source, target, is_client in ((client, server, True), (server, client, False)):
                    pump = threading.Thread(target=self._pump, args=(source, target, silent, is_client), daemon=True)
                    self._pumps.append(pump)
                    pump.start()

    def _connect(self) -> socket.socket:
        if self._host.startswith("/"):
            server = socket.socket(socket.AF_UNIX)
            server.connect(f"{self._host}/.s.PGSQL.{self._port}")
            return server
        return socket.create_connection((self._host, self._port))

    def _pump(self, source: socket.socket, target: socket.socket, silent: threading.Event, is_client: bool) -> None:
        with suppress(OSError):
            while data := source.recv(SIZE):
                self._flows.wait()
                # A statement ends with a NUL on the wire.
                if is_client and self._armed is not None and self._armed[0] + b"\0" in data:
                    (_, is_sent), self._armed = self._armed, None
                    if not is_sent:
                        self.lost.set()
                        break
                    silent.set()
                elif not is_client and silent.is_set():
                    # The server has answered, so it has done what was asked; nobody will hear of it.
                    self.lost.set()
                    break
                target.sendall(data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
