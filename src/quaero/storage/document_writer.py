"""Writes a batch of outcomes into the documents tables: one statement per kind of change, whatever the batch's size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from quaero.storage.database import Connection
from quaero.storage.document_plan import BatchPlan, DocumentChanges, Row, State
from quaero.storage.document_prepare import PreparedDocuments
from quaero.storage.statements import statements

KEPT_REVISIONS = 10
SLICE_BYTES = 16 * 1024 * 1024
"""Of texts in one statement: bounds the memory that a batch of large documents takes twice."""
_encode = msgspec.json.encode


class DocumentWriter:
    """Applies prepared documents on a connection whose transaction its caller opens and commits.

    Checks no fence: what it is given, it writes.
    """

    def __init__(self, db: Connection) -> None:
        self._db = db
        self._sql = statements(db.dialect, "documents")

    def apply(self, batch: Sequence[PreparedDocuments], now: int) -> DocumentChanges:
        """Write ``batch`` in its order; ``now`` in microseconds. A missing document is reported, not raised."""
        plan = BatchPlan(self._first_number(), now)
        self._look_up(plan, batch)
        plan.replay(batch)
        self._write_existing(plan, now)
        self._write_new(plan, now)
        self._write_relations(plan, now)
        return plan.changes

    def link(self, manager_id: int, step_id: int, step_name: str, ids: Sequence[str]) -> DocumentChanges:
        """Make ``ids`` documents of a run's step (reused), as a provider does on a hit. Unknown ids are left out."""
        plan = BatchPlan(0, 0)
        self._find_by_ids(plan, dict.fromkeys(ids, 0))
        self._find_links(plan, {(no, manager_id) for no in plan.numbers((), ids)})
        plan.steps[manager_id, step_name] = step_id
        for id_ in ids:
            plan.link(manager_id, step_id, id_)
        self._write_links(plan)
        return plan.changes

    def copy_runs(self, from_manager: int, to_manager: int, steps: Mapping[int, int]) -> dict[int, int]:
        """Let a rerun take over documents: ``steps`` is old step id -> new one.

        Returns new step id -> documents that are new to ``to_manager``: add to document_count.
        """
        params = {"from_manager": from_manager, "to_manager": to_manager, "steps": _text(dict(steps))}
        counts: dict[int, int] = dict(self._db.fetch_all(self._sql["count_copies"], params))
        self._db.run(self._sql["copy_steps"], params)
        self._db.run(self._sql["copy_links"], params)
        return counts

    def forget_run(self, manager_id: int) -> None:
        """Drop a run's links; its documents stay."""
        self._db.run(self._sql["forget_links"], {"manager_id": manager_id})
        self._db.run(self._sql["forget_steps"], {"manager_id": manager_id})

    def _first_number(self) -> int:
        return int(self._db.fetch_value(self._sql["last_number"]) or 0) + 1

    def _look_up(self, plan: BatchPlan, batch: Sequence[PreparedDocuments]) -> None:
        keys: list[tuple[str, str]] = []
        ids: dict[str, int] = {}
        for job in batch:
            for draft in job.drafts:
                keys.append((draft.source_type, draft.source_id))
                if draft.derived_from:
                    ids.update((id_, ids.get(id_, 0)) for id_ in draft.derived_from)
            if job.unchanged or job.gone:
                ids.update((id_, ids.get(id_, 0)) for id_ in (*job.unchanged, *job.gone))
            if job.enrichments:
                ids.update((item.document_id, 1) for item in job.enrichments)
        self._find_by_ids(plan, ids)
        if keys:
            for row in self._db.fetch_all(self._sql["find_by_keys"], {"keys": _text(keys)}):
                plan.see(Row._make(row))
        if plan.all:
            self._find_links(plan, _pairs(plan, batch))

    def _find_by_ids(self, plan: BatchPlan, ids: dict[str, int]) -> None:
        if ids:
            for row in self._db.fetch_all(self._sql["find_by_ids"], {"ids": _text(ids)}):
                plan.see(Row._make(row))

    def _find_links(self, plan: BatchPlan, pairs: set[tuple[int, int]]) -> None:
        if pairs:
            for row in self._db.fetch_all(self._sql["find_links"], {"pairs": _text(list(pairs))}):
                plan.see_link(*row)

    def _write_existing(self, plan: BatchPlan, now: int) -> None:
        """The order matters: the index forgets a text, and the archive takes it, before it changes."""
        existing = [state for state in plan.all if not state.is_new]
        if not existing:
            return
        rewritten = [state for state in existing if state.is_rewritten]
        retagged = [state for state in existing if state.is_retagged]
        reindexed = [state.no for state in existing if state.is_rewritten or state.is_retagged]
        self._run("sync", now, nos=[state.no for state in existing if state.is_synced])
        self._run("refresh", None, rows=[(no, d.url, d.metadata) for no, d in plan.refreshed.items()])
        self._run("archive", None, nos=[state.no for state in rewritten])
        self._run("unindex", None, nos=reindexed)
        self._run("rewrite", now, rows=[_rewritten(state) for state in rewritten])
        for rows in _slices((state.no, state.body.content) for state in rewritten):
            self._run("rewrite_contents", None, rows=rows)
        self._run("retag", None, rows=[(state.no, _raw(state.tags)) for state in retagged])
        self._run("index", None, nos=reindexed)
        self._run("enrich", None, rows=[(s.no, _raw(s.enrichments)) for s in existing if s.is_enriched])
        self._run("mark_gone", now, nos=[state.no for state in existing if state.is_gone])

    def _write_new(self, plan: BatchPlan, now: int) -> None:
        if not plan.new:
            return
        encoded: dict[tuple[str, ...], msgspec.Raw] = {}
        rows = []
        for state in plan.new:
            tags = encoded.get(state.tags)
            if tags is None:
                tags = encoded[state.tags] = _raw(state.tags)
            rows.append(_inserted(state, tags))
        first = plan.first_no
        self._db.run(self._sql["insert_documents"], {"rows": _text(rows), "first": first, "now": now})
        offset = first
        for contents in _slices((state.body.content,) for state in plan.new):
            texts = _text([content for (content,) in contents])
            self._db.run(self._sql["insert_contents"], {"contents": texts, "first": offset})
            offset += len(contents)
        self._db.run(self._sql["index_new"], {"first": first})

    def _write_relations(self, plan: BatchPlan, now: int) -> None:
        if plan.passed:
            for passed in _slices((p.no, p.revision, p.body.title, p.body.url, p.body.metadata, p.origin,
                                   p.body.content_hash, p.body.content) for p in plan.passed):  # fmt: skip
                self._run("archive_passed", now, rows=passed)
        many = [s for s in plan.all if s.revision > KEPT_REVISIONS + 1 and (s.is_rewritten or s.is_new)]
        self._run("prune", None, rows=[(state.no, state.revision - KEPT_REVISIONS) for state in many])
        if plan.new_tags:
            groups = {tag: plan.new_tags[tag] for tag in sorted(plan.new_tags)}
            self._db.run(self._sql["insert_tags"], {"groups": _text(groups)})
        self._write_links(plan)
        derived = [state for state in plan.all if state.edges is not None]
        self._run("cut_lineage", None, nos=[state.no for state in derived if not state.is_new])
        self._run("insert_lineage", now, rows=[edge for state in derived for edge in state.edges or ()])

    def _write_links(self, plan: BatchPlan) -> None:
        if not plan.new_links:
            return
        groups: dict[tuple[int, int, str], list[int]] = {}
        for (manager_id, step_id, no), how in plan.new_links.items():
            groups.setdefault((manager_id, step_id, how), []).append(no)
        linked = {step_id for _, step_id, _ in groups}
        steps = [(manager, name, step_id) for (manager, name), step_id in plan.steps.items() if step_id in linked]
        self._run("insert_steps", None, rows=steps)
        rows = [(manager_id, step_id, how, nos) for (manager_id, step_id, how), nos in groups.items()]
        self._db.run(self._sql["insert_links"], {"groups": _text(rows)})

    def _run(self, name: str, now: int | None, **lists: Sequence[Any]) -> None:
        """One statement over one list; nothing at all for an empty one."""
        [(parameter, values)] = lists.items()
        if values:
            params: dict[str, Any] = {parameter: _text(values)}
            if now is not None:
                params["now"] = now
            self._db.run(self._sql[name], params)


