"""What people ask about runs and jobs: pages, live rows, strips and figures, on both backends."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from quaero.errors import BadData, NotFound, PermanentError
from quaero.model.definition import RetryPolicy
from quaero.model.document import DocumentDraft
from quaero.model.job import JobError
from quaero.model.status import JobKind, JobStatus, StatusReason
from quaero.ports.jobs import Child, Limiter
from quaero.ports.views import ChildFilter, ErrorFamily, JobPage, RunFilter
from quaero.storage import child_pages
from quaero.storage.cursors import to_cursor
from quaero.storage.job_views import SqlJobViews
from quaero.storage.logs import SqlLogStore
from tests.engine_kit import BACKENDS, SECOND, START, Lab, define, step

OTHER = JobError(type="Gone", message="it is gone", family="Gone")
OWN = {"position", "message", "documents", "paused", "cancelling", "queued", "definition_id"}
"""What a live row says in its own way."""
PATIENT = RetryPolicy(max_attempts=2, backoff=600)


@pytest.fixture(params=BACKENDS)
def lab(request, tmp_path):
    lab = Lab(request.param, tmp_path)
    yield lab
    lab.check()
    lab.close()


@pytest.fixture
def views(lab, tmp_path):
    return views_of(lab, tmp_path)


def views_of(lab: Lab, folder: Any, **options: Any) -> SqlJobViews:
    return SqlJobViews(lab.store, SqlLogStore(folder / "logs"), now=lab.clock.now, **options)


def all_pages(ask: Any, limit: int, **options: Any) -> list[int]:
    """The ids of all pages, which must be full but for the last."""
    found: list[int] = []
    cursor = None
    while True:
        page: JobPage = ask(limit=limit, cursor=cursor, **options)
        found += [job.id for job in page.items]
        assert len(page.items) == limit or page.next is None
        if page.next is None:
            return found
        cursor = page.next


def a_run_of_every_status(lab: Lab) -> int:
    """Its step has children of each status: two each, in no order of theirs."""
    run = lab.start(define("every", step("a", retry=PATIENT), step("b", "a"), step("other")))
    keys: list[str | Child] = [f"k{n}" for n in range(6)]
    keys += [Child("high", priority=5), Child("gpu1", needs="gpu"), Child("gpu2", needs="gpu"), "k9"]
    lab.plan(run, "a", keys)
    jobs = {job.key: job for job in lab.claim(5)}
    assert "high" in jobs
    lab.clock.advance(3)
    lab.complete(jobs["high"])
    lab.clock.advance(4)
    lab.fail(jobs["k0"], error=PermanentError("no"))
    lab.finish(lab.end(jobs["k1"], "failed", reason=StatusReason.PERMANENT, failures=1, error=OTHER))
    lab.fail(jobs["k2"])
    return run


def test_jobs_come_out_of_pages_as_the_store_shows_each(lab, views):
    run = a_run_of_every_status(lab)
    parent = define("parent", step("runs", worker_type="work"))
    lab.start(parent)
    job = lab.claim(1)[0]
    draft = DocumentDraft(source_type="note", source_id="1", title="t", content="c")
    lab.finish(lab.end(job, result={"warnings": ["w"]}, documents=lab.documents(job, draft)))
    step_id = lab.step(run, "a").id

    shown = [*views.runs(RunFilter(), limit=50).items, *views.children(run, limit=50).items]
    shown += views.children(step_id, limit=50).items

    assert len(shown) == 2 + 3 + 10
    assert [job.kind for job in shown[:5]] == [JobKind.MANAGER] * 2 + [JobKind.STEP] * 3
    for job in shown:
        assert job == lab.store.get_job(job.id)


def test_a_page_is_a_constant_number_of_statements(lab, views):
    def statements(ask: Any) -> int:
        before = lab.store.readers.statements
        ask()
        return lab.store.readers.statements - before

    for number in range(12):
        run = lab.start(define(f"d{number}", step("a"), step("b")))
    lab.plan(run, "a", [f"k{n}" for n in range(60)])
    step_id = lab.step(run, "a").id

    assert statements(lambda: views.runs(RunFilter(), limit=2)) == statements(lambda: views.runs(RunFilter(), limit=12))
    assert statements(lambda: views.runs(RunFilter(), limit=12)) <= 3
    assert statements(lambda: views.children(step_id, limit=5)) <= 7
    assert statements(lambda: views.children(step_id, limit=60)) <= 7
    assert statements(lambda: views.children(step_id, limit=60)) <= 6
    assert statements(lambda: views.open_runs(100)) == 1
    assert statements(lambda: views.rows_of_runs(views.open_runs(100))) <= 3


# runs


def test_runs_are_listed_newest_first_in_pages(lab, views):
    runs = [lab.start(define(f"d{n}", step("a"))) for n in range(7)]

    assert all_pages(lambda **page: views.runs(RunFilter(), **page), 3) == runs[::-1]
    assert all_pages(lambda **page: views.runs(RunFilter(), **page), 7) == runs[::-1]
    assert views.count_runs(RunFilter()) == 7
    assert views.count_runs(RunFilter(), at_most=5) == 5


def test_runs_are_found_by_each_condition(lab, views):
    first = lab.start(define("alpha", step("a")))
    lab.drive(fail=["a"])
    lab.clock.advance(100)
    second = lab.start(define("beta", step("a")))
    lab.drive()
    lab.clock.advance(100)
    third = lab.start(define("alpha_2", step("a")))

    def found(**where: Any) -> list[int]:
        assert views.count_runs(RunFilter(**where)) == len(views.runs(RunFilter(**where), limit=10).items)
        return [job.id for job in views.runs(RunFilter(**where), limit=10).items]

    assert found() == [third, second, first]
    assert found(statuses=(JobStatus.FAILED,)) == [first]
    assert found(statuses=(JobStatus.FAILED, JobStatus.COMPLETED)) == [second, first]
    assert found(statuses=(JobStatus.PENDING, JobStatus.RUNNING)) == [third]
    assert found(statuses=(JobStatus.RUNNING,), definition_id="beta") == []
    assert found(definition_id="alpha") == [first]
    assert found(text="ALPHA") == [third, first]
    assert found(text="_") == [third]
    assert found(text="%") == []
    made = [lab.store.get_job(run).created_at for run in (first, second, third)]
    assert found(since=made[1]) == [third, second]
    assert found(until=made[1]) == [first]
    assert found(since=made[1], until=made[2]) == [second]
    assert found(has_errors=False, statuses=(JobStatus.COMPLETED,)) == [second]
    assert found(definition_id="alpha", text="lph", until=made[2], statuses=tuple(JobStatus)) == [first]


def test_runs_that_another_run_started_are_listed_when_asked_for(lab, views):
    run = lab.start(
        define("run", step("a"), pre_jobs=("before", "after")),
        [define("before", step("x")), define("after", step("y"))],
    )
    first, second = sorted(set(lab.runs()) - {run})
    above = lab.step(run, "pre_jobs").id

    def listed(where: RunFilter) -> list[int]:
        return [job.id for job in views.runs(where, limit=10).items]

    assert listed(RunFilter()) == [run]
    assert listed(RunFilter(with_child_runs=True)) == [second, first, run]
    assert views.newest_runs(10) == [run]
    assert views.open_runs(10) == [second, first, run]
    assert views.open_runs(2) == [second, first]
    assert [row.name for row in views.run_rows(run)] == ["run", "pre_jobs", "a", "before", "x", "after", "y"]
    lab.drive(fail=["y"])
    assert [job.id for job in views.children(above, limit=1).items] == [first]
    assert all_pages(lambda **page: views.children(above, order="failed_first", **page), 1) == [second, first]
    assert all_pages(lambda **page: views.children(above, order="slowest", **page), 2) in (
        [first, second],
        [second, first],
    )
    assert views.children(above, ChildFilter(statuses=(JobStatus.FAILED,)), limit=5).items[0] == lab.record(second)
    assert [cell.worst.value for cell in views.heat_strip(above).cells] == ["completed", "failed"]
    assert views.live_rows([run])[0].counters == lab.record(run).counters


@pytest.mark.parametrize("cursor", ["", "5", "bm9uZQ", to_cursor("walk_all:", [1]), to_cursor("runs", ["a"])])
def test_a_cursor_that_no_page_of_runs_gave_is_refused(views, cursor):
    with pytest.raises(BadData, match="cursor"):
        views.runs(RunFilter(), limit=5, cursor=cursor)


# children


def keys(lab: Lab, views: SqlJobViews, parent: int, limit: int, where: ChildFilter, **options: Any) -> list[str]:
    names = {child: key for key, child in lab.child_ids(parent).items()}
    ids = all_pages(lambda **page: views.children(parent, where, **page), limit, **options)
    return [names[child] for child in ids]


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 100])
def test_children_are_listed_in_each_order(lab, views, limit):
    run = a_run_of_every_status(lab)
    parent = lab.step(run, "a").id
    every = ["k0", "k1", "k2", "k3", "k4", "k5", "high", "gpu1", "gpu2", "k9"]

    def listed(*statuses: JobStatus, **options: Any) -> list[str]:
        return keys(lab, views, parent, limit, ChildFilter(statuses=statuses), **options)

    assert listed() == every
    assert listed(*JobStatus) == every
    assert listed(order="failed_first") == ["k0", "k1", "k3", "k4", "k5", "k9", "gpu1", "gpu2", "k2", "high"]
    assert listed(order="slowest") == ["k1", "k0", "high"]
    assert listed(JobStatus.FAILED) == ["k0", "k1"]
    assert listed(JobStatus.RUNNING) == ["k3"]
    assert listed(JobStatus.PENDING) == ["k4", "k5", "k9", "gpu1", "gpu2", "k2"]
    assert listed(JobStatus.PENDING, JobStatus.FAILED) == ["k0", "k1", "k2", "k4", "k5", "gpu1", "gpu2", "k9"]
    assert listed(JobStatus.COMPLETED, JobStatus.PENDING, order="failed_first")[-1] == "high"
    assert listed(JobStatus.SKIPPED) == []
    assert listed(JobStatus.COMPLETED, order="slowest") == ["high"]


def test_children_are_found_by_family_and_place(lab, views):
    run = a_run_of_every_status(lab)
    parent = lab.step(run, "a").id

    def listed(order: str = "created", **where: Any) -> list[str]:
        return keys(lab, views, parent, 2, ChildFilter(**where), order=order)

    for order in ("created", "failed_first", "slowest"):
        assert listed(order, family="Broken") == ["k0"]
        assert listed(order, family="Gone") == ["k1"]
        assert listed(order, family="") == []
        assert listed(order, family="Gone", statuses=(JobStatus.PENDING,)) == []
        assert listed(order, family="Gone", first_place=2) == []
    assert listed(first_place=2, last_place=4) == ["k2", "k3", "k4"]
    assert listed(first_place=8) == ["gpu2", "k9"]
    assert listed(first_place=10) == []
    assert listed(first_place=4, last_place=3) == []
    assert listed(last_place=-1) == []
    assert listed(last_place=1_000, statuses=(JobStatus.FAILED,)) == ["k0", "k1"]
    assert listed("failed_first", first_place=1, last_place=4) == ["k1", "k3", "k2", "k4"]
    assert listed("slowest", first_place=1, last_place=6) == ["k1", "high"]


def test_jobs_with_priorities_and_needs_are_listed_as_they_will_be_claimed(lab, views):
    run = lab.start(define("run", step("a")))
    made = [Child(f"p{n}", priority=n % 3, needs=("", "gpu", "net")[n % 4 % 3]) for n in range(24)]
    lab.plan(run, "a", made)
    parent = lab.step(run, "a").id
    wanted = sorted(made, key=lambda child: (child.needs, -child.priority, int(child.key[1:])))

    for limit in (1, 5, 24):
        found = keys(lab, views, parent, limit, ChildFilter(statuses=(JobStatus.PENDING,)))

        assert found == [child.key for child in wanted]


def test_a_page_that_passes_over_much_may_be_short(lab, views, monkeypatch):
    monkeypatch.setattr(child_pages, "SCAN", 3)
    run = lab.start(define("run", step("a")))
    lab.plan(run, "a", [f"k{n}" for n in range(10)])
    jobs = lab.claim(10)
    lab.complete(*jobs[:9])
    parent = lab.step(run, "a").id
    where = ChildFilter(statuses=(JobStatus.RUNNING, JobStatus.FAILED))

    pages = []
    cursor = None
    while True:
        page = views.children(parent, where, limit=5, cursor=cursor)
        pages.append([job.id for job in page.items])
        if (cursor := page.next) is None:
            break

    assert pages == [[], [], [], [jobs[9].id]]


def test_steps_and_child_runs_have_orders_too(lab, views):
    run = lab.start(define("run", step("a"), step("b"), step("c", "a")))
    lab.drive(fail=["b"])
    names = {row.id: name for name, row in lab.steps(run).items()}

    def listed(**options: Any) -> list[str]:
        return [names[child] for child in all_pages(lambda **page: views.children(run, **page), 2, **options)]

    assert listed() == ["a", "b", "c"]
    assert listed(order="failed_first")[0] == "b"
    assert sorted(listed(order="slowest")) in (["a", "b"], ["a", "b", "c"])
    assert views.children(run, ChildFilter(family="Broken"), limit=5).items == []


def test_children_of_nobody(lab, views):
    run = lab.start(define("run", step("a")))

    with pytest.raises(NotFound, match="no job 999"):
        views.children(999, limit=5)
    assert views.children(lab.step(run, "a").id, limit=5) == JobPage(items=[], next=None)
    for cursor in ("5", to_cursor("runs", [5]), to_cursor("walk_failed:", [5]), to_cursor("walk_all:", [5, 6])):
        with pytest.raises(BadData, match="cursor"):
            views.children(run, limit=5, cursor=cursor)


# live rows


def test_live_rows_say_what_the_jobs_say(lab, views):
    run = a_run_of_every_status(lab)
    lab.pause(run)
    parent = lab.step(run, "a").id
    ids = [run, *(row.id for row in lab.steps(run).values()), *lab.child_ids(parent).values()]

    rows = views.live_rows([*ids, 999_999, ids[0]])

    assert [row.id for row in rows] == sorted(ids)
    for row in rows:
        job = lab.store.get_job(row.id)
        for name in set(row.__struct_fields__) - OWN:
            assert getattr(row, name) == getattr(job, name), f"{name} of {job.kind} {row.id}"
        assert row.documents == job.document_count
        assert row.paused == (job.paused_at is not None)
        assert row.definition_id == (job.definition_id if job.kind is JobKind.MANAGER else None)
    by_id = {row.id: row for row in rows}
    assert by_id[run].paused
    assert [by_id[row.id].position for row in lab.store.steps(run)] == [0, 1, 2]
    assert by_id[lab.child_ids(parent)["k1"]].message == "it is gone"
    assert views.live_rows([]) == []


def test_rows_of_runs_are_runs_with_their_steps(lab, views):
    ended = lab.start(define("ended", step("a"), step("b")))
    lab.drive()
    run = lab.start(define("open", step("a"), step("b", "a")))

    def shape(rows: list[Any]) -> list[tuple[int, str]]:
        return [(row.manager_id, row.name) for row in rows]

    assert views.open_runs(5) == views.newest_runs(1) == [run]
    assert shape(views.rows_of_runs([run])) == [(run, "open"), (run, "a"), (run, "b")]
    both = views.rows_of_runs(views.newest_runs(5))
    assert shape(both) == [*shape(views.rows_of_runs([ended])), *shape(views.rows_of_runs([run]))]
    assert shape(views.run_rows(ended)) == [(ended, "ended"), (ended, "a"), (ended, "b")]
    for nobody in (999, lab.step(run, "a").id):
        with pytest.raises(NotFound, match="no run"):
            views.run_rows(nobody)


def test_a_run_that_was_told_to_end_says_so_until_it_has(lab, views):
    run = lab.start(define("run", step("a")))
    lab.plan(run, "a", ["one", "two"])
    [job] = lab.claim(1)
    lab.cancel(run)

    assert views.live_rows([run])[0].cancelling
    lab.sweep()
    lab.finish(lab.end(job, "cancelled", reason=StatusReason.USER))
    assert not views.live_rows([run])[0].cancelling
    assert views.live_rows([run])[0].status is JobStatus.CANCELLED


# figures


def test_a_heat_strip_shows_children_by_place_of_creation(lab, views):
    run = lab.start(define("run", step("a"), step("b")))
    held = {lab.store.step(claimed.id).name: claimed for claimed in lab.claim_steps()}
    for part in range(5):  # the ids of the two steps take turns
        for name in ("a", "b"):
            lab.expand(held[name], [f"{name}{part}{n}" for n in range(4)])  # type: ignore[arg-type]
    step_id = lab.step(run, "a").id

    strip = views.heat_strip(step_id, cells=10)

    assert (strip.step_id, strip.total, len(strip.cells)) == (step_id, 20, 10)
    assert [cell.first_place for cell in strip.cells] == list(range(0, 20, 2))
    assert {(cell.count, cell.open, cell.worst) for cell in strip.cells} == {(2, 2, JobStatus.PENDING)}
    jobs = {job.key: job for job in lab.claim(40)}
    lab.clock.advance(2)
    mine = [f"a{part}{n}" for part in range(5) for n in range(4)]
    lab.complete(*[jobs[key] for key in mine[:7]])
    lab.fail(jobs[mine[7]], error=PermanentError("no"))

    cells = views.heat_strip(step_id, cells=10).cells

    assert [cell.worst.value for cell in cells] == ["completed"] * 3 + ["failed"] + ["running"] * 6
    assert [cell.failed for cell in cells] == [0, 0, 0, 1] + [0] * 6
    assert [cell.open for cell in cells] == [0] * 4 + [2] * 6
    assert cells[0].longest_s == pytest.approx(2, abs=0.01)
    assert len(views.heat_strip(step_id, cells=3).cells) == 3
    assert len(views.heat_strip(step_id).cells) == 20
    lab.expand(held["a"], [f"more{n}" for n in range(5)])  # type: ignore[arg-type]
    grown = views.heat_strip(step_id, cells=10)
    assert (grown.total, grown.cells[0].count, sum(cell.count for cell in grown.cells)) == (25, 4, 25)
    assert views.heat_strip(lab.step(run, "b").id).total == 20
    assert views.heat_strip(run).total == 2
    with pytest.raises(NotFound):
        views.heat_strip(999)


def test_cells_whose_children_have_ended_are_not_read_again(lab, views, monkeypatch):
    run = lab.start(define("run", step("a")))
    lab.plan(run, "a", [f"k{n}" for n in range(16)])
    lab.complete(*lab.claim(8))
    step_id = lab.step(run, "a").id
    views.heat_strip(step_id, cells=4)
    asked = []
    read = views._reads.all
    monkeypatch.setattr(
        views._reads,
        "all",
        lambda name, **params: (asked.append((name, params.get("ranges"))), read(name, **params))[1],
    )

    strip = views.heat_strip(step_id, cells=4)

    assert [cell.worst.value for cell in strip.cells] == ["completed", "completed", "pending", "pending"]
    [ranges] = [given for name, given in asked if name == "cells"]
    assert ranges.count("[") == 3, "two of four cells"


def test_the_slowest_of_many_cells_are_exact(lab, views, monkeypatch):
    monkeypatch.setattr(child_pages, "SLOW_CELLS", 3)
    monkeypatch.setattr(child_pages, "SLOW_ROWS", 0)
    monkeypatch.setattr(child_pages, "STRIP_CELLS", 16)
    run = lab.start(define("run", step("a")))
    lab.plan(run, "a", [f"k{n}" for n in range(64)])
    jobs = lab.claim(64)
    for place in (7, 50, 3, 2, 21):  # later is slower; two of one cell
        lab.clock.advance(10)
        lab.complete(jobs[place])
    [span] = views.timeline(run, slowest=3)

    assert [row.id for row in span.slowest] == [jobs[place].id for place in (21, 2, 3)]
    assert [job.id for job in views.children(lab.step(run, "a").id, order="slowest", limit=3).items] == [
        jobs[place].id for place in (21, 2, 3)
    ]


def test_the_timeline_has_a_bar_for_each_step(lab, views):
    run = lab.start(define("run", step("a"), step("b", "a")))
    lab.plan(run, "a", ["one", "two"])
    first, second = lab.claim(2)
    lab.complete(first)
    lab.clock.advance(60)
    lab.complete(second)

    spans = views.timeline(run, slowest=1)

    assert [(span.name, span.status) for span in spans] == [("a", JobStatus.COMPLETED), ("b", JobStatus.PENDING)]
    assert spans[0].started_at is not None
    assert [row.id for row in spans[0].slowest] == [second.id]
    assert spans[1].slowest == []
    assert views.timeline(run, slowest=0)[0].slowest == []
    with pytest.raises(NotFound):
        views.timeline(999)


def two_runs_with_failures(lab: Lab) -> tuple[int, int]:
    found = []
    for name, broken in (("first", 3), ("second", 1)):
        run = lab.start(define(name, step("a"), step("b")))
        for part in ("a", "b"):
            lab.plan(run, part, [f"{part}{n}" for n in range(4)])
        jobs = {job.key: job for job in lab.claim(8)}
        for part in ("a", "b"):
            lab.fail(*[jobs[f"{part}{n}"] for n in range(broken)], error=PermanentError("no"))
        lab.finish(lab.end(jobs["b3"], "failed", reason=StatusReason.PERMANENT, failures=1, error=OTHER))
        found.append(run)
    return found[0], found[1]


def summary(families: list[ErrorFamily]) -> list[tuple[int, str, int, list[str]]]:
    return [(one.manager_id, one.family, one.count, one.steps) for one in families]


def test_failed_jobs_are_gathered_by_family(lab, views, tmp_path):
    first, second = two_runs_with_failures(lab)
    [broken, gone] = views.families(first)

    assert summary([broken, gone]) == [(first, "Broken", 6, ["a", "b"]), (first, "Gone", 1, ["b"])]
    assert (broken.definition_id, broken.run_name) == ("first", "first")
    assert broken.sample is not None
    assert broken.sample.message == "broken"
    assert broken.first_job == min(job.id for job in lab.jobs_of(first, "a").values())
    assert broken.last_failed_at is not None
    assert not broken.ignored
    assert [one.count for one in views.families()] == [6, 2, 1, 1]
    assert summary(views.families(limit=1)) == [(first, "Broken", 6, ["a", "b"])]
    assert views.families(999) == []
    past = views_of(lab, tmp_path, ignored=lambda: {(first, "Broken"), (second, "Gone")})
    assert [(one.manager_id, one.family, one.ignored) for one in past.families()] == [
        (first, "Broken", True),
        (second, "Broken", False),
        *sorted([(first, "Gone", False), (second, "Gone", True)]),
    ]
    assert [one.family for one in past.families(first, ignored=True)] == ["Broken"]
    assert summary(past.families(ignored=False)) == [(second, "Broken", 2, ["a", "b"]), (first, "Gone", 1, ["b"])]


def test_families_are_counted_anew_when_more_jobs_have_failed(lab, views):
    run = lab.start(define("run", step("a")))
    lab.plan(run, "a", [f"k{n}" for n in range(4)])
    jobs = lab.claim(4)
    lab.fail(jobs[0], error=PermanentError("no"))

    assert [one.count for one in views.families(run)] == [1]
    lab.fail(jobs[2], jobs[1], error=PermanentError("no"))
    assert [one.count for one in views.families(run)] == [3]
    assert [one.count for one in views.families()] == [3]


def test_a_job_that_was_lost_too_often_is_of_a_family_of_its_own(lab, views):
    run = lab.start(define("run", step("a")))
    lab.plan(run, "a", ["one"])
    while held := lab.claim(1):
        lab.lose(*held)

    assert [(one.family, one.count) for one in views.families(run)] == [("LostLease", 1)]
    assert len(views.children(lab.step(run, "a").id, ChildFilter(family="LostLease"), limit=5).items) == 1


def test_activity_counts_runs_by_the_time_they_began(lab, views):
    since = datetime.fromtimestamp(START / 1e6, UTC)
    lab.start(define("one", step("a")))
    lab.drive()
    lab.clock.time = START + 50 * SECOND
    lab.start(define("two", step("a")))
    lab.start(define("three", step("a")))
    lab.clock.time = START + 100 * SECOND

    found = views.activity(since=since, buckets=10)

    assert [one.at for one in found] == [since + timedelta(seconds=10 * n) for n in range(10)]
    assert [one.counts for one in found] == [{"completed": 1}, *[{}] * 4, {"pending": 2}, *[{}] * 4]
    assert sum(sum(one.counts.values()) for one in views.activity(since=since + timedelta(seconds=9), buckets=3)) == 2
    for buckets in (0, 1_001):
        with pytest.raises(BadData, match="buckets"):
            views.activity(since=since, buckets=buckets)
    assert views.activity(since=since + timedelta(days=1), buckets=1)[0].counts == {}


def test_attempts_are_those_of_the_store(lab, views):
    run = a_run_of_every_status(lab)
    job = lab.jobs_of(run, "a")["k1"]

    [attempt] = views.attempts(job.id)

    assert (attempt["outcome"], attempt["error"]) == ("failed", OTHER)


def test_storage_facts(lab, views):
    run = a_run_of_every_status(lab)
    with lab.store.transaction() as tx:
        tx.put_fact("drift", "2")
        tx.put_fact("audited_at", str(START))

    facts = views.storage_facts()

    assert facts.backend == lab.store.database.dialect
    assert facts.database == lab.store.database.place
    assert facts.schema == lab.store.schema
    assert facts.size > 0
    assert facts.server_version[0].isdigit()
    assert (facts.logs_size, facts.log_days) == (0, [])
    assert (facts.drift, facts.audited_at) == (2, datetime.fromtimestamp(START / 1e6, UTC))
    assert {"jobs", "documents"} <= facts.rows.keys()
    if facts.backend == "sqlite":
        assert facts.rows["jobs"] >= 14
        assert (facts.wal_size, facts.free, facts.oldest_transaction_s) != (None, None, 0)
    else:
        assert facts.wal_size is None
    assert run


def test_limiters_are_listed_those_in_use_first(lab, views):
    with lab.store.transaction() as tx:
        tx.put_limiters("rated", [Limiter("", 0, 2.5, START), Limiter("host", 3, None, None)])

    assert [(row.worker_type, row.key, row.in_use, row.tokens, row.refilled_at) for row in views.limiters()] == [
        ("rated", "host", 3, None, None),
        ("rated", "", 0, 2.5, datetime.fromtimestamp(START / 1e6, UTC)),
    ]


def test_definitions_say_how_their_last_runs_went(lab, views):
    runs = []
    for _ in range(14):
        runs.append(lab.start(define("often", step("a"))))
        lab.drive()
    lab.start(define("once", step("a")))
    lab.drive(fail=["a"])

    uses = views.definition_uses(["often", "once", "never"])

    assert {name: use.runs for name, use in uses.items()} == {"often": 14, "once": 1, "never": 0}
    assert [row.id for row in uses["often"].last] == runs[:1:-1]
    assert uses["often"].last[0].counters.completed == 1
    assert [row.status for row in uses["once"].last] == [JobStatus.FAILED]
    assert uses["never"].last == []
    assert views.definition_uses([]) == {}


def test_revisions_of_a_definition(lab, views):
    for names in ("a", "ab", "a"):
        lab.start(define("run", *[step(name) for name in names]))
        lab.drive()

    found = views.definition_revisions("run")

    assert [(one.revision, one.runs, one.source) for one in found] == [(2, 1, "source"), (1, 2, "source")]
    assert found[0].created_at > found[1].created_at
    assert found[0].hash != found[1].hash
    assert views.definition_revisions("none") == []
