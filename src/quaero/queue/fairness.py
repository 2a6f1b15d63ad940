"""Who gets the next slots: higher priority first; within one, runs take turns. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from quaero.ports.jobs import Lane


def share(lanes: Sequence[Lane], demand: int, least: int = 1) -> list[tuple[Lane, int]]:
    """How many jobs to claim from each lane, at most ``demand`` together and never more than it has ready.

    Within a priority every run gets the same, however many steps it has; what is left over goes to those that
    were served longest ago. A run was served when its latest lane was. Where a part would be smaller than ``least``,
    fewer runs and lanes are served, those served longest ago; the others' turn comes with the next claim.
    """
    quotas: list[tuple[Lane, int]] = []
    for priority in sorted({lane.priority for lane in lanes}, reverse=True):
        if demand <= 0:
            break
        runs: dict[int, list[Lane]] = {}
        for lane in sorted(
            (lane for lane in lanes if lane.priority == priority and lane.ready > 0),
            key=lambda lane: (lane.turn, lane.step_id),
        ):
            runs.setdefault(lane.manager_id, []).append(lane)
        in_turn = sorted(runs.values(), key=lambda steps: steps[-1].turn)[: max(1, demand // least)]
        portions = _equal_parts([sum(lane.ready for lane in steps) for steps in in_turn], demand)
        demand -= sum(portions)
        for steps, portion in zip(in_turn, portions, strict=True):
            served = steps[: max(1, portion // least)]
            parts = _equal_parts([lane.ready for lane in served], portion)
            quotas += [(lane, part) for lane, part in zip(served, parts, strict=True) if part]
    return quotas


def _equal_parts(wanted: Sequence[int], amount: int) -> list[int]:
    """``amount`` in equal parts, none above what is wanted; the first ones get the odd pieces."""
    level, left = 0, amount
    for place, most in enumerate(ordered := sorted(wanted)):
        rise = min(most - level, left // (len(ordered) - place))
        level += rise
        left -= rise * (len(ordered) - place)
        if level < most:
            break
    parts = [min(most, level) for most in wanted]
    for place, most in enumerate(wanted):
        if left and most > parts[place]:
            parts[place] += 1
            left -= 1
    return parts
