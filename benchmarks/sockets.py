"""Clients of the live view's socket: many that read all they are sent, and one that sleeps."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from collections import Counter
from time import monotonic

from websockets.asyncio.client import connect
from websockets.client import ClientProtocol
from websockets.frames import Opcode
from websockets.uri import parse_uri

CHUNK = 65_536
SMALL_BUFFER = 65_536
ANSWER_S = 10.0


async def listen(url: str, count: int, stop: asyncio.Event | None = None) -> list[int]:
    """So many clients, which read and drop all they get until told to stop; the frames of each."""
    frames = [0] * count

    async def one(number: int) -> None:
        async with connect(url, max_size=None, compression=None, ping_interval=None) as client:
            async for _ in client:
                frames[number] += 1

    clients = [asyncio.create_task(one(number)) for number in range(count)]
    await (stop or asyncio.Event()).wait()
    for client in clients:
        client.cancel()
    await asyncio.gather(*clients, return_exceptions=True)
    return frames


class Sleeper:
    """A client that reads only when it is told to. Its system buffers little for it."""

    def __init__(self, host: str, port: int, url: str) -> None:
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)
        self._socket.settimeout(ANSWER_S)
        self._socket.connect((host, port))
        self._protocol = ClientProtocol(parse_uri(url), max_size=None)
        self._text = b""
        self.frames: list[dict[str, object]] = []
        self.received = 0
        self._protocol.send_request(self._protocol.connect())
        self._send()

    def read(self, seconds: float) -> None:
        """All that comes within that time."""
        end = monotonic() + seconds
        while (left := end - monotonic()) > 0:
            self._socket.settimeout(left)
            try:
                data = self._socket.recv(CHUNK)
            except TimeoutError:
                return
            if not data:
                raise SystemExit("the server has closed the sleeper's socket")
            self.received += len(data)
            self._protocol.receive_data(data)
            self._send()
            for event in self._protocol.events_received():
                if getattr(event, "opcode", None) in {Opcode.TEXT, Opcode.CONT}:
                    self._text += event.data  # type: ignore[union-attr]
                    if event.fin:  # type: ignore[union-attr]
                        self.frames.append(json.loads(self._text))
                        self._text = b""

    def kinds(self) -> Counter[object]:
        return Counter(frame["t"] for frame in self.frames)

    def close(self) -> None:
        self._socket.close()

    def _send(self) -> None:
        for data in self._protocol.data_to_send():
            if data:
                self._socket.sendall(data)


def main() -> None:
    """``python sockets.py URL COUNT``: listens until its standard input ends."""
    url, count = sys.argv[1], int(sys.argv[2])

    async def run() -> None:
        stop = asyncio.Event()
        listening = asyncio.create_task(listen(url, count, stop))
        await asyncio.to_thread(sys.stdin.readline)
        stop.set()
        print(json.dumps(await listening), flush=True)

    asyncio.run(run())


if __name__ == "__main__":
    main()
