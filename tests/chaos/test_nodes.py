"""Many nodes on one PostgreSQL, while nodes die, the server restarts, and the network stalls or breaks.

Each node believes to be on a host of its own: nothing but its lease tells the others of its end.
"""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import get_args

import pytest

from quaero.errors import StoreUnavailable
from quaero.model.definition import RetryPolicy
from tests.chaos.kit import Node, Site, Tally, check_all_done_once, generated, log_lines, own_site, refusals
from tests.chaos.server import Mode, OwnServer
from tests.chaos.wire import Moment, Wire

LEASE_S = 3.0
SETTINGS = {
    "slots": 16,
    "lease_seconds": LEASE_S,
    "renew_seconds": 0.5,
    "drain_seconds": 5,
    "audit_seconds": 1,
    "postgres__answer_seconds": 2,
}
MODES: tuple[Mode, ...] = get_args(Mode)
MOMENTS: tuple[Moment, ...] = get_args(Moment)
OUTAGE = ("store.unavailable", "store.available_again")
# How long the long form goes on.
SOAK_S = float(os.environ.get("QUAERO_CHAOS_SECONDS", "480"))


class Fleet:
    """Some nodes, what happens to them, and the tally of it."""

    def __init__(self, site: Site, server: OwnServer, size: int, *, seed: int = 0, wired: bool = False) -> None:
        self.site = site
        self.server = server
        self.random = Random(seed)
        self.tally = Tally()
        self.living: list[Node] = []
        self._wires: dict[Node, Wire] = {}
        self._wired = wired
        for _ in range(size):
            self.add()
        for node in self.living:
            node.at_work()

    def add(self) -> Node:
        number = len(self.site.nodes) + 1
        place = self.server.folder / f"{self.site.url_name}-{number}"
        wire = Wire(place, self.server.socket) if self._wired else None
        url = self.site.url if wire is None else self.server.url(self.site.url_name, host=wire.folder)
        node = self.site.node(url=url, host=f"host-{number}", **SETTINGS)
        self.living.append(node)
        if wire is not None:
            self._wires[node] = wire
        return node

    def wire_of(self, node: Node) -> Wire:
        return self._wires[node]

    def close(self) -> None:
        for wire in self._wires.values():
            wire.close()

    # what happens

    def kill_one(self) -> None:
        """And another one takes its place."""
        doomed = self.living.pop(self.random.randrange(len(self.living)))
        doomed.kill()
        self.tally.kills += 1
        self.add().at_work()

    def restart(self, mode: Mode) -> None:
        self.server.restart(mode)
        self.tally.restarts += 1

    def part(self, node: Node) -> None:
        """No byte passes until the others have taken it for dead; then all goes on, and it comes back by itself."""
        before = self.site.registered(node)
        wire = self.wire_of(node)
        wire.stall()
        self.tally.partitions += 1
        self.site.until(lambda: self.is_given_up(before), 60)
        wire.go_on()
        self.site.until(lambda: self.site.registered(node) not in {0, before}, 60)

    def is_given_up(self, process_id: int) -> bool:
        try:
            return not self.site.rows(f"SELECT 1 FROM processes WHERE id = {process_id}")
        except StoreUnavailable:
            return False

    def cut(self, node: Node) -> None:
        self.wire_of(node).cut()
        self.tally.cuts += 1

    def cut_at_commit(self, node: Node, moment: Moment, run_id: int) -> None:
        wire = self.wire_of(node)
        wire.cut_at_commit(moment)
        self.site.until(lambda: wire.is_sprung.is_set() or self.site.is_over(run_id), 30)
        self.tally.cuts += 1

    def anything(self, run_id: int) -> None:
        node = self.random.choice(self.living)
        deeds = (
            self.kill_one,
            lambda: self.restart(self.random.choice(MODES)),
            lambda: self.part(node),
            lambda: self.cut(node),
            lambda: self.cut_at_commit(node, self.random.choice(MOMENTS), run_id),
        )
        self.random.choices(deeds, (3, 3, 1, 3, 5))[0]()

    # what is left

    def check(self, run_id: int, jobs: int) -> None:
        """All done once, and every node at work as if nothing had been."""
        self.site.ends(run_id, 90)
        found = check_all_done_once(self.site, run_id, jobs)
        for name in ("jobs", "rescued", "lost", "doubled", "drift"):
            setattr(self.tally, name, getattr(self.tally, name) + getattr(found, name))
        for node in self.living:
            self.site.until(lambda node=node: self.site.registered(node) or not node.is_alive, 30)
            assert node.is_alive, node.story
        self.tally.refused = refusals(self.site)
        self.tally.conflicts = self.server.conflicts()

    def leave(self) -> None:
        # Those that were killed are there until their leases end.
        self.site.until(lambda: self.site.rows("SELECT count(*) FROM processes") == [(len(self.living),)], 30)
        for node in self.living:
            node.leave()
        assert self.site.rows("SELECT count(*) FROM processes") == [(0,)]
        assert self.site.rows("SELECT count(*) FROM jobs WHERE status < 3") == [(0,)]


@pytest.fixture
def fleet(server: OwnServer, tmp_path: Path):
    """Makes fleets that are gone when the test ends."""
    made: list[Fleet] = []
    with own_site(server, tmp_path) as site:

        def make(size: int, **options: object) -> Fleet:
            made.append(Fleet(site, server, size, **options))
            return made[-1]

        yield make
        for one in made:
            one.close()


