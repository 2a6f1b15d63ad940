"""Shares of the next slots: what holds for any lanes."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from quaero.ports.jobs import Lane
from quaero.queue.fairness import share


@st.composite
def lanes(draw: st.DrawFn) -> list[Lane]:
    size = draw(st.integers(0, 12))
    numbers = st.integers(0, 3)
    return [
        Lane(n, draw(numbers), draw(numbers), draw(st.integers(0, 30)), 0, draw(st.integers(0, 9))) for n in range(size)
    ]


demands = st.integers(0, 200)


@given(lanes(), demands)
def test_never_more_than_asked_for_nor_than_is_ready_and_nothing_is_left_idle(found: list[Lane], demand: int) -> None:
    quotas = share(found, demand)

    assert len({lane.step_id for lane, _ in quotas}) == len(quotas)
    assert all(0 < quota <= lane.ready for lane, quota in quotas)
    assert sum(quota for _, quota in quotas) == min(demand, sum(lane.ready for lane in found))


@given(lanes(), demands)
def test_a_lower_priority_gets_something_only_when_the_higher_ones_have_all(found: list[Lane], demand: int) -> None:
    given_to = {lane.step_id: quota for lane, quota in share(found, demand)}

    for low in found:
        if given_to.get(low.step_id):
            assert all(given_to.get(lane.step_id, 0) == lane.ready for lane in found if lane.priority > low.priority)


@given(lanes(), demands)
def test_runs_of_one_priority_get_the_same_give_or_take_one(found: list[Lane], demand: int) -> None:
    quotas = share(found, demand)

    for priority in {lane.priority for lane in found}:
        level = [lane for lane in found if lane.priority == priority]
        got = Counter({lane.manager_id: 0 for lane in level})
        for lane, quota in quotas:
            if lane.priority == priority:
                got[lane.manager_id] += quota
        for run, count in got.items():
            if count < sum(lane.ready for lane in level if lane.manager_id == run):
                assert max(got.values()) <= count + 1, "who wants more has as much as anybody"


@given(lanes(), demands)
def test_steps_of_one_run_get_the_same_give_or_take_one(found: list[Lane], demand: int) -> None:
    given_to = {lane.step_id: quota for lane, quota in share(found, demand)}

    for one in found:
        for other in found:
            same = (one.manager_id, one.priority) == (other.manager_id, other.priority)
            if same and given_to.get(one.step_id, 0) < one.ready:
                assert given_to.get(other.step_id, 0) <= given_to.get(one.step_id, 0) + 1


def test_the_odd_slot_goes_to_the_run_served_longest_ago_not_to_the_one_with_more_steps() -> None:
    wide = [Lane(n, 1, 0, 5, 0, turn) for n, turn in ((1, 0), (2, 3), (3, 1))]
    narrow = Lane(4, 2, 0, 5, 0, 2)

    assert share([*wide, narrow], 1) == [(narrow, 1)]
    assert Counter({lane.manager_id: quota for lane, quota in share([*wide, narrow], 3) if lane is narrow})[2] == 2


def test_within_a_run_the_step_served_longest_ago_is_first() -> None:
    late, early = Lane(1, 1, 0, 5, 0, 9), Lane(2, 1, 0, 5, 0, 3)

    assert share([late, early], 1) == [(early, 1)]
