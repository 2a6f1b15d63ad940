"""Nodes: what needs a capability runs only where it is, one node leads by terms, and who can't work here does not."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel
from structlog.testing import capture_logs

from quaero import Worker
from quaero.app import App
from quaero.config import load
from quaero.errors import Refused
from quaero.model.definition import JobDefinition, Limits, StepDefinition
from quaero.model.status import JobStatus
from quaero.ports.jobs import Child, Held, ProcessRow
from quaero.queue.engine import Engine
from quaero.queue.membership import PROTOCOL, SECRETS, UPKEEP, as_text, capabilities_of, lead
from quaero.queue.nodes import nodes_of
from quaero.queue.upkeep import maintain, tell_of_needs
from quaero.storage.keys import EncryptionKey, SqlKeyStore
from tests.engine_kit import BACKENDS, LEASE_S, SECOND, Lab, define, step
from tests.engine_runs import DEADLINE_S, Config, Payload, app_with, database_for, plan, probe, start
from tests.waiting import wait_until

SWEEP_OF_LANES = 70
"""More than one look shows."""


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def lab(backend: str, tmp_path: Path) -> Iterator[Lab]:
    lab = Lab(backend, tmp_path)
    yield lab
    lab.check()
    lab.close()


# capabilities


def test_a_step_that_needs_something_is_planned_and_executed_only_where_it_is(lab: Lab) -> None:
    lab.needs["a"] = ("browser", "gpu")
    run = lab.start(define("run", step("a"), step("b")))

    assert [lab.store.step(c.id).name for c in lab.claim_steps(capabilities=["browser"])] == ["b"]
    [claimed] = lab.claim_steps(capabilities=["gpu", "browser", "other"])
    assert claimed.id == lab.step(run, "a").id
    lab.expand(Held(claimed.id, claimed.attempt), ["x"])

    assert not lab.claim(capabilities=["browser"])
    assert [job.key for job in lab.claim(capabilities=["browser", "gpu"])] == ["x"]


def test_one_job_may_need_more_than_its_step(lab: Lab) -> None:
    run = lab.start(define("run", step("a")))
    lab.plan(run, "a", [Child("plain"), Child("page", needs="browser"), Child("both", needs="gpu")])

    assert [job.key for job in lab.claim()] == ["plain"]
    assert not lab.claim()
    assert [job.key for job in lab.claim(capabilities=["browser"])] == ["page"]
    assert [job.key for job in lab.claim(capabilities=["browser", "gpu"])] == ["both"]


def test_jobs_that_need_something_keep_their_place_among_the_priorities(lab: Lab) -> None:
    run = lab.start(define("run", step("a"), step("b")))
    made = [
        Child("low", -1),
        Child("page", 2, needs="browser"),
        Child("high", 3),
        Child("page-low", -2, needs="browser"),
    ]
    lab.plan(run, "a", made)
    lab.plan(run, "b", ["other"])

    claimed = [job.key for n in range(5) for job in lab.claim(1, capabilities=["browser"])]

    assert claimed == ["high", "page", "other", "low", "page-low"]


def test_a_job_with_a_limit_key_that_needs_something_waits_for_its_node_and_holds_up_no_other(lab: Lab) -> None:
    limits = Limits(concurrency=1, key="{payload.host}")
    run = lab.start(define("run", step("a", worker_type="keyed", limits=limits)))
    made = [Child(f"page{n}", 5, "one", needs="browser") for n in range(20)]
    lab.plan(run, "a", [*made, Child("plain", 0, "one"), Child("else", 0, "two")])

    first = lab.claim()
    assert sorted(job.key for job in first) == ["else", "plain"]
    assert not lab.claim(capabilities=["browser"]), "the host's one place is taken"
    lab.complete(*first)

    assert [job.key for job in lab.claim(capabilities=["browser"])] == ["page0"]


def test_a_suspect_that_needs_something_is_tried_only_where_it_is(lab: Lab) -> None:
    run = lab.start(define("run", step("a")))
    lab.plan(run, "a", [Child("page", needs="browser")])
    for _ in range(2):
        lab.lose(*lab.claim(capabilities=["browser"]))

    assert not lab.claim()
    assert [job.key for job in lab.claim(capabilities=["browser"])] == ["page"]


def test_what_a_node_cannot_take_costs_its_claim_nothing(lab: Lab) -> None:
    steps = [step(f"s{n}", priority=9) for n in range(SWEEP_OF_LANES)]
    run = lab.start(define("run", *steps, step("last"), max_parallel_steps=SWEEP_OF_LANES + 1))
    for claimed in lab.claim_steps():
        row = lab.store.step(claimed.id)
        keys = ["plain"] if row.name == "last" else [Child(f"{row.name}-{n}", 9, needs="browser") for n in range(30)]
        lab.expand(Held(claimed.id, claimed.attempt), keys)
    before = lab.store._connection.statements

    claimed_jobs = lab.claim(5)

    assert [job.key for job in claimed_jobs] == ["plain"]
    assert lab.haul.is_dry
    assert lab.store._connection.statements - before < 20
    assert not lab.store.has_work(None, ["work"])
    assert len(lab.claim(2_000, capabilities=["browser"])) >= 30
    assert lab.run(run).state.status is JobStatus.RUNNING


def test_failed_jobs_that_are_retried_in_a_new_run_need_what_they_needed(lab: Lab) -> None:
    run = lab.start(define("run", step("a")))
    lab.plan(run, "a", [Child("page", needs="browser")])
    lab.fail(*lab.claim(capabilities=["browser"]))
    with lab.turn() as turn:
        again = lab.dispatcher.rerun(turn, run, keep=lambda _name, _steps: False, retry_failed=True)

    assert lab.step(again, "a").pending == 1
    assert not lab.claim()
    assert len(lab.claim(capabilities=["browser"])) == 1


def tell(lab: Lab) -> list[str]:
    """What the leader says at a sign of life."""
    with lab.turn() as turn:
        tell_of_needs(turn)
        return [line.fields["needs"] for line in turn.lines if line.event == "step.waits_for_node"]


def test_it_is_said_once_that_no_node_has_what_a_step_needs(lab: Lab) -> None:
    lab.needs["a"] = ("browser", "gpu")
    lab.process(capabilities=as_text(["gpu"]))
    run = lab.start(define("run", step("a"), step("b")))
    lab.plan(run, "b", [Child("x", needs="llm"), "y"])

    assert tell(lab) == ["browser", "llm"]
    assert tell(lab) == []
    assert lab.record(lab.step(run, "a").id).message == "waiting for a node with: browser"
    browser = lab.process(capabilities=as_text(["browser"]))
    assert tell(lab) == ["browser, gpu"], "each is to be had, but not on one node"
    both = lab.process(capabilities=as_text(["browser", "gpu"]))
    assert tell(lab) == []
    assert lab.record(lab.step(run, "a").id).message == ""
    with lab.turn() as turn:
        turn.tx.remove_process(browser)
        turn.tx.remove_process(both)
    assert tell(lab) == ["browser"]
    lab.cancel(run)
    assert tell(lab) == []


def test_a_drained_or_dead_node_offers_nothing(lab: Lab) -> None:
    lab.needs["a"] = ("browser",)
    lab.process(capabilities=as_text(["browser"]), draining=1)
    lab.process(capabilities=as_text(["browser"]), lease_until=lab.lease_clock.now())
    lab.process(capabilities=as_text(["browser"]), slots=0)
    lab.start(define("run", step("a")))

    assert tell(lab) == ["browser"]


# secrets


def key_store(lab: Lab, folder: Path) -> SqlKeyStore:
    return SqlKeyStore(lab.store.database, lab.store.readers, EncryptionKey(folder, {}), lab.clock)


def test_a_step_that_names_a_stored_secret_needs_the_key(lab: Lab, tmp_path: Path) -> None:
    keys = key_store(lab, tmp_path)
    keys.set("token", "very secret")
    keys.set("town", "Perth", secret=False)
    texts = {
        "direct": "Bearer {token}",
        "through_config": "{config.header}",
        "plain": "{town}",
        "environment": "{env.HOME}",
        "literal": "{{token}}",
        "unknown": "{nothing}",
    }
    steps = [step(name, parameters={"list": [{"text": text}]}) for name, text in texts.items()]
    raw = step("raw", parameters={"text": "{token}"}, raw=True)
    config = {"header": "x {token}"}

    lab.start(define("run", *steps, raw, config=config, max_parallel_steps=9))

    needing = dict(lab.rows("SELECT name, needs FROM steps WHERE needs IS NOT NULL"))
    assert {name: msgspec.json.decode(needs) for name, needs in needing.items()} == {
        "direct": [SECRETS],
        "through_config": [SECRETS],
    }


def test_a_secret_of_another_key_is_noticed_and_one_of_the_own_is_not(lab: Lab, tmp_path: Path) -> None:
    def is_foreign(version: str) -> bool:
        with lab.turn() as turn:
            return bool(turn.tx.notice(UPKEEP, version).has_foreign_secrets)

    assert not is_foreign("")
    key_store(lab, tmp_path).set("town", "Perth", secret=False)
    assert not is_foreign("")

    key_store(lab, tmp_path).set("token", "very secret")

    assert is_foreign("")
    assert is_foreign("00000000")
    assert not is_foreign(EncryptionKey(tmp_path, {}).version())


# the leader


class Seen(NamedTuple):
    """What a node knows of its leadership since its last sign of life."""

    process: int
    term: int


def nobody_is_dead(_: ProcessRow) -> bool | None:
    return None


def sign(lab: Lab, process: int, *, dead: Callable[[ProcessRow], bool | None] = nobody_is_dead) -> Seen:
    """A sign of life, as far as leadership goes."""
    with lab.turn() as turn:
        notice = turn.tx.notice(UPKEEP, "")
        processes = turn.tx.renew(process, lab.lease_end(), False)
        term = lead(turn, notice, process, processes, dead, may_take=True) if processes else 0
    return Seen(process, term)


def leads(lab: Lab, seen: Seen) -> bool:
    with lab.turn() as turn:
        return maintain(turn, seen.process, seen.term, [])


def test_the_first_leads_and_keeps_it_and_the_next_takes_over_when_it_is_gone(lab: Lab) -> None:
    other = lab.process()
    first = sign(lab, lab.me)

    assert first.term == 1
    assert sign(lab, other).term == 0
    assert sign(lab, lab.me) == first
    lab.lease_clock.advance(LEASE_S + 1)
    second = sign(lab, other)
    assert second.term == 2
    assert leads(lab, second)
    assert not leads(lab, first), "what it still wants to write is refused"
    assert sign(lab, lab.me).term == 0


def test_a_leader_that_signed_off_or_whose_pid_is_gone_is_followed_at_once(lab: Lab) -> None:
    other, third = lab.process(), lab.process()
    sign(lab, lab.me)
    with lab.turn() as turn:
        turn.tx.remove_process(lab.me)

    assert sign(lab, other).term == 2
    assert sign(lab, third, dead=lambda node: node.id == other).term == 3


def test_only_the_leader_does_upkeep(lab: Lab) -> None:
    sign(lab, lab.me)

    assert not leads(lab, Seen(lab.process(), 1))
    with lab.turn() as turn:
        assert turn.tx.fact("audited_at") is None
    assert leads(lab, Seen(lab.me, 1))
    with lab.turn() as turn:
        assert turn.tx.fact("audited_at") is not None


NODES = 4
ACTS = st.lists(
    st.tuples(
        st.sampled_from(("sign", "sign", "sign", "leave", "die", "work", "time")),
        st.integers(0, NODES - 1),
        st.integers(1, 2 * LEASE_S),
    ),
    max_size=40,
)


@pytest.fixture(scope="module", params=BACKENDS)
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    lab = Lab(request.param, tmp_path_factory.mktemp("leaders"))
    yield lab
    lab.close()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(acts=ACTS)
def test_no_two_nodes_lead_at_one_time_and_terms_only_grow(shared: Lab, acts: list[tuple[str, int, int]]) -> None:
    lab = shared
    with lab.turn() as turn:
        for node in turn.tx.processes():
            turn.tx.remove_process(node.id)
        newest = turn.tx.notice(UPKEEP, "").term
    nodes = [Seen(lab.process(), 0) for _ in range(NODES)]
    gone: set[int] = set()
    holder = 0
    for act, number, seconds in acts:
        seen = nodes[number]
        if act == "time":
            lab.lease_clock.advance(seconds)
        elif act == "sign":
            found = sign(lab, seen.process, dead=lambda node: node.id in gone)
            if found.term and found.process != holder:
                assert found.term == newest + 1, "taken over from the one before, nobody in between"
                newest, holder = found.term, found.process
            nodes[number] = found
        elif act == "work":
            assert leads(lab, seen) == (seen.term == newest and seen.process == holder)
        else:
            if act == "leave":
                with lab.turn() as turn:
                    turn.tx.remove_process(seen.process)
            gone.add(seen.process)
            nodes[number] = Seen(lab.process(), 0)
        with lab.turn() as turn:
            leading = [n for n in nodes if n.term and turn.tx.leads(UPKEEP, n.process, n.term)]
            assert len(leading) <= 1
            assert all(n.process == holder and n.term == newest for n in leading)


# real nodes


@pytest.fixture
def place(backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for data folders; all of them use one database."""
    monkeypatch.delenv("QUAERO_SECRET_KEY", raising=False)
    with database_for(backend, monkeypatch):
        if backend == "sqlite":
            monkeypatch.setenv("QUAERO_DATABASE", str(tmp_path / "quaero.db"))
        yield tmp_path


