"""What a batch of outcomes does to documents, worked out in memory before anything is written.

The plan replays the outcomes in order over the state that the database had before the batch, so that drafts of one
document in several jobs, or a draft and an enrichment of it, end as they would one by one. It knows no SQL.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal, NamedTuple

import msgspec
from uuid_utils import uuid7

from quaero.storage.document_prepare import PreparedDocuments, PreparedDraft, PreparedEnrichment

Change = Literal["created", "updated", "unchanged", "enriched", "gone"]
How = Literal["made", "reused", "enriched"]
_RANK: dict[str, int] = {"enriched": 0, "reused": 1, "made": 2}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class DocumentChange(msgspec.Struct, frozen=True, gc=False):
    """What one job did to one document. The first three kinds are documents of the job's result."""

    id: str
    source_type: str
    source_id: str
    revision: int
    change: Change


class DocumentChanges(msgspec.Struct, frozen=True):
    """What a batch did."""

    linked: dict[tuple[int, int], int]
    """(manager_id, step_id) -> documents that the step made or reused first in that run: add to document_count."""
    jobs: dict[int, list[DocumentChange]]
    """Job id -> its documents, in the outcome's order."""
    refused: dict[int, list[str]]
    """Job id -> what could not be done, as a sentence with the id in it. The rest of the outcome stands."""


class Row(NamedTuple):
    """A document as the look-up finds it."""

    no: int
    id: str
    source_type: str
    source_id: str
    revision: int
    content_hash: str
    tags: str
    is_gone: int
    enrichments: str | None


class Passed(NamedTuple):
    """A revision that was made and replaced within the batch."""

    no: int
    revision: int
    body: PreparedDraft
    origin: msgspec.Raw


class Edge(NamedTuple):
    child: int
    parent: int
    parent_hash: str
    origin: msgspec.Raw


_UNTOUCHED = PreparedDraft("", "", "", msgspec.Raw(), "", (), msgspec.Raw(), msgspec.Raw(), ())
"""Stands for the body of a document that the batch has not written."""


class State(msgspec.Struct, eq=False):
    """One document: as found, then as the batch leaves it."""

    no: int
    id: str
    source_type: str
    source_id: str
    revision: int = 1
    content_hash: str = ""
    tags: tuple[str, ...] = ()
    enrichments: dict[str, msgspec.Raw] = {}
    body: PreparedDraft = _UNTOUCHED
    """What the batch wrote last."""
    origin: msgspec.Raw = _UNTOUCHED.metadata
    edges: list[Edge] | None = None
    """Its new lineage; None: as it was."""
    is_new: bool = False
    is_rewritten: bool = False
    is_retagged: bool = False
    is_enriched: bool = False
    is_synced: bool = False
    is_gone: bool = False

    @classmethod
    def found(cls, row: Row) -> State:
        return cls(
            row.no,
            row.id,
            row.source_type,
            row.source_id,
            row.revision,
            row.content_hash,
            _read_tags(row.tags),
            _read_enrichments(row.enrichments) if row.enrichments else {},
            is_gone=bool(row.is_gone),
        )


