"""What people do to documents: delete them, and change their tags. One turn each, up to a thousand at once."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from quaero.errors import BadData
from quaero.queue.turn import Turn

AT_ONCE = 1_000
OWN_TAGS = ("source_type:",)
"""How tags begin that say what a document is: queries rely on them."""


class Edited(msgspec.Struct, frozen=True, kw_only=True):
    """``missing``: ids of no document; the others are done."""

    done: list[str]
    missing: list[str]


def delete_documents(turn: Turn, ids: Sequence[str]) -> Edited:
    """With revisions, lineage, tags and links to runs; they are found no more. A run that makes one again makes it new.

    The counters of steps still tell of them. Raises BadData for too many ids.
    """
    _refuse_many(ids)
    return _edited(ids, turn.tx.upkeep.delete_documents(ids))


def retag_documents(turn: Turn, ids: Sequence[str], *, add: Sequence[str] = (), remove: Sequence[str] = ()) -> Edited:
    """Add and remove tags; they are written as all tags are, lower-case and with single spaces.

    Makes no revision. A run that makes a document again adds the tags of its step again.

    Raises:
        BadData: too many ids, no tag at all, one that is to be added and removed, or one that can't be changed.
    """
    _refuse_many(ids)
    if not add and not remove:
        raise BadData("no tag to add or to remove")
    both = {_plain(tag) for tag in add} & {_plain(tag) for tag in remove}
    if both:
        raise BadData(f"tag {min(both)!r} can't be added and removed at once")
    for tag in (*add, *remove):
        if _plain(tag).startswith(OWN_TAGS):
            raise BadData(f"tag {tag!r} says what a document is; it can't be changed")
        if not _plain(tag):
            raise BadData("a tag is empty")
    return _edited(ids, turn.tx.upkeep.retag_documents(ids, add, remove))


def _edited(ids: Sequence[str], done: list[str]) -> Edited:
    found = set(done)
    return Edited(done=done, missing=[id_ for id_ in dict.fromkeys(ids) if id_ not in found])


def _refuse_many(ids: Sequence[str]) -> None:
    if len(ids) > AT_ONCE:
        raise BadData(f"{len(ids)} documents at once; at most {AT_ONCE:,}")


def _plain(tag: str) -> str:
    return " ".join(tag.lower().split())
