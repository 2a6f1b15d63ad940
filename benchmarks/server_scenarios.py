"""What ``server.py`` measures: each scenario is one fresh process and one fresh data folder.

``python benchmarks/server_scenarios.py NAME FOLDER [ARGUMENT …]`` runs one of them and prints its figures as JSON.
"""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter, sleep
from typing import Any

import browser
import server_load
from quaero.app import App
from scenarios import planned
from served import HOST, Served, served, started, wait_for
from server_load import Talk, load
from sockets import Sleeper
from workloads import closed, opened

CHANGES_PER_S = 500
LINES_PER_S = 200
CHATTER_LINES_PER_S = 20_000
TABS = 5
CLIENTS = 50
ROUNDS = 12
LOADS = 15
SHARE_DONE = 10
"""One in so many of a big run's children has run."""
SETTLE_S = 2.0
CLICKS = 20
SECOND_LOOK_S = 5.0
STARTS = 5
DEFINITIONS = 100
PATIENCE_S = 30.0
POLL_S = 0.05

Figures = dict[str, Any]


# a run of a million


def million(folder: Path, children: int = 1_000_000) -> Figures:
    run_id, step_id, pending = asyncio.run(_big_run(folder, children))
    with served(folder) as server:
        figures = _asked(server, _calls(server, run_id, step_id, pending))
        try:
            with browser.context() as context:
                waits = browser.opening_ms(context, f"{server.url}/runs/{run_id}", f'a[href="/jobs/{step_id}"]', LOADS)
                jobs = browser.opening_ms(context, f"{server.url}/jobs/{step_id}", 'a.mono[href^="/jobs/"]', LOADS)
        except browser.NoBrowser as error:
            return figures | {"skipped": str(error)}
    return figures | {
        "page_p50_ms": median(waits),
        "page_p95_ms": _p95(waits),
        "page_first_ms": waits[0],
        "step_page_p95_ms": _p95(jobs),
    }


async def _big_run(folder: Path, children: int) -> tuple[int, int, int]:
    """A paused run of which a tenth is done; its step, and a job that is still to come."""
    app = opened(folder)
    server_load.register(app.workers, Talk())
    run_id = await planned(app, "mixed", children)
    step = app.store.steps(run_id)[0]
    engine = app.engine()
    await engine.start()
    await engine.write(lambda turn: app.jobs.resume(turn, run_id))
    while app.store.step(step.id).completed < children // SHARE_DONE:  # noqa: ASYNC110 - the store tells nobody
        await asyncio.sleep(POLL_S)
    await engine.write(lambda turn: app.jobs.pause(turn, run_id))
    pending = _last_child(app, step.id)
    await closed(app, engine)
    return run_id, step.id, pending


def _last_child(app: App, step_id: int) -> int:
    return int(app.store.readers.get().fetch_value("SELECT max(id) FROM jobs WHERE parent_id = :id", {"id": step_id}))


def _calls(server: Served, run_id: int, step_id: int, pending: int) -> dict[str, str]:
    """What the pages of a run, a step and a job ask: name -> path."""
    run, step = f"/api/runs/{run_id}", f"/api/jobs/{step_id}"
    calls = {
        "run": run,
        "tree": f"{run}/tree",
        "step": step,
        "job": f"/api/jobs/{pending}",
        "heat strip": f"{step}/heat",
        "families": f"{run}/families",
        "timeline": f"{run}/timeline",
        "log tail": f"{run}/logs?order=desc&limit=200",
        "errors of the log": f"{run}/logs?order=desc&limit=200&level=error",
        "why": f"/api/jobs/{pending}/why",
        "runs": "/api/runs?limit=100",
    }
    connection = server.connection()
    for order in ("created", "failed_first", "slowest"):
        first = calls[f"children, {order}"] = f"{step}/children?limit=100&order={order}"
        connection.request("GET", first)
        cursor = json.loads(connection.getresponse().read())["next"]
        calls[f"children, {order}, next"] = f"{first}&cursor={cursor}"
    calls["children, failed"] = f"{step}/children?limit=100&status=failed"
    connection.close()
    return calls


def _asked(server: Served, calls: dict[str, str]) -> Figures:
    """Each call so many times, in random order; the first round, which fills the strip's cache, is left out."""
    connection = server.connection()
    waits: dict[str, list[float]] = {name: [] for name in calls}
    order, random_ = list(calls), random.Random(1)
    for number in range(ROUNDS + 1):
        random_.shuffle(order)
        for name in order:
            begun = perf_counter()
            connection.request("GET", calls[name])
            answer = connection.getresponse()
            body = answer.read()
            if answer.status != HTTPStatus.OK:
                raise SystemExit(f"{calls[name]}: {answer.status} {body[:500]!r}")
            if number:
                waits[name].append((perf_counter() - begun) * 1000)
    connection.close()
    together = [wait for found in waits.values() for wait in found]
    each = {name: round(_p95(found), 2) for name, found in waits.items()}
    return {
        "api_p50_ms": median(together),
        "api_p95_ms": _p95(together),
        "api_slowest_call_p95_ms": max(each.values()),
        "calls_p95_ms": each,
    }


def _p95(waits: list[float]) -> float:
    return quantiles(waits, n=100, method="inclusive")[94]


# a live load


