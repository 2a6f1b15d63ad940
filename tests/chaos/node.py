"""``quaero`` as on another machine: ``node.py HOST SECONDS ARGUMENTS…``, with a wall clock SECONDS ahead of this one's.

A script, for it must be the first to import anything.
"""

from __future__ import annotations

import socket
import sys
import time


def become(host: str, ahead_s: float) -> None:
    plain, plain_ns = time.time, time.time_ns
    time.time = lambda: plain() + ahead_s
    time.time_ns = lambda: plain_ns() + int(ahead_s * 1e9)
    socket.gethostname = lambda: host


if __name__ == "__main__":
    become(sys.argv[1], float(sys.argv[2]))
    del sys.argv[1:3]
    # Not this script's folder, whose modules are nobody's business here.
    del sys.path[0]

    from quaero.cli.main import main

    sys.exit(main())