async def nothing(job: Any, payload: Any) -> None:
    """A job that does nothing."""


QUICK: dict[str, Any] = {"renew_seconds": 0.1, "lease_seconds": 5.0}


class NeedyConfig(Config):
    browser: bool = False
    pages: int = 0


class Page(BaseModel):
    number: int
    needs: str = ""


def plan_pages(config: NeedyConfig) -> list[Page]:
    return [Page(number=0), *(Page(number=n, needs="gpu") for n in range(1, config.pages + 1))]


def needs_of(config: BaseModel) -> list[str]:
    return ["browser"] if isinstance(config, NeedyConfig) and config.browser else []


@contextmanager
def node(folder: Path, **engine: Any) -> Iterator[App]:
    """An app with one more worker, ``needy``, that needs a browser where its parameters say so."""
    config = load(folder)
    config = replace(config, engine=config.engine.model_copy(update=QUICK | engine))
    app = App(config)
    app.workers.add(Worker("probe", Config, Payload, plan, nothing))
    app.workers.add(Worker("needy", NeedyConfig, Page, plan_pages, nothing, needs=needs_of))
    try:
        yield app
    finally:
        app.close()


def needy(name: str, **parameters: Any) -> JobDefinition:
    one = StepDefinition(name="only", type="needy", position=0, parameters=parameters)
    return JobDefinition(id=name, name=name, hash=name, steps=(one,))


