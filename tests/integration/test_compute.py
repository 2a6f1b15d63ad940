"""Work in child processes: results, errors and deaths reach the right caller, and no child is left behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Coroutine
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from quaero import errors
from quaero.errors import BadData, Cancel, RetryAfter, Snooze, TransientError
from quaero.model.definition import Finding
from quaero.queue.compute import ProcessCompute
from tests import compute_calls as calls
from tests.waiting import wait_until

PROC = Path("/proc")
ROOT = Path(__file__).parents[2]
FINDING = Finding(code="JD001", severity="error", message="bad")

pytestmark = pytest.mark.skipif(os.name != "posix", reason="sends signals")


@pytest.fixture
def compute():
    made = ProcessCompute(2)
    yield made
    made.close()


def run(work: Coroutine[Any, Any, Any]) -> Any:
    async def limited() -> Any:
        async with asyncio.timeout(60):
            return await work

    return asyncio.run(limited())


def is_running(pid: int) -> bool:
    """A zombie counts as gone: whoever inherited it need not have taken notice."""
    try:
        os.kill(pid, 0)
        return not PROC.exists() or "State:\tZ" not in (PROC / f"{pid}/status").read_text()
    except (ProcessLookupError, FileNotFoundError):
        return False


def pids_in(folder: Path, count: int) -> set[int]:
    def told() -> set[int]:
        found = {int(path.stem) for path in folder.glob("*.pid")}
        return found if len(found) == count else set()

    return wait_until(told, timeout=30)


async def started(folder: Path, count: int) -> set[int]:
    return await asyncio.to_thread(pids_in, folder, count)


def test_a_function_runs_elsewhere_and_its_result_comes_back(compute):
    async def work() -> tuple[int, int, int]:
        return (
            await compute.run(calls.product, 21),
            await compute.run(calls.product, 2, right=5),
            await compute.run(calls.pid),
        )

    doubled, tenfold, pid = run(work())

    assert (doubled, tenfold) == (42, 10)
    assert pid != os.getpid()


def test_no_process_is_started_before_the_first_call(compute):
    assert compute._children == set()


def test_a_child_serves_one_call_after_the_other(compute):
    async def work() -> set[int]:
        return {await compute.run(calls.pid) for _ in range(5)}

    assert len(run(work())) <= 2


def test_calls_run_side_by_side_in_as_many_children_as_allowed(compute, tmp_path):
    async def work() -> tuple[set[int], set[int]]:
        end = tmp_path / "end"
        tasks = [asyncio.ensure_future(compute.run(calls.pid_after, str(end))) for _ in range(4)]
        both = await started(tmp_path, 2)
        end.touch()
        return both, set(await asyncio.gather(*tasks))

    both, used = run(work())

    assert used == both


def test_large_arguments_and_results_pass(compute):
    assert run(compute.run(calls.text_of, 5_000_000)) == "x" * 5_000_000
    assert run(compute.run(len, "x" * 5_000_000)) == 5_000_000


ALL_ERRORS = [
    *(
        kind("said why")
        for kind in vars(errors).values()
        if isinstance(kind, type)
        and issubclass(kind, errors.QuaeroError)
        and kind not in {errors.RetryAfter, errors.InvalidDefinition}
    ),
    errors.Refused("busy", job_id=7),
    errors.InvalidDefinition([FINDING]),
    RetryAfter(5),
    RetryAfter(timedelta(hours=1), "later"),
    Snooze(3),
    Cancel("not wanted"),
]


@pytest.mark.parametrize("error", ALL_ERRORS, ids=lambda error: type(error).__name__)
def test_every_error_of_ours_pickles_with_what_it_carries(error):
    back = pickle.loads(pickle.dumps(error))

    assert type(back) is type(error)
    assert (str(back), vars(back)) == (str(error), vars(error))


def test_an_error_travels_with_its_type_and_its_traceback(compute):
    with pytest.raises(BadData, match="line 3") as bad:
        run(compute.run(calls.fail, BadData("line 3")))
    with pytest.raises(RetryAfter, match="busy") as later:
        run(compute.run(calls.retry_later))

    assert "compute_calls.py" in bad.value.__notes__[0]
    assert later.value.delay == timedelta(minutes=2)


def test_an_error_that_cannot_travel_is_told_of(compute):
    with pytest.raises(RuntimeError, match="Unportable: ab"):
        run(compute.run(calls.fail_unportably))

    assert run(compute.run(calls.product, 1)) == 2


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), StopIteration(), asyncio.CancelledError()])
def test_an_exception_that_would_end_the_caller_becomes_a_plain_one(compute, error):
    with pytest.raises(RuntimeError, match=type(error).__name__):
        run(compute.run(calls.fail, error))

    assert run(compute.run(calls.product, 1)) == 2


def test_what_does_not_pickle_is_refused_without_harm(compute):
    with pytest.raises((pickle.PicklingError, AttributeError)):
        run(compute.run(lambda: 1))
    with pytest.raises(TypeError, match="pickle"):
        run(compute.run(calls.unpicklable_result))

    assert run(compute.run(calls.product, 1)) == 2


@pytest.mark.parametrize(
    ("how", "told"), [(None, "exit code 3"), (signal.SIGKILL, "SIGKILL; is memory short"), (signal.SIGSEGV, "SIGSEGV")]
)
def test_a_child_that_dies_fails_its_call_by_name_and_is_replaced(compute, how, told):
    with pytest.raises(TransientError, match=rf"tests\.compute_calls\.die: its process .*{told}"):
        run(compute.run(calls.die, how))

    assert run(compute.run(calls.product, 1)) == 2


def test_a_child_that_dies_does_not_harm_the_call_of_another(compute, tmp_path):
    async def work() -> int:
        other = asyncio.ensure_future(compute.run(calls.pid_after, str(tmp_path / "end")))
        await started(tmp_path, 1)
        for _ in range(3):
            with contextlib.suppress(TransientError):
                await compute.run(calls.die)
        (tmp_path / "end").touch()
        return await other

    assert run(work()) == pids_in(tmp_path, 1).pop()


def test_a_child_killed_between_calls_fails_at_most_the_next_one(compute):
    async def work() -> int:
        os.kill(await compute.run(calls.pid), signal.SIGKILL)
        for _ in range(2):
            with contextlib.suppress(TransientError):
                await compute.run(calls.product, 1)
        return await compute.run(calls.product, 1)

    assert run(work()) == 2


def test_a_cancelled_call_ends_its_child_and_nothing_else(compute, tmp_path):
    async def work() -> int:
        task = asyncio.ensure_future(compute.run(calls.block, str(tmp_path)))
        [pid] = await started(tmp_path, 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.to_thread(wait_until, lambda: not is_running(pid))
        return await compute.run(calls.product, 1)

    assert run(work()) == 2


def test_a_call_cancelled_while_it_waits_for_a_child_is_never_made(compute, tmp_path):
    async def work() -> None:
        end = tmp_path / "end"
        busy = [asyncio.ensure_future(compute.run(calls.pid_after, str(end))) for _ in range(2)]
        await started(tmp_path, 2)
        (tmp_path / "late").mkdir()
        waiting = asyncio.ensure_future(compute.run(calls.block, str(tmp_path / "late")))
        await asyncio.sleep(0)
        waiting.cancel()
        end.touch()
        await asyncio.gather(*busy)
        await asyncio.gather(*(compute.run(calls.product, 1) for _ in range(4)))

    run(work())

    assert list((tmp_path / "late").iterdir()) == []


def test_children_ignore_an_interrupt_from_the_keyboard(compute):
    assert run(compute.run(calls.ignores_interrupt))


def test_close_ends_calls_that_run_and_refuses_new_ones(tmp_path):
    compute = ProcessCompute(2)

    async def work() -> int:
        task = asyncio.ensure_future(compute.run(calls.block, str(tmp_path)))
        waiting = [asyncio.ensure_future(compute.run(calls.block, str(tmp_path))) for _ in range(3)]
        pids = await started(tmp_path, 2)
        await asyncio.to_thread(compute.close)
        assert not any(map(is_running, pids))
        ends = await asyncio.gather(task, *waiting, return_exceptions=True)
        return sum(isinstance(end, TransientError) for end in ends)

    assert run(work()) == 4
    with pytest.raises(TransientError, match="stopping"):
        run(compute.run(calls.pid))


def test_close_leaves_no_idle_child_and_can_be_repeated():
    compute = ProcessCompute(2)
    pid = run(compute.run(calls.pid))

    compute.close()
    compute.close()

    assert not is_running(pid)


@pytest.mark.skipif(sys.platform != "linux", reason="switches PR_SET_PDEATHSIG off for one child")
def test_no_child_outlives_a_killed_parent(tmp_path):
    parent = subprocess.Popen([sys.executable, "-m", "tests.compute_calls", str(tmp_path)], cwd=ROOT)
    try:
        children = pids_in(tmp_path, 3)
        alive = all(map(is_running, children))
    finally:
        parent.kill()
        parent.wait()

    assert alive
    wait_until(lambda: not any(map(is_running, children)), timeout=5)
