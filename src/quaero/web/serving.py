"""Serving: the site in a thread and an event loop of its own, so that no worker's code keeps a page waiting."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

import uvicorn
from starlette.types import ASGIApp

from quaero.errors import ConfigError, QuaeroError

START_S: Final = 30.0
STOP_S: Final = 5
POLL_S: Final = 0.005
BACKLOG: Final = 512
LARGEST_PORT: Final = 65_535
LARGEST_MESSAGE: Final = 65_536


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, leave: Callable[[], Awaitable[None]] | None) -> None:
        super().__init__(config)
        self._leave = leave

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self._leave is not None:
            await self._leave()
        await super().shutdown(sockets)


class SiteServer:
    """Start it, then stop it. The socket is bound at once, so that a port that is taken is found before all else."""

    def __init__(
        self,
        site: ASGIApp,
        host: str,
        port: int,
        *,
        told: Callable[[str], object] = lambda url: None,
        leave: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """``told`` is called with the address, once requests are answered; ``leave`` ends what would go on for ever,
        before sockets are closed.

        Raises:
            ConfigError: the address can't be listened on.
        """
        self._told = told
        self._socket = _bound(host, port)
        self.host = host
        self.port: int = self._socket.getsockname()[1]
        self._server = _Server(
            uvicorn.Config(
                site,
                log_config=None,
                log_level="warning",
                access_log=False,
                server_header=False,
                proxy_headers=False,
                lifespan="on",
                ws="websockets-sansio",
                ws_max_size=LARGEST_MESSAGE,
                ws_per_message_deflate=False,
                timeout_graceful_shutdown=STOP_S,
            ),
            leave,
        )
        self._thread = threading.Thread(target=self._run, name="quaero-site", daemon=True)
        self._up = threading.Event()

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    def start(self) -> None:
        """Returns when requests are answered.

        Raises:
            QuaeroError: the site did not come up; the service log says why.
        """
        self._thread.start()
        if not self._up.wait(START_S) or not self._server.started:
            self.stop()
            raise QuaeroError("the site did not come up; the lines above say why")
        self._told(self.url)

    def stop(self) -> None:
        """Answers what is under way, for some seconds, and closes the sockets."""
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join(STOP_S * 2)
        with suppress(OSError):
            self._socket.close()

    def _run(self) -> None:
        with suppress(SystemExit):
            asyncio.run(self._serve())
        self._up.set()

    async def _serve(self) -> None:
        serving = asyncio.create_task(self._server.serve(sockets=[self._socket]))
        while not (self._server.started or serving.done()):  # noqa: ASYNC110 - uvicorn has a flag, no event
            await asyncio.sleep(POLL_S)
        self._up.set()
        await serving


def _bound(host: str, port: int) -> socket.socket:
    if not 0 <= port <= LARGEST_PORT:  # getaddrinfo would take what is left of it by 65,536
        raise ConfigError(f"there is no port {port}; choose one from 1 to {LARGEST_PORT} with --port, or 0: any")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        found = socket.socket(family, kind, protocol)
        try:
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            found.bind(address)
            found.listen(BACKLOG)
        except OSError:
            found.close()
            raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigError(
            f"can't listen on {host}:{port} ({reason}); choose another address with --host and --port"
        ) from error
    return found