def test_nodes_are_killed_and_others_take_their_place(fleet):
    nodes = fleet(3, seed=1)
    run_id = nodes.site.submit(generated(3_000, lines=1))
    for goal in (200, 900, 1_600):
        nodes.site.reaches(run_id, goal)
        nodes.kill_one()

    nodes.check(run_id, 3_000)
    nodes.leave()


def test_the_server_is_stopped_and_crashes_under_load(fleet):
    nodes = fleet(3, seed=2)
    run_id = nodes.site.submit(generated(6_000, lines=1))
    for goal, mode in ((300, "immediate"), (1_500, "fast"), (3_000, "immediate"), (4_500, "fast")):
        nodes.site.reaches(run_id, goal)
        nodes.restart(mode)

    nodes.check(run_id, 6_000)
    outages = nodes.tally.restarts
    for node in nodes.living:
        unavailable, again = map(node.told, OUTAGE)
        # Two threads write: one may meet an outage that the other has already got over.
        assert unavailable == again <= 2 * outages, node.story
        assert "Traceback" not in node.story
    nodes.leave()


def test_the_connections_of_one_node_stall_for_longer_than_its_lease(fleet):
    nodes = fleet(3, seed=3, wired=True)
    run_id = nodes.site.submit(generated(200, lines=10, delay_ms=150))
    cut_off = nodes.living[0]
    held = f"SELECT 1 FROM jobs WHERE status = 2 AND claimed_by = {nodes.site.registered(cut_off)} AND kind = 2"
    nodes.site.until(lambda: nodes.site.rows(held))

    nodes.part(cut_off)

    nodes.site.ends(run_id)
    check_all_done_once(nodes.site, run_id, 200, lines=10)
    unavailable, again = map(cut_off.told, OUTAGE)
    # It says nothing where it was cut off within a commit: it asks for the fate of that as soon as it can.
    assert unavailable == again <= 2, cut_off.story
    nodes.leave()


def test_connections_are_cut_also_just_before_and_just_after_a_commit(fleet):
    nodes = fleet(2, seed=4, wired=True)
    run_id = nodes.site.submit(generated(3_000, lines=1))
    for goal in range(200, 2_800, 400):
        nodes.site.reaches(run_id, goal)
        nodes.cut_at_commit(nodes.random.choice(nodes.living), MOMENTS[goal // 400 % 2], run_id)
    nodes.cut(nodes.living[0])

    nodes.check(run_id, 3_000)
    nodes.leave()


def test_two_nodes_whose_clocks_are_an_hour_apart(server, tmp_path):
    retry = RetryPolicy(max_attempts=3, backoff=1.0, jitter=False)
    with own_site(server, tmp_path) as site:
        began = datetime.now(UTC)
        run_id = site.submit(generated(400, lines=4, delay_ms=50, failure_rate=0.25, retry=retry))
        late, early = (site.node(host=h, ahead_s=s, **SETTINGS) for h, s in (("late", -1800), ("early", 1800)))
        for node in (late, early):
            node.at_work()
        ids = {site.registered(late), site.registered(early)}
        site.ends(run_id)
        ended = datetime.now(UTC)

        with site.app() as app:
            entries = list(log_lines(app, run_id))
        assert began <= min(entry.ts for entry in entries) <= max(entry.ts for entry in entries) <= ended
        first, last = (int(t.timestamp() * 1e6) for t in (began, ended))
        times = "created_at", "started_at", "finished_at"
        for name in times:
            outside = f"SELECT count(*) FROM jobs WHERE {name} NOT BETWEEN {first} AND {last}"
            assert site.rows(outside) == [(0,)], name
        waits = site.rows(
            "SELECT n.ended_at - a.ended_at, a.attempt, a.process_id <> n.process_id FROM attempts AS a "
            "JOIN attempts AS n ON n.job_id = a.job_id AND n.attempt = a.attempt + 1"
        )
        assert len(waits) > 100
        assert any(changed for _, _, changed in waits)
        # The back-off and the job's own 200 ms, and not half an hour more or less.
        for wait_us, failures, _ in waits:
            due = 2 ** (failures - 1)
            assert due + 0.2 <= wait_us / 1e6 < due + 4
        assert {site.registered(late), site.registered(early)} == ids
        assert site.rows("SELECT count(*) FROM events WHERE type = 'process.lost'") == [(0,)]
        assert site.rows("SELECT sum(rescues) FROM jobs") == [(0,)]
        for node in (late, early):
            node.leave()


def test_all_of_it_at_random(fleet):
    nodes = fleet(3, seed=5, wired=True)
    run_id = nodes.site.submit(generated(2_500, lines=1))
    for goal in range(200, 2_200, 300):
        nodes.site.reaches(run_id, goal)
        nodes.anything(run_id)

    nodes.check(run_id, 2_500)
    nodes.leave()


@pytest.mark.soak
def test_all_of_it_at_random_for_minutes(fleet, capsys):
    nodes = fleet(4, seed=6, wired=True)
    until = time.monotonic() + SOAK_S
    runs = 0
    while time.monotonic() < until:
        runs += 1
        run_id = nodes.site.submit(generated(5_000, name=f"chaos-{runs}", lines=1))
        goal = 0
        while not nodes.site.is_over(run_id):
            goal += nodes.random.randrange(100, 600)
            nodes.site.reaches(run_id, goal, 120)
            nodes.anything(run_id)
        nodes.check(run_id, 5_000)
    for node in nodes.living:
        unavailable, again = map(node.told, OUTAGE)
        assert unavailable == again, node.story
    nodes.leave()
    with capsys.disabled():
        print(f"\n{runs} runs in {SOAK_S:g} s: {nodes.tally}")
