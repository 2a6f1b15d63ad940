"""``quaero docs``: what was found: list, show, search, and where a document comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from quaero.cli.session import Here, Json

if TYPE_CHECKING:
    from quaero.model.document import Document, SearchHit

app = App(name="docs", help="Documents: list, show, search, and see what they were made from.")

Tag = Annotated[list[str] | None, Parameter(help="Only with this tag; of several, with all.")]
Type = Annotated[str | None, Parameter(name="--type", help="Only of this source type.")]
Run = Annotated[int | None, Parameter(help="Only documents that this run made or reused.")]
Gone = Annotated[bool, Parameter(help="Also documents whose source has vanished.")]
Limit = Annotated[int, Parameter(help="At most so many.")]
Cursor = Annotated[str | None, Parameter(help="Where to go on: next of the page before.")]
Query = Annotated[
    str,
    Parameter(
        help='words "a phrase" pre* -without title:word tag:name type:source_type after:2025-01 before:2026, '
        "with AND, OR, NOT and parentheses. Words side by side must all be there. "
        "A query that begins with a hyphen goes behind --."
    ),
]


@app.command(name="list")
def list_documents(
    *,
    tag: Tag = None,
    source_type: Type = None,
    run: Run = None,
    gone: Gone = False,
    limit: Limit = 20,
    cursor: Cursor = None,
    json: Json = False,
    session: Here,
) -> None:
    """List documents, newest first (with --json: all but their content)."""
    from quaero.cli.document_views import print_documents
    from quaero.cli.output import write_page
    from quaero.model.document import DocumentQuery

    query = DocumentQuery(manager_id=run, tags=tuple(tag or ()), source_type=source_type, include_gone=gone)
    with session.app() as opened:
        if run is not None:
            opened.store.run(run)
        items, following = opened.documents.list_documents(query, limit=max(1, limit), cursor=cursor)
    if json:
        write_page((_without_content(document) for document in items), following)
    else:
        print_documents(items, following)


@app.command
def show(document_id: str, /, *, json: Json = False, session: Here) -> None:
    """Show one document: its facts, which runs use it, and its content."""
    from quaero.cli.document_views import print_document
    from quaero.cli.output import console, write_json

    with session.app() as opened:
        document = opened.documents.get_document(document_id)
        uses = opened.documents.uses(document_id)
    if json:
        import msgspec

        write_json({**msgspec.structs.asdict(document), "runs": uses})
    else:
        print_document(document, uses, console())


@app.command
def search(
    query: Query,
    /,
    *,
    limit: Limit = 20,
    cursor: Cursor = None,
    gone: Gone = False,
    json: Json = False,
    session: Here,
) -> None:
    """Search titles, contents and tags; the best first."""
    from quaero.cli.document_views import MARKS, print_hits
    from quaero.cli.exits import UsageError
    from quaero.cli.output import write_page

    if cursor is not None and not (cursor.isascii() and cursor.isdecimal()):
        raise UsageError(f"cursor {cursor!r} is not one that a page of hits gave")
    size, offset = max(1, limit), int(cursor or 0)
    marks = ("[", "]") if json else MARKS
    with session.app() as opened:
        hits = opened.documents.search(query, limit=size + 1, offset=offset, include_gone=gone, marks=marks)
    following = offset + size if len(hits) > size else None
    if json:
        write_page((_hit(hit) for hit in hits[:size]), None if following is None else str(following))
    else:
        print_hits(hits[:size], following)


@app.command
def why(document_id: str, /, *, json: Json = False, session: Here) -> None:
    """Show why a document is there: the job that made it, and the documents that went into it."""
    from quaero.cli.document_views import print_lineage
    from quaero.cli.output import console, write_json

    with session.app() as opened:
        lineage = opened.documents.lineage(document_id)
        uses = opened.documents.uses(document_id)
        used_by = opened.documents.used_by(document_id)
    if json:
        import msgspec

        write_json({**msgspec.structs.asdict(lineage), "runs": uses, "used_by": used_by})
    else:
        print_lineage(lineage, uses, used_by, console())


def _without_content(document: Document) -> dict[str, Any]:
    import msgspec

    facts = msgspec.structs.asdict(document)
    del facts["content"]
    return facts


def _hit(hit: SearchHit) -> dict[str, Any]:
    """A hit calls its document as every other command does: ``id``."""
    import msgspec

    facts = msgspec.structs.asdict(hit)
    return {"id": facts.pop("document_id"), **facts}