def live(folder: Path, seconds: int = 8) -> Figures:
    """The CPU time of the server with tabs, above that without, on the same load; and what the reader sees."""
    with load(folder, "changes", CHANGES_PER_S, LINES_PER_S) as runs, served(folder) as server:
        sleep(SETTLE_S)
        alone = server.cpu_percent(seconds)
        try:
            with browser.context() as context:
                pages = []
                for _ in range(TABS):
                    page = context.new_page()
                    page.goto(f"{server.url}/?run={runs[0]}")
                    page.wait_for_selector(".log-row")
                    pages.append(page)
                pages[-1].bring_to_front()
                sleep(SETTLE_S)
                watched = server.cpu_percent(seconds)
                gaps = browser.frame_gaps_ms(pages[-1], SECOND_LOOK_S)
                clicks = [browser.click_ms(pages[-1], ".log-pane .chip.level-info") for _ in range(CLICKS)]
        except browser.NoBrowser as error:
            return {"live_alone_cpu_percent": alone, "skipped": str(error)}
    return {
        "live_alone_cpu_percent": alone,
        "live_tabs_cpu_percent": watched - alone,
        "frames_per_s": len(gaps) / (sum(gaps) / 1000),
        "frame_p50_ms": median(gaps),
        "frame_worst_ms": max(gaps),
        "frames_over_50_ms": sum(gap > 50 for gap in gaps),
        "click_p50_ms": median(clicks),
        "click_worst_ms": max(clicks),
    }


def sockets(folder: Path, seconds: int = 8) -> Figures:
    """The CPU time of the server with clients that look at the queue and a run, above that without."""
    with load(folder, "changes", CHANGES_PER_S, LINES_PER_S) as runs, served(folder) as server:
        sleep(SETTLE_S)
        alone, empty = server.cpu_percent(seconds), server.rss_mb()
        url = f"ws://{HOST}:{server.port}/ws?v=1&topics=queue,run.{runs[0]}"
        with _listening(url, 1):
            sleep(SETTLE_S)
            one = server.cpu_percent(seconds)
        with _listening(url, CLIENTS) as frames:
            sleep(SETTLE_S)
            many, full = server.cpu_percent(seconds), server.rss_mb()
    return {
        "sockets_alone_cpu_percent": alone,
        "sockets_one_cpu_percent": one - alone,
        "sockets_cpu_percent": many - alone,
        "sockets_frames_per_s": min(frames) / (seconds + SETTLE_S),
        "sockets_mb": full - empty,
    }


@contextmanager
def _listening(url: str, count: int) -> Iterator[list[int]]:
    """Clients in another process; the list holds the frames of each, once they have gone."""
    frames: list[int] = []
    script = str(Path(__file__).with_name("sockets.py"))
    process = subprocess.Popen([sys.executable, script, url, str(count)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        yield frames
    finally:
        said, _ = process.communicate(timeout=PATIENCE_S)
        frames += json.loads(said or b"[]")


def sleeper(folder: Path, seconds: int = 25) -> Figures:
    """A client that reads nothing meanwhile, beside one that reads all."""
    with load(folder, "chatter", CHATTER_LINES_PER_S) as runs, served(folder) as server:
        run = f"run.{runs[0]}"
        url = f"ws://{HOST}:{server.port}/ws?v=1&topics={run}"
        with _listening(url, 1):
            sleep(SETTLE_S)
            before = server.rss_mb()
            lazy = Sleeper(HOST, server.port, url)
            lazy.read(1.0)
            snapshots, frames = lazy.kinds()["snap"], len(lazy.frames)
            most = before
            for _ in range(seconds):
                sleep(1.0)
                most = max(most, server.rss_mb())
            lazy.read(SECOND_LOOK_S)
            lazy.close()
    news = lazy.frames[frames:]
    if snapshots != 1 or not news or news[-1]["t"] not in {"d", "beat"}:
        raise SystemExit(f"the sleeper got {snapshots} snapshots at first, then {lazy.kinds()}")
    return {
        "sleeper_growth_mb": most - before,
        "sleeper_snapshots": lazy.kinds()["snap"] - snapshots,
        "sleeper_frames": len(news),
    }


# start and size


def start(folder: Path) -> Figures:
    """Each time in a folder of its own: an empty one, then one with definitions."""
    figures: Figures = {}
    for name, definitions in (("empty", 0), ("definitions", DEFINITIONS)):
        pages, health = [], []
        for number in range(STARTS):
            data = folder / f"{name}-{number}"
            (data / "definitions").mkdir(parents=True)
            for definition in range(definitions):
                (data / "definitions" / f"job_{definition}.toml").write_text(_definition(definition), encoding="utf-8")
            with started(data) as server:
                pages.append(wait_for(server, "/"))
                health.append(wait_for(server, "/api/health"))
        figures |= {f"start_{name}_page_s": median(pages), f"start_{name}_health_s": median(health)}
    return figures


def _definition(number: int) -> str:
    return f"""\
id = "job_{number}"
name = "Job {number}"
[schedule]
cron = "{number % 60} 3 * * *"
[step.generate]
type = "test_job_generator"
worker_count = 10
[step.again]
type = "test_job_generator"
worker_count = 10
depends = ["generate"]
"""


def size(folder: Path) -> Figures:
    with served(folder) as server:
        try:
            with browser.context() as context:
                found = browser.loaded_bytes(context, server.url, "main h1, main .page, main [role=tree], main .state")
        except browser.NoBrowser as error:
            return {"skipped": str(error)}
    return {"bytes_kb": sum(found.values()) / 1000, "requests": len(found), "files": found}


Scenario = Callable[..., Figures]

SCENARIOS: dict[str, Scenario] = {
    "million": million,
    "live": live,
    "sockets": sockets,
    "sleeper": sleeper,
    "start": start,
    "bytes": size,
}


def main() -> None:
    name, folder, *arguments = sys.argv[1:]
    print(json.dumps(SCENARIOS[name](Path(folder), *map(int, arguments))))


if __name__ == "__main__":
    main()
