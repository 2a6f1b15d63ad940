"""LogCollector: every line once, in time, within its budgets, readable and without secrets."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

import msgspec
import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st

from quaero.model.log import LogEntry, LogLevel
from quaero.queue.context import CURRENT_JOB, JobContext, JobLog, StepContext
from quaero.queue.log_collector import AttemptLog, LogBatch, LogCollector, LogLimits
from quaero.queue.log_lines import decode
from quaero.queue.masking import Masker
from quaero.queue.service_log import configure_service_log

STEP = StepContext(
    manager_id=1, step_id=2, step_name="read", worker_type="local_dir", definition_id="d", log_day="2026-03-01"
)


def attempt(collector: LogCollector, job_id: int = 7, step: StepContext = STEP) -> AttemptLog:
    return collector.attempt(job_id, 1, step)


def write(log: AttemptLog, message: str, level: LogLevel = LogLevel.INFO) -> None:
    log.emit(level, message, {})


def lines(batch: LogBatch) -> list[Any]:
    return [decode(row) for group in batch.groups for row in group.rows]


def messages(batch: LogBatch) -> list[str]:
    return [line.message for line in lines(batch)]


def store(collector: LogCollector, last_seq: int = 0) -> LogBatch:
    """What the engine does with a batch, without a store."""
    batch = collector.take()
    collector.stored(batch, {STEP.manager_id: last_seq})
    return batch


def run_thread(work: Any) -> None:
    thread = threading.Thread(target=work)
    thread.start()
    thread.join(10)
    assert not thread.is_alive()


def test_a_line_carries_all_facts_of_its_attempt():
    collector = LogCollector()
    log: JobLog = collector.attempt(7, 3, STEP)

    log.warning("page.refused", url="https://example.com", status=403)

    [line] = lines(collector.take())
    assert (line.job_id, line.attempt, line.level) == (7, 3, LogLevel.WARNING.rank)
    assert (line.originator, line.phase, line.message) == ("worker", "run", "page.refused")
    assert line.fields == {"url": "https://example.com", "status": 403}


def test_lines_are_grouped_by_step_with_the_bounds_of_what_is_inside():
    collector = LogCollector()
    other = msgspec.structs.replace(STEP, step_id=3)

    attempt(collector, 9).info("a")
    attempt(collector, 5, other).error("b")
    attempt(collector, 6).debug("c")
    first, second = collector.take().groups

    assert (first.step, first.max_level, first.min_job, first.max_job, len(first.rows)) == (STEP, 1, 6, 9, 2)
    assert (second.step, second.max_level, second.min_job, second.max_job) == (other, 3, 5, 5)


def test_take_swaps_the_batch():
    collector = LogCollector()
    attempt(collector).info("first")

    first = collector.take()
    attempt(collector).info("second")

    assert messages(first) == ["first"]
    assert messages(collector.take()) == ["second"]
    assert collector.take().lines == 0


def test_the_first_line_of_a_batch_is_announced_once():
    calls: list[int] = []
    collector = LogCollector(on_lines=lambda: calls.append(1))

    for _ in range(3):
        attempt(collector).info("x")
    collector.take()
    attempt(collector).info("x")

    assert len(calls) == 2


def test_a_job_keeps_head_and_tail_and_tells_what_lies_between():
    collector = LogCollector(limits=LogLimits(job_head=3, job_tail=2))
    log = attempt(collector)

    for number in range(10):
        write(log, f"line {number}")
    before_the_end = messages(collector.take())
    log.close()
    at_the_end = lines(collector.take())

    assert before_the_end == ["line 0", "line 1", "line 2"]
    assert [line.message for line in at_the_end] == ["log.over_budget", "line 8", "line 9"]
    assert at_the_end[0].fields == {"dropped": 5}


def test_a_job_just_over_its_head_loses_nothing():
    collector = LogCollector(limits=LogLimits(job_head=3, job_tail=2))
    log = attempt(collector)

    for number in range(5):
        write(log, f"line {number}")
    log.close()

    assert messages(collector.take()) == [f"line {number}" for number in range(5)]


def test_lines_after_the_end_of_an_attempt_are_kept_or_told_as_dropped():
    collector = LogCollector(limits=LogLimits(job_head=2, job_tail=2))
    log = attempt(collector)
    log.info("in time")
    log.close()

    log.info("late")
    log.error("too late")

    [in_time, late, told] = lines(collector.take())
    assert [in_time.message, late.message, told.message] == ["in time", "late", "log.dropped"]
    assert told.fields == {"error": 1}


def test_a_run_over_its_budget_keeps_only_the_last_lines_of_each_job():
    collector = LogCollector(limits=LogLimits(run_lines=100, late_tail=2))
    early = attempt(collector, 7)
    early.info("before")
    store(collector, last_seq=100)

    for log in (early, attempt(collector, 8)):
        for number in range(5):
            write(log, f"{log.job_id}: {number}")
    in_between = collector.take()
    early.close()

    assert in_between.lines == 0
    assert messages(collector.take()) == ["log.over_budget", "7: 3", "7: 4"]


def test_a_tail_from_before_the_run_was_over_budget_is_cut_too():
    collector = LogCollector(limits=LogLimits(job_head=0, job_tail=10, run_lines=100, late_tail=2))
    log = attempt(collector)
    for number in range(6):
        write(log, f"line {number}")
    store(collector, last_seq=100)

    log.close()

    [told, *kept] = lines(collector.take())
    assert told.fields == {"dropped": 4}
    assert [line.message for line in kept] == ["line 4", "line 5"]


def test_the_end_of_a_run_forgets_that_it_was_over_budget():
    collector = LogCollector(limits=LogLimits(run_lines=10))
    store(collector, last_seq=10)

    collector.forget_run(STEP.manager_id)
    attempt(collector).info("again")

    assert messages(collector.take()) == ["again"]


def test_a_full_buffer_drops_debug_first_then_info_then_all_and_tells_it_once():
    limits = LogLimits(buffer_debug=2, buffer_info=4, buffer_all=6)
    collector = LogCollector(limits=limits)
    log = attempt(collector)

    for number in range(10):
        write(log, f"debug {number}", LogLevel.DEBUG)
        write(log, f"info {number}")
        write(log, f"error {number}", LogLevel.ERROR)
    found = lines(collector.take())

    assert [line.message for line in found] == [
        "debug 0", "info 0", "error 0", "info 1", "error 1", "error 2", "log.dropped",
    ]  # fmt: skip
    assert found[-1].fields == {"debug": 9, "info": 8, "error": 7}
    assert found[-1].originator == "system"
    assert found[-1].job_id == STEP.step_id


def test_lines_count_as_buffered_until_they_are_stored():
    collector = LogCollector(limits=LogLimits(buffer_debug=2))
    log = attempt(collector)
    log.debug("1")
    log.debug("2")
    batch = collector.take()

    log.debug("3")
    collector.stored(batch, {})
    log.debug("4")

    assert messages(collector.take()) == ["4", "log.dropped"]


def test_a_discarded_batch_is_told_as_dropped():
    collector = LogCollector()
    attempt(collector).info("a")
    attempt(collector).warning("b")

    collector.discard(collector.take())

    [told] = lines(collector.take())
    assert told.fields == {"info": 1, "warning": 1}
    assert collector.unstored == 1


def test_lines_of_a_thread_the_job_waited_for_are_taken_with_the_job():
    collector = LogCollector()
    log = attempt(collector)

    log.info("before")
    run_thread(lambda: [write(log, f"thread {number}") for number in range(100)])
    log.info("after")
    log.close()

    assert messages(collector.take()) == ["before", *(f"thread {number}" for number in range(100)), "after"]


def test_lines_of_a_thread_count_for_the_budget_and_come_before_its_tail_is_closed():
    collector = LogCollector(limits=LogLimits(job_head=1, job_tail=1))
    log = attempt(collector)

    run_thread(lambda: [write(log, f"thread {number}") for number in range(3)])
    log.close()

    assert messages(collector.take()) == ["thread 0", "log.over_budget", "thread 2"]


def test_threads_can_not_fill_the_memory_while_the_loop_is_busy():
    collector = LogCollector(limits=LogLimits(buffer_debug=5))
    log = attempt(collector)

    run_thread(lambda: [log.debug("x") for _ in range(50)])

    [*kept, told] = lines(collector.take())
    assert len(kept) == 5
    assert told.fields == {"debug": 45}


def test_lines_of_many_threads_wake_the_loop_and_none_is_lost():
    threads, each = 20, 200
    seen: list[str] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        arrived = asyncio.Event()
        collector = LogCollector(on_lines=arrived.set)
        collector.bind(loop.call_soon_threadsafe)
        log = attempt(collector)

        def work(name: int) -> None:
            for number in range(each):
                write(log, f"{name}/{number}")

        pool = [threading.Thread(target=work, args=(name,)) for name in range(threads)]
        for thread in pool:
            thread.start()
        async with asyncio.timeout(20):
            while len(seen) < threads * each:
                await arrived.wait()
                arrived.clear()
                seen.extend(messages(store(collector)))
        for thread in pool:
            thread.join(10)

    asyncio.run(main())

    for name in range(threads):
        assert [m for m in seen if m.startswith(f"{name}/")] == [f"{name}/{n}" for n in range(each)]


def test_a_thread_that_outlives_the_loop_can_still_log():
    collector = LogCollector()
    loop = asyncio.new_event_loop()
    collector.bind(loop.call_soon_threadsafe)
    loop.close()

    run_thread(lambda: attempt(collector).info("late"))

    assert messages(collector.take()) == ["late"]


def test_listeners_get_stored_batches_in_order_until_they_leave():
    collector = LogCollector()
    seen: list[LogEntry] = []

    def listen(batch: LogBatch) -> None:
        for group in batch.groups:
            seen.extend(group.entries())

    leave = collector.subscribe(listen)
    attempt(collector).info("one", n=1)
    batch = collector.take()
    assert seen == []
    batch.groups[0].first_seq, batch.groups[0].first_line = 41, 11
    collector.stored(batch, {1: 41})
    leave()
    attempt(collector).info("two")
    store(collector)

    [entry] = seen
    assert (entry.seq, entry.line, entry.message, entry.fields) == (41, 11, "one", {"n": 1})
    assert (entry.manager_id, entry.step_id, entry.job_id, entry.parent_id) == (1, 2, 7, 2)
    assert (entry.step_name, entry.worker_type, entry.level) == ("read", "local_dir", LogLevel.INFO)
    assert entry.ts.tzinfo is not None


def test_parents_follow_from_whose_line_it_is():
    managers = msgspec.structs.replace(STEP, step_id=0, step_name="", worker_type="")
    cases = [(7, STEP, 2), (2, STEP, 1), (1, managers, None)]

    for job_id, step, parent in cases:
        collector = LogCollector()
        attempt(collector, job_id, step).info("x")
        [entry] = collector.take().groups[0].entries()
        assert entry.parent_id == parent
        assert entry.step_id == (step.step_id or None)


# Values that JSON does not know


class Colour(Enum):
    RED = "red"


class Wide(str, Enum):  # noqa: UP042 - its str() differs from its value, which is what is tested
    YES = "yes"


@dataclass
class Point:
    x: int
    y: float


class Hostile:
    def __repr__(self) -> str:
        raise RuntimeError("no")


class HostileMapping(dict[str, int]):
    def __iter__(self) -> Iterator[str]:
        raise RuntimeError("no")


class Index:
    def __index__(self) -> int:
        return 5


def logged(message: Any = "x", **fields: Any) -> Any:
    collector = LogCollector()
    attempt(collector).info(message, **fields)
    [line] = lines(collector.take())
    return line


def cyclic() -> list[Any]:
    ring: list[Any] = [1]
    ring.extend([ring] * 10)
    return ring


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        (float("nan"), "nan"),
        (float("inf"), "inf"),
        (2**63 - 1, 2**63 - 1),
        (2**63, str(2**63)),
        (-(2**63), str(-(2**63))),
        ("\udc80", "\ufffd"),
        (b"ab\xff", "ab\ufffd"),
        (Colour.RED, "red"),
        (Wide.YES, "yes"),
        (Point(1, math.inf), {"x": 1, "y": "inf"}),
        (datetime(2026, 1, 2, tzinfo=UTC), "2026-01-02T00:00:00Z"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (Decimal("1.50"), "1.50"),
        ((1, [2, {3: None}]), [1, [2, {"3": None}]]),
        (Index(), 5),
        (Hostile(), "<Hostile without a repr>"),
        (HostileMapping(a=1), "{'a': 1}"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_value_is_stored_as(value: Any, stored: Any):
    assert logged(value=value).fields == {"value": stored}


def test_huge_and_endless_values_end_somewhere():
    ring = logged(ring=cyclic())
    number = logged(number=10**100_000)
    text = logged("m" * 100_000, text="t" * 100_000)
    both = logged(**{f"f{n}": "t" * 15_000 for n in range(10)})

    assert "…" in str(ring.fields)
    assert number.fields["number"].startswith("0x")
    assert len(number.fields["number"]) < 20_000
    assert len(text.message) == len(text.fields["text"]) == 16_385
    assert list(both.fields) == ["log.too_long_bytes"]


def test_a_message_that_is_no_text_is_shown():
    assert logged(Point(1, 2)).message == "Point(x=1, y=2)"
    assert logged("a\udc80b").message == "a\ufffdb"


any_text = st.text(alphabet=st.characters(), max_size=20) | st.text(
    alphabet=st.characters(min_codepoint=0xD800, max_codepoint=0xDFFF), max_size=3
)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | any_text | st.binary(max_size=9) | st.datetimes()
    | st.decimals() | st.uuids() | st.complex_numbers() | st.just(object),
    lambda inner: st.lists(inner, max_size=4) | st.tuples(inner)
    | st.dictionaries(any_text | st.integers() | st.floats() | st.none() | st.tuples(st.integers()), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(message=any_text, fields=st.dictionaries(any_text, anything, max_size=5), secrets=st.booleans())
def test_no_value_makes_a_log_call_fail_and_every_line_reads_back_as_json(message, fields, secrets):
    masker = Masker()
    if secrets:
        masker.add("s3cret-value")
    collector = LogCollector(masker=masker)

    attempt(collector).emit(LogLevel.INFO, message, fields)

    [row] = collector.take().groups[0].rows
    assert json.loads(row, parse_constant=pytest.fail)[6] == decode(row).message
    assert len(decode(row).fields) <= len(fields)


# Secrets


def test_secrets_are_masked_in_message_keys_and_values_of_any_depth():
    masker = Masker()
    masker.add("s3cret-value")
    masker.add("424242")
    collector = LogCollector(masker=masker)

    attempt(collector).info(
        "used s3cret-value",
        s3cret_key=1,
        flat="Bearer s3cret-value",
        raw=b"s3cret-value",
        number=424242,
        real=0.424242,
        deep=[{"s3cret-value": Point(1, 2), "list": ("s3cret-value",)}],
        shown=ValueError("s3cret-value"),
    )

    [row] = collector.take().groups[0].rows
    assert b"s3cret-value" not in row
    assert b"424242" not in row
    assert decode(row).message == "used ***"


def test_a_secret_longer_than_what_is_kept_of_a_text_is_masked_whole():
    masker = Masker()
    masker.add("s" * 100)
    collector = LogCollector(masker=masker)

    attempt(collector).info("x", text="a" * 16_350 + "s" * 100)

    assert "ss" not in lines(collector.take())[0].fields["text"]


def test_nothing_is_walked_while_no_secret_is_known():
    class Silent(Masker):
        def text(self, text: str) -> str:
            raise AssertionError(text)

    collector = LogCollector(masker=Silent())

    attempt(collector).info("x", deep=[{"a": "b"}])

    assert messages(collector.take()) == ["x"]


# The bridge from ``logging``


@contextmanager
def service_log(**options: Any) -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    stream = io.StringIO()
    configure_service_log("debug", stream=stream, **options)
    try:
        yield stream
    finally:
        root.handlers[:] = before
        root.setLevel(level)
        structlog.reset_defaults()


@contextmanager
def inside_a_job(collector: LogCollector) -> Iterator[None]:
    token = CURRENT_JOB.set(JobContext(7, 1, STEP, attempt(collector)))
    try:
        yield
    finally:
        CURRENT_JOB.reset(token)


def test_a_record_made_inside_a_job_becomes_its_line_and_nothing_else():
    collector = LogCollector()

    with service_log(json=True) as stream, inside_a_job(collector):
        logging.getLogger("some.library").warning("retry %d of %s", 2, "fetch")
        structlog.get_logger("engine").info("claim.renewed", lease=20)
        try:
            raise KeyError("k")
        except KeyError:
            logging.getLogger("some.library").exception("broken")

    library, engine, broken = lines(collector.take())
    assert (library.message, library.level, library.originator) == ("retry 2 of fetch", 2, "worker")
    assert library.fields == {"logger": "some.library"}
    assert (engine.message, engine.fields) == ("claim.renewed", {"lease": 20, "logger": "engine"})
    assert "KeyError: 'k'" in broken.fields["traceback"]
    assert stream.getvalue() == ""


def test_a_record_made_outside_of_jobs_goes_to_the_service_log_masked():
    masker = Masker()
    masker.add("s3cret-value")

    with service_log(json=True, masker=masker) as stream:
        structlog.get_logger("engine").info("started", key="s3cret-value")
        logging.getLogger("some.library").warning("with %s", "s3cret-value")

    own, foreign = map(json.loads, stream.getvalue().splitlines())
    assert (own["event"], own["key"], own["level"]) == ("started", "***", "info")
    assert (foreign["event"], foreign["level"]) == ("with ***", "warning")
    assert own["timestamp"].endswith("Z")


def test_a_record_with_a_broken_format_does_not_fail_the_job(capsys):
    collector = LogCollector()

    with service_log(), inside_a_job(collector):
        logging.getLogger("some.library").warning("%d", "no number")

    assert collector.take().lines == 0
    assert "Logging error" in capsys.readouterr().err


def test_the_service_log_for_people_is_one_line_of_text():
    with service_log() as stream:
        logging.getLogger("some.library").info("ready")

    assert stream.getvalue().count("\n") == 1
    assert "ready" in stream.getvalue()
