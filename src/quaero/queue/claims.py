"""Claims: which jobs this process takes next. One turn; fair between runs, within all limits."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import msgspec
import structlog

from quaero.errors import QuaeroError
from quaero.model.definition import Limits
from quaero.ports.jobs import Claimed, ClaimedStep, Lane, Limiter, State
from quaero.queue.fairness import share
from quaero.queue.limits import allowance, taken
from quaero.queue.turn import Turn

log = structlog.get_logger("quaero.claims")

KEYS_AT_ONCE = 256
BUSY_US = 20_000
"""When to look again after another process was found to be claiming under limits."""
DUE_AT_ONCE = 2_000
LEAST_SHARE = 8
"""Jobs of one lane in a claim, where there are many: more lanes would cost more statements, and on a server more locks,
for a job or two of each. Who was not served now is first the next time."""
LANES = 64
"""As many as one look shows."""


class Demand(msgspec.Struct, kw_only=True):
    """What a process can take now."""

    process_id: int
    jobs: int = 0
    steps: int = 0
    roots: tuple[int, ...] | None = None
    """Only runs below these; None: any."""
    types: tuple[str, ...] = ()
    """The worker types this process can run: it is not handed what it can't."""
    capabilities: tuple[str, ...] = ()
    """What it offers to steps and jobs that need something."""
    seen_keys: dict[int, str] = {}
    """Step -> the last limit key looked at; kept by the process from claim to claim."""
    suspect_allowed: bool = True
    """A job that was lost twice may come along: none is in flight here."""


class Haul(msgspec.Struct):
    """What a claim brought. ``next_at``: when a rate limit lets the next job start (µs), if one held jobs back."""

    jobs: list[tuple[int, list[Claimed]]] = []
    """Per step."""
    steps: list[ClaimedStep] = []
    next_at: int | None = None
    is_dry: bool = False
    """There was less than asked for: ask again when something has changed."""


class LaneLimits(msgspec.Struct, frozen=True):
    """The limits of one step: its own (maybe by key) and the server's for its worker type."""

    worker_type: str
    own: Limits = Limits()
    server: Limits = Limits()

    @property
    def is_limited(self) -> bool:
        return self.own != Limits() or self.server != Limits()

    def slots(self, key: str | None) -> tuple[tuple[str, str], ...]:
        """The (worker type, key) under which a job with this limit key counts while it runs."""
        if not self.is_limited:
            return ()
        if not key:
            return ((self.worker_type, ""),)
        by_key = ((self.worker_type, key),)
        return by_key if self.server == Limits() else (*by_key, (self.worker_type, ""))


LimitsOf = Callable[[Turn, int], LaneLimits]


def claim(turn: Turn, demand: Demand, limits_of: LimitsOf) -> Haul:
    """Take up to ``demand.jobs`` jobs and ``demand.steps`` steps to plan."""
    haul = Haul(jobs=[], steps=[])
    left = demand.jobs
    lanes, plannable = turn.tx.look(demand.roots, demand.types, [], demand.capabilities)
    spent: list[int] = []
    while left > 0 and lanes:
        top = max(lane.priority for lane in lanes)
        # What a lane has below the next lane's best must wait for that one.
        floor = max((lane.priority for lane in lanes if lane.priority < top), default=None)
        for lane, quota in share([lane for lane in lanes if lane.priority == top], left, LEAST_SHARE):
            jobs = _claim_lane(turn, demand, lane, quota, floor, limits_of, haul)
            left -= len(jobs)
            if not jobs or len(jobs) >= lane.ready or (len(jobs) < quota and floor is None):
                spent.append(lane.step_id)
        turn.tx.claim_picked(demand.process_id)
        is_over = len(lanes) < LANES and all(lane.step_id in spent for lane in lanes)
        if is_over or not left:
            break
        lanes = turn.tx.look(demand.roots, demand.types, spent, demand.capabilities).lanes
    if plannable and demand.steps:
        # The job of a step belongs to its root's lock.
        turn.lock_touched(turn.tx.plannable(demand.roots, demand.types, demand.steps, demand.capabilities))
        roots = narrowed(demand.roots, turn.tx.locked_roots) if turn.tx.locked_roots else demand.roots
        haul.steps = turn.tx.claim_steps(roots, demand.types, demand.steps, demand.process_id, demand.capabilities)
    haul.is_dry = left > 0 and not any(demand.seen_keys.get(step_id) for step_id in spent)
    return haul