def _pairs(plan: BatchPlan, batch: Sequence[PreparedDocuments]) -> set[tuple[int, int]]:
    """(document, run) of all that may be linked and existed before."""
    pairs: set[tuple[int, int]] = set()
    for job in batch:
        keys = ((draft.source_type, draft.source_id) for draft in job.drafts)
        ids = (*job.unchanged, *(item.document_id for item in job.enrichments))
        pairs.update((no, job.manager_id) for no in plan.numbers(keys, ids))
    return pairs


def _inserted(state: State, tags: msgspec.Raw) -> tuple[Any, ...]:
    body = state.body
    enrichments = _raw(state.enrichments) if state.enrichments else "{}"
    return (
        state.id, state.source_type, state.source_id, body.title, body.url, tags, body.metadata, state.origin,
        state.revision, state.content_hash, enrichments,
    )  # fmt: skip


def _rewritten(state: State) -> tuple[Any, ...]:
    body = state.body
    return (state.no, body.title, body.url, body.metadata, state.origin, state.revision, state.content_hash)


def _slices(rows: Iterable[tuple[Any, ...]]) -> Iterator[list[tuple[Any, ...]]]:
    """``rows`` in lists of about SLICE_BYTES; a row's last value is its text."""
    part: list[tuple[Any, ...]] = []
    size = 0
    for row in rows:
        part.append(row)
        size += len(memoryview(row[-1]))
        if size > SLICE_BYTES:
            yield part
            part, size = [], 0
    if part:
        yield part


def _raw(value: Any) -> msgspec.Raw:
    return msgspec.Raw(_encode(value))


def _text(value: Any) -> str:
    return _encode(value).decode()
