"""Who gets the next slots: higher priority first; within one, runs take turns. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from quaero.ports.jobs import Lane


def share(lanes: Sequence[Lane], demand: int) -> list[tuple[Lane, int]]:
    """How many jobs to claim from each lane, at most ``demand`` together and never more than it has ready.

    ``lanes`` come in order of priority, then of turn. A run with several steps gets one share, not several.
    """
    quotas: list[tuple[Lane, int]] = []
    for priority in dict.fromkeys(lane.priority for lane in lanes):
        if demand <= 0:
            break
        level = [lane for lane in lanes if lane.priority == priority]
        given = _share_level(level, demand)
        demand -= sum(given.values())
        quotas += [(lane, given[lane.step_id]) for lane in level if given[lane.step_id]]
    return quotas


def _share_level(lanes: Sequence[Lane], demand: int) -> dict[int, int]:
    given = {lane.step_id: 0 for lane in lanes}
    while demand > 0:
        runs: dict[int, list[Lane]] = {}
        for lane in lanes:
            if given[lane.step_id] < lane.ready:
                runs.setdefault(lane.manager_id, []).append(lane)
        if not runs:
            break
        each = max(1, demand // len(runs))
        for steps in runs.values():
            portion = max(1, each // len(steps))
            for lane in steps:
                take = min(portion, lane.ready - given[lane.step_id], demand)
                given[lane.step_id] += take
                demand -= take
    return given
