"""Wake-up between processes on one host: a datagram on loopback that says "look again", nothing more.

It only shortens a wait. Nothing depends on it: a process also looks by itself, less and less often when idle.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterable

from quaero.ports.jobs import ProcessRow

LOOPBACK = "127.0.0.1"
LOOK = b"q"


class _Listener(asyncio.DatagramProtocol):
    def __init__(self, woken: Callable[[], None]) -> None:
        self._woken = woken

    def datagram_received(self, data: bytes, addr: object) -> None:
        if data == LOOK:
            self._woken()


class DatagramWakeUp:
    """See :class:`quaero.ports.wakeup.WakeUp`. Listens on a port of its own and tells other processes' ports."""

    def __init__(self) -> None:
        self._transport: asyncio.DatagramTransport | None = None
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._ports: list[int] = []
        self.port = 0

    async def open(self, woken: Callable[[], None]) -> None:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: _Listener(woken), local_addr=(LOOPBACK, 0))
        self._transport = transport
        self.port = int(transport.get_extra_info("sockname")[1])

    def knows(self, processes: Callable[[], Iterable[ProcessRow]]) -> None:
        self._ports = [process.port for process in processes() if process.port != self.port]

    def tell(self) -> None:
        tell(self._socket, self._ports)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()
        self._socket.close()


def tell(sender: socket.socket, ports: Iterable[int]) -> None:
    for port in ports:
        if port:
            try:
                sender.sendto(LOOK, (LOOPBACK, port))
            except OSError:
                # Nobody there, or no room: they look by themselves.
                continue


def tell_once(ports: Iterable[int]) -> None:
    """For a command that changes something and ends."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        tell(sender, ports)
