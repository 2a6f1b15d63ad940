"""Who is compared: the packages, exactly; how much work; and what a peer keeps for its figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

POSTGRES_DRIVER = "psycopg[binary,pool]==3.3.9"
REDIS_CLIENT = ("redis==8.1.0", "hiredis==3.5.0")

PINS: dict[str, tuple[str, ...]] = {
    "celery": ("celery[redis]==5.7.0", "kombu==5.7.0", *REDIS_CLIENT),
    "dbos": ("dbos==3.4.0", "SQLAlchemy==2.1.9", POSTGRES_DRIVER),
    "dramatiq": ("dramatiq[redis]==2.2.1", *REDIS_CLIENT),
    "huey": ("huey==3.5.4",),
    "pgqueuer": ("pgqueuer==1.6.0", "asyncpg==0.32.0", POSTGRES_DRIVER),
    "procrastinate": ("procrastinate==3.10.0", POSTGRES_DRIVER),
    "saq": ("saq[redis,postgres,hiredis]==0.26.4", "redis==7.4.1", "hiredis==3.5.0", POSTGRES_DRIVER),
    "taskiq": ("taskiq==0.13.0", "taskiq-redis==1.2.4", "uvloop==0.23.0", *REDIS_CLIENT),
}
"""Tool -> what is installed into its environment."""


@dataclass(frozen=True)
class Peer:
    """A tool on a store, with the settings that it is measured with."""

    name: str
    tool: str
    store: str
    """``sqlite``, ``postgres`` or ``redis``."""
    jobs: int
    """Of the drain: as many as take a few seconds."""
    children: int
    keeps: str
    """What of a finished job is left, and what a crash may cost."""
    fan_in: str
    """Who closes the parent."""
    variant: str = ""

    def size(self, work: str, *, quick: bool) -> int:
        """How many jobs, children or samples; a quick look takes a fifth."""
        full = {"drain": self.jobs, "fanout": self.children, "latency": 200}[work]
        return full // 5 if quick else full

    def note(self, work: str) -> str:
        return {"drain": self.keeps, "fanout": self.fan_in}.get(work, "")


_HUEY = "at-most-once, no status: taking a job deletes it; FULL"
_HUEY_NORMAL = "as huey-full; NORMAL, set by us: a power cut loses commits"
_HUEY_FAN_IN = "by hand: the parent polls result rows"
_DBOS = "status, input, result per job; polls at 50 ms, default 1 s"
_DBOS_FAN_IN = "its own: the parent awaits each child; checkpointed"
_PGQUEUER = "status in a log table, the job's row is deleted; no result"
_PROCRASTINATE = "status per job and a row per change of it; no result"
_SAQ = "status and result for 10 minutes"
_LOSS = "a power cut may lose 1 s"
_NONE_LEFT = "by hand: no child is left to do"

PEERS: tuple[Peer, ...] = (
    Peer("huey-full", "huey", "sqlite", 10_000, 5_000, _HUEY, _HUEY_FAN_IN, variant="FULL"),
    Peer("huey-normal", "huey", "sqlite", 20_000, 5_000, _HUEY_NORMAL, _HUEY_FAN_IN, variant="NORMAL"),
    Peer("dbos-sqlite", "dbos", "sqlite", 1_500, 1_000, _DBOS, _DBOS_FAN_IN),
    Peer("dbos-postgres", "dbos", "postgres", 3_000, 1_000, _DBOS, _DBOS_FAN_IN),
    Peer("pgqueuer", "pgqueuer", "postgres", 20_000, 5_000, _PGQUEUER, _NONE_LEFT),
    Peer("procrastinate", "procrastinate", "postgres", 2_000, 2_000, _PROCRASTINATE, _NONE_LEFT),
    Peer("saq-postgres", "saq", "postgres", 2_000, 2_000, _SAQ, _NONE_LEFT),
    Peer("saq-redis", "saq", "redis", 10_000, 5_000, f"{_SAQ}; {_LOSS}", _NONE_LEFT),
    Peer("dramatiq", "dramatiq", "redis", 10_000, 5_000, f"no status; {_LOSS}", "its own: a group's callback"),
    Peer(
        "celery", "celery", "redis", 5_000, 5_000, f"no status, acks late; {_LOSS}", "its own: a chord, results stored"
    ),
    Peer(
        "taskiq",
        "taskiq",
        "redis",
        10_000,
        5_000,
        f"no status, acknowledged stream; {_LOSS}",
        "by hand: whoever logs the last line closes; no results",
    ),
)


def chosen(names: Sequence[str]) -> list[Peer]:
    """Peers by their own name or their tool's; all of them when none is named.

    Raises:
        ValueError: nobody has such a name.
    """
    known = {name for peer in PEERS for name in (peer.name, peer.tool)}
    if unknown := [name for name in names if name not in known]:
        raise ValueError(f"no such peer: {', '.join(unknown)}; there is {', '.join(peer.name for peer in PEERS)}")
    return [peer for peer in PEERS if not names or {peer.name, peer.tool} & set(names)]