def _claim_lane(
    turn: Turn, demand: Demand, lane: Lane, quota: int, floor: int | None, limits_of: LimitsOf, haul: Haul
) -> list[Claimed]:
    jobs = _within_limits(turn, demand, lane, quota, floor, limits_of, haul)
    if jobs:
        delta = turn.delta(lane.step_id)
        delta.turn = turn.now
        haul.jobs.append((lane.step_id, jobs))
        delta.move(State.READY, State.RUNNING, len(jobs))
        if not (jobs[-1].limit_key or jobs[-1].is_suspect or lane.has_needing):
            delta.priority = jobs[-1].priority
    return jobs


def _within_limits(
    turn: Turn, demand: Demand, lane: Lane, quota: int, floor: int | None, limits_of: LimitsOf, haul: Haul
) -> list[Claimed]:
    try:
        limits = limits_of(turn, lane.step_id)
    except (msgspec.MsgspecError, QuaeroError) as error:
        # Another version's definition: not ours to run, and no reason to stop claiming.
        log.warning("claim.skipped", step_id=lane.step_id, error=str(error))
        return []
    if not limits.is_limited:
        return _take(turn, demand, lane, quota, floor)
    if not turn.tx.lock_limits(wait=False):
        haul.next_at = min(haul.next_at or turn.now + BUSY_US, turn.now + BUSY_US)
        return []
    common = _Bucket(turn, limits.worker_type, "", [limits.server] if limits.own.key else [limits.server, limits.own])
    quota = common.allows(quota, haul)
    if not limits.own.key:
        jobs = _take(turn, demand, lane, quota, floor) if quota else []
        common.take(len(jobs))
        return jobs
    jobs = []
    keys = turn.tx.ready_keys(lane.step_id, demand.seen_keys.get(lane.step_id, ""), KEYS_AT_ONCE)
    # With more keys than that, the next look goes on behind them, so that none waits behind blocked ones for ever.
    demand.seen_keys[lane.step_id] = keys[-1] if len(keys) == KEYS_AT_ONCE else ""
    for key in keys:
        bucket = _Bucket(turn, limits.worker_type, key, [limits.own])
        count = bucket.allows(quota - len(jobs), haul)
        if count:
            got = _take(turn, demand, lane, count, floor, key)
            bucket.take(len(got))
            jobs += got
    if limits.server != Limits():
        common.take(len(jobs))
    return jobs


def _take(
    turn: Turn, demand: Demand, lane: Lane, count: int, floor: int | None, limit_key: str | None = None
) -> list[Claimed]:
    jobs: list[Claimed] = []
    if lane.has_suspect and demand.suspect_allowed:
        jobs = turn.tx.pick_suspect(lane.step_id, limit_key, demand.capabilities)
        demand.suspect_allowed = not jobs
    if count > len(jobs):
        offered = demand.capabilities if lane.has_needing else ()
        jobs += turn.tx.pick_jobs(lane.step_id, count - len(jobs), demand.process_id, limit_key, floor, offered)
    return jobs


class _Bucket:
    """The limiter of one (worker type, key), within a turn."""

    def __init__(self, turn: Turn, name: str, key: str, limits: Sequence[Limits]) -> None:
        self._turn = turn
        self._name = name
        self._limits = limits
        self._limiter = turn.tx.limiters(name, [key]).get(key, Limiter(key, 0, None, None))

    def allows(self, wanted: int, haul: Haul) -> int:
        allowed = allowance(self._limits, self._limiter, self._turn.now, wanted)
        if allowed.next_at is not None:
            haul.next_at = min(haul.next_at or allowed.next_at, allowed.next_at)
        return allowed.jobs

    def take(self, count: int) -> None:
        if count:
            limiter = taken(self._limits, self._limiter, self._turn.now, count)
            self._turn.tx.put_limiters(self._name, [limiter])


def narrowed(roots: tuple[int, ...] | None, to: Collection[int]) -> tuple[int, ...]:
    """Of ``roots`` (None: any) those in ``to``."""
    return tuple(sorted(to if roots is None else set(roots) & set(to)))


def bring_due(turn: Turn) -> bool:
    """Jobs whose retry or snooze is over become claimable; True when there may be more."""
    moved = turn.tx.bring_due(DUE_AT_ONCE)
    for step_id, count in moved.items():
        if step_id:
            turn.delta(step_id).move(State.WAITING, State.READY, count)
    if moved:
        turn.made_work = True
    return sum(moved.values()) >= DUE_AT_ONCE
