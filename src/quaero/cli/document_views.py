"""Documents as text: lists, one in full, hits with their snippets, lineage."""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec
from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from quaero.cli.output import console, local_time, one_line, plain, say, table
from quaero.model.document import Document, LineageNode, SearchHit
from quaero.model.document_views import DocumentUse

MARKS = ("\ue000", "\ue001")
"""Around the hits in a snippet: characters of the private use area, which no honest text holds."""
_MARKED = re.compile(f"{MARKS[0]}(.*?){MARKS[1]}", re.DOTALL)


def print_documents(documents: Sequence[Document], following: str | None) -> None:
    """A page of documents."""
    rows = table("id", "type", "title", "tags", "updated")
    for one in documents:
        gone = " (gone)" if one.gone_at else ""
        tags = one_line(" ".join(one.tags), 50)
        rows.add_row(one.id, one.source_type, one_line(one.title, 60) + gone, tags, local_time(one.updated_at))
    if documents:
        console().print(rows)
    else:
        say("no documents")
    if following is not None:
        say(f"there are more: --cursor {following}")


def print_document(document: Document, uses: Sequence[DocumentUse], on: Console) -> None:
    """One document, its content as it is."""
    on.print(Text(one_line(document.title), style="bold"))
    facts = {
        "id": document.id,
        "source": f"{document.source_type} {document.source_id}",
        "url": document.url,
        "tags": " ".join(document.tags),
        "revision": f"{document.revision}, {local_time(document.updated_at)}",
        "last synced": local_time(document.last_synced),
        "gone": local_time(document.gone_at),
        "runs": _used(uses),
    }
    for name, value in facts.items():
        if value:
            on.print(Text(f"  {name:<12}", style="dim").append(one_line(value), style="default"))
    for name, value in document.metadata.items():
        text = value if isinstance(value, str) else msgspec.json.encode(value, enc_hook=str).decode()
        on.print(Text(f"  {one_line(name):<12} ", style="dim").append(one_line(text), style="default"))
    on.print()
    on.print(Text(plain(document.content)))


def print_hits(hits: Sequence[SearchHit], following: int | None) -> None:
    """Hits of a search, best first."""
    on = console()
    for hit in hits:
        on.print(Text(one_line(hit.title), style="bold").append(f"  {hit.document_id}", style="dim not bold"))
        on.print(Text(f"  {hit.source_type} {one_line(hit.source_id)}", style="dim"))
        on.print(Text("  ").append_text(highlighted(hit.snippet, in_colour=on.is_terminal)))
    if not hits:
        say("nothing found")
    if following is not None:
        say(f"there are more: --cursor {following}")


def highlighted(snippet: str, *, in_colour: bool) -> Text:
    """A snippet in one line: hits are bold, or in brackets where there are no colours."""
    text, end = Text(), 0
    line = one_line(snippet)
    for match in _MARKED.finditer(line):
        text.append(line[end : match.start()])
        text.append(match[1] if in_colour else f"[{match[1]}]", style="bold yellow")
        end = match.end()
    text.append(line[end:])
    return text


def print_lineage(node: LineageNode, uses: Sequence[DocumentUse], used_by: Sequence[LineageNode], on: Console) -> None:
    """The tree of what a document was made from, and what was made from it."""
    tree = Tree(_node(node))
    _grow(tree, node)
    on.print(tree)
    if uses:
        on.print(Text(f"in {_used(uses)}", style="dim"))
    for child in used_by:
        on.print(Text("went into ", style="dim").append_text(_node(child)))


def _grow(tree: Tree, node: LineageNode) -> None:
    for parent in node.derived_from:
        _grow(tree.add(_node(parent)), parent)


def _node(node: LineageNode) -> Text:
    text = Text(one_line(node.title, 80), style="bold")
    text.append(f"  {node.source_type} {one_line(node.source_id)}  {node.document_id}", style="dim not bold")
    if node.manager_id is not None:
        made = f"\n  revision {node.revision}, made by run {node.manager_id} step {node.step_name}"
        made += f" ({node.worker_type}) job {node.job_id} attempt {node.attempt}, {local_time(node.made_at)}"
        text.append(made, style="not bold")
    if node.stale:
        text.append("\n  has changed since", style="yellow not bold")
    return text


def _used(uses: Sequence[DocumentUse]) -> str:
    return ", ".join(f"run {use.manager_id} ({use.step_name}: {use.how})" for use in uses)