async def ended(engine: Engine, run_id: int) -> None:
    async with asyncio.timeout(DEADLINE_S):
        await engine.finished(run_id)


def test_a_run_goes_to_the_node_that_has_what_its_parameters_ask_for(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # This machine may have a browser, and with it each node.
    monkeypatch.setattr("quaero.app.detected", frozenset)

    async def scenario(plain: App, able: App) -> int:
        one = plain.engine()
        await one.start()
        waiting = await start(plain, one, needy("page", browser=True))
        await ended(one, await start(plain, one, needy("plain")))
        step_id = plain.store.steps(waiting)[0].id
        await asyncio.to_thread(
            wait_until, lambda: plain.store.get_job(step_id).message == "waiting for a node with: browser"
        )
        two = able.engine()
        await two.start()
        await ended(two, waiting)
        await two.stop()
        await one.stop()
        return waiting

    with node(place / "a") as plain, node(place / "b", capabilities=("browser",)) as able:
        run = plain.store.get_job(asyncio.run(scenario(plain, able)))
        step_row = plain.store.steps(run.id)[0]

    assert run.status is JobStatus.COMPLETED
    assert step_row.attempt == 1


def test_jobs_whose_payload_asks_for_more_wait_for_a_node_that_has_it(place: Path) -> None:
    async def scenario(plain: App, able: App) -> None:
        one, two = plain.engine(), able.engine()
        await one.start()
        run = await start(plain, one, needy("pages", pages=50))
        await asyncio.to_thread(wait_until, lambda: plain.store.steps(run)[0].waits_for == "gpu")
        assert [plain.store.steps(run)[0].completed, plain.store.steps(run)[0].pending] == [1, 50]
        await two.start()
        await ended(two, run)
        assert plain.store.get_job(run).counters.completed == 51
        await two.stop()
        await one.stop()

    with node(place / "a") as plain, node(place / "b", capabilities=("gpu",)) as able:
        asyncio.run(scenario(plain, able))


def test_a_node_without_the_key_takes_no_step_that_uses_a_secret_until_it_has_it(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(other: App) -> None:
        engine = other.engine()
        await engine.start()
        assert SECRETS not in engine.capabilities
        secret = await start(other, engine, probe(2, secret="{token}"))
        plain = await start(other, engine, needy("plain"))
        await ended(engine, plain)
        step_id = other.store.steps(secret)[0].id
        await asyncio.to_thread(
            wait_until, lambda: other.store.get_job(step_id).message == f"waiting for a node with: {SECRETS}"
        )
        assert other.store.steps(secret)[0].attempt == 0, "not even planned"
        monkeypatch.setenv("QUAERO_SECRET_KEY", (place / "a" / "secret.key").read_text().strip())
        await ended(engine, secret)
        await engine.stop()
        assert other.store.get_job(secret).status is JobStatus.COMPLETED

    with node(place / "a") as owner:
        owner.keys.set("token", "very secret")
    with node(place / "b") as other, capture_logs() as logs:
        asyncio.run(scenario(other))

    told = [line for line in logs if line["event"] == "node.without_secret_key"]
    assert len(told) == 1, "once, however often it looks"
    assert "secret.key" in told[0]["fix"]
    assert "QUAERO_SECRET_KEY" in told[0]["fix"]


def test_an_engine_alone_leads_at_once_and_the_next_one_after_it(place: Path) -> None:
    async def scenario(first: App, second: App) -> None:
        one, two = first.engine(), second.engine()
        await one.start()
        await two.start()
        assert (one.term, two.term) == (1, 0)
        assert [n.leader for n in nodes_of(first.store, first.clock.now())] == [True, False]
        await one.stop()
        await asyncio.to_thread(wait_until, lambda: two.term == 2)
        await two.stop()

    with node(place / "a") as first, node(place / "a") as second:
        asyncio.run(scenario(first, second))


def foreign_node(app: App, **fields: Any) -> int:
    """A node of another host that shows no sign of life but has its lease."""
    with app.store.transaction() as tx:
        lease_until = tx.lease_now + 60 * SECOND
        row = ProcessRow(
            0, "elsewhere", app.host.process_row().boot_id, "", 0, None, "9.9", 4, "", 0, 0, lease_until, tx.now
        )
        return tx.add_process(row._replace(**fields))


def test_a_node_of_another_protocol_is_not_joined(place: Path) -> None:
    async def scenario(app: App) -> None:
        engine = app.engine()
        with pytest.raises(
            Refused, match=r"host elsewhere, pid 77, quaero 9\.9\) works by protocol 8, .* stop that node"
        ):
            await engine.start()
        assert [node.id for node in app.store.processes()] == [other]
        with app.store.transaction() as tx:
            tx.remove_process(other)
        again = app.engine()
        await again.start()
        assert [(row.protocol, row.version) for row in app.store.processes()] == [
            (PROTOCOL, app.host.process_row().version)
        ]
        await again.stop()

    with node(place / "a") as app:
        other = foreign_node(app, protocol=8, pid=77)
        asyncio.run(scenario(app))


def test_another_version_of_the_same_protocol_is_joined(place: Path) -> None:
    async def scenario(app: App) -> None:
        engine = app.engine()
        await engine.start()
        await ended(engine, await start(app, engine, probe()))
        await engine.stop()

    with node(place / "a") as app:
        foreign_node(app, protocol=PROTOCOL)
        asyncio.run(scenario(app))


@contextmanager
def newer_schema(app: App) -> Iterator[None]:
    db = app.store.database.connect()
    stamp = "'2026-01-01'" if app.store.has_one_writer else "now()"
    with db.transaction():
        db.run(
            f"INSERT INTO migrations (number, name, checksum, applied_at) VALUES (:number, 'later', '', {stamp})",
            {"number": app.store.schema + 1},
        )
    try:
        yield
    finally:
        with db.transaction():
            db.run("DELETE FROM migrations WHERE name = 'later'")
        db.close()


def test_a_node_whose_program_is_older_than_the_schema_drains_and_takes_nothing_more(place: Path) -> None:
    async def scenario(app: App) -> None:
        engine = app.engine()
        await engine.start()
        with newer_schema(app):
            async with asyncio.timeout(DEADLINE_S):
                await engine.retired.wait()
            assert engine.is_draining
            await asyncio.to_thread(wait_until, lambda: [bool(row.draining) for row in app.store.processes()] == [True])
            run = await start(app, engine, probe())
            await engine.stop()
        assert app.store.steps(run)[0].attempt == 0

    with node(place / "a") as app:
        asyncio.run(scenario(app))


def test_a_draining_node_shows_it_finishes_what_runs_and_gives_back_the_rest(place: Path) -> None:
    started, release = threading.Event(), asyncio.Event()

    async def held(job: Any, payload: Payload) -> None:
        started.set()
        await release.wait()

    async def scenario(app: App) -> int:
        engine = app.engine()
        await engine.start()
        run = await start(app, engine, probe(20))
        await asyncio.to_thread(started.wait, 10)
        stopping = asyncio.create_task(engine.stop())
        await asyncio.to_thread(wait_until, lambda: [row.draining for row in app.store.processes()] == [1])
        assert [found.draining for found in nodes_of(app.store, app.clock.now())] == [True]
        release.set()
        await stopping
        assert app.store.processes() == []
        return run

    with app_with(place / "a", held, slots=2, **QUICK) as app:
        [row] = app.store.steps(asyncio.run(scenario(app)))

    assert (row.running, row.failed) == (0, 0)
    assert 1 <= row.completed <= 4
    assert row.pending == 20 - row.completed


def test_what_a_node_offers_stands_in_its_row(place: Path) -> None:
    async def scenario(app: App) -> None:
        engine = app.engine()
        await engine.start()
        [row] = app.store.processes()
        assert {"gpu", SECRETS} <= capabilities_of(row)
        [shown] = nodes_of(app.store, app.clock.now())
        assert (shown.pid, shown.slots, shown.alive, shown.draining, shown.leader) == (row.pid, 3, True, False, True)
        await engine.stop()

    with node(place / "a", capabilities=("gpu",), slots=3) as app:
        asyncio.run(scenario(app))
