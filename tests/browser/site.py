"""A real ``quaero serve`` on loopback with something to show: runs, failures, documents, schedules, keys."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2

from tests.e2e.command import Process, Quaero, load_step
from tests.waiting import wait_until

TIMEOUT_S = 60.0
OVER = frozenset({"completed", "failed", "cancelled", "skipped"})
SAID = "the page is at "

NOTES = {
    "leases.md": "# Lease renewal\n\nA lease is renewed before it ends. See [the list](https://example.org/list).\n",
    "queues.md": "# Queues\n\n```python\nclaim(limit=10)\n```\n\n| a | b |\n| - | - |\n| 1 | 2 |\n",
    "code/claim.py": "def claim(limit: int) -> list[int]:\n    return list(range(limit))\n",
    "hostile.md": """# Hostile lease

<script>document.title = "owned"; fetch("http://evil.example/script")</script>
<img src="x" onerror="document.title = 'owned'"> <svg onload="document.title = 'owned'"></svg>
<iframe src="http://evil.example/frame"></iframe>
[a link](javascript:document.title='owned') ![an image](http://evil.example/pixel.png)
<style>body { display: none }</style>
""",
}


class Site:
    """The server's process, and its API for what tests set up or look up."""

    def __init__(self, quaero: Quaero, process: Process) -> None:
        self.quaero = quaero
        self.process = process
        self.url = _url_of(process)
        self.client = httpx2.Client(base_url=self.url, timeout=TIMEOUT_S)

    @property
    def port(self) -> int:
        return int(self.url.rsplit(":", 1)[1])

    @property
    def definitions(self) -> Path:
        return self.quaero.data / "definitions"

    def get(self, path: str, **query: Any) -> Any:
        answer = self.client.get(f"/api{path}", params=query)
        assert answer.is_success, f"{path}: {answer.status_code} {answer.text}"
        return answer.json()

    def post(self, path: str, body: Any = None) -> Any:
        answer = self.client.post(f"/api{path}", json=body or {})
        assert answer.is_success, f"{path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def define(self, definition_id: str, *steps: str, head: str = "") -> str:
        self.post("/definitions", {"source": definition(definition_id, *steps, head=head)})
        return definition_id

    def execute(self, definition_id: str) -> int:
        return int(self.post(f"/definitions/{definition_id}/execute")["id"])

    def finished(self, run_id: int) -> Any:
        """The run, when it is over."""

        def over() -> Any:
            run = self.get(f"/runs/{run_id}")
            return run if run["status"] in OVER else None

        return wait_until(over, TIMEOUT_S)

    def ran(self, definition_id: str) -> int:
        run_id = self.execute(definition_id)
        self.finished(run_id)
        return run_id

    def close(self) -> None:
        self.client.close()
        if self.process.popen.poll() is None:
            self.process.signal(signal.SIGTERM)
            assert self.process.end().code == 0, self.process.stderr


@contextmanager
def served(quaero: Quaero, port: int = 0) -> Iterator[Site]:
    """Until the end of the block; then it has to leave in order, unless it was killed."""
    with quaero.started("serve", "--port", port) as process:
        process.wait_for(SAID)
        site = Site(quaero, process)
        yield site
        site.close()


def definition(definition_id: str, *steps: str, head: str = "") -> str:
    return f'id = "{definition_id}"\nname = "{definition_id.capitalize()}"\n{head}\n' + "\n".join(steps)


def slow_step(name: str = "work", *, jobs: int, lines: int, delay_ms: int, at_once: int = 0) -> str:
    """A step whose jobs write a line every ``delay_ms``; ``at_once`` of them at most, if given."""
    limits = [f"[step.{name}.limits]", f"concurrency = {at_once}"] if at_once else []
    return load_step(name, worker_count=jobs, log_count=lines, log_delay_ms=delay_ms, extra=limits)


def write_definitions(quaero: Quaero) -> None:
    """What the definitions folder holds before the server starts."""
    notes = quaero.folder / "notes"
    for name, content in NOTES.items():
        (notes / name).parent.mkdir(parents=True, exist_ok=True)
        (notes / name).write_text(content)
    folder = quaero.data / "definitions"
    folder.mkdir(parents=True)
    work = load_step("work", worker_count=40, failure_rate=0.2, log_count=4, document=True)
    after = load_step("after", extra=['depends = ["work"]', "always_run = true"])
    read = f'[step.files]\ntype = "local_dir"\ndir_path = {json.dumps(str(notes))}\n'
    sort = '[step.classify]\ntype = "agent"\nagent_type = "rule_classifier"\ndepends = ["files"]\ninputs = ["files"]\n'
    words = (
        '[step.keywords]\ntype = "agent"\nagent_type = "keyword_extractor"\ndepends = ["files"]\ninputs = ["files"]\n'
    )
    weekdays = 'description = "Notes of a small folder"\ntags = ["notes"]\n'
    weekdays += 'schedule = "30 18 * * 1-5"\ntimezone = "Europe/Berlin"\n'
    daily = 'schedule = "0 4 * * *"\nenabled = true\n'
    for name, text in {
        "load": definition("load", work, after, head='description = "Jobs of which one in five fails"'),
        "notes": definition("notes", read, sort, words, head=weekdays),
        "nightly": definition("nightly", load_step(), head=daily),
        "broken": 'id = "broken"\nname = "Broken"\n\n[step.one]\ntype = "no_such_worker"\n',
    }.items():
        (folder / f"{name}.toml").write_text(text)


def seed(site: Site) -> dict[str, int]:
    """Runs by a name: ``load``, ``again`` (the same with other failures kept), ``notes``."""
    runs = {"load": site.ran("load")}
    runs["again"] = int(site.post(f"/runs/{runs['load']}/rerun")["id"])
    site.finished(runs["again"])
    site.ran("notes")
    changed = site.quaero.folder / "notes/leases.md"
    changed.write_text(changed.read_text() + "\nWhoever misses the renewal loses its jobs.\n")
    runs["notes"] = site.ran("notes")
    return runs


def _url_of(process: Process) -> str:
    return process.stderr.split(SAID, 1)[1].split()[0].rstrip("/")
