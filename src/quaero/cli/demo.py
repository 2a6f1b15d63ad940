"""``make demo``: index this checkout, and show what came of it. The data go to ``.demo`` in the checkout.

Run by hand: ``python -m quaero.cli.demo``. A second run reads only the files that have changed since the first.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.text import Text

from quaero.cli import exits
from quaero.cli.document_views import MARKS, highlighted
from quaero.cli.execution import execute
from quaero.cli.output import console, one_line, table
from quaero.cli.run import started
from quaero.cli.run_tree import read_tree
from quaero.cli.session import Session
from quaero.cli.summary import print_run
from quaero.errors import QuaeroError, Refused
from quaero.model.document import DocumentQuery

if TYPE_CHECKING:
    from quaero.app import App

CHECKOUT: Final = Path(__file__).parents[3]
DATA: Final = CHECKOUT / ".demo"
DEFINITION: Final = CHECKOUT / "examples" / "self-index.toml"
SEARCHES: Final = ("lease", 'title:readme OR "job definition"')


def main() -> int:
    """The exit code of the run."""
    if not DEFINITION.exists():
        print(f"{DEFINITION} is not there: the demo runs in a checkout of Quaero", file=sys.stderr)
        return exits.BAD_INPUT
    try:
        return _demonstrate()
    except QuaeroError as error:
        print(error, file=sys.stderr)
        return exits.FAILED


def _demonstrate() -> int:
    with Session(DATA).app() as app:
        run_id = _run(app)
        code = execute(app, run_id)
        if not app.store.run(run_id).state.is_terminal:
            return code
        on = console()
        print_run(app, read_tree(app.store, run_id), on)
        _print_files(app, run_id, on)
        _print_contents(app, run_id, on)
        for query in SEARCHES:
            _print_search(app, query, on)
        _print_next(app, run_id, on)
    return code


def _run(app: App) -> int:
    """A new run, or the one that an earlier demo left unfinished."""
    try:
        return started(app, DEFINITION, [f"dir={CHECKOUT}"])
    except Refused as refused:
        if refused.job_id is None:
            raise
        return refused.job_id


def _print_files(app: App, run_id: int, on: Console) -> None:
    """How many files were read, and how many were known already."""
    counts: Counter[str] = Counter()
    for fields in _fields_of(app, run_id, "files.read"):
        counts.update({name: int(count) for name, count in fields.items() if isinstance(count, int)})
    on.print(
        f"\n{counts['read']} files read, {counts['unchanged']} unchanged since the last run, "
        f"{counts['skipped']} skipped (no text, or too large), {counts['gone']} gone"
    )


def _fields_of(app: App, run_id: int, event: str) -> Iterator[dict[str, object]]:
    day, after = app.store.run(run_id).log_day, 0
    while True:
        page = app.logs.query(run_id, day=day, text=event, after=after, limit=1000)
        yield from (entry.fields for entry in page.items if entry.message == event)
        if page.next is None:
            return
        after = page.next


def _print_contents(app: App, run_id: int, on: Console) -> None:
    query = DocumentQuery(manager_id=run_id)
    rows = table("category", "documents", right=("documents",))
    for category, count in app.documents.facets(query).categories.items():
        rows.add_row(category, f"{count:,}")
    on.print()
    on.print(rows)
    keywords = [one_line(total.keyword) for total in app.documents.top_keywords(query, limit=12)]
    on.print(Text("\nkeywords  ", style="bold").append(", ".join(keywords), style="not bold"))


def _print_search(app: App, query: str, on: Console) -> None:
    on.print(Text("\nsearch  ", style="bold").append(query, style="not bold cyan"))
    for hit in app.documents.search(query, limit=3, marks=MARKS):
        place = hit.source_id.removeprefix(f"{CHECKOUT}/")
        on.print(Text(f"  {one_line(place)}", style="bold"))
        on.print(Text("    ").append_text(highlighted(hit.snippet, in_colour=on.is_terminal)))


def _print_next(app: App, run_id: int, on: Console) -> None:
    quaero = f".venv/bin/quaero --data {DATA.name}"
    place = DATA if app.backend.is_alone else app.config.database
    on.print(f"\nThe data are in {place}. Try next:")
    for command in (
        "make demo                          # again: only what has changed is read",
        f"{quaero} serve      # the same in a browser: the run, its documents, search",
        f'{quaero} docs search "tag:category:test lease"',
        f"{quaero} docs list --type local_dir --limit 5",
        f"{quaero} logs {run_id} --step files",
        f"{quaero} workers show local_dir",
        f"{quaero} run examples/self-index.toml --set dir=~/notes",
    ):
        on.print(f"  {command}")


if __name__ == "__main__":
    sys.exit(main())
