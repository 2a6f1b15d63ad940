"""A wire between one node and its server, which a test may stall, cut, and cut at a commit."""

from __future__ import annotations

import re
import socket
import threading
from contextlib import suppress
from pathlib import Path
from typing import Literal

Moment = Literal["before", "after"]
"""Of a commit: ``before`` it reaches the server, or ``after`` it took place and before the answer is back."""

_SOCKET = ".s.PGSQL.5432"
_PREPARED = re.compile(rb"P.{4}(\w+)\0COMMIT\0", re.DOTALL)
_EXECUTED = re.compile(rb"B.{4}\0(\w+)\0", re.DOTALL)
_PLAIN = re.compile(rb"Q.{4}COMMIT\0", re.DOTALL)


class Wire:
    """Listens in ``folder`` as a server would; every connection leads on to the socket ``server``."""

    def __init__(self, folder: Path, server: Path) -> None:
        folder.mkdir(parents=True)
        self.folder = folder
        self._server = server
        self._flows = threading.Event()
        self._flows.set()
        self._lock = threading.Lock()
        self._pairs: set[_Pair] = set()
        self._trap: Moment | None = None
        self.is_sprung = threading.Event()
        """Set when a connection was cut at its commit, as asked for."""
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(folder / _SOCKET))
        self._listener.listen(64)
        threading.Thread(target=self._accept, name="wire", daemon=True).start()

    def stall(self) -> None:
        """No byte passes any more, in either direction; nor is an end of the connection seen on the other side."""
        self._flows.clear()

    def go_on(self) -> None:
        self._flows.set()

    def cut(self) -> None:
        """Every connection that there is; new ones may be made at once."""
        with self._lock:
            pairs = list(self._pairs)
        for pair in pairs:
            self._end(pair)

    def cut_at_commit(self, moment: Moment) -> None:
        """The connection that is the next to commit is cut."""
        self.is_sprung.clear()
        self._trap = moment

    def close(self) -> None:
        self._flows.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self._flows.wait()
            server = socket.socket(socket.AF_UNIX)
            try:
                server.connect(str(self._server))
            except OSError:
                server.close()
                client.close()
                continue
            pair = _Pair(client, server)
            with self._lock:
                self._pairs.add(pair)
            threading.Thread(target=self._serve, args=(pair,), name="wire", daemon=True).start()

    def _serve(self, pair: _Pair) -> None:
        downstream = threading.Thread(target=self._downstream, args=(pair,), name="wire", daemon=True)
        downstream.start()
        self._upstream(pair)
        downstream.join()
        pair.client.close()
        pair.server.close()

    def _upstream(self, pair: _Pair) -> None:
        with suppress(OSError):
            while data := pair.client.recv(65536):
                self._flows.wait()
                moment = self._sprung(pair, data)
                if moment == "before":
                    break
                pair.ends_with_answer = moment == "after"
                pair.server.sendall(data)
        self._end(pair)

    def _sprung(self, pair: _Pair, data: bytes) -> Moment | None:
        """The trap, if this is what it waits for."""
        if not pair.commits(data):
            return None
        with self._lock:
            moment, self._trap = self._trap, None
        if moment is not None:
            self.is_sprung.set()
        return moment

    def _downstream(self, pair: _Pair) -> None:
        with suppress(OSError):
            while data := pair.server.recv(65536):
                self._flows.wait()
                if pair.ends_with_answer:
                    break
                pair.client.sendall(data)
        self._end(pair)

    def _end(self, pair: _Pair) -> None:
        self._flows.wait()
        with self._lock:
            if pair not in self._pairs:
                return
            self._pairs.remove(pair)
        for end in (pair.client, pair.server):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


class _Pair:
    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.client = client
        self.server = server
        self.ends_with_answer = False
        self._prepared: set[bytes] = set()

    def commits(self, data: bytes) -> bool:
        """The driver prepares the command after a while, and names it from then on."""
        if b"COMMIT" in data:
            self._prepared.update(_PREPARED.findall(data))
            return bool(_PLAIN.search(data))
        return bool(self._prepared) and any(name in self._prepared for name in _EXECUTED.findall(data))
