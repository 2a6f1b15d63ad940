"""Two runs side by side. On every backend."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from quaero.errors import BadData, NotFound, PermanentError, Refused
from quaero.model.definition import JobDefinition
from quaero.model.document import draft
from quaero.queue import comparison, reruns
from quaero.queue.comparison import Comparison, compare, documents
from quaero.queue.deletion import delete_run
from quaero.storage.insight import SqlJobInsight
from tests.engine_kit import BACKENDS, Lab, define, step


@pytest.fixture(params=BACKENDS)
def lab(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Lab]:
    lab = Lab(request.param, tmp_path)
    yield lab
    lab.check()
    lab.close()


def crawl(
    lab: Lab,
    contents: Mapping[str, str],
    *,
    definition: JobDefinition | None = None,
    source: str = "one\ntwo\n",
    seconds: float = 10,
    fail: tuple[str, ...] = (),
) -> int:
    """A run that makes these documents."""
    with lab.turn() as turn:
        run = lab.dispatcher.execute(turn, definition or define("crawl", step("a")), source, {})
    lab.plan(run, "a", [*contents, *fail])
    jobs = lab.claim()
    lab.clock.advance(seconds)
    for job in jobs:
        if job.key in fail:
            lab.fail(job, error=PermanentError("no"))
        else:
            made = draft("page", job.key, title=f"title of {job.key}", content=contents[job.key])
            lab.finish(lab.end(job, documents=lab.documents(job, made)))
    return run


def compared(lab: Lab, one: int, other: int, **options: int) -> Comparison:
    return compare(lab.store, SqlJobInsight(lab.store.readers), one, other, **options)


def listed(found: Comparison) -> dict[str, list[str]]:
    return {page.change: sorted(item.source_id for item in page.items) for page in found.listed}


def test_documents_added_changed_unchanged_and_vanished(lab: Lab) -> None:
    old = crawl(lab, {"same": "1", "other": "2", "lost": "3"})
    new = crawl(lab, {"same": "1", "other": "two", "fresh": "4"})

    found = compared(lab, new, old)

    assert (found.old.run_id, found.new.run_id) == (old, new), "the older is the old one, in whatever order"
    assert found.documents == {"added": 1, "changed": 1, "unchanged": 1, "vanished": 1}
    assert listed(found) == {"added": ["fresh"], "changed": ["other"], "unchanged": ["same"], "vanished": ["lost"]}


def test_each_leads_to_the_job_that_made_it(lab: Lab) -> None:
    old = crawl(lab, {"x": "1"})
    new = crawl(lab, {"x": "2"})
    crawl(lab, {"x": "3"})

    [page] = compared(lab, old, new).listed
    [item] = page.items

    assert page.change == "changed"
    assert (item.revision, item.run_id, item.step_name, item.attempt) == (2, new, "a", 1)
    assert lab.record(item.job_id).manager_id == new
    [page] = compared(lab, old, crawl(lab, {"x": "3"})).listed
    assert page.items[0].revision == 3


def test_pages_of_documents(lab: Lab) -> None:
    old = crawl(lab, {})
    new = crawl(lab, {str(i): str(i) for i in range(7)})
    insight = SqlJobInsight(lab.store.readers)

    found: list[str] = []
    page = documents(insight, old, new, "added", limit=3)
    while True:
        found += [item.source_id for item in page.items]
        if page.next is None:
            break
        page = documents(insight, old, new, "added", limit=3, cursor=page.next)

    assert sorted(found) == [str(i) for i in range(7)]
    assert documents(insight, old, new, "vanished").items == []
    assert compared(lab, old, new, listed=2).documents["added"] == 7
    with pytest.raises(BadData, match="cursor"):
        documents(insight, old, new, "added", cursor="-1")


def test_no_answer_lists_more_than_it_may(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison, "LISTED", 2)
    old, new = crawl(lab, {}), crawl(lab, {"1": "1", "2": "2", "3": "3"})

    [page] = compared(lab, old, new, listed=1_000_000).listed

    assert len(page.items) == 2
    assert page.next is not None


def test_what_only_was_enriched_or_reused_by_a_rerun_is_no_change(lab: Lab) -> None:
    old = crawl(lab, {"x": "1"})
    with lab.turn() as turn:
        new = reruns.resume_from(lab.dispatcher, turn, old, lab.store.definition_of(old), "a")
    lab.drive(plans={"a": []})
    assert compared(lab, old, new).documents["vanished"] == 1

    with lab.turn() as turn:
        kept = lab.dispatcher.rerun(turn, old, keep=lambda _name, _steps: True)
    assert compared(lab, old, kept).documents == {"added": 0, "changed": 0, "unchanged": 1, "vanished": 0}


def test_steps_and_their_deltas(lab: Lab) -> None:
    old = crawl(lab, {"1": "1", "2": "2"}, seconds=10)
    definition = define("crawl", step("a"), step("b", "a"))
    new = crawl(lab, {"1": "1"}, definition=definition, seconds=5, fail=("bad", "worse"))
    lab.drive()

    a, b = compared(lab, old, new).steps

    assert a.old is not None
    assert a.new is not None
    assert (a.name, a.total, a.failed, a.documents) == ("a", 1, 2, -1)
    assert a.seconds == pytest.approx(-5, abs=0.1)
    assert a.new.per_second == pytest.approx(3 / 5, abs=0.01)
    assert a.per_second == pytest.approx(3 / 5 - 2 / 10, abs=0.01)
    assert (b.name, b.old, b.total, b.seconds) == ("b", None, None, None)


def test_the_definition_s_text(lab: Lab) -> None:
    old = crawl(lab, {}, source="one\ntwo\n")
    same = crawl(lab, {}, source="one\ntwo\n")
    new = crawl(lab, {}, definition=define("crawl", step("a"), priority=3), source="one\nthree\n")

    assert compared(lab, old, same).same_definition
    assert compared(lab, old, same).diff == ""
    found = compared(lab, same, new)
    assert not found.same_definition
    assert "-two\n+three\n" in found.diff
    assert found.diff.startswith("--- crawl revision 1\n+++ crawl revision 2\n")


def test_a_run_at_work_can_be_compared(lab: Lab) -> None:
    old = crawl(lab, {"1": "1"})
    new = lab.start(define("crawl", step("a")))

    found = compared(lab, old, new)

    assert found.new.seconds is None
    assert found.documents["vanished"] == 1


def test_what_can_not_be_compared(lab: Lab) -> None:
    run = crawl(lab, {})
    other = crawl(lab, {}, definition=define("other", step("a")))

    with pytest.raises(Refused, match="only runs of one definition"):
        compared(lab, run, other)
    with pytest.raises(Refused, match="with itself"):
        compared(lab, run, run)
    with pytest.raises(NotFound):
        compared(lab, run, 4711)
    lab.endings.clear()
    with lab.turn() as turn:
        delete_run(turn, other)
    with pytest.raises(NotFound):
        compared(lab, run, other)