class BatchPlan:
    """Replays one batch. First :meth:`see` what the database has, then :meth:`replay`, then read the results."""

    def __init__(self, first_no: int, now: int) -> None:
        self.first_no = first_no
        self._next_no = first_no
        self._date_tag = f"date:{EPOCH + timedelta(microseconds=now):%Y-%m-%d}"
        self._dated: dict[tuple[str, ...], tuple[str, ...]] = {}
        self._by_key: dict[tuple[str, str], State] = {}
        self._by_id: dict[str, State] = {}
        self._by_no: dict[int, State] = {}
        self._links: dict[tuple[int, int, int], str] = {}
        self._counted: set[tuple[int, int]] = set()

        self.new: list[State] = []
        self.refreshed: dict[int, PreparedDraft] = {}
        self.passed: list[Passed] = []
        self.new_tags: dict[str, list[int]] = {}
        self.new_links: dict[tuple[int, int, int], str] = {}
        self.steps: dict[tuple[int, str], int] = {}
        self.changes = DocumentChanges({}, {}, {})

    def see(self, row: Row) -> None:
        """Tell the plan about a document that exists. Rows with enrichments first, where both kinds come."""
        if row.no not in self._by_no:
            state = State.found(row)
            self._by_no[row.no] = self._by_id[row.id] = self._by_key[row.source_type, row.source_id] = state

    def see_link(self, document: int, manager_id: int, step_id: int, how: str) -> None:
        self._links[manager_id, step_id, document] = how
        if how != "enriched":
            self._counted.add((manager_id, document))

    def numbers(self, keys: Iterable[tuple[str, str]], ids: Iterable[str]) -> list[int]:
        """Numbers of those of the documents that exist."""
        found = [self._by_key[key].no for key in keys if key in self._by_key]
        found.extend(self._by_id[id_].no for id_ in ids if id_ in self._by_id)
        return found

    @property
    def all(self) -> list[State]:
        """Every document that the batch touches or names."""
        return list(self._by_no.values())

    def replay(self, batch: Sequence[PreparedDocuments]) -> None:
        for job in batch:
            done: list[DocumentChange] = []
            refused: list[str] = []
            self.steps[job.manager_id, job.step_name] = job.step_id
            done.extend([self._draft(job, draft, refused) for draft in job.drafts])
            for item in job.enrichments:
                if state := self._known(item.document_id, "enrichment", refused):
                    done.append(self._enrich(job, state, item))  # noqa: PERF401 (not at once: it changes the state)
            for id_ in job.unchanged:
                if state := self._known(id_, "unchanged", refused):
                    self._sync(state)
                    self._link(job, state, "reused")
                    done.append(_change(state, "unchanged"))
            for id_ in job.gone:
                if state := self._known(id_, "gone", refused):
                    state.is_gone = True
                    done.append(_change(state, "gone"))
            self.changes.jobs[job.job_id] = done
            if refused:
                self.changes.refused[job.job_id] = refused

    def link(self, manager_id: int, step_id: int, id_: str) -> bool:
        """Link a document that exists; False where it doesn't."""
        state = self._by_id.get(id_)
        if state is not None:
            self._link_to(manager_id, step_id, state.no, "reused")
        return state is not None

    def _known(self, id_: str, what: str, refused: list[str]) -> State | None:
        state = self._by_id.get(id_)
        if state is None:
            refused.append(f"{what}: no document {id_}")
        return state

    def _draft(self, job: PreparedDocuments, draft: PreparedDraft, refused: list[str]) -> DocumentChange:
        state = self._by_key.get((draft.source_type, draft.source_id))
        change: Change
        if state is None:
            state, change = self._create(job, draft), "created"
        elif state.content_hash == draft.content_hash:
            self._keep(state, draft)
            change = "unchanged"
        else:
            self._rewrite(job, state, draft)
            change = "updated"
        self._link(job, state, "reused" if change == "unchanged" else "made")
        if draft.derived_from or not state.is_new or state.edges:
            state.edges = self._edges(job, state, draft, refused)
        return _change(state, change)

    def _create(self, job: PreparedDocuments, draft: PreparedDraft) -> State:
        no = self._next_no
        self._next_no = no + 1
        tags = self._dated.get(draft.tags)
        if tags is None:
            tags = self._dated[draft.tags] = tuple(sorted({*draft.tags, self._date_tag}))
        for tag in tags:
            self._tagged(tag, no)
        state = State(
            no,
            "doc_" + uuid7().hex,
            draft.source_type,
            draft.source_id,
            content_hash=draft.content_hash,
            tags=tags,
            body=draft,
            origin=job.origin,
            is_new=True,
        )
        self._by_key[draft.source_type, draft.source_id] = self._by_id[state.id] = self._by_no[no] = state
        self.new.append(state)
        return state

    def _keep(self, state: State, draft: PreparedDraft) -> None:
        self._sync(state)
        self._add_tags(state, draft.tags)
        if state.body is _UNTOUCHED:
            self.refreshed[state.no] = draft
        else:
            state.body = draft

    def _rewrite(self, job: PreparedDocuments, state: State, draft: PreparedDraft) -> None:
        if state.body is not _UNTOUCHED:
            self.passed.append(Passed(state.no, state.revision, state.body, state.origin))
        state.is_rewritten = not state.is_new
        state.revision += 1
        state.content_hash = draft.content_hash
        state.body = draft
        state.origin = job.origin
        self._sync(state)
        self._add_tags(state, draft.tags)

    def _enrich(self, job: PreparedDocuments, state: State, item: PreparedEnrichment) -> DocumentChange:
        state.enrichments[item.name] = item.value
        state.is_enriched = True
        self._add_tags(state, item.tags)
        self._link(job, state, "enriched")
        return _change(state, "enriched")

    def _sync(self, state: State) -> None:
        state.is_synced = True
        state.is_gone = False

    def _add_tags(self, state: State, tags: tuple[str, ...]) -> None:
        missing = [tag for tag in tags if tag not in state.tags]
        if missing:
            state.tags = tuple(sorted((*state.tags, *missing)))
            state.is_retagged = True
            for tag in missing:
                self._tagged(tag, state.no)

    def _tagged(self, tag: str, no: int) -> None:
        numbers = self.new_tags.get(tag)
        if numbers is None:
            self.new_tags[tag] = [no]
        else:
            numbers.append(no)

    def _edges(self, job: PreparedDocuments, state: State, draft: PreparedDraft, refused: list[str]) -> list[Edge]:
        parents = (self._known(id_, "derived_from", refused) for id_ in draft.derived_from)
        return [Edge(state.no, p.no, p.content_hash, job.origin) for p in parents if p and p is not state]

    def _link(self, job: PreparedDocuments, state: State, how: How) -> None:
        self._link_to(job.manager_id, job.step_id, state.no, how)

    def _link_to(self, manager_id: int, step_id: int, no: int, how: How) -> None:
        link = (manager_id, step_id, no)
        before = self._links.get(link)
        if before is None or _RANK[before] < _RANK[how]:
            self._links[link] = self.new_links[link] = how
        if how != "enriched" and (manager_id, no) not in self._counted:
            self._counted.add((manager_id, no))
            step = (manager_id, step_id)
            self.changes.linked[step] = self.changes.linked.get(step, 0) + 1


def _change(state: State, change: Change) -> DocumentChange:
    return DocumentChange(state.id, state.source_type, state.source_id, state.revision, change)


_read_tags = msgspec.json.Decoder(tuple[str, ...]).decode
_read_enrichments = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
