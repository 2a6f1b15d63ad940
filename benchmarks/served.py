"""``quaero serve`` as a process, with what it costs; and the plainest client there is."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, perf_counter, sleep

HOST = "127.0.0.1"
START_S = 60.0
STOP_S = 15.0
LOOK_S = 0.005
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Served:
    port: int
    pid: int
    started_at: float
    """When the process was started (``perf_counter``)."""

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def cpu_s(self) -> float:
        """CPU seconds of the process so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def cpu_percent(self, seconds: float) -> float:
        """Of one core, over so many seconds from now."""
        cpu, begun = self.cpu_s(), monotonic()
        sleep(seconds)
        return (self.cpu_s() - cpu) / (monotonic() - begun) * 100

    def rss_mb(self) -> float:
        status = Path(f"/proc/{self.pid}/status").read_text(encoding="ascii")
        return int(status.split("VmRSS:")[1].split()[0]) / 1024

    def connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(HOST, self.port, timeout=START_S)


@contextmanager
def served(folder: Path) -> Iterator[Served]:
    """Answers requests from here on."""
    with started(folder) as server:
        wait_for(server, "/api/health")
        yield server


@contextmanager
def started(folder: Path) -> Iterator[Served]:
    """Just started; nothing answers yet."""
    port = _free_port()
    command = [sys.executable, "-m", "quaero", "--data", str(folder), "serve", "--host", HOST, "--port", str(port)]
    said = folder / "serve.stderr"
    with said.open("w") as stderr:
        begun = perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=stderr)
    try:
        yield Served(port, process.pid, begun)
    except OSError as error:
        raise SystemExit(f"{error}; quaero serve said: {said.read_text()[-2_000:]}") from error
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()


def wait_for(server: Served, path: str) -> float:
    """Seconds from the start of the process until ``path`` is answered with 200."""
    give_up = perf_counter() + START_S
    while perf_counter() < give_up:
        try:
            connection = server.connection()
            connection.request("GET", path)
            if connection.getresponse().status == http.HTTPStatus.OK:
                return perf_counter() - server.started_at
        except ConnectionError:
            if not Path(f"/proc/{server.pid}/stat").exists() or _is_over(server.pid):
                break
        finally:
            connection.close()
        sleep(LOOK_S)
    raise OSError(f"{server.url}{path} does not answer")


def _is_over(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] == "Z"


def _free_port() -> int:
    with socket.socket() as found:
        found.bind((HOST, 0))
        return int(found.getsockname()[1])
